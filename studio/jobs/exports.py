"""The exports of a run: each is written and checked by a worker of its own, whose report says how well it agrees.

The report is written last and whole, so that a report which exists speaks of an export which is complete.
"""

import logging
import stat
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.config import FULL
from studio.errors import ExportError
from studio.files import disk_trouble, write_whole
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Export
from studio.runs.store import RunFolder

log = logging.getLogger(__name__)

ADAPTER = "adapter"
MERGED = "merged"
"""A whole model: base and adapter in one, or what a full run trained."""

EXPORT_KINDS = (ADAPTER, MERGED)
NO_ADAPTER = "This run trained the whole model, so there is no adapter to export."
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
class ExportReport:
    """One finished export. `kind` is "adapter" or "merged". Where it lies follows from the run and its kind.

    `largest_difference` is the largest absolute difference of the logits between the export, loaded back, and the run;
    `tolerance` is what was allowed. `same_answers` of `answers` greedy answers were the same token for token.
    `checked_with` names the library that loaded the export back.
    """

    kind: str
    folder_bytes: int
    archive_bytes: int
    largest_difference: float
    tolerance: float
    same_answers: int
    answers: int
    checked_with: str


def write_report(folder: Path, report: ExportReport) -> None:
    """Write the report whole to `<folder>/<kind>.json`: under a temporary name first, then renamed.

    Raises ExportError when the folder cannot be written, ValueError when a number is not finite.
    """
    path = folder / f"{report.kind}.json"
    with disk_trouble("The report of the export", path, ExportError):
        write_whole(path, codec.dumps(report))


def read_report(folder: Path, kind: str) -> ExportReport | None:
    """Read the report of one kind of export; None when there is none, or none that can be read."""
    try:
        return codec.read(ExportReport, folder / f"{kind}.json")
    except (OSError, codec.Damaged):
        log.debug("A report of an export cannot be read", exc_info=True)
        return None


ExportState = JobState[ExportReport]
"""How far an export is: "none", "working", "ready", "failed", or "absent" for a kind that the run does not have."""


def start_export(jobs: Jobs, run: RunFolder, kind: str) -> ExportState:
    """Start to write an export ("adapter" or "merged") unless it is there, or under way; return its state.

    Raises ExportError when this run cannot be exported now, RunError when the work cannot be started.
    """
    state = export_state(jobs, run, kind)
    if state.ready or state.working:
        return state
    if state.status == "absent":
        raise ExportError(state.sentence, NO_ADAPTER_HINT)
    if run.is_alive():
        raise ExportError("This run is still training.", "Export it when it is finished, or stop it first.")
    if run.result is None:
        what = "model" if run.config.method == FULL else "adapter"
        raise ExportError(f"This run has no {what} to export.", "Let a run finish, or stop it after a few steps.")
    jobs.start(Export(run.path, kind))
    return export_state(jobs, run, kind)


def export_state(jobs: Jobs, run: RunFolder, kind: str) -> ExportState:
    """Say how far an export is. Raises ExportError for an unknown kind."""
    if kind not in EXPORT_KINDS:
        raise ExportError(f"There is no export '{kind}'.", f"Choose one of: {', '.join(EXPORT_KINDS)}.")
    if kind not in kinds_of(run):
        return JobState("absent", NO_ADAPTER)
    state = jobs.state(Export(run.path, kind))
    if state.working:
        return state.giving(None)
    report = read_report(run.exports, kind)
    archive = export_archive(run, kind)
    offered = offered_file(archive.parent, archive.name)
    if report is not None and offered is not None and offered.stat().st_size == report.archive_bytes:
        return JobState("ready", "Written, loaded back and checked.", report)
    return state.giving(None) if state.failed is not None else JobState("none", "Not exported yet.")
