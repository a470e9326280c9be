"""Answers that are JSON: whether they can be read, and how many of their fields are right."""

import json
import re
from collections.abc import Iterator
from typing import Any

_FENCED = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)\s*```", re.DOTALL)

Leaf = tuple[tuple[str | int, ...], str, object]
"""A path, the kind of what stands there, and itself."""


def read_json(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the object or array that a text is; None when it is anything else, and so no JSON answer.

    A fence of code around the whole text is taken off: chat models put JSON between "```json" and "```", and who uses
    it takes them off too. Words before or after it are not. NaN and Infinity are no JSON.
    """
    text = text.strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced.group(1).strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def field_match(answer: object, expected: object) -> float:
    """Return the F1 (0 to 1) of the fields of two JSON values: twice those in both, by the fields of both together.

    A field is a value that holds no others, with the path to it. It is in both when the other has the same there:
    numbers compare as numbers (1 is 1.0), texts after white space around them is taken off, and "1" is no number.
    Arrays compare place by place, so that one item too many at the start makes all those after it wrong. An empty
    object or array is a field.
    """
    said, wanted = set(_leaves(answer)), set(_leaves(expected))
    return 2 * len(said & wanted) / (len(said) + len(wanted))


def _leaves(value: object) -> Iterator[Leaf]:
    """Yield the fields of what `json` read. A walk without recursion, as an answer may be nested deeply."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), value)]
    while waiting:
        path, held = waiting.pop()
        if isinstance(held, dict) and held:
            waiting += [((*path, key), item) for key, item in held.items()]
        elif isinstance(held, list) and held:
            waiting += [((*path, place), item) for place, item in enumerate(held)]
        elif isinstance(held, dict | list):
            yield path, type(held).__name__, None
        elif isinstance(held, str):
            yield path, "text", held.strip()
        else:
            # True equals 1 in Python, but not in JSON.
            yield path, "bool" if isinstance(held, bool) else "number", held


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
