import csv
import json
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import RunError
from studio.jobs.evaluation_report import ScoredRow
from studio.jobs.scored_rows import ALL, BEST, CHANGED, CSV, JSONL, WORST, arrange, write_rows
from studio.runs.store import RunFolder, RunStore
from tests.ui import made_up


def row(
    number: int, *, base: float | None, tuned: float | None, loss: float | None = None, text: str = ""
) -> ScoredRow:
    return ScoredRow(number, text or f"prompt {number}", "yes", "no", "yes", base, tuned, loss, loss)


ROWS = (
    row(0, base=0.5, tuned=0.5, loss=1.0),
    row(1, base=1.0, tuned=0.0, loss=2.0),
    row(2, base=0.0, tuned=0.0, loss=3.0),
    row(3, base=0.0, tuned=1.0, loss=0.1),
)


@pytest.mark.parametrize(
    ("order", "numbers"),
    [(WORST, [2, 1, 0, 3]), (BEST, [3, 0, 1, 2]), (CHANGED, [1, 3, 0, 2]), (ALL, [0, 1, 2, 3]), ("odd", [0, 1, 2, 3])],
)
def test_rows_stand_in_the_order_that_is_asked_for(order: str, numbers: list[int]) -> None:
    assert [each.number for each in arrange(ROWS[::-1], order)] == numbers


def test_a_score_that_should_be_low_is_worst_where_it_is_high() -> None:
    assert arrange(ROWS, WORST, higher_is_better=False)[0].number == 3


def test_without_scores_the_losses_decide() -> None:
    plain = [ScoredRow(n, "", "", "", "", None, None, 2.0, loss) for n, loss in enumerate((1.0, 3.0, 1.9))]
    assert [each.number for each in arrange(plain, WORST)] == [1, 2, 0]
    assert [each.number for each in arrange(plain, CHANGED)] == [0, 1, 2]


def test_a_search_finds_rows_that_hold_every_word_somewhere() -> None:
    found = (row(0, base=None, tuned=None, text="Große Fische"), row(1, base=None, tuned=None, text="fish"))
    assert [each.number for each in arrange(found, ALL, text="  GROSSE yes ")] == [0]
    assert arrange(found, ALL, text="grosse missing") == []


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunStore(tmp_path).create(
        RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="0", train=(), validation=()
    )


def test_what_is_written_is_what_was_scored(run: RunFolder) -> None:
    odd = ScoredRow(7, 'a "quoted",\nline', "ä", "", "1+1", None, 1.0, 0.25, None)
    table = write_rows(run, made_up.report(run), [odd], CSV)
    with table.open(encoding="utf-8", newline="") as file:
        (found,) = csv.DictReader(file)
    assert (found["prompt"], found["tuned"], found["base_score"], found["base_loss"]) == (
        odd.prompt,
        odd.tuned,
        "",
        "0.25",
    )
    lines = write_rows(run, made_up.report(run), [odd, odd], JSONL)
    assert [json.loads(line)["prompt"] for line in lines.read_text(encoding="utf-8").splitlines()] == [odd.prompt] * 2
    assert lines.name == f"{run.id}-held-out-rows.jsonl"


def test_a_folder_that_cannot_be_written_is_a_sentence(run: RunFolder) -> None:
    run.exports.rmdir()
    run.exports.write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        write_rows(run, made_up.report(run), [], CSV)


def test_a_spreadsheet_computes_no_answer_as_a_formula(run: RunFolder) -> None:
    odd = ScoredRow(0, "=1+1", "@sum", "-2", "yes", -0.5, 1.0, None, None)
    with write_rows(run, made_up.report(run), [odd], CSV).open(encoding="utf-8", newline="") as file:
        (found,) = csv.DictReader(file)
    assert (found["prompt"], found["expected"], found["base"], found["tuned"]) == ("'=1+1", "'@sum", "'-2", "yes")
    assert found["base_score"] == "-0.5", "a number stays one"
