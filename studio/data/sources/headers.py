"""The first row of a table: whether it names the columns, and what they are then called."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

KNOWN_NAMES = frozenset(
    "a answer answers assistant bot category chosen completion content context conversation conversations date "
    "description document history human id index input instruction instructions label language lang messages model "
    "name no number output outputs prompt q query question questions rejected reply response role score source "
    "subject summary system tags target text title topic type url user".split()
)
"""Names that columns of examples commonly have, in lower case."""

_SENTENCE = re.compile(r"[.!?。\uff01\uff1f]['\"”»)]*$")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*%?$")

_MOST_ROWS = 4
_MOST_SHOWN = 5
Merge = tuple[int, int, int, int]
"""Cells that are merged: the first row and place, then the last ones; rows count from the header, all from 0."""


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Name every column once: an empty name becomes its place, a repeated one gets its place as well."""
    names: dict[str, None] = {}
    for place, cell in enumerate(header, start=1):
        name = " ".join(cell.split())[:200] or f"column {place}"
        while name in names:
            name = f"{name} ({place})"
        names[name] = None
    return tuple(names)


def numbered_columns(width: int) -> tuple[str, ...]:
    """Name columns by their place."""
    return tuple(f"column {place}" for place in range(1, width + 1))


def looks_like_names(cells: Sequence[str]) -> bool:
    """Say whether cells look like the names of columns: all short, none empty, none a sentence or a number."""
    return all(
        0 < len(cell.strip()) <= 60
        and not cell.startswith(" ")
        and len(cell.split()) <= 6
        and not _SENTENCE.search(cell.strip())
        and not _NUMBER.match(cell.strip())
        for cell in cells
    )


def has_known_name(cells: Sequence[str]) -> bool:
    """Say whether a cell is one of the names that columns of examples have."""
    return any(re.sub(r"[^a-z]", "", cell.lower()) in KNOWN_NAMES for cell in cells)


def first_row_is_data(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row holds data like the rows below it, and no names.

    Only clear evidence counts, since names are the rule: a column whose first cell is a number, a long sentence or a
    repeated value exactly as the cells below it.
    """
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(below) < 2 or has_known_name(first):
        return False
    return any(_is_alike(cell, [row[place] for row in below]) for place, cell in enumerate(first))


def _is_alike(cell: str, below: Sequence[str]) -> bool:
    cell = cell.strip()
    filled = [other.strip() for other in below if other.strip()]
    if not cell or 2 * len(filled) < len(below):
        return False
    if _NUMBER.match(cell):
        return all(_NUMBER.match(other) for other in filled) and len(filled) > 1
    if len(filled) >= 4 and filled.count(cell) >= 2:
        return True
    long = sorted(len(other.split()) for other in filled)[len(filled) // 2]
    ends = sum(bool(_SENTENCE.search(other)) for other in filled)
    return len(cell.split()) >= 3 and bool(_SENTENCE.search(cell)) and long >= 3 and 2 * ends > len(filled)


@dataclass(frozen=True)
class Header:
    """How many rows name the columns, how the columns are called, and a sentence on it, empty for a single row."""

    height: int
    names: tuple[str, ...]
    note: str = ""


def read_header(records: Sequence[Sequence[str]], merges: Sequence[Merge] = ()) -> Header:
    """Name the columns by the last row of a header; where names repeat, the titles above them are put in front.

    `records` are the rows from the header on, all equally wide. Where nothing is known of merged cells, a row with gaps
    counts as titles when only the row below it has names that columns of examples have.
    """
    height = 1
    while height < min(_MOST_ROWS, len(records)) and _goes_on(records, height, merges):
        height += 1
    if height == 1:
        return Header(1, column_names(records[0]))
    titles = [_spread(record, row, merges) for row, record in enumerate(records[: height - 1])]
    named = [_labels(column) for column in zip(*titles, [cell.strip() for cell in records[height - 1]], strict=True)]
    repeated = Counter(labels[-1].casefold() for labels in named)
    names = [" ".join(labels) if repeated[labels[-1].casefold()] > 1 else labels[-1] for labels in named]
    shown = [title for title in dict.fromkeys(title for row in titles for title in row) if title]
    listed = ", ".join(f"'{title[:40]}'" for title in shown[:_MOST_SHOWN])
    note = f"The names of the columns stand below titles over several columns ({listed}); the titles are used only "
    return Header(height, column_names(names), note + "where names repeat.")


def _goes_on(records: Sequence[Sequence[str]], height: int, merges: Sequence[Merge]) -> bool:
    """Say whether the row after the first `height` ones belongs to the header as well."""
    above, below = records[height - 1], records[height]
    filled = [cell for cell in below if cell.strip()]
    if not filled or not looks_like_names(filled):
        return False
    if has_known_name([cell for cell in above if cell.strip()]) and not has_known_name(filled):
        return False
    if merges:
        spread = _spread(below, height, merges)
        divided = [places for places in _merged_over(height - 1, merges) if places not in _merged_over(height, merges)]
        tall = any(top < height <= bottom for top, _, bottom, _ in merges)
        return tall or any(all(spread[place] for place in places if place < len(spread)) for places in divided)
    return has_known_name(filled) and not has_known_name(above) and _is_over_several(above, below)


def _merged_over(row: int, merges: Sequence[Merge]) -> list[range]:
    """Return the places of each title in a row that is merged over several columns."""
    return [range(left, right + 1) for top, left, _, right in merges if top == row and right > left]


def _is_over_several(above: Sequence[str], below: Sequence[str]) -> bool:
    """Say whether a title is followed by a gap under which a name stands, so that it may be meant for both."""
    columns = list(zip(above, below, strict=True))
    return any(
        first[0].strip() and first[1].strip() and not second[0].strip() and second[1].strip()
        for first, second in pairwise(columns)
    )


def _spread(record: Sequence[str], row: int, merges: Sequence[Merge]) -> list[str]:
    """Write the titles of a row over all the columns that they are about."""
    cells = [cell.strip() for cell in record]
    if merges:
        for top, left, _, right in merges:
            if top == row:
                cells[left : right + 1] = [cells[left]] * len(cells[left : right + 1])
        return cells
    for place in range(1, len(cells)):
        cells[place] = cells[place] or cells[place - 1]
    return cells


def _labels(column: Sequence[str]) -> list[str]:
    """Return what stands over a column and as its name, from the top, each once."""
    return list(dict.fromkeys(label for label in column if label)) or [""]
