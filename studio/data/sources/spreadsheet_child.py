"""Reads a spreadsheet in a process of its own: a harmful one may break the native library, or ask for all memory.

A program: it takes the path of the spreadsheet, the path to write to, how many bytes of memory it may use, and the name
of a sheet or nothing for the largest. It writes one JSON document a line: the name of the sheet, the first rows of each
sheet with anything in it, the largest first, how many formulas were never computed, and which cells near the top are
merged; then each row of the sheet that holds something as its number and its cells.
"""

import datetime
import json
import re
import sys
import zipfile
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import python_calamine

PASSWORD, UNREADABLE, EMPTY, NO_SHEET = 3, 4, 5, 6
"""Exit codes."""

_MOST_SECONDS = 900
_SAMPLE = 20
_MOST_MERGED = 1000
_LONGEST_XML = 64 << 20
_FORMULA = re.compile(rb"<f[ >/](?:(?!</?c[ >]).)*?</c>", re.DOTALL)


def main(source: str, target: str, limit: int, wanted: str) -> int:
    """Write one sheet of a spreadsheet as lines; return 0 or one of the exit codes above."""
    import python_calamine

    _limit(limit)
    try:
        with python_calamine.CalamineWorkbook.from_path(source) as book:
            return _write(book, source, target, wanted)
    except python_calamine.PasswordError:
        return PASSWORD
    except (python_calamine.CalamineError, OSError, MemoryError, ValueError):
        return UNREADABLE


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits.
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _write(book: "python_calamine.CalamineWorkbook", source: str, target: str, wanted: str) -> int:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    visible = [sheet for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
    # One sheet is held at a time: each may be as large as the memory allows.
    heights: dict[str, int] = {}
    samples: dict[str, list[list[object]]] = {}
    for each in visible or sheets:
        sheet = book.get_sheet_by_name(each.name)
        if sheet.height:
            heights[each.name] = sheet.height
            samples[each.name] = [[_plain(cell) for cell in cells] for cells in islice(sheet.iter_rows(), _SAMPLE)]
    if not heights:
        return EMPTY
    if wanted and wanted not in heights:
        return NO_SHEET
    best = wanted or max(heights, key=lambda name: heights[name])
    ordered = sorted(heights, key=lambda name: -heights[name])
    with open(target, "w", encoding="utf-8", errors="replace", newline="\n") as file:
        sheet = book.get_sheet_by_name(best)
        formulas = _formulas(source, book.sheet_names.index(best))
        head = [best, [[name, samples[name]] for name in ordered], formulas, _merged(sheet)]
        file.write(json.dumps(head) + "\n")
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            plain = [_plain(cell) for cell in cells]
            while plain and plain[-1] is None:
                plain.pop()
            if plain:
                file.write(json.dumps([number, plain], ensure_ascii=False) + "\n")
    return 0


def _merged(sheet: "python_calamine.CalamineSheet") -> list[list[int]]:
    """Return the first merged cells: their first and last rows, counted from 1, and places, counted from 0."""
    start = sheet.start[1] if sheet.start else 0
    ranges = sorted(sheet.merged_cell_ranges or ())[:_MOST_MERGED]
    return [
        [top + 1, max(left - start, 0), bottom + 1, right - start]
        for (top, left), (bottom, right) in ranges
        if right >= start
    ]


def _formulas(source: str, place: int) -> int:
    """Count the formulas of a sheet of an .xlsx file that no program has computed; 0 for other files."""
    if not zipfile.is_zipfile(source):
        return 0
    with zipfile.ZipFile(source) as archive:
        try:
            ids = re.findall(rb"<sheet\b[^>]*?r:id=\"([^\"]+)", archive.read("xl/workbook.xml"))
            links = archive.read("xl/_rels/workbook.xml.rels")
            link = next(each for each in re.findall(rb"<Relationship\b[^>]*>", links) if b'"%b"' % ids[place] in each)
            name = re.search(rb'Target="/?(?:xl/)?([^"]+)"', link)
            with archive.open(f"xl/{name.group(1).decode() if name else ''}") as file:
                found = _FORMULA.findall(file.read(_LONGEST_XML))
        except (KeyError, IndexError, StopIteration, OSError, zipfile.BadZipFile, UnicodeDecodeError):
            return 0
    return sum(re.search(rb"<v[^>]*>[^<]|<is>", cell) is None for cell in found)


def _plain(cell: object) -> object:
    """Return a cell as JSON holds it: dates as text in ISO form, whole numbers as int, an empty cell as nothing."""
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, float):
        # Infinity and NaN are no numbers of JSON, and no cell of a spreadsheet shows them.
        return int(cell) if cell.is_integer() and abs(cell) < 1e15 else cell if abs(cell) < 1e308 else None
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, (datetime.datetime, datetime.date, datetime.time)):
        return cell.isoformat()
    return cell if cell is None or isinstance(cell, (bool, int)) else str(cell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
