"""The tokens of a file of examples, rendered once and kept for the next run on the same examples with the same model.

    <folder>/<hash of the examples and of all that makes tokens of them>.npz

What cannot be read or written is rendered again: nothing here is the only copy of anything.
"""

import hashlib
import json
import logging
import os
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio import codec
from studio.data.array_files import read_arrays
from studio.data.example_files import ExampleFile
from studio.data.tokenizing.doubts import Doubt
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.errors import DataError
from studio.files import open_plain, whole_file
from studio.logs import logged

log = logging.getLogger(__name__)

FORMAT = 2
"""Raised when the files are laid out in another way, so that older ones are no longer found."""

MOST_BYTES = 2 * 2**30
"""The folder is kept below this: the files that were not used for the longest time go."""


def render_kept(examples: ExampleFile, *, renderer: ChatRenderer, folder: Path) -> Iterator[Rendered | DataError]:
    """Yield what the renderer makes of each example, or why it refuses; from the kept file where there is one.

    Raises DataError for examples that cannot be read. A file is kept when the last example was taken.
    """
    path = folder / f"{_key(examples, renderer)}.npz"
    kept = _read(path, len(examples))
    if kept is not None:
        yield from kept
        return
    gathered = _Gathered()
    for _, rendered in renderer.render_each(examples):
        gathered.add(rendered)
        yield rendered
    with logged(log, "The tokens of this data could not be kept", OSError, level=logging.INFO):
        gathered.write(path)
        _drop_oldest(folder)


@dataclass
class _Gathered:
    """Tokens laid end to end, with where each example ends and the reasons of the refused ones."""

    ids: "array[int]" = field(default_factory=lambda: array("i"))
    learned: bytearray = field(default_factory=bytearray)
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
    doubts: dict[int, tuple[Doubt, ...]] = field(default_factory=dict)

    def add(self, rendered: Rendered | DataError) -> None:
        if isinstance(rendered, DataError):
            self.refused[len(self.ends)] = (rendered.message, rendered.hint)
        else:
            self.ids.extend(rendered.ids)
            self.learned.extend(rendered.learned)
            if rendered.doubts:
                self.doubts[len(self.ends)] = rendered.doubts
        self.ends.append(len(self.ids))

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            "ids": np.frombuffer(self.ids, dtype=np.int32),
            "learned": np.frombuffer(self.learned, dtype=np.bool_),
            "ends": np.frombuffer(self.ends, dtype=np.int64),
            "told": np.array(json.dumps({"refused": self.refused, **self._doubts()})),
        }
        with whole_file(path, shared=True) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    def _doubts(self) -> dict[str, object]:
        """Write each set of doubts once, and which of them each example has: most examples have the same."""
        sets = {found: number for number, found in enumerate(dict.fromkeys(self.doubts.values()))}
        places = {place: sets[found] for place, found in self.doubts.items()}
        return {"doubts": codec.to_plain(tuple(sets)), "doubted": places}


def _key(examples: ExampleFile, renderer: ChatRenderer) -> str:
    try:
        with examples.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"The examples in {examples.path} cannot be read: {error.strerror}.") from error
    return hashlib.sha256(f"{FORMAT} {content} {renderer.fingerprint}".encode()).hexdigest()[:32]


def _read(path: Path, examples: int) -> Iterator[Rendered | DataError] | None:
    try:
        with open_plain(path) as file:
            kept = read_arrays(file, ("ids", "learned", "ends", "told"))
            ids, learned, ends = kept["ids"], kept["learned"], kept["ends"]
            told = codec.parse(str(kept["told"]))
            refused = {int(place): codec.from_plain(tuple[str, str], why) for place, why in told["refused"].items()}
            sets = codec.from_plain(tuple[tuple[Doubt, ...], ...], told["doubts"])
            doubts = {int(place): sets[number] for place, number in told["doubted"].items()}
        os.utime(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, AttributeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        log.warning("The kept tokens in %s cannot be read; they are made again: %s", path, error, exc_info=True)
        return None
    if any(each.ndim != 1 for each in (ids, learned, ends)) or len(ends) != examples or len(ids) != len(learned):
        return None
    if examples and (ends[-1] != len(ids) or ends[0] < 0 or (np.diff(ends) < 0).any()):
        return None
    return _each(ids, learned, ends, refused, doubts)


def _each(
    ids: Any, learned: Any, ends: Any, refused: dict[int, Any], doubts: dict[int, tuple[Doubt, ...]]
) -> Iterator[Rendered | DataError]:
    start = 0
    for place, end in enumerate(ends.tolist()):
        if place in refused:
            yield DataError(*refused[place])
        else:
            flags = tuple(learned[start:end].tolist())
            yield Rendered(tuple(ids[start:end].tolist()), flags, doubts.get(place, ()))
        start = end


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    held = 0
    for number, path in enumerate(files):
        held += path.stat().st_size
        if number and held > MOST_BYTES:
            path.unlink(missing_ok=True)
