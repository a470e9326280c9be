"""Frozen dataclasses to plain JSON and back: the one place where the studio encodes and decodes.

Knows nothing of what the dataclasses mean. A key that the class does not have is ignored and a missing one takes its
default, so that a folder written by an older or newer studio still opens.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Hashable
from typing import Any, TypeVar

Plain = TypeVar("Plain")


class Damaged(ValueError):
    """A text that is not what the studio wrote: no JSON, nested too deeply, or of another shape than was asked for."""


def to_plain(value: object) -> Any:
    """Turn a dataclass, tuple, list or scalar into what `json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[Plain], value: Any) -> Plain:
    """Build `kind` from what `json` read.

    Raises TypeError or ValueError when the value does not have the shape of `kind`.
    """
    return typing.cast(Plain, _build(kind, value))


def dumps(value: object) -> str:
    """Encode on one line. Raises ValueError for a number that is not finite: that is not JSON."""
    return json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(kind: type[Plain], text: str) -> Plain:
    """Decode what `dumps` wrote. Raises TypeError or ValueError for anything else."""
    return from_plain(kind, parse(text))


def parse(text: str | bytes) -> Any:
    """Read one JSON document. Raises Damaged for whatever is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(str(error)) from error


def _build(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_union(typing.get_args(kind), value)
    if origin is tuple:
        return _build_tuple(typing.get_args(kind), value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = origin or kind
    if expected in (str, int, float, bool) and type(value) is not expected:
        raise TypeError(f"expected {expected.__name__}, found {type(value).__name__}")
    return value


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
            built[name] = item if type(item) is hint else _build(hint, item)
    return kind(**built)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
