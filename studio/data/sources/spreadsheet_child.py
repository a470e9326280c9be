"""Reads a spreadsheet in a process of its own: a harmful one may break the native library, or ask for all memory.

A program: it takes the path of the spreadsheet, the path to write to, and how many bytes of memory it may use. It
writes one JSON document a line: the name of the largest sheet and of the others with anything in them, then each row
that holds something as its number and its cells. Knows nothing of what the cells mean, and imports nothing of the
studio.
"""

import datetime
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import python_calamine

PASSWORD, UNREADABLE, EMPTY = 3, 4, 5
"""Exit codes."""

_MOST_SECONDS = 900


def main(source: str, target: str, limit: int) -> int:
    """Write the largest sheet of a spreadsheet as lines; return 0 or one of the exit codes above."""
    import python_calamine

    _limit(limit)
    try:
        with python_calamine.CalamineWorkbook.from_path(source) as book:
            return _write(book, target)
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


def _write(book: "python_calamine.CalamineWorkbook", target: str) -> int:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    visible = [sheet for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
    # One sheet is held at a time: each may be as large as the memory allows.
    heights = {sheet.name: book.get_sheet_by_name(sheet.name).height for sheet in visible or sheets}
    filled = [name for name, height in heights.items() if height]
    if not filled:
        return EMPTY
    best = max(filled, key=lambda name: heights[name])
    with open(target, "w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(json.dumps([best, *(name for name in filled if name != best)]) + "\n")
        for number, cells in enumerate(book.get_sheet_by_name(best).iter_rows(), start=1):
            plain = [_plain(cell) for cell in cells]
            while plain and plain[-1] is None:
                plain.pop()
            if plain:
                file.write(json.dumps([number, plain], ensure_ascii=False) + "\n")
    return 0


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
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
