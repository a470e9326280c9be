"""JSON Lines and JSON in its many shapes, from a stream of text to rows.

A row that cannot be read is reported and the others are kept, wherever the next one can be found for certain.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import islice

from studio.data.reading_choices import GUESSED, MOST_SHOWN, Choices
from studio.data.rows import Row, RowProblem
from studio.data.sources.file_bytes import Progress, silence
from studio.data.sources.json_items import Item, items_in_object, items_of, lists_in_object
from studio.data.sources.json_lists import ChosenLists, choose_lists
from studio.data.sources.json_shapes import is_conversation, rows_of, tables_in
from studio.data.sources.json_stream import JsonStream
from studio.data.sources.json_text import (
    DECODER,
    BrokenJsonError,
    holds_half_characters,
    may_hold_half_characters,
    parse,
)
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_files import LONGEST_LINE, TextFile
from studio.errors import DataError

_GAP = r"(?:\s|//[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*"
_START = re.compile(rf"""{_GAP}(?:\{{{_GAP}["'}}]|\[{_GAP}[\[{{\]"0-9tfn-])""")
_CLEAR_START = re.compile(rf"""{_GAP}(?:\{{{_GAP}["'}}]|\[{_GAP}[\[{{\]"])""")
_NAMES = ("json", "jsonl", "ndjson", "jsonlines", "geojson", "json5", "jsonc")
_LONG_HEAD = 100_000
_LONGEST_WHOLE = 2 * LONGEST_LINE
_TOO_LONG = f"The line is longer than {LONGEST_LINE // 1_000_000} million characters."
_NO_LISTS = ChosenLists(())
_TRAILING = re.compile(r",\s*\](\s*\})?\s*$")


def is_json_lines(head: str, *, is_all: bool) -> bool:
    """Say whether at least half of the first lines with anything on them are rows; `is_all` when these are all."""
    lines = head.split("\n")
    if not is_all and len(lines) > 1:
        lines.pop()
    filled = list(islice((line for line in lines if line.strip()), 1000))
    if not filled:
        return False
    found = [value for value in map(_row_of_line, filled) if value is not None]
    if len(filled) == 1 and is_all:
        return bool(found) and filled[0].lstrip().startswith("{") and _is_row(found[0])
    opens_list = filled[0].lstrip().startswith("[") and not isinstance(_parsed(filled[0]), list)
    return 2 * len(found) >= len(filled) and not opens_list


def looks_like_json(head: str) -> bool:
    """Say whether a text begins as JSON does, with a list or an object and nothing strange after it."""
    if not _START.match(head):
        return False
    start = len(head) - len(head.lstrip())
    if head.startswith("/", start):
        return True
    try:
        _, end = DECODER.raw_decode(head, start)
    except json.JSONDecodeError as error:
        return bool(_CLEAR_START.match(head)) or error.pos + len("-Infinity") > len(head) > _LONG_HEAD
    except (ValueError, RecursionError):
        return True
    return head[end:].lstrip()[:1] in ("", ",", "{", "[")


def is_called_json(name: str) -> bool:
    """Say whether the name of a file says that it is JSON; such a file is never read as prose."""
    return name.lower().rpartition(".")[2] in _NAMES


def _is_row(value: object) -> bool:
    """Say whether an object is one row and does not hold a whole table."""
    return not tables_in(value) and not rows_of(value)[1]


def _row_of_line(line: str) -> dict[str, object] | None:
    value = _parsed(line) if line.lstrip().startswith(("{", "[")) else None
    return _row_of_list(value) if isinstance(value, list) else value if isinstance(value, dict) else None


def _row_of_list(items: list[object]) -> dict[str, object] | None:
    """Read a list as the row that it is: the turns of a conversation, or a question and its answer."""
    if is_conversation(items):
        return {"messages": items}
    if len(items) == 2 and all(isinstance(item, str) for item in items):
        return {"question": items[0], "answer": items[1]}
    return None


def _parsed(line: str) -> object:
    try:
        return parse(line)
    except BrokenJsonError as error:
        return error


def plan_json_lines(file: TextFile) -> Reading:
    """Plan the reading of one object a line."""

    def rows(progress: Progress, label: str) -> Rows:
        for number, line in enumerate(file.lines(progress), start=1):
            if line is None:
                yield RowProblem(number, _TOO_LONG, label, "unreadable")
                continue
            if not line or line.isspace():
                continue
            try:
                value = parse(line)
            except BrokenJsonError as error:
                text = f"This is not JSON: {error} at column {error.column}."
                yield RowProblem(number, text, label, "unreadable")
                continue
            yield _row(value, number=number, label=label, is_doubtful=may_hold_half_characters(line))

    return Reading("JSON Lines", rows)


def plan_json(file: TextFile, choices: Choices = GUESSED) -> Reading:
    """Plan the reading of a list of objects, or of objects one after another.

    Raises DataError when it is broken, or holds no list that was chosen.
    """
    read, chosen = _plan_items(file, choices)
    note = "The list ends with a comma; it was read all the same." if _TRAILING.search(file.tail()) else ""
    notes = chosen.notes or ((note,) if note else ())

    def rows(progress: Progress, label: str) -> Rows:
        stream = JsonStream(file.blocks(progress))
        number = 0
        first: BrokenJsonError | None = None
        try:
            for number, (item, is_doubtful) in enumerate(read(stream), start=1):
                if isinstance(item, BrokenJsonError):
                    first = first or item
                    text = f"This is not JSON: {item} (line {item.line}, column {item.column})."
                    yield RowProblem(number, text, label, "unreadable")
                else:
                    yield _row(item, number=number, label=label, is_doubtful=is_doubtful)
        except BrokenJsonError as error:
            place = first or error
            raise DataError(
                f"The JSON is broken: {place} at line {place.line}, column {place.column}.",
                "Correct the file there, or save it again from the program that it comes from.",
            ) from error
        if not number:
            raise DataError("The JSON holds an empty list.", "Choose a file with one object for each example.")

    return Reading("JSON", rows, notes=notes, questions=chosen.questions)


def _plan_items(file: TextFile, choices: Choices) -> tuple[Callable[[JsonStream], Iterator[Item]], ChosenLists]:
    """Find out how the values of a file are read; where they stand in one object, from which of its lists."""
    stream = JsonStream(file.blocks(silence()))
    if stream.peek() != "{":
        return items_of, _NO_LISTS
    try:
        value = stream.value(_LONGEST_WHOLE)
    except BrokenJsonError as error:
        lists = _lists(file)
        if not lists and error.is_too_long:
            raise DataError(
                "The file holds one JSON object that is too large to be read whole, and no list of examples in it.",
                "Save the examples as JSON Lines: one object a line.",
            ) from error
        chosen = choose_lists(lists, choices) if len(lists) > 1 else ChosenLists(tuple(lists))
        return (partial(items_in_object, names=chosen.names) if lists else items_of), chosen
    if stream.peek():
        return items_of, _NO_LISTS
    tables = tables_in(value)
    samples = {name: list(islice(rows_of(table)[0], MOST_SHOWN)) for name, table in tables.items()}
    note = rows_of(value)[1]
    chosen = choose_lists(samples, choices) if samples else ChosenLists((), (note,) if note else ())
    return partial(_items_of_whole, names=chosen.names), chosen


def _lists(file: TextFile) -> dict[str, list[object]]:
    """Return the first rows of each list in an object that cannot be held whole, or is broken outside of its lists."""
    found = lists_in_object(JsonStream(file.blocks(silence())))
    return {name: rows for name, rows in found.items() if not isinstance(rows[0], BrokenJsonError)}


def _items_of_whole(stream: JsonStream, names: Collection[str]) -> Iterator[Item]:
    """Yield the rows of the one object in a file; of several tables in it those with these names."""
    value = stream.value(_LONGEST_WHOLE)
    is_doubtful = stream.is_doubtful
    tables = [each for name, each in tables_in(value).items() if name in names] or [value]
    for table in tables:
        for row in rows_of(table)[0]:
            yield row, is_doubtful


def _row(value: object, *, number: int, label: str, is_doubtful: bool) -> Row | RowProblem:
    if isinstance(value, list):
        value = _row_of_list(value) or value
    if isinstance(value, dict) and value:
        if is_doubtful and holds_half_characters(value):
            text = "It holds half of a character, which is not text."
            return RowProblem(number, text, label, "broken-character")
        return Row(number, value, label)
    found = "an empty object" if value == {} else "a list" if isinstance(value, list) else "a single value"
    return RowProblem(number, f"Expected an object with named fields, found {found}.", label, "unreadable")
