import csv
import io
import json
from dataclasses import replace

import pytest

from studio import codec
from studio.compare.answering import GenerationSettings
from studio.compare.sheet_answers import SheetState
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import (
    ALL,
    DIFFERENT,
    OPEN,
    SAME,
    WRONG,
    Cell,
    Column,
    Sheet,
    SheetRow,
    as_csv,
    as_jsonl,
    find,
)
from studio.ui.compare.sheet_view import progress

COLUMNS = (Column("base:a", "base"), Column("run:a", "otter", 0.5))
SHEET = Sheet(
    COLUMNS,
    (
        SheetRow(Prompt("Say A", expected="A"), (Cell("A", 1, 0.1, "end"), Cell("A ", 1, 0.1, "end"))),
        SheetRow(Prompt("Say B", expected="B"), (Cell("A"), Cell("B"))),
        SheetRow(Prompt("Say C"), (Cell("=SUM(1)"), Cell(trouble="The prompt is too long."))),
        SheetRow(Prompt("Say D")),
    ),
    GenerationSettings("Be brief.", 0.0, 32, 7),
)


@pytest.mark.parametrize(
    ("which", "places"), [(ALL, (0, 1, 2, 3)), (DIFFERENT, (1,)), (SAME, (0,)), (WRONG, (1,)), (OPEN, (2, 3))]
)
def test_rows_are_found_by_how_the_answers_stand(which: str, places: tuple[int, ...]) -> None:
    assert find(SHEET, which=which) == places


def test_rows_are_found_by_words_in_prompts_and_answers() -> None:
    assert find(SHEET, text=" say b") == (1,)
    assert find(SHEET, text="SUM") == (2,)
    assert find(SHEET, text="say d", which=OPEN) == (3,)
    assert find(SHEET, text="nowhere") == ()


def test_a_table_for_spreadsheets_holds_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(SHEET))))
    assert rows[0] == ["prompt", "system", "expected", "base", "otter at 0.5"]
    assert rows[3][3:] == ["'=SUM(1)", "The prompt is too long."]
    assert rows[4] == ["Say D", "", "", "", ""]


@pytest.mark.case("68-template-without-an-end")
def test_a_model_whose_answers_are_all_cut_is_named() -> None:
    """A sheet of answers that never ended was said to be answered, in green."""
    ends = (("length", "end"), ("length", "length"))
    rows = [SheetRow(Prompt("Say A"), tuple(Cell("A", ended=ended) for ended in each)) for each in ends]
    sheet = replace(SHEET, rows=(*rows, SheetRow(Prompt("Say B"))))
    assert sheet.cut.startswith("2 of 2 answers of base were cut at the longest answer. Allow longer answers")
    assert SHEET.cut == ""
    assert "ls-warning" in progress(SheetState(replace(sheet, rows=tuple(rows))))


def test_programs_get_all_that_is_known() -> None:
    rows = [json.loads(line) for line in as_jsonl(SHEET).splitlines()]
    assert rows[0]["answers"][1] == {
        "model": "otter",
        "key": "run:a",
        "strength": 0.5,
        "text": "A ",
        "tokens": 1,
        "ended": "end",
        "trouble": "",
    }
    assert rows[3] == {"prompt": "Say D", "system": "", "expected": "", "answers": []}


def test_a_model_that_answers_nothing_is_told_from_one_that_stumbles() -> None:
    assert SHEET.mute == ()
    rows = tuple(SheetRow(Prompt("Say"), (Cell(text), Cell(trouble="It cannot."))) for text in ("A", "B"))
    mute = replace(SHEET, rows=(*rows, SheetRow(Prompt("Say D"))))
    assert mute.mute == ((COLUMNS[1], "It cannot."),)
    assert not any(row.differs for row in mute.rows)
    assert replace(SHEET, rows=()).mute == ()


def test_a_sheet_is_written_and_read() -> None:
    assert codec.loads(Sheet, codec.dumps(SHEET)) == SHEET
    assert SHEET.answered == 3
    assert replace(SHEET, rows=()).answered == 0
