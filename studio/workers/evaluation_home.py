"""Takes in the evaluation of a run that its place has made: read, checked, and written anew as one of this studio's."""

import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studio import codec
from studio.errors import RunError
from studio.files import hash_file
from studio.jobs.evaluation_checks import check_report
from studio.jobs.evaluation_report import AT_THE_END, HELD_OUT, EvaluationReport, ScoredRow, write_evaluation
from studio.jobs.places.protocol import Storage, StoredFile
from studio.logs import logged
from studio.runs.store import RunFolder

_MOST_REPORT_BYTES = 4 * 2**20
_MOST_ROWS_BYTES = 64 * 2**20
_MOST_ROW_BYTES = 2**20
_MOST_ROWS = 200_000
_FOLDER = ".evaluation-"

log = logging.getLogger(__name__)


def take_evaluation(run: RunFolder, storage: Storage, files: Sequence[StoredFile]) -> bool:
    """Bring the evaluation home that these files are, and say whether it was whole. Raises NoAnswer and OSError.

    Its text is that of another machine: what names the run is put in from here. Raises RunError for what is damaged.
    """
    reports = [each for each in files if each.path.endswith(".json")]
    rows = [each for each in files if each.path.endswith(".jsonl")]
    if len(reports) != 1 or len(rows) != 1:
        return False
    for left in run.path.glob(f"{_FOLDER}*"):  # by a worker that was killed: this one alone is at the run now
        with logged(log, "What an earlier worker left of an evaluation was not deleted", OSError, level=logging.INFO):
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=run.path, prefix=_FOLDER) as folder:
        found = _fetched(storage, reports[0], Path(folder) / "report", most_bytes=_MOST_REPORT_BYTES)
        lines = _fetched(storage, rows[0], Path(folder) / "rows", most_bytes=_MOST_ROWS_BYTES)
    if found is None or lines is None:
        return False
    try:
        report = codec.loads(EvaluationReport, found)
        scored = _rows(lines)
        check_report(report, scored)
    except codec.Damaged as error:
        raise _damaged(error) from error
    origin = run.origin
    named = replace(
        report,
        name=AT_THE_END,
        run_id=run.id,
        run_name=run.name,
        model=origin.model_name,
        method=run.config.method,
        dataset_id=origin.dataset_id,
        dataset_name=origin.dataset_name,
        dataset_sha256=origin.dataset_sha256,
        data=HELD_OUT,
        created=time.time(),
    )
    write_evaluation(run, named, scored)
    return True


def _rows(lines: bytes) -> tuple[ScoredRow, ...]:
    """Read the rows. Raises Damaged where one is none, or there are more than a page could ever show."""
    if lines.count(b"\n") > _MOST_ROWS:
        raise codec.Damaged("it has too many rows")
    found = [line for line in lines.split(b"\n") if line]
    if any(len(line) > _MOST_ROW_BYTES for line in found):
        raise codec.Damaged("a row is too long")
    return tuple(codec.loads(ScoredRow, line) for line in found)


def _fetched(storage: Storage, file: StoredFile, target: Path, *, most_bytes: int) -> bytes | None:
    """Return the content of a file; None where it is gone. Raises RunError for one that is too large, or is another."""
    if file.size > most_bytes:
        raise RunError("The evaluation at the place is larger than any.", "Evaluate the run here.")
    if not storage.fetch(file.at, target, size=file.size):
        return None
    if hash_file(target) != file.sha256:
        raise _damaged(codec.Damaged("it is not what the place said it is"))
    return target.read_bytes()


def _damaged(trouble: codec.Damaged) -> RunError:
    return RunError(f"The evaluation came damaged from the place ({str(trouble)[:200]}).", "Evaluate the run here.")
