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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from studio.files import open_plain, whole_file
from studio.logs import logged
from studio.runs.summary import Summary

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
    changed, said, size, is_asked, *rest = values
    rest[_PAIR] = rest[_PAIR] and tuple(rest[_PAIR])
    rest[_CURVE] = base64.b85decode(rest[_CURVE])
    for place in _ALIKE:
        rest[place] = sys.intern(rest[place])
    return Known((changed, said, size), is_asked, Summary(*rest))
