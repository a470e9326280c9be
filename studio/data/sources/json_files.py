"""JSON Lines and JSON in its many shapes, from a stream of text to rows. Knows nothing of what the columns mean.

A row that cannot be read is reported and the others are kept, wherever the next one can be found for certain.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain, islice

from studio.data.rows import Row, RowProblem
from studio.data.sources.file_bytes import Progress, silence
from studio.data.sources.json_shapes import is_conversation, rows_of, several_lists
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
_TRAILING = re.compile(r",\s*\](\s*\})?\s*$")

_Item = tuple[object, bool]
"""A value, or the BrokenJsonError that stands for it, and whether it may hold half of a character."""


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
    return not rows_of(value)[1]


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


def plan_json(file: TextFile) -> Reading:
    """Plan the reading of a list of objects, or of objects one after another. Raises DataError when it is broken."""
    stream = JsonStream(file.blocks(silence()))
    read: Callable[[JsonStream], Iterator[_Item]] = _items
    note = "The list ends with a comma; it was read all the same." if _TRAILING.search(file.tail()) else ""
    if stream.peek() == "{":
        try:
            value = stream.value(_LONGEST_WHOLE)
        except BrokenJsonError as error:
            if error.is_too_long or _holds_list(file):
                read = _items_in_object
        else:
            if not stream.peek():
                read = _items_of_whole
                note = rows_of(value)[1] or note

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

    return Reading("JSON", rows, notes=(note,) if note else ())


def _holds_list(file: TextFile) -> bool:
    """Say whether a broken object holds a list of rows which can be read on its own."""
    try:
        return isinstance(next(_items_in_object(JsonStream(file.blocks(silence()))))[0], dict)
    except (BrokenJsonError, DataError, StopIteration):
        return False


def _items_of_whole(stream: JsonStream) -> Iterator[_Item]:
    """Yield the rows of the one object in a file."""
    value = stream.value(_LONGEST_WHOLE)
    is_doubtful = stream.is_doubtful
    for row in rows_of(value)[0]:
        yield row, is_doubtful


def _items(stream: JsonStream) -> Iterator[_Item]:
    """Yield the values in the lists of a file, and those that stand outside of lists."""
    while start := stream.peek():
        if start == "[":
            stream.skip()
            yield from _items_of_list(stream)
        elif start == ",":
            stream.skip()
        else:
            yield from _item(stream)


def _items_of_list(stream: JsonStream) -> Iterator[_Item]:
    """Yield the values up to the end of the list that the stream stands in."""
    while start := stream.peek():
        if start == "]":
            stream.skip()
            return
        if start == ",":
            stream.skip()
        else:
            yield from _item(stream)
    if not stream.is_cut:
        yield BrokenJsonError("the list is not closed, the file may be cut off", line=stream.line, column=1), False


def _item(stream: JsonStream) -> Iterator[_Item]:
    """Yield the next value; or what is wrong with it, when it is clear where the next one begins.

    Raises BrokenJsonError when that is not clear.
    """
    indent = stream.indent()
    try:
        yield stream.value(), stream.is_doubtful
    except BrokenJsonError as error:
        if (indent is None or not stream.skip_to_line(indent + "{")) and not stream.skip_cut(error):
            raise
        yield error, False


def _items_in_object(stream: JsonStream) -> Iterator[_Item]:
    """Yield the values of the one list of rows in an object that is too long to be held whole.

    Raises DataError when there is no such list, or several.
    """
    found = ""
    stream.skip()
    while (start := stream.peek()) not in ("", "}"):
        if start == ",":
            stream.skip()
            continue
        name = str(stream.value())
        if stream.peek() == ":":
            stream.skip()
        if stream.peek() != "[":
            stream.value()
            continue
        stream.skip()
        items = _items_of_list(stream)
        first = next(items, None)
        is_rows = first is not None and isinstance(first[0], dict) and not is_conversation([first[0]])
        if is_rows and found:
            raise several_lists([found, name])
        for item in chain([first] if first else [], items):
            if is_rows:
                yield item
        found = name if is_rows else found
    if not found:
        raise DataError(
            "The file holds one JSON object that is too large to be read whole, and no list of examples in it.",
            "Save the examples as JSON Lines: one object a line.",
        )


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
