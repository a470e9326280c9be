"""One cell of a row: the text in it, or the list that it holds as text.

Text is taken as it stands: nothing is stripped or rewritten.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from studio.data.python_values import python_value

_MOST_WRAPPINGS = 4


class UnusableError(Exception):
    """The one reason why a row gives no example. `kind` is as in `RowProblem`. Never leaves this folder."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind
        self.text = text


def text_in(cell: object, name: str) -> str:
    """Return what a cell says; a missing value, and a number that is none (NaN), say nothing.

    A list of one text, and a list that says the same several times, count as that text. Raises UnusableError, which
    names the cell as `name`, for anything else that is not text.
    """
    for _ in range(_MOST_WRAPPINGS):
        if isinstance(cell, str):
            return cell
        if cell is None:
            return ""
        if isinstance(cell, bool):
            return "true" if cell else "false"
        if isinstance(cell, int | float | Decimal):
            return _number(cell, name)
        if isinstance(cell, Mapping) and isinstance(cell.get("text"), str | list):
            cell = cell["text"]
        elif isinstance(cell, list):
            cell = _one_of(cell, name)
        else:
            break
    raise UnusableError("not-text", f"{name} holds {_what(cell)} and not a text.")


def answer_text(cell: object, name: str) -> str:
    """Return what an answer says: its text, or the JSON of an object or a list, as extraction data holds it.

    Raises UnusableError for what is neither, and for the several answers that different people gave to one question.
    """
    try:
        return text_in(cell, name)
    except UnusableError:
        if not is_json(cell):
            raise
    return as_json(cell, name)


def as_json(value: object, what: str) -> str:
    """Write a value as JSON. Raises UnusableError, which says `what`, when that cannot be done."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise UnusableError("not-text", f"{what} cannot be written as JSON.") from error


def is_json(cell: object) -> bool:
    """Tell whether a cell is an object or a list that can be learned as JSON: one that is no wrapping of texts."""
    return (isinstance(cell, Mapping) and bool(cell) and "text" not in cell) or (isinstance(cell, list) and bool(cell))


def is_empty(cell: object) -> bool:
    """Say whether a cell holds nothing: no value, no number (NaN), only white space, or an empty list or object."""
    if isinstance(cell, str):
        return not cell or cell.isspace()
    return cell is None or cell == [] or cell == {} or (isinstance(cell, float) and math.isnan(cell))


def is_writable(text: str) -> bool:
    """Say whether a text can be written as UTF-8, which half of a character cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def opened(cell: object) -> object:
    """Return the list or object that a cell holds as text, as in CSV files; the cell itself when it holds none.

    Besides JSON, this reads how Python prints a list, because that is what pandas writes into a CSV file.
    """
    if not isinstance(cell, str) or cell.lstrip()[:1] not in ("[", "{"):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        found = python_value(cell)
        return cell if found is None else found


def listed(names: Sequence[str], most: int = 12) -> str:
    """Name columns in a sentence, the first of them where there are many."""
    return ", ".join(quoted(name)[1:-1] for name in names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )


def quoted(text: str) -> str:
    """Quote what stands in a file for a sentence: not too long, and fit to be written as UTF-8 whatever it is."""
    return "'" + (text if len(text) <= 40 else f"{text[:40]}...").encode("utf-8", "replace").decode() + "'"


def _number(number: int | float | Decimal, name: str) -> str:
    if number != number:
        return ""
    try:
        return str(number)
    except ValueError as error:  # Python writes no number of more than 4,300 digits.
        raise UnusableError("not-text", f"{name} holds a number that is too long.") from error


def _one_of(items: Iterable[object], name: str) -> object:
    """Return the one thing that a list says, once or several times."""
    said: list[object] = []
    for item in items:
        if not is_empty(item) and not (isinstance(item, str) and item in said):
            said.append(item)
        if len(said) > 1:
            raise UnusableError("not-text", f"{name} holds several values, and only one text can be learned.")
    return said[0] if said else None


def _what(cell: object) -> str:
    if isinstance(cell, Mapping):
        return "an object"
    if isinstance(cell, list | tuple):
        return "a list"
    return "binary data" if isinstance(cell, bytes | bytearray) else "something"
