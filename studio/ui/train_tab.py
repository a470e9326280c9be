"""The Train tab: follow a run, live or long over; stop it; go on to the comparison.

All that is shown comes from the run's folder, so a reload loses nothing.
"""

import functools
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.errors import RunError
from studio.runs.conductor import RunState
from studio.runs.studio import Studio
from studio.runs.view import ENDED
from studio.ui import fragments, run_cards, run_choices
from studio.ui.changes import Drawn, only_new
from studio.ui.components import ACTING, QUIET, html, picker
from studio.ui.errors import shown
from studio.ui.live_chart import Curves, live_chart

LOG_LINES = 60
LOSS_HELP = (
    "How far the model's answers are from yours. Both curves should fall; when the held-out one rises while the other "
    "falls, it is learning by heart."
)


@dataclass(frozen=True)
class TrainTab:
    """The components of the tab."""

    run: gr.Dropdown
    status: gr.HTML
    stop: gr.Button
    consequence: gr.HTML
    compare: gr.Button
    chart: gr.HTML
    settings: gr.HTML
    data: gr.Button
    log: gr.Textbox
    drawn: gr.State


def build() -> TrainTab:
    """Lay the tab out."""
    with gr.Column(elem_classes="ls-card"):
        run = picker(label="Run", info="The newest is shown. Any earlier one can be chosen.", elem_id="train-run")
        status = html(run_cards.no_run(), elem_id="train-status")
        with gr.Row(elem_classes="ls-actions"):
            compare = gr.Button(
                "Compare with the base model", variant="primary", visible=False, elem_id="train-compare"
            )
            stop = gr.Button("Stop this run", variant="stop", visible=False, elem_id="train-stop")
            consequence = html("", elem_id="train-consequence")
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Loss", LOSS_HELP))
        chart = live_chart("train-chart")
    with gr.Accordion("What this run ran with", open=False, elem_classes="ls-more", elem_id="train-settings"):
        settings = html(fragments.empty("No run yet", "The settings of the run stand here once there is one."))
        data = gr.Button("Show the data it learned from", size="sm", elem_id="train-data")
    with gr.Accordion("Log", open=False, elem_classes="ls-more", elem_id="train-log"):
        log = gr.Textbox(
            label="The last lines that the worker wrote",
            placeholder="What the worker writes while it works appears here.",
            lines=12,
            max_lines=12,
            interactive=False,
            elem_classes="ls-log",
        )
    return TrainTab(
        run=run,
        status=status,
        stop=stop,
        consequence=consequence,
        compare=compare,
        chart=chart,
        settings=settings,
        data=data,
        log=log,
        drawn=gr.State(None),
    )


def wire(tab: TrainTab, *, studio: Studio, timer: gr.Timer) -> None:
    """Connect the tab. Opening another tab from here is wired by the page, which knows that tab."""
    gr.on(
        [timer.tick, tab.run.change],
        shown(functools.partial(redraw, studio)),
        inputs_kwargs={"run_id": tab.run, "drawn": tab.drawn},
        outputs=drawn_parts(tab),
        **QUIET,
    )
    tab.stop.click(shown(functools.partial(stop_run, studio)), inputs=[tab.run], outputs=[tab.stop], **ACTING)


def drawn_parts(tab: TrainTab) -> list[Block]:
    """Return the components that `redraw` draws, in its order."""
    return [tab.status, tab.chart, tab.stop, tab.consequence, tab.compare, tab.settings, tab.log, tab.drawn]


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that there are now; keep what is chosen."""
    choices = run_choices.all_runs(studio)
    value = run_choices.keep_or_first(chosen, choices, rather=run_choices.at_work(studio))
    return gr.update(choices=choices, value=value)


def stop_run(studio: Studio, run_id: str | None) -> Any:
    """Ask the run to stop, and take the button away until it has. Raises RunError when there is no such run."""
    if run_id:
        studio.stop_run(run_id)
    return gr.update(interactive=False)


def redraw(studio: Studio, *, run_id: str | None, drawn: Drawn | None) -> list[Any]:
    """Show the run as it is now, sending only what is new since `drawn`."""
    try:
        shown_now = parts(studio.view(run_id)) if run_id else no_parts()
    except RunError as error:
        shown_now = {**no_parts(), "status": str(fragments.empty(error.message, error.hint))}
    return only_new(shown_now, drawn)


def no_parts() -> dict[str, Any]:
    """Make what the tab shows while there is no run."""
    return {
        "status": str(run_cards.no_run()),
        "chart": Curves().payload(),
        "stop": gr.update(visible=False),
        "consequence": "",
        "compare": gr.update(visible=False),
        "settings": str(fragments.empty("No run yet", "The settings of the run stand here once there is one.")),
        "log": "",
    }


def parts(state: RunState) -> dict[str, Any]:
    """Make what the tab shows of a run, by the names of the components in the order of the outputs."""
    ended = state.status in ENDED
    has_result = ended and state.run.result is not None
    return {
        "status": str(run_cards.status_panel(state)),
        "chart": run_cards.curves(state.run.id, state.view).payload(),
        "stop": gr.update(visible=not ended, interactive=state.status != "stopping"),
        "consequence": "" if ended else str(fragments.line("quiet", run_cards.stop_consequence(state))),
        "compare": gr.update(visible=has_result),
        "settings": str(run_cards.own_settings(state)),
        "log": state.run.log_tail(LOG_LINES),
    }


def run_status(studio: Studio, run_id: str) -> dict[str, Any]:
    """Say what a run is at, for programs. Raises RunError when there is no such run."""
    state = studio.view(run_id)
    view = state.view
    return {
        "run": state.run.id,
        "status": state.status,
        "headline": state.headline,
        "step": view.step,
        "total_steps": view.total_steps,
        "loss": view.steps[-1].loss if view.steps else None,
        "held_out_loss": view.evaluations[-1].loss if view.evaluations else None,
        "seconds_left": state.seconds_left,
        "folder": str(state.run.path),
        "adapter": str(state.run.result or ""),
    }
