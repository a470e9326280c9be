"""The look of the page: colours, spacing and type as a Gradio theme. What a theme cannot say stands in style sheets.

Only fonts that the reader's own system has: nothing is fetched.
"""

from pathlib import Path

from gradio.themes import Base, Color, sizes

KIT = Path(__file__).parent
_FIRST, _LAST = KIT / "style.css", KIT / "phone.css"
STYLE_SHEETS = (_FIRST, *sorted({*KIT.parent.glob("*/style.css")} - {_FIRST}), _LAST)

SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "Noto Sans Mono", "monospace")

TEAL = Color(
    name="harbour",
    c50="#eefaf7",
    c100="#d3f2ea",
    c200="#a8e4d6",
    c300="#74cfbd",
    c400="#43b3a0",
    c500="#259686",
    c600="#147a6d",
    c700="#126158",
    c800="#124e48",
    c900="#12413c",
    c950="#062724",
)
STONE = Color(
    name="slate-stone",
    c50="#fafaf8",
    c100="#f3f3f0",
    c200="#e6e6e1",
    c300="#d2d2cb",
    c400="#a0a29c",
    c500="#72756f",
    c600="#555852",
    c700="#3b3e3a",
    c800="#252825",
    c900="#191c1a",
    c950="#101211",
)


def studio_theme() -> Base:
    """Build the studio's theme for light and dark."""
    theme = Base(
        primary_hue=TEAL,
        secondary_hue=TEAL,
        neutral_hue=STONE,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=SANS,
        font_mono=MONO,
    )
    return theme.set(**_surfaces(), **_controls(), **_buttons())


def _surfaces() -> dict[str, str]:
    return {
        "body_background_fill": "#f6f6f3",
        "body_background_fill_dark": "#121513",
        "body_text_color": "*neutral_900",
        "body_text_color_dark": "#e8eae6",
        "body_text_color_subdued": "*neutral_600",
        "body_text_color_subdued_dark": "#a3a8a1",
        "background_fill_primary": "white",
        "background_fill_primary_dark": "#1a1e1b",
        "background_fill_secondary": "*neutral_50",
        "background_fill_secondary_dark": "#202521",
        "border_color_primary": "*neutral_200",
        "border_color_primary_dark": "#2e342f",
        "block_background_fill": "transparent",
        "block_background_fill_dark": "transparent",
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_padding": "0",
        "block_label_background_fill": "transparent",
        "block_label_background_fill_dark": "transparent",
        "block_label_border_width": "0px",
        "block_label_text_color": "*neutral_600",
        "block_label_text_color_dark": "#a3a8a1",
        "block_title_text_color": "*body_text_color",
        "block_title_text_color_dark": "#e8eae6",
        "block_title_text_weight": "600",
        "block_title_text_size": "0.9rem",
        "block_info_text_color": "*neutral_600",
        "block_info_text_color_dark": "#a3a8a1",
        "block_info_text_size": "0.82rem",
        "panel_border_width": "0px",
        "layout_gap": "16px",
        "form_gap_width": "0px",
    }


def _controls() -> dict[str, str]:
    return {
        "input_background_fill": "white",
        "input_background_fill_dark": "#141815",
        "input_border_width": "1px",
        "input_border_color": "*neutral_300",
        "input_border_color_dark": "#3a413b",
        "input_border_color_focus": "*primary_500",
        "input_border_color_focus_dark": "*primary_400",
        "input_shadow": "none",
        "input_shadow_focus": "0 0 0 3px color-mix(in srgb, var(--primary-500) 22%, transparent)",
        "input_radius": "8px",
        "checkbox_background_color_selected": "*primary_600",
        "checkbox_background_color_selected_dark": "*primary_500",
        "checkbox_border_color": "*neutral_400",
        "checkbox_border_color_dark": "#5b635c",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_dark": "transparent",
        "checkbox_label_background_fill_selected": "*primary_50",
        "checkbox_label_background_fill_selected_dark": "#17322d",
        "checkbox_label_border_color_selected": "*primary_500",
        "checkbox_label_border_color_selected_dark": "*primary_500",
        "slider_color": "*primary_600",
        "slider_color_dark": "*primary_400",
        "color_accent_soft": "*primary_50",
        "color_accent_soft_dark": "#17322d",
    }


def _buttons() -> dict[str, str]:
    return {
        "button_primary_background_fill": "*primary_600",
        "button_primary_background_fill_dark": "*primary_600",
        "button_primary_background_fill_hover": "*primary_700",
        "button_primary_background_fill_hover_dark": "*primary_500",
        "button_primary_text_color": "white",
        "button_primary_text_color_dark": "white",
        "button_primary_border_color": "transparent",
        "button_secondary_background_fill": "white",
        "button_secondary_background_fill_dark": "#202521",
        "button_secondary_background_fill_hover": "*neutral_100",
        "button_secondary_background_fill_hover_dark": "#2a302b",
        "button_secondary_border_color": "*neutral_300",
        "button_secondary_border_color_dark": "#3a413b",
        "button_secondary_text_color": "*neutral_800",
        "button_secondary_text_color_dark": "#e8eae6",
        "button_cancel_background_fill": "white",
        "button_cancel_background_fill_dark": "#202521",
        "button_cancel_background_fill_hover": "#fdf0ee",
        "button_cancel_background_fill_hover_dark": "#3a211d",
        "button_cancel_text_color": "#b3321f",
        "button_cancel_text_color_dark": "#f19a8c",
        "button_cancel_border_color": "#e6b8b0",
        "button_cancel_border_color_dark": "#6d3a32",
        "button_border_width": "1px",
        "button_large_radius": "9px",
        "button_medium_radius": "8px",
        "button_small_radius": "7px",
        "button_large_padding": "11px 20px",
        "button_large_text_weight": "600",
        "button_small_padding": "5px 12px",
        "button_small_text_weight": "550",
        "button_large_text_size": "0.95rem",
    }
