"""All that the Train tab shows of a run at a moment, by the names of its parts."""

import functools
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.errors import RunError
from studio.runs.view import ENDED
from studio.studio import Studio
from studio.ui.kit import fragments, run_choices
from studio.ui.kit.shared_view import Memo, Parts, SharedView
from studio.ui.train import answers_view, cards, charts, next_steps, notices

LOG_LINES = 60


@dataclass(frozen=True)
class Selection:
    """The run that is followed; empty where there is none."""

    run_id: str = ""
    discarded: tuple[str, ...] = ()
    """The id and the name of the run that was discarded just now, until another is chosen."""


def shared_view(studio: Studio) -> SharedView:
    """Return the view of each run that all pages share."""
    return SharedView(functools.partial(_parts, studio, Memo(), Memo()))


def draw(studio: Studio, shared: SharedView, selection: Selection) -> Parts:
    """Show the run as it is now, or why it cannot be shown; no word of it until the page that was opened has chosen."""
    if not selection.run_id:
        id, name = selection.discarded or ("", "")
        has_runs = bool(run_choices.all_runs(studio, most=1))
        return {**no_parts(), "status": "" if has_runs and not id else str(cards.no_run(name, id))}
    try:
        return shared.look(selection.run_id)
    except RunError as error:
        return {**no_parts(), "status": str(fragments.empty(error.message, error.hint))}


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that there are now; keep what is chosen."""
    choices = run_choices.all_runs(studio, also=chosen)
    value = run_choices.keep_or_first(chosen, choices, rather=run_choices.at_work(studio))
    return run_choices.offer(choices, value, otherwise=run_choices.NO_RUN)


def no_parts() -> dict[str, Any]:
    """Make what the tab shows while there is no run."""
    return {
        "status": str(cards.no_run()),
        "actions": "",
        "advice": "",
        "compare": gr.update(visible=False),
        "evaluate": gr.update(visible=False),
        "notices": "",
        "chart": "",
        "answers": answers_view.nothing(),
        "settings": str(fragments.empty("No run yet", "The settings of the run stand here once there is one.")),
        "log": "",
    }


def _parts(studio: Studio, drawn_charts: Memo, drawn_answers: Memo, id: str) -> dict[str, Any]:
    """Make what the tab shows of a run. Raises RunError where there is none."""
    state = studio.scheduler.view(id)
    view, ended = state.view, state.status in ENDED
    waiting = len(studio.scheduler.waiting()) if state.status == "queued" else 0
    has_result = ended and state.run.result is not None
    evaluation = studio.evaluations.state(id) if has_result else None
    asked = (view.samples[-1] if view.samples else None, len(view.samples), ended, view.kept_step)
    return {
        "status": str(cards.status_panel(state, evaluation)),
        "actions": str(next_steps.actions(state, waiting=waiting)),
        "advice": str(cards.advice_card(state)),
        "compare": gr.update(visible=has_result),
        "evaluate": gr.update(visible=has_result),
        "notices": notices.payload(state),
        "chart": drawn_charts.get(id, view.last_seq, lambda: charts.payload(id, view, name=state.run.name)),
        "answers": drawn_answers.get(id, asked, lambda: answers_view.payload(state)),
        "settings": str(cards.own_settings(state)),
        "log": cards.log_text(state, evaluation, written=state.run.log_tail(LOG_LINES)),
    }
