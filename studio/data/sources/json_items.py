"""The values of a JSON text, one after another from a stream, with what is wrong between them."""

from collections.abc import Collection, Iterator
from itertools import chain

from studio.data.reading_choices import MOST_SHOWN
from studio.data.sources.json_shapes import is_conversation, written
from studio.data.sources.json_stream import JsonStream
from studio.data.sources.json_text import BrokenJsonError
from studio.data.sources.split_names import is_for_tests, is_for_training

Item = tuple[object, bool]
"""A value, or the BrokenJsonError that stands for it, and whether it may hold half of a character."""


def items_of(stream: JsonStream) -> Iterator[Item]:
    """Yield the values in the lists of a file, and those that stand outside of lists."""
    while start := stream.peek():
        if start == "[":
            stream.skip()
            yield from _items_of_list(stream)
        elif start == ",":
            stream.skip()
        else:
            yield from _item(stream)


def _items_of_list(stream: JsonStream) -> Iterator[Item]:
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


def _item(stream: JsonStream) -> Iterator[Item]:
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


def lists_in_object(stream: JsonStream) -> dict[str, list[object]]:
    """Return the first rows of each list of rows in the one object of a file, as far as that can be read."""
    found: dict[str, list[object]] = {}
    try:
        for name, (item, _) in _named_items(stream):
            rows = found.setdefault(name, [])
            if len(rows) < MOST_SHOWN:
                rows.append(item)
    except BrokenJsonError:
        return found
    return found


def items_in_object(stream: JsonStream, names: Collection[str]) -> Iterator[Item]:
    """Yield the values of these lists in an object that is too long to be held whole."""
    for name, item in _named_items(stream):
        if name in names:
            yield item


def _named_items(stream: JsonStream) -> Iterator[tuple[str, Item]]:
    """Yield the values of all lists of rows in an object, each with the name of its list."""
    stream.skip()
    while (start := stream.peek()) not in ("", "}"):
        if start == ",":
            stream.skip()
            continue
        name = written(str(stream.value()))
        if stream.peek() == ":":
            stream.skip()
        if stream.peek() != "[":
            stream.value()
            continue
        stream.skip()
        items = _items_of_list(stream)
        first = next(items, None)
        is_rows = first is not None and _is_row(first[0], name)
        for item in chain([first] if first else [], items):
            if is_rows:
                yield name, item


def _is_row(value: object, name: str) -> bool:
    if isinstance(value, list):
        return is_for_tests(name) or is_for_training(name)
    return isinstance(value, dict) and not is_conversation([value])
