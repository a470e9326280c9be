"""What a studio knew of very many runs, kept for the next one: to read them takes a minute for each hundred thousand.

    <home>/summaries.jsonl    the form, then blocks of lines, a line for each run, the newest first; each block ends
                              with the hash of its lines. May be deleted at any time

A summary is believed while the folder of its run looks as it did then.
"""

import base64
import hashlib
import itertools
import json
import logging
import sys
import types
import typing
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from studio import codec
from studio.events import LAST_TIME
from studio.files import open_plain, whole_file
from studio.logs import logged
from studio.runs.summary import SPARK_POINTS, Summary
from studio.runs.view import Status

NAME = "summaries.jsonl"

Stamp = tuple[int, int, int]

log = logging.getLogger(__name__)

_FIELDS = [each.name for each in fields(Summary)]
_FORM = f"2 {[(each.name, str(each.type)) for each in fields(Summary)]}"
"""What another version has otherwise. The number is to grow with each change of how a summary is worked out."""

_VALUES = attrgetter(*_FIELDS)
_SHARED = ("dataset", "model", "base", "method", "status", "dataset_id", "dataset_sha256", "group", "group_name")
_PAIR = _FIELDS.index("best_part")
_CURVE = _FIELDS.index("curve")
_ALIKE = [_FIELDS.index(name) for name in _SHARED]
"""What many runs have in common, which is then in memory once."""

_BLOCK_LINES = 500
_FLOAT_BYTES = array("f").itemsize
_LEAST, _MOST = -codec.LARGEST, codec.LARGEST


def _kinds_of(hint: Any) -> tuple[type, ...]:
    """Name the types that a field of a summary may have, as they are once they were read."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return tuple(kind for each in typing.get_args(hint) for kind in _kinds_of(each))
    if origin is typing.Literal:
        return (str,)
    if hint is float:
        return (float, int)
    return (hint if origin is None else origin,)


_STAMP_KINDS = ((int,), (int,), (int,), (bool,))
_KINDS = [_kinds_of(typing.get_type_hints(Summary)[name]) for name in _FIELDS]
_STATUSES = typing.get_args(Status)


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen of a run, and what its folder looked like just before. `is_asked` says whether a file lay in it
    that asks for something: that it ends, or is evaluated.
    """

    stamp: Stamp
    is_asked: bool
    summary: Summary


def write(home: Path, known: Mapping[str, Known]) -> None:
    """Keep summaries, with what their folders looked like. That they cannot be written is logged."""
    newest_first = iter(sorted(known, reverse=True))
    with (
        logged(log, "The summaries of the runs are not kept", OSError, level=logging.INFO),
        whole_file(home / NAME) as temporary,
        temporary.open("wb") as file,
    ):
        file.write(json.dumps(_FORM).encode() + b"\n")
        while ids := list(itertools.islice(newest_first, _BLOCK_LINES)):
            block = b"".join(_line(known[id]) for id in ids)
            file.write(block + json.dumps(hashlib.sha256(block).hexdigest()).encode() + b"\n")


def read(home: Path) -> Iterator[Sequence[Known]]:
    """Give what was kept, a block at a time; it ends where that is damaged or of another version."""
    try:
        with open_plain(home / NAME) as file:
            if json.loads(file.readline()) != _FORM:
                return
            while lines := list(itertools.islice(file, _BLOCK_LINES + 1)):
                end = next(place for place, line in enumerate(lines) if line.startswith(b'"'))
                if json.loads(lines[end]) != hashlib.sha256(b"".join(lines[:end])).hexdigest() or lines[end + 1 :]:
                    raise ValueError("a block is not as it was written")
                yield [_known(json.loads(line)) for line in lines[:end]]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, LookupError, RecursionError, StopIteration) as error:
        log.info("The kept summaries of the runs are not used: %s", error, exc_info=True)


def _line(known: Known) -> bytes:
    values = list(_VALUES(known.summary))
    values[_CURVE] = base64.b85encode(values[_CURVE]).decode()
    return json.dumps([*known.stamp, known.is_asked, *values]).encode() + b"\n"


def _known(values: list[Any]) -> Known:
    """Make what was known of what `json` read. Raises ValueError, or what else odd values bring about."""
    changed, said, size, is_asked, *rest = values
    rest[_PAIR] = None if rest[_PAIR] is None else tuple(rest[_PAIR])
    rest[_CURVE] = base64.b85decode(rest[_CURVE])
    for place in _ALIKE:
        rest[place] = sys.intern(rest[place])
    for value, kinds in zip((changed, said, size, is_asked, *rest), (*_STAMP_KINDS, *_KINDS), strict=True):
        if type(value) not in kinds or (type(value) in (int, float) and not _LEAST <= value <= _MOST):
            raise ValueError("a value is of another kind")
    summary = Summary(*rest)
    if summary.status not in _STATUSES or not 0 <= summary.created <= LAST_TIME:
        raise ValueError("no run has such a state, or such an age")
    if summary.best_part is not None and [type(each) for each in summary.best_part] != [int, int]:
        raise ValueError("a part is no pair of counts")
    if len(summary.curve) % _FLOAT_BYTES or len(summary.curve) > SPARK_POINTS * _FLOAT_BYTES:
        raise ValueError("a curve is cut")
    return Known((changed, said, size), is_asked, summary)
