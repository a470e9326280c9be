"""The Train tab: follow a run, live or long over; stop it; go on to the comparison.

All that is shown comes from the run's folder, so a reload loses nothing.
"""

import functools
import time
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.events import api

from studio.errors import RunError
from studio.jobs.evaluations import EvaluationState
from studio.runs.scheduler import RunState
from studio.runs.tables import write_csv
from studio.runs.view import ENDED
from studio.studio import Studio
from studio.ui.kit import fragments, run_choices, scripts
from studio.ui.kit.actions import Action, action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.errors import shown
from studio.ui.kit.shared_view import Memo, Parts, SharedView
from studio.ui.kit.updates import Drawn, only_new
from studio.ui.train import actions as run_actions
from studio.ui.train import answers_view, cards, notices
from studio.ui.train import charts as run_charts

LOG_LINES = 60
LOSS_HELP = (
    "How far the model's answers are from yours. Both curves should fall; when the held-out one rises while the other "
    "falls, it is learning by heart."
)


ANSWERS_HELP = "The same few prompts at every check. Marked is what the answer before the first step did not have."


@dataclass(frozen=True)
class TrainTab:
    """The components of the tab. `taken` is the address of a file that was asked for."""

    run: gr.Dropdown
    status: gr.HTML
    actions: gr.HTML
    compare: gr.Button
    evaluate: gr.Button
    notice: gr.HTML
    chart: gr.HTML
    taken: gr.HTML
    answers: gr.HTML
    settings: gr.HTML
    data: gr.Button
    log: gr.Textbox
    drawn: gr.State


def build() -> TrainTab:
    """Lay the tab out."""
    with gr.Column(elem_classes="ls-card"):
        run = picker(label="Run", info="The newest is shown. Any earlier one can be chosen.", elem_id="train-run")
        status = html(cards.no_run(), elem_id="train-status")
        with gr.Row(elem_classes="ls-actions"):
            compare = gr.Button(
                "Compare with the base model", variant="primary", visible=False, elem_id="train-compare"
            )
            evaluate = gr.Button("See the evaluation", visible=False, elem_id="train-evaluate")
        actions = action_html(elem_id="train-actions")
        notice = notices.notices("train-notices")
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Loss", LOSS_HELP))
        chart = run_charts.chart("train-chart")
        taken = html(elem_id="train-taken", template="", on_load=scripts.on_load("saveEachFile"))
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("How the answers change", ANSWERS_HELP))
        answers = answers_view.answers_view("train-answers")
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
        actions=actions,
        compare=compare,
        evaluate=evaluate,
        notice=notice,
        chart=chart,
        taken=taken,
        answers=answers,
        settings=settings,
        data=data,
        log=log,
        drawn=gr.State(None),
    )


def wire(tab: TrainTab, *, studio: Studio, timer: gr.Timer) -> None:
    """Connect the tab. Opening another tab from here is wired by the page, which knows that tab."""
    shared = shared_view(studio)
    gr.on(
        [timer.tick, tab.run.change],
        shown(functools.partial(redraw, shared)),
        inputs_kwargs={"run_id": tab.run, "drawn": tab.drawn},
        outputs=drawn_parts(tab),
        **QUIET,
    )
    on_action(
        tab.actions,
        functools.partial(act, studio, shared),
        inputs_kwargs={"run_id": tab.run},
        outputs=[tab.run, *drawn_parts(tab)],
        **ACTING,
    )
    on_action(tab.chart, functools.partial(take_csv, studio), outputs=[tab.taken], **ACTING)

    def run_notice(run_id: str) -> str:
        """Say how far a run is, for a page that nobody looks at."""
        return str(shared.look(run_id)["notice"])

    api(shown(run_notice), api_name=notices.ADDRESS, queue=False, api_visibility="undocumented")


def drawn_parts(tab: TrainTab) -> list[Block]:
    """Return the components that `redraw` draws, in its order."""
    return [
        tab.status,
        tab.actions,
        tab.compare,
        tab.evaluate,
        tab.notice,
        tab.chart,
        tab.answers,
        tab.settings,
        tab.log,
        tab.drawn,
    ]


def shared_view(studio: Studio) -> SharedView:
    """Return the view of each run that all pages share."""
    charts, answers = Memo(), Memo()

    def draw(run_id: str) -> Parts:
        state = studio.scheduler.view(run_id)
        waiting = len(studio.scheduler.waiting()) if state.status == "queued" else 0
        over = state.status in ENDED and state.run.result is not None
        evaluation = studio.evaluations.state(run_id) if over else None
        return parts(state, waiting=waiting, charts=charts, answers=answers, evaluation=evaluation)

    return SharedView(draw)


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that there are now; keep what is chosen."""
    choices = run_choices.all_runs(studio, also=chosen)
    value = run_choices.keep_or_first(chosen, choices, rather=run_choices.at_work(studio))
    return gr.update(choices=choices, value=value)


def act(studio: Studio, shared: SharedView, press: Action, *, run_id: str | None) -> list[Any]:
    """Do what was pressed, and show the run as it is then. Raises RunError with why it cannot be done."""
    run_actions.carry_out(studio, press)
    if press.verb == run_actions.DISCARD:
        chosen = refresh_runs(studio, None)
        return [chosen, *redraw(shared, run_id=chosen["value"], drawn=None, fresh=True)]
    return [gr.skip(), *redraw(shared, run_id=run_id, drawn=None, fresh=True)]


def take_csv(studio: Studio, press: Action) -> Any:
    """Write all steps of a run as a table, and return the address of the file. Raises RunError."""
    if press.verb != run_charts.CSV or not press.key:
        return gr.skip()
    state = studio.scheduler.view(press.key)
    file = write_csv(state.run, state.view)
    # The number makes it another address each time: the page takes no notice of a value that it has.
    return f"{download_address(RUN, state.run.id, file.name)}?{state.view.last_seq}-{time.monotonic_ns()}"


def redraw(shared: SharedView, *, run_id: str | None, drawn: Drawn | None, fresh: bool = False) -> list[Any]:
    """Show the run as it is now, sending only what is new since `drawn`."""
    try:
        shown_now = shared.look(run_id, fresh=fresh) if run_id else no_parts()
    except RunError as error:
        shown_now = {**no_parts(), "status": str(fragments.empty(error.message, error.hint))}
    return only_new(shown_now, drawn)


def no_parts() -> dict[str, Any]:
    """Make what the tab shows while there is no run."""
    return {
        "status": str(cards.no_run()),
        "actions": "",
        "compare": gr.update(visible=False),
        "evaluate": gr.update(visible=False),
        "notice": "",
        "chart": "",
        "answers": answers_view.nothing(),
        "settings": str(fragments.empty("No run yet", "The settings of the run stand here once there is one.")),
        "log": "",
    }


def parts(
    state: RunState, *, waiting: int, charts: Memo, answers: Memo, evaluation: EvaluationState | None = None
) -> dict[str, Any]:
    """Make what the tab shows of a run, by the names of the components in the order of the outputs."""
    id, view = state.run.id, state.view
    has_result = state.status in ENDED and state.run.result is not None
    asked = (view.samples[-1] if view.samples else None, len(view.samples), state.status in ENDED)
    return {
        "status": str(cards.status_panel(state, evaluation)),
        "actions": str(run_actions.actions(state, waiting=waiting)),
        "compare": gr.update(visible=has_result),
        "evaluate": gr.update(visible=has_result),
        "notice": notices.payload(state),
        "chart": charts.get(id, view.last_seq, lambda: run_charts.payload(id, view)),
        "answers": answers.get(id, asked, lambda: answers_view.payload(state)),
        "settings": str(cards.own_settings(state)),
        "log": state.run.log_tail(LOG_LINES),
    }


def run_status(studio: Studio, run_id: str) -> dict[str, Any]:
    """Say what a run is at, for programs. Raises RunError when there is no such run."""
    state = studio.scheduler.view(run_id)
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
        "has_result": state.run.result is not None,
    }
