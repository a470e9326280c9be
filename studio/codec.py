"""Frozen dataclasses to plain JSON and back: the one place where the studio encodes and decodes.

Whatever a text holds, reading it ends in a value or in `Damaged`. A key that the class does not have is ignored and a
missing one takes its default, so that a folder written by an older or newer studio still opens.
"""

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from studio.files import read_bytes

Plain = TypeVar("Plain")

OLDER_NAME = "older name"
"""The key in the metadata of a field under which stands what older studios called it; it is still read."""

MOST_BYTES = 64 * 2**20
"""A document or a line that is longer is refused: nothing that the studio reads as a whole comes near."""

MOST_DEPTH = 64
LARGEST = 1e100
"""No float of the studio's own is larger: so many of them can be added and multiplied without an overflow."""

_LONGEST_INTEGER = 64
"""So many digits of an integer are read; tokenizers write 1e30 for a length that has no limit."""

_INTEGERS = (-(2**63), 2**63 - 1)
_BRACKETS = re.compile(r'[\[{]|[\]}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Damaged(ValueError):
    """A text that is not what the studio wrote: no JSON, nested too deeply, or of another shape than was asked for."""


def to_plain(value: object) -> Any:
    """Turn a dataclass, tuple, list, path or scalar into what `json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[Plain], value: Any) -> Plain:
    """Build `kind` from what `json` read. Raises Damaged when the value does not have the shape of `kind`.

    An integer has to fit into 64 bits, a float into `LARGEST`.
    """
    try:
        return typing.cast(Plain, _build(kind, value))
    except Damaged:
        raise
    except (TypeError, ValueError, LookupError, OverflowError, RecursionError) as error:
        raise Damaged(str(error)) from error


def dumps(value: object) -> str:
    """Encode on one line. Raises ValueError for a number that is not finite: that is not JSON."""
    return json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(kind: type[Plain], text: str | bytes) -> Plain:
    """Decode what `dumps` wrote. Raises Damaged for anything else."""
    return from_plain(kind, parse(text))


def read(kind: type[Plain], path: Path, *, most_bytes: int = MOST_BYTES) -> Plain:
    """Decode a file. Raises OSError when there is no file that can be read, Damaged for what does not hold a `kind`."""
    return from_plain(kind, parse_file(path, most_bytes=most_bytes))


def parse_file(path: Path, *, most_bytes: int = MOST_BYTES) -> Any:
    """Read the JSON document in a file. Raises OSError and Damaged as `read` does."""
    content = read_bytes(path, most_bytes=most_bytes)
    if content is None:
        raise Damaged(f"the file is larger than {most_bytes} bytes")
    return parse(content, most_bytes=most_bytes)


def parse(text: str | bytes, *, most_bytes: int = MOST_BYTES) -> Any:
    """Read one JSON document. Raises Damaged for whatever is none.

    That includes one that is longer than `most_bytes` or nested deeper than `MOST_DEPTH`, a number that is not finite
    or has very many digits, and text that cannot be written as UTF-8: half of a surrogate pair.
    """
    if len(text) > most_bytes:
        raise Damaged(f"it is longer than {most_bytes} bytes")
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        if _is_deep(decoded):
            raise Damaged(f"it is nested more than {MOST_DEPTH} deep")
        value = _JSON.decode(decoded)
        _check_surrogates(decoded, value)
    except Damaged:
        raise
    except (ValueError, OverflowError, RecursionError) as error:
        raise Damaged(str(error)) from error
    return value


def _is_deep(text: str) -> bool:
    """Tell whether a document is nested deeper than `MOST_DEPTH`. A short look is enough where brackets are few."""
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return False
    depth = 0
    for found in _BRACKETS.finditer(text):
        match text[found.start()]:
            case "[" | "{":
                depth += 1
                if depth > MOST_DEPTH:
                    return True
            case "]" | "}":
                depth -= 1
    return False


def _check_surrogates(text: str, value: Any) -> None:
    """Raise ValueError where what was read from a text holds half of a surrogate pair."""
    if not text.isascii():
        text.encode("utf-8")
    if "\\u" in text and _LONE_SURROGATE.search(text):  # most of them are emoji that another program wrote as pairs
        json.dumps(value, ensure_ascii=False).encode("utf-8")


def refuse_constant(name: str) -> NoReturn:
    """Raise Damaged for NaN and Infinity, which Python's reader takes and JSON does not know."""
    raise Damaged(f"{name} is not a number")


def _float(text: str) -> float:
    value = float(text)
    if not -_BIGGEST <= value <= _BIGGEST:
        raise Damaged("a number is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise Damaged("a number has too many digits")
    return int(text)


_BIGGEST = float.fromhex("0x1.fffffffffffffp+1023")
_JSON = json.JSONDecoder(parse_constant=refuse_constant, parse_float=_float, parse_int=_integer)


def _build(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_union(typing.get_args(kind), value)
    if origin is tuple:
        return _build_tuple(typing.get_args(kind), value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value)
    if kind is float and type(value) is int:
        value = float(value)
    if kind is Path and type(value) is str:
        return Path(value)
    if kind not in (str, int, float, bool, dict):
        raise TypeError(f"{kind} cannot be read")
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    if not _fits(kind, value):
        raise ValueError("a number is too large")
    return value


def _fits(kind: type, value: Any) -> bool:
    if kind is float:
        return bool(-LARGEST <= value <= LARGEST)
    return kind is not int or bool(_INTEGERS[0] <= value <= _INTEGERS[1])


def _build_union(options: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in options:
        return None
    (option,) = (option for option in options if option is not type(None))
    return _build(option, value)


def _build_tuple(items: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_build(items[0], item) for item in value)
    return tuple(_build(item_kind, item) for item_kind, item in zip(items, value, strict=True))


def _build_dataclass(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object for {kind.__name__}, found {type(value).__name__}")
    built = {}
    for name, hint in _hints(typing.cast(Hashable, kind)).items():
        if name in value:
            item = value[name]
            # Events are read by the hundred thousand: the plain case comes first.
            built[name] = item if type(item) is hint and _fits(hint, item) else _build(hint, item)
    for name, older in _older_names(typing.cast(Hashable, kind)).items():
        if name not in built and older in value:
            built[name] = _build(_hints(typing.cast(Hashable, kind))[name], value[older])
    return kind(**built)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@functools.cache
def _older_names(kind: Any) -> dict[str, str]:
    return {
        field.name: field.metadata[OLDER_NAME] for field in dataclasses.fields(kind) if OLDER_NAME in field.metadata
    }
