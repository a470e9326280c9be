"""The Configure tab: which model learns from which data, how, and what that will take; and the button that starts it.

Lays out and connects. What is right stands in `studio.config`, what is shown in `view`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from studio.config import STARTER, RunConfig, setting_named
from studio.models.catalog import KNOWN_MODELS
from studio.models.presets import BALANCED
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure import actions, copied_settings, draft, explanations, plan_card, preset_cards, several, view
from studio.ui.configure.draft import Draft
from studio.ui.configure.state import Selection, settle
from studio.ui.data.tab import DataTab
from studio.ui.kit import form, fragments
from studio.ui.kit.components import html, token_field, unchecked
from studio.ui.kit.errors import report_errors
from studio.ui.kit.panel import Panel


@dataclass(frozen=True)
class ConfigureTab:
    """What other tabs need of it. `controls` are those of the settings that stand on it, by name.

    `start` is the listener of a started run, `started` holds the run's id; `saved` are those of a run whose settings
    were changed. `started_group` holds the id of a group of runs that was started.
    """

    panel: Panel[Selection]
    controls: Mapping[str, Component]
    started: gr.Textbox
    start: Dependency
    saved: Sequence[Dependency]
    started_group: gr.Textbox

    @property
    def model(self) -> Component:
        """The chooser of the base model."""
        return self.controls["model"]


def build(
    studio: Studio,
    facts: ModelFacts,
    *,
    tabs: gr.Tabs,
    data: DataTab,
    timer: gr.HTML,
    opened: Callable[..., Any],
) -> ConfigureTab:
    """Lay the tab out and connect it. `opened` is the event of the tab being opened.

    `data` holds the chooser of the data set to learn from, and the settings of what is held out.
    """
    panel = Panel(
        "configure", Selection(), draw=partial(view.draw, studio, facts), settle=partial(settle, studio, facts)
    )
    controls: dict[str, Component] = {}
    source = panel.action_html("source")
    with gr.Row():
        with gr.Column(scale=7):
            pressable, download = _build_choice(panel, controls)
        with gr.Column(scale=5, elem_classes="ls-card ls-side"):
            html(fragments.heading("What it takes"))
            pressable.append(panel.action_html("forecast"))
            controls |= {name: form.control(name) for name in ("place", "nodes", "name")}
            token, give = _build_token(panel)
            start = panel.part("start", _start_button())
            _build_details(panel)
            started = gr.Textbox(visible=False, label="Run id")
    start_several, started_group = several.build(panel)
    pressable.append(_build_advanced(panel, controls))
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Compare methods", "Estimated for your data and settings, on this machine."))
        pressable.append(panel.action_html("methods"))
    everything = {**controls, **data.held_out.controls}
    panel.form("settings", everything, read=form.read_config, show=shown)
    dataset = panel.input("dataset_id", data.library.version)
    other = panel.input("validation_dataset_id", data.held_out.other)
    panel.input("preset", gr.State(BALANCED))
    panel.input("taken_from", gr.State(None))
    # Until it is there, a browser sends nothing for it; what it sends then is never nothing.
    kept = unchecked(gr.BrowserState)(draft.written(Draft()), storage_key=draft.KEY, secret="lora-studio")
    panel.input("draft", kept)

    panel.redraws([timer.tick, opened])
    panel.on_action(partial(actions.press, facts), of=pressable, also={"tabs": tabs})
    saved = panel.on_action(partial(copied_settings.act, studio), of=[source])
    panel.on([download.click], partial(actions.download_model, studio))
    panel.on(
        [give.click, token.submit],
        partial(actions.give_token, studio),
        given={"token": token},
        also={"emptied_token": token},
    )
    listener = start.click(
        report_errors(partial(actions.start_run, studio)),
        inputs_kwargs={"dataset_id": dataset, "validation_dataset_id": other, **everything},
        outputs=[started],
        validator=form.check_form,
        show_progress="hidden",
        show_progress_on=[],
        api_name="start_run",
        api_description="Start a run with these settings on a stored data set, and return the run's id.",
    )
    panel.on_success(listener, actions.after_start)
    panel.on([start_several.click], partial(several.start, studio), also={"started_group": started_group})
    return ConfigureTab(panel, controls, started, listener, saved, started_group)


def _build_token(panel: Panel[Selection]) -> tuple[gr.Textbox, gr.Button]:
    """Lay out what a place on the Hub asks for; return the field of the token, which no state keeps, and its button."""
    with panel.part("hub", gr.Column(visible=False)):
        panel.html("hub_said")
        with panel.part("hub_token", gr.Column()):
            about = "It pays for your runs on the Hugging Face Hub. It is kept until the studio stops, and in no file."
            token = token_field(label="Your access token", info=about, elem_id="hub-token")
            give = gr.Button("Use this token", size="sm", elem_id="hub-token-give")
    return token, give


def _build_choice(panel: Panel[Selection], controls: dict[str, Component]) -> tuple[list[gr.HTML], gr.Button]:
    """Lay out data, model, method and preset; return what can be pressed in, and what downloads the model."""
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Your run"))
        data = panel.action_html("data")
        controls["model"] = _build_model()
        panel.html("model_state")
        download = panel.part("download", gr.Button("Download", size="sm", visible=False, elem_id="model-download"))
        controls["method"] = form.control("method")
        html(explanations.row(explanations.METHODS))
        html(fragments.subheading("How thorough"))
        presets = panel.action_html("presets", preset_cards.presets(BALANCED, {}))
    return [data, presets], download


def _start_button() -> gr.Button:
    return gr.Button(plan_card.START, variant="primary", interactive=False, elem_id="start")


def _build_details(panel: Panel[Selection]) -> None:
    with gr.Accordion("Details", open=False, elem_classes="ls-inner", elem_id="configure-more"):
        panel.html("details")
        # Its own check has no sentence for a field that was emptied.
        price = unchecked(gr.Number)(
            "",  # type: ignore[arg-type]  # for None the page shows 0
            label="Price per hour",
            info="Optional: what an hour of this machine costs you.",
            elem_id="price",
            elem_classes="ls-price",
        )
        panel.input("price", price)


def _build_advanced(panel: Panel[Selection], controls: dict[str, Component]) -> gr.HTML:
    """Lay out the settings that few people need, and why they are what they are."""
    label = view.advanced_label(0)
    with panel.part("advanced", gr.Accordion(label, open=False, elem_classes="ls-more", elem_id="advanced")):
        for title, names in form.GROUPS:
            group = gr.Column()
            with panel.part("adapter", group) if names is form.ADAPTER else group:
                html(fragments.subheading(title))
                if names is form.ADAPTER:
                    html(explanations.row(explanations.ADAPTER))
                with gr.Column(elem_classes="ls-grid"):
                    controls |= {name: form.control(name) for name in names}
        return panel.action_html("reasons")


def _build_model() -> gr.Dropdown:
    each = setting_named("model")
    choices = [(known.title, known.id) for known in KNOWN_MODELS]
    look: dict[str, Any] = {"label": each.label, "info": each.help, "elem_id": "setting-model"}
    return gr.Dropdown(choices, value=STARTER, allow_custom_value=True, **look)


def shown(name: str, settings: RunConfig) -> Any:
    return form.shown(name, getattr(settings, name))
