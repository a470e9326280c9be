"""The form that merges ("blends") the adapters of several runs into a new one, and how far that is.

`studio.start_blend` blends; the blend is then a model like any other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from studio.compare.pane_models import pane_models
from studio.jobs.blends import blend_state
from studio.models.blend_kinds import DEFAULT_KIND, KINDS
from studio.studio import Studio
from studio.ui.compare import model_choices
from studio.ui.kit import fragments, run_choices
from studio.ui.kit.components import QUIET, html, picker
from studio.ui.kit.exchange import Result
from studio.ui.kit.panel import Panel
from studio.ui.kit.run_choices import Choices

SLOTS = range(1, 5)
FEWEST = 2
NONE = ("None", "")


@dataclass(frozen=True)
class Blending:
    """The filled form, and the id of the blend that is being made, or was made last.

    `is_offered` says that it is ready and a choice of every pane.
    """

    adapter_1: str | None = None
    adapter_2: str | None = None
    adapter_3: str | None = None
    adapter_4: str | None = None
    weight_1: float | None = None
    weight_2: float | None = None
    weight_3: float | None = None
    weight_4: float | None = None
    kind: str = DEFAULT_KIND
    name: str = ""
    run_id: str = ""
    is_offered: bool = False

    @property
    def adapters(self) -> tuple[str | None, ...]:
        """The keys of the adapters that are chosen."""
        return self.adapter_1, self.adapter_2, self.adapter_3, self.adapter_4

    @property
    def weights(self) -> tuple[float | None, ...]:
        """How much of each goes into the blend."""
        return self.weight_1, self.weight_2, self.weight_3, self.weight_4


def build(studio: Studio, *, timer: gr.HTML, opened: Callable[..., Any], models: Mapping[str, gr.Dropdown]) -> None:
    """Lay the form out and connect it. `opened` is the event of the tab being opened; a blend joins `models`."""
    panel = Panel("blend", Blending(), draw=partial(draw, studio))
    html(
        fragments.line(
            "quiet",
            "Merges the adapters of two to four runs of one base model into a new one, which you can then compare and "
            "export. Weights that add up to 1 keep the strength of a single adapter.",
        )
    )
    for place in SLOTS:
        with gr.Row(elem_classes="ls-blend"):
            adapter = picker(label=f"Adapter {place}", info="", elem_id=f"blend-adapter-{place}")
            panel.input(f"adapter_{place}", adapter, redraws_on="")
            weight = gr.Number(0.5, label=f"Weight of adapter {place}", step=0.05, elem_id=f"blend-weight-{place}")
            panel.input(f"weight_{place}", weight, redraws_on="")
    with gr.Row(elem_classes="ls-blend"):
        kinds = [(each.label, each.name) for each in KINDS.values()]
        kind = gr.Dropdown(kinds, value=DEFAULT_KIND, label="Method", elem_id="blend-kind")
        panel.input("kind", kind)
        name = gr.Textbox(label="Name of the result", placeholder="Optional", max_lines=1, elem_id="blend-name")
        panel.input("name", name, redraws_on="")
    panel.html("help", help_of(DEFAULT_KIND))
    with gr.Row(elem_classes="ls-actions"):
        start_button = gr.Button("Merge models", elem_id="blend-start")
    panel.html("state")

    panel.redraws([])
    panel.on([opened], partial(refresh, studio), options=QUIET)
    panel.on([start_button.click], partial(start, studio))
    panel.on([timer.tick], partial(watch, studio), given=models, also=models, options=QUIET)


def draw(studio: Studio, form: Blending) -> dict[str, str]:
    """Say what the chosen way of blending does, and how far the blend is."""
    return {"help": help_of(form.kind), "state": state_of(studio, form.run_id)}


def help_of(kind: str) -> str:
    """Say what a way of blending does."""
    found = KINDS.get(kind)
    return str(fragments.line("quiet", found.help)) if found is not None else ""


def offered(studio: Studio) -> Choices:
    """List the adapters that can be blended."""
    return [(model.title, model.key) for model in pane_models(studio, None) if model.folder and not model.whole]


def refresh(studio: Studio, form: Blending) -> Result[Blending]:
    """List the adapters that are there now in every slot; the first two are filled where nothing is chosen."""
    choices = offered(studio)
    keys = [key for _, key in choices]
    kept = [key if key in keys else None for key in form.adapters]
    if not any(kept):
        results = [key for key in keys if "@" not in key]
        kept = [*results[:FEWEST], *[None] * len(kept)][: len(kept)]
    named: dict[str, Any] = {f"adapter_{place}": key for place, key in zip(SLOTS, kept, strict=True)}
    updates = {
        name: run_choices.offer(choices, key, otherwise=run_choices.NO_RESULT)
        if place <= FEWEST
        else gr.update(choices=[NONE, *choices], value=key or NONE[1])
        for place, (name, key) in enumerate(named.items(), start=1)
    }
    return Result(replace(form, **named), updates)


def start(studio: Studio, form: Blending) -> Blending:
    """Begin to blend. Raises RunError, ConfigError or gr.Error."""
    wanted = [(key, weight) for key, weight in zip(form.adapters, form.weights, strict=True) if key]
    if len(wanted) < FEWEST:
        raise gr.Error("Choose at least two adapters.", title="Nothing to merge", print_exception=False)
    weights = [float(weight) for _, weight in wanted if weight is not None]
    if len(weights) < len(wanted):
        raise gr.Error("Every adapter needs a weight.", title="A weight is missing", print_exception=False)
    run = studio.start_blend([key for key, _ in wanted], weights, form.kind, form.name)
    studio.summaries.look(fresh=True)
    return replace(form, run_id=run.id, is_offered=False)


def state_of(studio: Studio, id: str) -> str:
    """Show how far a blend is; nothing where it was deleted meanwhile."""
    if not _is_there(studio, id):
        return ""
    run = studio.runs.get(id)
    state = blend_state(studio.jobs, run)
    if state.status == "working":
        return str(fragments.notice("busy", f"{run.name} is being merged.", state.sentence))
    if state.status == "ready":
        return str(fragments.notice("good", f"{run.name} is ready: choose it as a model above.", state.sentence))
    hint = state.failed.hint if state.failed is not None else ""
    return str(fragments.notice("bad", state.sentence, hint))


def watch(studio: Studio, form: Blending, **models: str | None) -> Blending | Result[Blending]:
    """Make the blend a choice of every pane, once it is ready. `models` are what they hold."""
    if form.is_offered or not _is_there(studio, form.run_id):
        return form
    if blend_state(studio.jobs, studio.runs.get(form.run_id)).status != "ready":
        return form
    choices = gr.update(choices=model_choices.offered(studio, models.values()))
    return Result(replace(form, is_offered=True), dict.fromkeys(models, choices))


def _is_there(studio: Studio, id: str) -> bool:
    return bool(id) and any(run.id == id for run in studio.summaries.look().runs)
