"""Headers of several rows, in sheets with merged cells and in tables that were saved from them."""

import io
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from studio.data.sources.headers import read_header
from tests.data.sources.sources import Folder, Read

pytestmark = pytest.mark.case("31-excel")
GROUPS = ("Customer", None, "Agent", None)
NAMES = ("question", "lang", "answer", "mood")
DATA = [(f"Why {n}?", "en", f"So {n}.", "calm") for n in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def sheet(folder: Folder, rows: Sequence[Sequence[object]], *merged: str) -> Read:
    book = openpyxl.Workbook()
    page = book.worksheets[0]
    for row in rows:
        page.append(list(row))
    for each in merged:
        page.merge_cells(each)
    held = io.BytesIO()
    book.save(held)
    return folder.read(held.getvalue(), "data.xlsx")


def test_the_names_below_merged_titles_are_those_of_the_columns(folder: Folder) -> None:
    """The titles were the names, and the names were the first row of the data."""
    found = sheet(folder, [GROUPS, NAMES, *DATA], "A1:B1", "C1:D1")
    assert found.numbered[0] == (3, dict(zip(NAMES, DATA[0], strict=True)))
    assert len(found.rows) == 3
    assert "titles over several columns ('Customer', 'Agent')" in found.source.notes[0]


def test_a_merged_title_above_merged_titles_is_passed_over(folder: Folder) -> None:
    rows = [("Support 2026",), GROUPS, NAMES, *DATA]
    found = sheet(folder, rows, "A1:D1", "A2:B2", "C2:D2")
    assert found.numbered[0] == (4, dict(zip(NAMES, DATA[0], strict=True)))
    lone = sheet(folder, [("Support 2026",), NAMES, *DATA], "A1:D1")
    assert lone.numbered[0] == (3, dict(zip(NAMES, DATA[0], strict=True)))


def test_a_title_is_put_in_front_where_names_repeat(folder: Folder) -> None:
    names = ("text", "lang", "text", "mood")
    found = sheet(folder, [GROUPS, names, *DATA], "A1:B1", "C1:D1")
    assert found.source.columns == ("Customer text", "lang", "Agent text", "mood")


def test_names_that_are_merged_downwards_stand_beside_titles(folder: Folder) -> None:
    rows = [(None, None), (None, "id", *GROUPS), (None, None, *NAMES), *((None, n, *DATA[n]) for n in range(3))]
    found = sheet(folder, rows, "B2:B3", "C2:D2", "E2:F2")
    assert found.source.columns == ("id", *NAMES)
    assert found.numbered[0][0] == 4


def test_three_rows_of_titles(folder: Folder) -> None:
    rows = [("Support", None, None, None, "Notes", None), (*GROUPS, "Own", None), (*NAMES, "from", "by")]
    rows += [(*row, "me", "you") for row in DATA]
    found = sheet(folder, rows, "A1:D1", "E1:F1", "A2:B2", "C2:D2", "E2:F2")
    assert found.source.columns == (*NAMES, "from", "by")
    assert len(found.rows) == 3


def test_a_name_that_is_merged_over_an_empty_column_is_no_title(folder: Folder) -> None:
    found = sheet(folder, [("question", "answer", None), ("Who", "Me", None), ("Who not", "You", None)], "B1:C1")
    assert [row.cells["answer"] for row in found.rows] == ["Me", "You"]


def test_merged_cells_in_the_data_are_no_titles(folder: Folder) -> None:
    rows = [("question", "answer", "more"), ("Who", "Me", None), ("Who not", "You", "yes")]
    found = sheet(folder, rows, "B2:C2")
    assert [row.cells["answer"] for row in found.rows] == ["Me", "You"]


def test_titles_with_gaps_in_a_table_saved_as_text(folder: Folder) -> None:
    found = folder.read("Customer,,Agent,\nquestion,lang,answer,mood\nWhy?,en,So.,calm\nWho?,en,Me.,calm\n")
    assert found.numbered[0] == (3, dict(question="Why?", lang="en", answer="So.", mood="calm"))
    assert (len(found.rows), len(found.source.notes)) == (2, 1)
    gaps = folder.read("question,,answer,\nname,x,Me,y\nWho?,x,Me.,y\n")
    assert len(gaps.rows) == 2


def test_gaps_alone_make_no_titles() -> None:
    assert read_header([["a", "", "b"], ["x", "y", "z"], ["x", "", "z"]]).height == 1
    rows = [["one", "", "two", ""], ["x", "y", "z", "w"], ["v", "v", "v", "v"]]
    assert read_header(rows, [(0, 0, 0, 1), (0, 2, 0, 3)]).height == 2
    assert read_header(rows, [(0, 0, 0, 1), (1, 0, 1, 1)]).height == 1
