"""Takes in the evaluation of a run that its place has made: read, checked, and written anew as one of this studio's."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studio import codec
from studio.errors import RunError
from studio.jobs.evaluation_report import AT_THE_END, EvaluationReport, ScoredRow, write_evaluation
from studio.jobs.places.protocol import Storage, StoredFile
from studio.runs.store import RunFolder

_MOST_REPORT_BYTES = 4 * 2**20
_MOST_ROWS_BYTES = 64 * 2**20


def take_evaluation(run: RunFolder, storage: Storage, files: Sequence[StoredFile]) -> bool:
    """Bring the evaluation home that these files are, and say whether it was whole. Raises NoAnswer and OSError.

    Its text is that of another machine: what names the run is put in from here. Raises RunError for what is damaged.
    """
    reports = [each for each in files if each.path.endswith(".json")]
    rows = [each for each in files if each.path.endswith(".jsonl")]
    if len(reports) != 1 or len(rows) != 1:
        return False
    with tempfile.TemporaryDirectory(dir=run.path, prefix=".evaluation-") as folder:
        found = _fetched(storage, reports[0], Path(folder) / "report", most_bytes=_MOST_REPORT_BYTES)
        lines = _fetched(storage, rows[0], Path(folder) / "rows", most_bytes=_MOST_ROWS_BYTES)
    if found is None or lines is None:
        return False
    try:
        report = codec.loads(EvaluationReport, found)
        scored = tuple(codec.loads(ScoredRow, line) for line in lines.split(b"\n") if line)
        if len(scored) != report.rows:
            raise codec.Damaged("rows are missing")
    except codec.Damaged as error:
        raise RunError(f"The evaluation came damaged from the place ({error}).", "Evaluate the run here.") from error
    named = replace(
        report,
        name=AT_THE_END,
        run_id=run.id,
        run_name=run.name,
        model=run.origin.model_name,
        created=time.time(),
    )
    write_evaluation(run, named, scored)
    return True


def _fetched(storage: Storage, file: StoredFile, target: Path, *, most_bytes: int) -> bytes | None:
    """Return the content of a file; None where it is gone there. Raises RunError for one that is too large."""
    if file.size > most_bytes:
        raise RunError("The evaluation at the place is larger than any.", "Evaluate the run here.")
    return target.read_bytes() if storage.fetch(file.at, target, size=file.size) else None
