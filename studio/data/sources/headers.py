"""The first row of a table: whether it names the columns, and what they are then called. Knows nothing of files."""

import re
from collections.abc import Sequence

KNOWN_NAMES = frozenset(
    "a answer answers assistant bot category chosen completion content context conversation conversations date "
    "description document history human id index input instruction instructions label language lang messages model "
    "name no number output outputs prompt q query question questions rejected reply response role score source "
    "subject summary system tags target text title topic type url user".split()
)
"""Names that columns of examples commonly have, in lower case."""

_SENTENCE = re.compile(r"[.!?。\uff01\uff1f]['\"”»)]*$")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*%?$")


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
