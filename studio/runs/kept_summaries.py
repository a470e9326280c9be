"""What a studio knew of very many runs, kept for the next one: to read them takes a minute for each hundred thousand.

    <home>/summaries.jsonl    the form, a line for each run, and the hash of all lines; may be deleted at any time

A summary is believed while the folder of its run looks as it did then.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import fields
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
_FORM = f"1 {[(each.name, str(each.type)) for each in fields(Summary)]}"
"""What another version has otherwise. The number is to grow with each change of how a summary is worked out."""

_VALUES = attrgetter(*_FIELDS)
_SHARED = ("dataset", "model", "base", "method", "status", "dataset_id", "dataset_sha256", "group", "group_name")
_PAIRS = [_FIELDS.index(name) for name in ("best_part", "spark")]
_ALIKE = [_FIELDS.index(name) for name in _SHARED]
"""What many runs have in common, which is then in memory once."""


def write(home: Path, known: Mapping[str, tuple[Stamp, Summary]]) -> None:
    """Keep summaries, with what their folders looked like. That they cannot be written is logged."""
    hash = hashlib.sha256()
    with (
        logged(log, "The summaries of the runs are not kept", OSError, level=logging.INFO),
        whole_file(home / NAME) as temporary,
        temporary.open("wb") as file,
    ):
        file.write(json.dumps(_FORM).encode() + b"\n")
        for stamp, summary in known.values():
            line = json.dumps([*stamp, *_VALUES(summary)]).encode() + b"\n"
            hash.update(line)
            file.write(line)
        file.write(json.dumps(hash.hexdigest()).encode() + b"\n")


def read(home: Path) -> dict[str, tuple[Stamp, Summary]]:
    """Return what was kept, by the id of the run; nothing where that is damaged or of another version."""
    found: dict[str, tuple[Stamp, Summary]] = {}
    hash, last = hashlib.sha256(), None
    try:
        with open_plain(home / NAME) as file:
            if json.loads(file.readline()) != _FORM:
                return {}
            for line in file:
                last = json.loads(line)
                if isinstance(last, str):
                    break
                hash.update(line)
                summary = _summary(last[3:])
                found[summary.id] = ((last[0], last[1], last[2]), summary)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        log.info("The kept summaries of the runs are not used: %s", error, exc_info=True)
        return {}
    return found if last == hash.hexdigest() else {}


def _summary(values: list[Any]) -> Summary:
    for place in _PAIRS:
        if values[place] is not None:
            values[place] = tuple(values[place])
    for place in _ALIKE:
        values[place] = sys.intern(values[place])
    return Summary(*values)
