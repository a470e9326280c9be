"""Spreadsheets (.xlsx, .xls, .ods): one sheet as rows, the chosen one or the one that looks most like examples.

The sheet is written out as lines by `spreadsheet_child`, in a process that has little memory to waste.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from studio.data.reading_choices import SHEET, Option, Question, first_lines
from studio.data.rows import Row, RowProblem
from studio.data.sources import spreadsheet_child
from studio.data.sources.file_bytes import Progress, silence
from studio.data.sources.headers import Merge, first_row_is_data, has_known_name, numbered_columns, read_header
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_encodings import TextEncoding
from studio.data.sources.text_files import TextFile
from studio.errors import DataError
from studio.wording import counted

_MOST_MEMORY = 900 << 20
_SAMPLE = 60
_AS_CSV = "Open it in its own program and save the sheet as CSV (UTF-8)."

_Cells = tuple[int, list[object]]
"""The number of a row, and its cells."""


@dataclass(frozen=True)
class _Sheets:
    """What a spreadsheet holds: the sheet that was written out, the first rows of each by name, the largest first, how
    many formulas in the one have no value, and its merged cells, with the numbers of their rows."""

    read: str
    samples: dict[str, list[list[object]]]
    formulas: int
    merged: list[Merge]


@dataclass(frozen=True)
class _Table:
    """Where the table lies in a sheet: the row above its data (0 when there is none) and the name of each place."""

    header: int
    columns: tuple[str, ...]
    places: tuple[int, ...]
    notes: tuple[str, ...]


def plan_spreadsheet(path: Path, folder: Path, *, sheet: str, progress: Progress) -> Reading:
    """Plan the reading of a sheet, which is written out into `folder`: the named one, or the likeliest without a name.

    Raises DataError when the spreadsheet is empty, damaged, too large or has a password, or has no such sheet.
    """
    target = folder / "sheet"
    _write_out(path, target, sheet, progress)
    sheets, lines = _written(target)
    if not sheet and (likeliest := _likeliest(sheets.samples)) != sheets.read:
        _write_out(path, target, likeliest, progress)
        sheets, lines = _written(target)
    table = _find_table(list(islice(_cells(lines, silence()), _SAMPLE)), sheets.merged)
    notes = (*_on_sheets(sheets), *_on_formulas(sheets), *table.notes)

    def rows(progress: Progress, label: str) -> Rows:
        for number, cells in _cells(lines, progress):
            if number > table.header:
                yield _row(number, cells, table, label)

    return Reading("Excel", rows, table.columns, notes, lines.size, _questions(sheets))


def _written(target: Path) -> tuple[_Sheets, TextFile]:
    lines = TextFile(target, "sheet", TextEncoding("utf-8", "UTF-8"), target.stat().st_size)
    read, samples, formulas, merged = json.loads(next(lines.lines(silence())) or '["", [], 0, []]')
    return _Sheets(read, dict(samples), formulas, merged), lines


def _likeliest(samples: dict[str, list[list[object]]]) -> str:
    """Return the sheet with columns that have known names, else one with several columns; of these the largest."""
    return max(samples, key=lambda name: _likeness(samples[name]))


def _likeness(sample: list[list[object]]) -> int:
    wide = [cells for cells in sample if _filled(cells) > 1]
    if len(wide) < 2:
        return 0
    return 2 if has_known_name(read_header(_records(list(enumerate(wide)))).names) else 1


def _questions(sheets: _Sheets) -> tuple[Question, ...]:
    """Offer the sheets where there are several."""
    if len(sheets.samples) < 2:
        return ()
    options = tuple(Option(name, name, _first_lines(sample)) for name, sample in sheets.samples.items())
    return (Question(SHEET, f"The sheet '{sheets.read}' is read.", sheets.read, options),)


def _first_lines(sample: list[list[object]]) -> tuple[str, ...]:
    return first_lines(
        " | ".join(_text(cell) for cell in cells if cell is not None) for cells in sample if _filled(cells)
    )


def _write_out(path: Path, target: Path, sheet: str, progress: Progress) -> None:
    command = [sys.executable, "-P", spreadsheet_child.__file__, str(path), str(target), str(_MOST_MEMORY), sheet]
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        while True:
            try:
                code = child.wait(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                progress.at(target.stat().st_size if target.exists() else 0)
    finally:
        child.kill()
        child.wait()
    if code == spreadsheet_child.PASSWORD:
        raise DataError("The spreadsheet has a password.", "Take the password off in its own program, and save it.")
    if code == spreadsheet_child.NO_SHEET:
        raise DataError(f"The spreadsheet has no sheet '{sheet[:80]}' with anything in it.", "Choose another sheet.")
    if code == spreadsheet_child.EMPTY:
        raise DataError("The spreadsheet holds nothing.", "Put one example in each row, below a row of names.")
    if code in (spreadsheet_child.UNREADABLE, 1):
        raise DataError("The spreadsheet is damaged or of a kind that cannot be read.", _AS_CSV)
    if code:
        raise DataError("The spreadsheet is too large to be read as it is, or damaged.", _AS_CSV)


def _cells(lines: TextFile, progress: Progress) -> Iterator[_Cells]:
    for line in islice(lines.lines(progress), 1, None):
        number, cells = json.loads(line) if line is not None else (0, [])
        yield number, cells


def _on_sheets(sheets: _Sheets) -> tuple[str, ...]:
    others = [f"'{name}'" for name in sheets.samples if name != sheets.read]
    if not others:
        return ()
    listed = ", ".join(others[:5]) + (" and others" if len(others) > 5 else "")
    return (f"Read the sheet '{sheets.read}'; {listed} {'was' if len(others) == 1 else 'were'} not read.",)


def _on_formulas(sheets: _Sheets) -> tuple[str, ...]:
    if not sheets.formulas:
        return ()
    said = f"{counted(sheets.formulas, 'cell')} {'holds' if sheets.formulas == 1 else 'hold'} a formula without a value"
    return (f"{said}, which is read as empty. Open the file in its own program, and save it there again.",)


def _find_table(sample: Sequence[_Cells], merged: Sequence[Merge]) -> _Table:
    """Find the header: the first row with two cells or more, if any has that many, and the rows below that go with it.

    Raises DataError when there is no row, or nothing below the header.
    """
    if not sample:
        raise DataError("The spreadsheet holds nothing.", "Choose a file with one example a row.")
    wide = [place for place, (_, cells) in enumerate(sample) if _filled(cells) > 1]
    start = wide[0] if wide else 0
    top = sample[start][0]
    records = _records(sample[start:])
    above = [(first - top, left, last - top, right) for first, left, last, right in merged if first >= top]
    header = read_header(records[: _unbroken(sample[start:])], above)
    headless = header.height == 1 and first_row_is_data(records)
    if len(records) == header.height and not headless:
        found = ", ".join(records[0])[:80]
        raise DataError(f"The sheet has a first row ({found}) and nothing below it.", "Add one example a row.")
    width = len(records[0])
    used = tuple(place for place in range(width) if any(record[place].strip() for record in records))
    names = numbered_columns(width) if headless else header.names
    notes = ["The first row holds no names, so the columns are numbered."] if headless else []
    notes += [header.note] if header.note else []
    if start:
        notes.append(f"The table begins in row {top}; what stands above it was passed over.")
    last = top + header.height - 1 - headless
    return _Table(last, tuple(names[place] for place in used), used, tuple(notes))


def _records(sample: Sequence[_Cells]) -> list[list[str]]:
    """Return rows as texts, all equally wide."""
    records = [[_text(cell) for cell in cells] for _, cells in sample]
    width = max(len(record) for record in records)
    return [record + [""] * (width - len(record)) for record in records]


def _unbroken(sample: Sequence[_Cells]) -> int:
    """Count the rows from the first that follow one another without an empty row between them."""
    first = sample[0][0]
    return next((place for place, (number, _) in enumerate(sample) if number != first + place), len(sample))


def _filled(cells: Sequence[object]) -> int:
    return sum(cell is not None for cell in cells)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _row(number: int, cells: list[object], table: _Table, label: str) -> Row | RowProblem:
    if any(cells[place] is not None for place in range(len(cells)) if place not in table.places):
        text = f"The table has {len(table.columns)} columns, this row has cells beyond them."
        return RowProblem(number, text, label, "wrong-columns")
    values = [cells[place] if place < len(cells) else None for place in table.places]
    return Row(number, dict(zip(table.columns, values, strict=True)), label)
