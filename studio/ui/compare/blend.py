"""The form that blends the adapters of several runs into a new one, and how far that is.

`studio.start_blend` blends; the blend is then a model like any other.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.compare.pane_models import pane_models
from studio.jobs.blends import blend_state
from studio.models.blend_kinds import DEFAULT_KIND, KINDS
from studio.studio import Studio
from studio.ui.compare import model_choices
from studio.ui.kit import fragments
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.errors import shown
from studio.ui.kit.run_choices import Choices

SLOTS = range(1, 5)
FEWEST = 2
NONE = ("None", "")


@dataclass(frozen=True)
class Blending:
    """The components of the form. `at` holds the id of the blend that is being made, or was made last.

    `drawn` is what is said of it.
    """

    adapters: tuple[gr.Dropdown, ...]
    weights: tuple[gr.Number, ...]
    kind: gr.Dropdown
    kind_help: gr.HTML
    name: gr.Textbox
    start: gr.Button
    state: gr.HTML
    at: gr.State
    drawn: gr.State

    def inputs(self) -> dict[str, Block]:
        """Return what `start` is given, by name."""
        slots = zip(SLOTS, self.adapters, self.weights, strict=True)
        named: dict[str, Block] = {"kind": self.kind, "name": self.name}
        for place, adapter, weight in slots:
            named |= {f"adapter_{place}": adapter, f"weight_{place}": weight}
        return named


def build() -> Blending:
    """Lay the form out."""
    html(
        fragments.line(
            "quiet",
            "Blends what two to four runs of one base model learned into a new adapter. Weights that add up to 1 keep "
            "the strength of a single one.",
        )
    )
    adapters, weights = [], []
    for place in SLOTS:
        with gr.Row(elem_classes="ls-blend"):
            adapters.append(
                picker(label=f"Adapter {place}", info="", elem_id=f"blend-adapter-{place}"),
            )
            weights.append(
                gr.Number(0.5, label=f"Weight of adapter {place}", step=0.05, elem_id=f"blend-weight-{place}")
            )
    with gr.Row(elem_classes="ls-blend"):
        kind = gr.Dropdown(
            [(each.label, each.name) for each in KINDS.values()],
            value=DEFAULT_KIND,
            label="How they are blended",
            elem_id="blend-kind",
        )
        name = gr.Textbox(label="Name of the blend", placeholder="May stay empty", max_lines=1, elem_id="blend-name")
    kind_help = html(help_of(DEFAULT_KIND), elem_id="blend-help")
    with gr.Row(elem_classes="ls-actions"):
        start_button = gr.Button("Make the blend", elem_id="blend-start")
    return Blending(
        adapters=tuple(adapters),
        weights=tuple(weights),
        kind=kind,
        kind_help=kind_help,
        name=name,
        start=start_button,
        state=html("", elem_id="blend-state"),
        at=gr.State(""),
        drawn=gr.State(("", "")),
    )


def wire(
    form: Blending, *, studio: Studio, timer: gr.Timer, opened: Callable[..., Any], models: Sequence[gr.Dropdown]
) -> None:
    """Connect the form. `opened` is the event of the tab being opened, `models` are the lists that a blend joins."""
    form.kind.input(help_of, inputs=[form.kind], outputs=[form.kind_help], **QUIET)
    gr.on(
        [opened],
        shown(lambda *chosen: refresh(studio, chosen)),
        inputs=list(form.adapters),
        outputs=list(form.adapters),
        **QUIET,
    )
    form.start.click(
        shown(functools.partial(start, studio)),
        inputs_kwargs=form.inputs(),
        outputs=[form.at, form.state],
        **ACTING,
    )
    timer.tick(
        shown(functools.partial(watch, studio)),
        inputs=[form.at, form.drawn, *models],
        outputs=[form.state, form.drawn, *models],
        **QUIET,
    )


def help_of(kind: str | None) -> str:
    """Say what a way of blending does."""
    found = KINDS.get(kind or "")
    return str(fragments.line("quiet", found.help)) if found is not None else ""


def offered(studio: Studio) -> Choices:
    """List the adapters that can be blended."""
    return [(model.title, model.key) for model in pane_models(studio, None) if model.folder and not model.whole]


def refresh(studio: Studio, chosen: Sequence[str | None]) -> list[Any]:
    """List the adapters that are there now in every slot; the first two are filled where nothing is chosen."""
    choices = offered(studio)
    keys = [key for _, key in choices]
    kept = [key if key in keys else None for key in chosen]
    if not any(kept):
        results = [key for key in keys if "@" not in key]
        kept = [*results[:FEWEST], *[None] * len(kept)][: len(kept)]
    return [
        gr.update(choices=choices if place <= FEWEST else [NONE, *choices], value=key)
        for place, key in zip(SLOTS, kept, strict=True)
    ]


def start(studio: Studio, **values: Any) -> tuple[str, str]:
    """Begin to blend. Returns the id of the blend and what to show. Raises RunError, ConfigError or gr.Error."""
    chosen = [(values[f"adapter_{place}"], values[f"weight_{place}"]) for place in SLOTS]
    wanted = [(key, weight) for key, weight in chosen if key]
    if len(wanted) < FEWEST:
        raise gr.Error("Choose at least two adapters.", title="Nothing to blend", print_exception=False)
    if any(weight is None for _, weight in wanted):
        raise gr.Error("Every adapter needs a weight.", title="A weight is missing", print_exception=False)
    parents = [key for key, _ in wanted]
    run = studio.start_blend(parents, [float(weight) for _, weight in wanted], values["kind"], values["name"] or "")
    return run.id, look(studio, run.id)


def look(studio: Studio, id: str) -> str:
    """Show how far a blend is. Raises RunError when it is gone."""
    if not id:
        return ""
    state, name = blend_state(studio.jobs, studio.runs.get(id)), studio.runs.get(id).name
    if state.status == "working":
        return str(fragments.notice("busy", f"{name} is being blended.", state.sentence))
    if state.status == "ready":
        return str(fragments.notice("good", f"{name} is ready: choose it in a pane.", state.sentence))
    hint = state.failed.hint if state.failed is not None else ""
    return str(fragments.notice("bad", state.sentence, hint))


Drawn = tuple[str, str]
"""The id of a blend that is ready and a choice of every pane, empty while it is not; and what is shown."""


def watch(studio: Studio, id: str, drawn: Drawn, *keys: str | None) -> list[Any]:
    """Show how far the blend is, sending only what is new; once it is ready, make it a choice of every pane.

    Nothing is shown where it was deleted meanwhile.
    """
    nothing = [gr.skip()] * (len(keys) + 2)
    if not id:
        return nothing
    there = any(run.id == id for run in studio.summaries.look().runs)
    ready = there and blend_state(studio.jobs, studio.runs.get(id)).status == "ready"
    now = (id if ready else "", look(studio, id) if there else "")
    if now == drawn:
        return nothing
    new = bool(now[0]) and now[0] != drawn[0]
    choices = gr.update(choices=model_choices.offered(studio, keys)) if new else gr.skip()
    return [now[1], now, *[choices] * len(keys)]
