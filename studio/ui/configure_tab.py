"""The Configure tab: which model learns, how, and what that will mean; and the button that starts it.

Knows how to ask; what is right stands in `studio.config`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.config import CHOSEN, STARTER, setting_named
from studio.data.dataset_folders import Dataset
from studio.errors import DataError, StudioError
from studio.models.catalog import KNOWN_MODELS
from studio.runs.base_models import ModelState
from studio.runs.studio import Studio
from studio.ui import data_drawing, form, fragments, plan_card, run_choices
from studio.ui.components import QUIET, html
from studio.ui.data_held_out import HeldOut
from studio.ui.errors import shown
from studio.ui.reading import Here, Reading

NO_MODEL = ModelState(False, "No base model is chosen.")


@dataclass(frozen=True)
class ConfigureTab:
    """The components of the tab. `controls` holds one for each setting, by its name."""

    model: gr.Dropdown
    model_state: gr.HTML
    fetch: gr.Button
    controls: Mapping[str, gr.components.Component]
    max_length: gr.Number
    more: gr.Accordion
    plan: gr.HTML
    start: gr.Button
    started: gr.Textbox
    drawn: gr.State


def build() -> ConfigureTab:
    """Lay the tab out."""
    controls: dict[str, gr.components.Component] = {}
    with gr.Row():
        with gr.Column(scale=7):
            with gr.Column(elem_classes="ls-card"):
                html(fragments.heading("Starting point"))
                controls["model"] = model = _build_model()
                model_state = html("", elem_id="model-state")
                fetch = gr.Button("Fetch it now", size="sm", visible=False, elem_id="model-fetch")
                controls["method"] = form.control("method")
            with gr.Column(elem_classes="ls-card"):
                html(fragments.heading("Training", "The defaults suit a few hundred examples on a laptop."))
                with gr.Column(elem_classes="ls-grid"):
                    controls |= {name: form.control(name) for name in form.SIMPLE}
            with gr.Accordion(more_label(0), open=False, elem_classes="ls-more", elem_id="more-settings") as more:
                with gr.Column(elem_classes="ls-grid"):
                    controls |= {name: form.control(name) for name in form.MORE}
        with gr.Column(scale=5, elem_classes="ls-card ls-side"):
            html(fragments.heading("What will happen"))
            plan = html("", elem_id="plan")
            start = gr.Button("Choose a data set first", variant="primary", interactive=False, elem_id="start")
            started = gr.Textbox(visible=False, label="Run id")
    max_length = controls["max_length"]
    assert isinstance(max_length, gr.Number)
    return ConfigureTab(
        model=model,
        model_state=model_state,
        fetch=fetch,
        controls=controls,
        max_length=max_length,
        more=more,
        plan=plan,
        start=start,
        started=started,
        drawn=gr.State(None),
    )


def _build_model() -> gr.Dropdown:
    each = setting_named("model")
    choices = [(known.title, known.id) for known in KNOWN_MODELS]
    return gr.Dropdown(
        choices,
        value=STARTER,
        allow_custom_value=True,
        label=each.label,
        info=each.help,
        elem_id="setting-model",
    )


def more_label(number: int) -> str:
    """Head the further settings, so that a change in them does not hide."""
    return f"More settings ({number} changed from default)" if number else "More settings (all at their default)"


def wire(
    tab: ConfigureTab,
    *,
    studio: Studio,
    reading: Reading,
    dataset: gr.Dropdown,
    held_out: HeldOut,
    timer: gr.Timer,
) -> gr.events.Dependency:
    """Connect the tab, and return the event of a started run for the Train tab to follow.

    `dataset` holds the id of the data set to learn from; the settings in `held_out` stand on the Data tab.
    """
    controls = {**tab.controls, **held_out.controls}
    inputs: dict[str, Block] = {"dataset_id": dataset, "validation_dataset_id": held_out.other, **controls}
    changes = [component.change for component in (dataset, held_out.other, *controls.values())]  # type: ignore[attr-defined]
    gr.on(
        [timer.tick, *changes],
        shown(functools.partial(redraw, studio, reading)),
        inputs_kwargs={**inputs, "drawn": tab.drawn},
        outputs=[
            tab.model_state,
            tab.fetch,
            tab.controls["chosen_modules"],
            tab.more,
            tab.plan,
            tab.start,
            tab.drawn,
        ],
        trigger_mode="always_last",
        **QUIET,
    )
    tab.fetch.click(
        shown(functools.partial(fetch_model, studio)),
        inputs=[tab.model],
        api_visibility="private",
        show_progress="hidden",
    )
    return tab.start.click(
        shown(functools.partial(start_run, studio)),
        inputs_kwargs=inputs,
        outputs=[tab.started],
        validator=form.check_form,
        show_progress="hidden",
        api_name="start_run",
        api_description="Start a run with these settings on a stored data set, and return the run's id.",
    )


def fetch_model(studio: Studio, model: str | None) -> None:
    """Begin to fetch a base model; do nothing without a name. Raises RunError when that cannot be started."""
    if name := (model or "").strip():
        studio.prepare_model(name, retry=True)


def start_run(
    studio: Studio, *, dataset_id: str | None, validation_dataset_id: str | None = None, **values: Any
) -> str:
    """Start a run and return its id. Raises ConfigError, DataError or RunError."""
    if not dataset_id:
        raise gr.Error("No data set is chosen. Choose one on the Data tab.", title="Choose a data set first")
    settings = form.read_config(values)
    return studio.start_run(settings, dataset_id, validation_dataset_id=validation_dataset_id or "").id


def redraw(
    studio: Studio,
    reading: Reading,
    *,
    dataset_id: str | None,
    validation_dataset_id: str | None = None,
    drawn: object,
    **values: Any,
) -> tuple[Any, ...]:
    """Show what these settings mean; skip everything when nothing is new since `drawn`."""
    settings = form.read_config(values)
    dataset, held_out = (_dataset(studio, id) for id in (dataset_id, validation_dataset_id))
    # An empty name would be looked up as the folder that the server runs in.
    state = studio.model_state(settings.model) if settings.model else NO_MODEL
    here = reading.where(settings.model) if settings.model else Here(None)
    modules = _module_names(reading, settings.model) if settings.model else []
    at_work = _at_work(studio)
    counted = dataset is not None and _is_counted(reading, dataset, settings.model)
    now = (settings, dataset and dataset.id, held_out and held_out.id, state, here, modules, at_work, counted)
    if now == drawn:
        return (gr.skip(),) * 7
    return (
        str(plan_card.model_line(settings.model, state)),
        gr.update(
            visible=_can_fetch(settings.model, state, here), value="Try again" if state.failed else "Fetch it now"
        ),
        # What was chosen stays on offer, also for a model that does not have it: only there it can be taken away.
        gr.update(
            choices=list(dict.fromkeys([*modules, *settings.chosen_modules])), visible=settings.targets == CHOSEN
        ),
        gr.update(label=more_label(form.changed(settings))),
        str(plan_card.plan(reading, settings, dataset, state, held_out=held_out, at_work=at_work)),
        gr.update(
            value=plan_card.start_label(dataset, settings, state),
            interactive=plan_card.can_start(dataset, settings, state),
        ),
        now,
    )


def _can_fetch(model: str, state: ModelState, here: Here) -> bool:
    """Say whether a fetch can help: not for a folder or a name that cannot be a model's (`here.trouble`)."""
    return bool(model) and not (state.ready or state.working or here.trouble)


def _at_work(studio: Studio) -> str:
    """Return the name of the run that a new one would wait for, or nothing."""
    id = run_choices.at_work(studio)
    if id is None:
        return ""
    try:
        return studio.runs.get(id).config.name or id
    except StudioError:
        return id


def _dataset(studio: Studio, dataset_id: str | None) -> Dataset | None:
    """Return the data set while it is there: it may have been deleted on another page."""
    try:
        return studio.datasets.get(dataset_id) if dataset_id else None
    except DataError:
        return None


def _is_counted(reading: Reading, dataset: Dataset, model: str) -> bool:
    return data_drawing.token_state(reading, dataset.id, model).counts is not None


def _module_names(reading: Reading, model: str) -> list[str]:
    """Return the model's own names of its linear layers; none while the model is not here."""
    try:
        layout = reading.layout(model)
    except StudioError:
        return []
    return list(layout.module_names) if layout else []
