"""Examples on disk, one a line: written in one pass, read one by one, so that a million of them need no memory.

examples.jsonl          {"messages": [{"role": ..., "content": ...}], "row": 14}
examples.index.npy      where each line begins, and how many bytes it has
"""

import hashlib
import json
import logging
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from studio.data.array_files import read_array
from studio.data.example_lines import decode, encode
from studio.data.examples import Example
from studio.errors import DataError
from studio.files import open_plain

_CHUNK_BYTES = 2**20
_LONGEST_LINE = 256 * 2**20
"""No example comes near: a file that has no line end for so long is no file of examples, whatever its size."""
_LINE_END = 10
_NUMBER_BYTES = 8
_HEADER_BYTES = 4096

log = logging.getLogger(__name__)


class ExampleWriter:
    """Writes examples to a file as they come. Use it as a context; its methods raise OSError when the disk is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._starts = array("Q", [0])
        self._file = path.open("wb")

    def __enter__(self) -> "ExampleWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        if exception[0] is None:
            with index_path(self._path).open("wb") as index:
                np.save(index, np.array(self._starts, dtype=np.uint64), allow_pickle=False)

    def add(self, example: Example) -> None:
        """Write one example."""
        line = encode(example).encode() + b"\n"
        self._file.write(line)
        self._digest.update(line)
        self._starts.append(self._starts[-1] + len(line))

    @property
    def sha256(self) -> str:
        """The hash of all that was written until now, as `sha256sum` gives it for the file."""
        return self._digest.hexdigest()

    def __len__(self) -> int:
        return len(self._starts) - 1


class ExampleFile(Sequence[Example]):
    """The examples of a file, read when they are asked for.

    Raises DataError when the file is missing, and on reading an example that is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open_plain(path) as file:
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise _damaged(path) from error
        self._starts = _read_index(path, size)

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> Example: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Example, ...]: ...

    def __getitem__(self, place: int | slice) -> Example | tuple[Example, ...]:
        if isinstance(place, slice):
            return self.take(range(*place.indices(len(self))))
        place = place + len(self) if place < 0 else place
        if not 0 <= place < len(self):
            raise IndexError(place)
        return self.take((place,))[0]

    def __iter__(self) -> Iterator[Example]:
        try:
            with open_plain(self.path) as file:
                for line in file:
                    yield decode(line)
        except (OSError, ValueError) as error:
            raise _damaged(self.path) from error

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence)
            and len(self) == len(other)
            and all(a == b for a, b in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def lengths(self) -> NDArray[np.uint64]:
        """How many bytes each example has on disk: a measure of its length that needs no tokenizer."""
        return np.diff(self._starts)

    def take(self, places: Sequence[int]) -> tuple[Example, ...]:
        """Read the examples at these places. Raises DataError when one is damaged."""
        return tuple(self.each(places))

    def each(self, places: Iterable[int]) -> Iterator[Example]:
        """Read the examples at these places one after the other. Raises DataError when one is damaged."""
        try:
            with open_plain(self.path) as file:
                for place in places:
                    yield decode(self._line(file, place))
        except (OSError, ValueError) as error:
            raise _damaged(self.path) from error

    def find(self, text: str, start: int = 0, *, backwards: bool = False) -> int | None:
        """Return the nearest place from `start` on whose text holds `text`, whatever the case; None when there is none.

        Raises DataError when the file cannot be read.
        """
        needle = json.dumps(text, ensure_ascii=False)[1:-1].lower().encode("utf-8", "replace")
        wanted = text.lower()
        places = range(min(start, len(self) - 1), -1, -1) if backwards else range(max(start, 0), len(self))
        try:
            with open_plain(self.path) as file:
                for place in places:
                    line = self._line(file, place)
                    # Bytes know the case of ASCII only, so the cheap look is for texts of that alone.
                    if needle.isascii() and needle not in line.lower():
                        continue
                    if any(wanted in part.lower() for part in _texts(decode(line))):
                        return place
        except (OSError, ValueError) as error:
            raise _damaged(self.path) from error
        return None

    def _line(self, file: Any, place: int) -> bytes:
        start, end = int(self._starts[place]), int(self._starts[place + 1])
        file.seek(start)
        line: bytes = file.read(end - start)
        return line


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write one example a line. Raises OSError when the disk does not take it."""
    with ExampleWriter(path) as writer:
        for example in examples:
            writer.add(example)


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read all examples of a file into memory. Raises DataError when the file is missing or damaged."""
    return tuple(ExampleFile(path))


def index_path(path: Path) -> Path:
    """Say where the index of a file of examples lies."""
    return path.with_name(f"{path.stem}.index.npy")


def _texts(example: Example) -> Iterator[str]:
    for message in example.messages:
        yield message.content
        yield message.reasoning
        yield from (f"{call.name} {call.arguments}" for call in message.tool_calls)


def _read_index(path: Path, size: int) -> NDArray[np.uint64]:
    """Return where the lines begin, with the end of the last; made again when the stored one does not fit the file."""
    try:
        with open_plain(index_path(path)) as file:
            length = os.fstat(file.fileno()).st_size
            if length > _NUMBER_BYTES * size + _HEADER_BYTES:
                raise ValueError("it has more lines than the file has letters")
            starts = read_array(file, length)
        if starts.dtype == np.uint64 and starts.ndim == 1 and len(starts) and int(starts[-1]) == size:
            if int(starts[0]) == 0 and bool((starts[1:] > starts[:-1]).all()):
                return starts
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError, MemoryError) as error:
        log.info("The index of %s cannot be read and is made again: %s", path, error, exc_info=True)
    try:
        return _find_lines(path)
    except OSError as error:
        raise _damaged(path) from error


def _find_lines(path: Path) -> NDArray[np.uint64]:
    """Return where the lines begin, with the end of the last. Raises DataError for a line longer than any example."""
    found, place = [np.zeros(1, dtype=np.uint64)], 0
    with open_plain(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            ends = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == _LINE_END) + place + 1
            if len(ends):
                found.append(ends.astype(np.uint64))
            place += len(chunk)
            if place - int(found[-1][-1]) > _LONGEST_LINE:
                raise _damaged(path)
    starts = np.concatenate(found)
    return starts if int(starts[-1]) == place else np.append(starts, np.uint64(place))


def _damaged(path: Path) -> DataError:
    return DataError(f"The stored examples in {path} cannot be read.", "Add the data set again.")
