"""What is known of a finished export: how large it is, and how well it agrees with the run.

The report is written last and whole, so that a report which exists speaks of an export which is complete. Knows nothing
of how an export is made or checked.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.errors import ExportError
from studio.files import disk_trouble, write_whole

log = logging.getLogger(__name__)


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
