"""The runs as choices of a dropdown: which there are, and which have a result to talk to or to export."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.runs.summary import Summary
from studio.studio import Studio
from studio.ui.kit.numbers import moment

MOST = 200
"""So many of the newest are offered: among more nobody finds one, and the table of all runs leads to each."""

Choices = list[tuple[str, str]]

NO_RUN = "No run yet: start one on the Configure tab"
NO_RESULT = "No finished run yet: start one on the Configure tab"


def offer(choices: Choices, chosen: str | None, *, otherwise: str) -> Any:
    """Update a dropdown; where there is nothing to choose it says so, and what to do: an empty one opens to nothing."""
    return gr.update(choices=choices, value=chosen) if choices else gr.update(choices=[(otherwise, "")], value="")


def all_runs(studio: Studio, *, also: str | None = None, most: int = MOST) -> Choices:
    """List the newest runs, and `also` where there is such a run."""
    return _choices([run for run in studio.summaries.look().runs if not run.trouble], also, most)


def at_work(studio: Studio) -> str | None:
    """Return the newest run that is at work, if there is one."""
    return next((run.id for run in studio.summaries.look().runs if run.is_at_work), None)


def runs_with_result(studio: Studio, *, also: str | None = None, most: int = MOST) -> Choices:
    """List the newest runs that are not at work and left a result, and `also` where it is one of these."""
    runs = [run for run in studio.summaries.look().runs if run.has_result and not run.is_at_work]
    return _choices(runs, also, most)


def runs_to_evaluate(studio: Studio, *, also: str | None = None, most: int = MOST) -> Choices:
    """List the newest runs that left a result or are at work, and `also` where there is such a run."""
    runs = [
        run for run in studio.summaries.look().runs if _can_be_evaluated(run) or (run.id == also and not run.trouble)
    ]
    return _choices(runs, also, most)


def _can_be_evaluated(run: Summary) -> bool:
    return run.has_result or run.is_at_work


def _choices(runs: Sequence[Summary], also: str | None, most: int) -> Choices:
    return [(label(run), run.id) for place, run in enumerate(runs) if place < most or run.id == also]


def label(run: Summary) -> str:
    """Name a run as its person knows it."""
    return f"{run.name} · {run.dataset} · {moment(run.created)}"


def keep_or_first(chosen: str | None, choices: Choices, *, rather: str | None = None) -> str | None:
    """Keep what is chosen while it is there; otherwise take `rather`, else the newest."""
    ids = [id for _, id in choices]
    return next((id for id in (chosen, rather, *ids) if id in ids), None)
