"""The evaluation that a place makes of a run is taken in as one of this studio's, or not at all."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio import codec
from studio.errors import RunError
from studio.jobs.evaluation_report import AT_THE_END, EvaluationReport, ScoredRow, read_report, read_rows
from studio.jobs.places.protocol import StoredFile
from studio.jobs.places.storage import FolderStorage
from studio.runs.store import RunFolder
from studio.workers.evaluation_home import take_evaluation
from tests.ui.made_up import report as made_up

ROWS = tuple(ScoredRow(number, "What?", "That.", "This.", "That.", 0.0, 1.0) for number in range(30))


@pytest.fixture
def run(make_run: Callable[..., RunFolder]) -> RunFolder:
    return make_run()


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    (tmp_path / "place").mkdir()
    return FolderStorage(tmp_path / "place")


def lay(storage: FolderStorage, path: str, content: bytes) -> StoredFile:
    digest = hashlib.sha256(content).hexdigest()
    storage.write(f"runs/r/files/{digest}", content)
    return StoredFile(path, f"runs/r/files/{digest}", digest, len(content))


def laid(storage: FolderStorage, report: EvaluationReport, rows: tuple[ScoredRow, ...] = ROWS) -> list[StoredFile]:
    lines = "\n".join(map(codec.dumps, rows))
    return [
        lay(storage, "evaluations/end.json", codec.dumps(report).encode()),
        lay(storage, "evaluations/end.rows-1.jsonl", lines.encode()),
    ]


def test_what_names_the_run_is_put_in_from_here(run: RunFolder, storage: FolderStorage) -> None:
    told = replace(made_up(run), run_id="other", run_name="<b>", model="/somewhere/else", created=3.0)
    assert take_evaluation(run, storage, laid(storage, told))
    found = read_report(run, AT_THE_END)
    assert found is not None
    assert (found.run_id, found.run_name, found.model) == (run.id, run.name, run.origin.model_name)
    assert found.created > 3.0, "the clock of the place is not ours"
    assert found.figures == told.figures
    assert read_rows(run, AT_THE_END) == ROWS
    assert sorted(path.suffix for path in (run.path / "evaluations").iterdir()) == [".json", ".jsonl"]


def test_a_half_that_is_not_there_yet_is_waited_for(run: RunFolder, storage: FolderStorage) -> None:
    report, rows = laid(storage, made_up(run))
    assert not take_evaluation(run, storage, [report])
    storage.delete(rows.at)
    assert not take_evaluation(run, storage, [report, rows])
    assert read_report(run, AT_THE_END) is None


@pytest.mark.parametrize(
    ("report", "rows"),
    [
        (b"{", b""),
        (b"[]", b""),
        (None, b""),
        (None, b"{}"),
        (None, b"\xff" * 40),
        (b"null", b"null"),
    ],
)
def test_a_damaged_evaluation_is_refused_and_the_old_one_stays(
    run: RunFolder, storage: FolderStorage, report: bytes | None, rows: bytes
) -> None:
    assert take_evaluation(run, storage, laid(storage, made_up(run)))
    before = read_report(run, AT_THE_END)
    content = codec.dumps(made_up(run)).encode() if report is None else report
    files = [
        lay(storage, "evaluations/end.json", content),
        lay(storage, "evaluations/end.rows-2.jsonl", rows),
    ]
    with pytest.raises(RunError, match="came damaged"):
        take_evaluation(run, storage, files)
    assert read_report(run, AT_THE_END) == before


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_not_what_its_hash_says_is_refused(run: RunFolder, storage: FolderStorage, which: int) -> None:
    """Only its shape was looked at: who can write to the storage put other figures in its place."""
    files = laid(storage, made_up(run))
    content = storage.read(files[which].at, most_bytes=10**6)
    assert content is not None
    other = content.replace(b"0.9", b"0.8") if which == 0 else content.replace(b"This.", b"Thus.")
    assert other != content
    storage.write(files[which].at, other)
    with pytest.raises(RunError, match="came damaged"):
        take_evaluation(run, storage, files)


@pytest.mark.parametrize(
    "row", [replace(ROWS[0], prompt="x" * 2**20), replace(ROWS[0], number=-1), replace(ROWS[0], tuned_score=1e100)]
)
def test_one_row_that_none_can_be_is_enough_to_refuse(run: RunFolder, storage: FolderStorage, row: ScoredRow) -> None:
    with pytest.raises(RunError, match="came damaged"):
        take_evaluation(run, storage, laid(storage, made_up(run), (*ROWS[1:], row)))


def test_more_rows_than_a_page_can_show_are_not_read(run: RunFolder, storage: FolderStorage) -> None:
    files = [laid(storage, made_up(run))[0], lay(storage, "evaluations/end.rows-1.jsonl", b"\n" * 200_001)]
    with pytest.raises(RunError, match="too many rows"):
        take_evaluation(run, storage, files)


def test_what_a_killed_worker_left_is_deleted(run: RunFolder, storage: FolderStorage) -> None:
    left = run.path / ".evaluation-abc"
    left.mkdir()
    (left / "rows").write_bytes(b"{}")
    assert take_evaluation(run, storage, laid(storage, made_up(run)))
    assert not list(run.path.glob(".evaluation-*"))


def test_what_is_larger_than_any_evaluation_is_not_fetched(run: RunFolder, storage: FolderStorage) -> None:
    report, rows = laid(storage, made_up(run))
    with pytest.raises(RunError, match="larger than any"):
        take_evaluation(run, storage, [report, replace(rows, size=2**40)])
