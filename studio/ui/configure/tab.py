"""The Configure tab: which model learns, how, and what that will mean; and the button that starts it.

Lays out and connects. What is right stands in `studio.config`, what is shown in `configure_drawing`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.config import STARTER, setting_named
from studio.models.catalog import KNOWN_MODELS
from studio.models.presets import BALANCED
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure import actions, preset_cards, view
from studio.ui.configure.view import LED, PARTS
from studio.ui.data.held_out import HeldOut
from studio.ui.kit import form, fragments
from studio.ui.kit.actions import action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html, unchecked
from studio.ui.kit.errors import report_errors

PRICE_KEY = "lora-studio-price-per-hour"


@dataclass(frozen=True)
class ConfigureTab:
    """The components of the tab. `controls` holds one for each setting, `shown` one for each part that is drawn."""

    controls: Mapping[str, gr.components.Component]
    shown: Mapping[str, Block]
    preset: gr.State
    price: gr.Number
    kept_price: gr.BrowserState
    started: gr.Textbox
    drawn: gr.State
    source: gr.HTML
    """Whose settings these are, where they were taken over from a run."""
    editing: gr.State
    """The run whose settings are being changed, by its id."""

    @property
    def model(self) -> gr.components.Component:
        """The chooser of the base model."""
        return self.controls["model"]


def build() -> ConfigureTab:
    """Lay the tab out."""
    controls: dict[str, gr.components.Component] = {}
    parts: dict[str, Block] = {}
    with gr.Row():
        with gr.Column(scale=7):
            source = action_html(elem_id="configure-source")
            _build_start(controls, parts)
            _build_training(controls, parts)
            _build_more(controls, parts)
        with gr.Column(scale=5, elem_classes="ls-card ls-side"):
            html(fragments.heading("What will happen"))
            parts["plan"] = action_html(elem_id="plan")
            price = _build_price()
            label = "Choose a data set first"
            parts["start"] = gr.Button(label, variant="primary", interactive=False, elem_id="start")
            started = gr.Textbox(visible=False, label="Run id")
    with gr.Column(elem_classes="ls-card"):
        text = "The same data and settings for each, on this machine."
        html(fragments.heading("Full, LoRA and QLoRA side by side", text))
        parts["methods"] = action_html(elem_id="methods")
    return ConfigureTab(
        controls=controls,
        shown=parts,
        preset=gr.State(BALANCED),
        price=price,
        kept_price=gr.BrowserState(None, storage_key=PRICE_KEY, secret="lora-studio"),
        started=started,
        drawn=gr.State(None),
        source=source,
        editing=gr.State(""),
    )


def _build_start(controls: dict[str, gr.components.Component], parts: dict[str, Block]) -> None:
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Starting point"))
        controls["model"] = _build_model()
        parts["model_state"] = html("", elem_id="model-state")
        parts["fetch"] = gr.Button("Fetch it now", size="sm", visible=False, elem_id="model-fetch")
        controls |= {name: form.control(name) for name in form.START[1:]}


def _build_training(controls: dict[str, gr.components.Component], parts: dict[str, Block]) -> None:
    with gr.Column(elem_classes="ls-card"):
        text = "Choose how thorough to be. The settings below follow, and each can be changed."
        html(fragments.heading("Training", text))
        parts["presets"] = action_html(preset_cards.presets(BALANCED, {}), elem_id="presets")
        with gr.Column(elem_classes="ls-grid"):
            controls |= {name: form.control(name) for name in form.SIMPLE}
        parts["reasons"] = action_html(elem_id="reasons")


def _build_more(controls: dict[str, gr.components.Component], parts: dict[str, Block]) -> None:
    label = view.more_label(0)
    with gr.Accordion(label, open=False, elem_classes="ls-more", elem_id="more-settings") as parts["more"]:
        for title, names in form.GROUPS:
            with gr.Column() as parts[title.lower()]:
                html(fragments.subheading(title))
                with gr.Column(elem_classes="ls-grid"):
                    controls |= {name: form.control(name) for name in names}
        parts["more_reasons"] = action_html(elem_id="more-reasons")


def _build_model() -> gr.Dropdown:
    each = setting_named("model")
    choices = [(known.title, known.id) for known in KNOWN_MODELS]
    look: dict[str, Any] = {"label": each.label, "info": each.help, "elem_id": "setting-model"}
    return gr.Dropdown(choices, value=STARTER, allow_custom_value=True, **look)


def _build_price() -> gr.Number:
    # Its own check has no sentence for a field that was emptied.
    return unchecked(gr.Number)(
        label="Price per hour",
        info="What an hour of this machine costs you, 0 when nothing.",
        elem_id="price",
        elem_classes="ls-price",
    )


def wire(
    tab: ConfigureTab,
    *,
    studio: Studio,
    facts: ModelFacts,
    dataset: gr.Dropdown,
    held_out: HeldOut,
    timer: gr.Timer,
    opened: Callable[..., Any],
) -> gr.events.Dependency:
    """Connect the tab, and return the event of a started run for the Train tab to follow.

    `dataset` holds the id of the data set to learn from; the settings in `held_out` stand on the Data tab. `opened` is
    the event of the tab being opened.
    """
    controls = {**tab.controls, **held_out.controls}
    inputs: dict[str, Block] = {"dataset_id": dataset, "validation_dataset_id": held_out.other, **controls}
    looked_at = (dataset, held_out.other, tab.preset, tab.price, *controls.values())
    changes = [component.change for component in looked_at]  # type: ignore[attr-defined]
    gr.on(
        [timer.tick, opened, *changes],
        report_errors(functools.partial(actions.redraw, studio, facts)),
        inputs_kwargs={
            **inputs,
            "preset": tab.preset,
            "price": tab.price,
            "kept_price": tab.kept_price,
            "drawn": tab.drawn,
        },
        outputs=[*(tab.shown[name] for name in PARTS), *(controls[name] for name in LED), tab.price, tab.drawn],
        trigger_mode="always_last",
        **QUIET,
    )
    tab.price.input(lambda price: price, inputs=[tab.price], outputs=[tab.kept_price], **QUIET)
    _wire_presses(tab, controls)
    fetch, start = tab.shown["fetch"], tab.shown["start"]
    assert isinstance(fetch, gr.Button)
    assert isinstance(start, gr.Button)
    fetch.click(report_errors(functools.partial(actions.fetch_model, studio)), inputs=[tab.model], **ACTING)
    return start.click(
        report_errors(functools.partial(actions.start_run, studio)),
        inputs_kwargs=inputs,
        outputs=[tab.started],
        validator=form.check_form,
        show_progress="hidden",
        show_progress_on=[],
        api_name="start_run",
        api_description="Start a run with these settings on a stored data set, and return the run's id.",
    )


def _wire_presses(tab: ConfigureTab, controls: Mapping[str, gr.components.Component]) -> None:
    """Connect the buttons inside what is drawn: each sets controls, and what follows is drawn as after any change."""
    outputs = [tab.preset, *controls.values()]
    for name in ("presets", "reasons", "more_reasons", "plan", "methods"):
        component = tab.shown[name]
        assert isinstance(component, gr.HTML)
        on_action(
            component,
            functools.partial(actions.press, tuple(controls)),
            inputs_kwargs={"drawn": tab.drawn},
            outputs=outputs,
            **QUIET,
        )
