"""Writing the exports of a run, each by a worker of its own, and seeing how far that is.

Knows nothing of what is in an export: the worker writes and checks it, and its report says the rest.
"""

import stat
import threading
from dataclasses import dataclass
from pathlib import Path

from studio.config import FULL
from studio.errors import ExportError
from studio.events import Failed
from studio.jobs.export_report import ExportReport, read_report
from studio.jobs.jobs import Job
from studio.runs.launcher import Launch, export_paths
from studio.runs.store import RunFolder

ADAPTER = "adapter"
MERGED = "merged"
"""A whole model: base and adapter in one, or what a full run trained."""

EXPORT_KINDS = (ADAPTER, MERGED)
NO_ADAPTER = "This run trained the whole model, so there is no adapter to take away."
NO_ADAPTER_HINT = "Export the model instead."


def kinds_of(run: RunFolder) -> tuple[str, ...]:
    """List the kinds of export that a run can have."""
    return (MERGED,) if run.config.method == FULL else EXPORT_KINDS


def export_folder(run: RunFolder, kind: str) -> Path:
    """Say where an export is written."""
    return run.exports / f"{run.id}-{'model' if run.config.method == FULL else kind}"


def export_archive(run: RunFolder, kind: str) -> Path:
    """Say where the zip of an export is written."""
    folder = export_folder(run, kind)
    return folder.with_name(f"{folder.name}.zip")


def offered_file(folder: Path, name: str) -> Path | None:
    """Return a file that may be handed out: a regular one, no link, of this name in this folder of a run or data set.

    None for anything else, above all where the folder itself is a link to somewhere else.
    """
    if "/" in name or "\0" in name or name.startswith("."):
        return None
    path = folder / name
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
        return path if is_file and path.resolve() == folder.parent.resolve() / folder.name / name else None
    except OSError:
        return None


@dataclass(frozen=True)
class ExportState:
    """How far an export is. `status` is "none", "working", "ready", "failed", or "absent" for a kind that the run does
    not have; `report` is there when it is ready.
    """

    status: str
    sentence: str
    report: ExportReport | None = None
    failed: Failed | None = None


class Exports:
    """The exports of all runs."""

    def __init__(self, *, launch: Launch) -> None:
        self._launch = launch
        self._guard = threading.Lock()
        self._jobs: dict[Path, Job] = {}

    def start(self, run: RunFolder, kind: str) -> ExportState:
        """Start to write an export ("adapter" or "merged") unless it is there, or under way; return its state.

        Raises ExportError when this run cannot be exported now, RunError when the work cannot be started.
        """
        state = self.state(run, kind)
        if state.status in ("ready", "working"):
            return state
        if state.status == "absent":
            raise ExportError(state.sentence, NO_ADAPTER_HINT)
        if run.is_alive():
            raise ExportError("This run is still training.", "Export it when it is finished, or stop it first.")
        if run.result is None:
            what = "model" if run.config.method == FULL else "adapter"
            raise ExportError(f"This run has no {what} to export.", "Let a run finish, or stop it after a few steps.")
        self._job(run, kind).start(["export", str(run.path), kind], self._launch)
        return self.state(run, kind)

    def state(self, run: RunFolder, kind: str) -> ExportState:
        """Say how far an export is. Raises ExportError for an unknown kind."""
        if kind not in EXPORT_KINDS:
            raise ExportError(f"There is no export '{kind}'.", f"Choose one of: {', '.join(EXPORT_KINDS)}.")
        if kind not in kinds_of(run):
            return ExportState("absent", NO_ADAPTER)
        job = self._job(run, kind).state()
        if job.working:
            return ExportState("working", "Starting." if job.loading is None else job.loading.what)
        report = read_report(run.exports, kind)
        archive = export_archive(run, kind)
        if report is not None and offered_file(archive.parent, archive.name) is not None:
            return ExportState("ready", "Written, loaded back and checked.", report=report)
        if job.failed is not None:
            return ExportState("failed", job.failed.message, failed=job.failed)
        return ExportState("none", "Not exported yet.")

    def _job(self, run: RunFolder, kind: str) -> Job:
        paths = export_paths(run.exports, kind)
        with self._guard:
            return self._jobs.setdefault(paths.events, Job(paths))
