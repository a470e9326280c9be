"""Tables and other files for a person's own programs, written beside the exports of a run."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from studio.files import disk_trouble, write_whole
from studio.runs.store import RunFolder

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
"""What a spreadsheet takes for the beginning of a formula; the wide forms are those of Chinese and Japanese fonts."""


def in_a_cell(value: object) -> object:
    """Return what stands in a cell for a value: a text that a spreadsheet would compute as a formula is quoted.

    All line ends become the same: `csv` does not quote a lone carriage return, after which readers begin another row.
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.lstrip(" ").startswith(_BEGINS_A_FORMULA) else text


def write_csv_rows(rows: Iterable[Iterable[object]]) -> str:
    """Write rows, the head among them, as CSV in which no cell begins a formula."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(map(in_a_cell, row) for row in rows)
    return written.getvalue()


def write_beside(run: RunFolder, name: str, text: str) -> Path:
    """Write a whole file beside the exports of a run, and return it. Raises RunError when the disk does not take it."""
    target = run.exports / name
    with disk_trouble(f"The file {name}", target.parent):
        target.parent.mkdir(exist_ok=True)
        write_whole(target, text)
    return target
