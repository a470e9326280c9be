"""What a reader gives: rows by column name, and what is wrong with those that cannot be read. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from studio.errors import StudioError

Report = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much is done (0 when unknown). It may raise `CancelledError`."""


class CancelledError(StudioError):
    """The person does not want this work any more. Raised by a `Report`, passed on by all that reads."""


def silent(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Row:
    """One row by column name, as a person finds it again.

    `number` is the row in a spreadsheet, header and blank rows counted, for CSV and Excel; the line for JSON Lines and
    text; the item counted from 1 for JSON and Parquet. `file` is empty when there is only one. `continues` is for a
    piece of plain text that goes on in the next row.
    """

    number: int
    cells: Mapping[str, object]
    file: str = ""
    continues: bool = False


@dataclass(frozen=True)
class RowProblem:
    """Why a row is left out, as a sentence. `row` and `file` are as in `Row`; equal reasons have the same `kind`."""

    row: int
    text: str
    file: str = ""
    kind: str = ""
