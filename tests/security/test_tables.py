"""No cell of a table that leaves the studio begins a formula, its head included."""

import csv
import io

import pytest

from studio.compare.answering import GenerationSettings
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column, Sheet, SheetRow
from studio.compare.sheets import as_csv as sheet_as_csv
from studio.jobs.evaluation_report import ScoredRow
from studio.jobs.scored_rows import as_csv as rows_as_csv
from studio.runs.tables import write_csv_rows

pytestmark = pytest.mark.security

FORMULA = '=HYPERLINK("https://example.org","x")'
BEGINNINGS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", "＝1"]  # noqa: RUF001


def cells(table: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(table, newline="")) for cell in row]


@pytest.mark.parametrize("text", [FORMULA, *BEGINNINGS])
def test_no_cell_begins_a_formula(text: str) -> None:
    """A spreadsheet computed what stood in a cell, and some look past spaces or take wide signs for the plain ones."""
    assert cells(write_csv_rows([[text, 5, -1.5]])) == ["'" + text.replace("\r", "\n"), "5", "-1.5"]


def test_a_carriage_return_begins_no_row() -> None:
    """A lone carriage return was written without quotes, and what followed it stood in a row of its own."""
    assert cells(write_csv_rows([["a\r=1+1", "b"]])) == ["a\n=1+1", "b"]


def test_the_head_of_a_sheet_begins_no_formula() -> None:
    """The models' titles stood in the head as they were, and a run may be called anything."""
    row = SheetRow(Prompt(FORMULA, FORMULA, FORMULA), (Cell(FORMULA), Cell(trouble=FORMULA)))
    sheet = Sheet((Column("run:a", FORMULA), Column("run:b", FORMULA, 0.5)), (row,), GenerationSettings("", 0.0, 10, 1))
    assert not [cell for cell in cells(sheet_as_csv(sheet)) if cell.startswith("=")]


def test_the_rows_of_an_evaluation_begin_no_formula() -> None:
    """Found safe."""
    row = ScoredRow(1, FORMULA, FORMULA, FORMULA, FORMULA)
    assert not [cell for cell in cells(rows_as_csv([row])) if cell.startswith("=")]
