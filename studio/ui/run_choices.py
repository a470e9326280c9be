"""The runs as choices of a dropdown: which there are, and which have a result to talk to or to export.

Knows nothing of what a run does.
"""

from studio.errors import RunError
from studio.runs.store import RunFolder
from studio.runs.studio import Studio
from studio.ui.wording import moment

Choices = list[tuple[str, str]]


def all_runs(studio: Studio) -> Choices:
    """List every run, newest first."""
    return [(label(run), run.id) for run in readable(studio)]


def at_work(studio: Studio) -> str | None:
    """Return the newest run that is at work, if there is one."""
    return next((run.id for run in studio.runs.all() if run.is_alive()), None)


def runs_with_result(studio: Studio) -> Choices:
    """List the runs that are not at work and left a result, newest first."""
    return [(label(run), run.id) for run in readable(studio) if run.result is not None and not run.is_alive()]


def readable(studio: Studio) -> list[RunFolder]:
    """List the runs whose settings can be read."""
    return [run for run in studio.runs.all() if _can_read(run)]


def _can_read(run: RunFolder) -> bool:
    try:
        return bool(run.config) and bool(run.origin)
    except RunError:
        return False


def label(run: RunFolder) -> str:
    """Name a run as its person knows it."""
    return f"{run.name} · {run.origin.dataset_name} · {moment(run.origin.created)}"


def keep_or_first(chosen: str | None, choices: Choices, *, rather: str | None = None) -> str | None:
    """Keep what is chosen while it is there; otherwise take `rather`, else the newest."""
    ids = [id for _, id in choices]
    return next((id for id in (chosen, rather, *ids) if id in ids), None)
