"""The tokens of a file of examples, rendered once and kept for the next run on the same examples with the same model.

    <folder>/<hash of the examples and of all that makes tokens of them>.npz

Such a file begins with the rows: of each example its ids, four bytes each, and then a byte for each that says whether
it is learned. Arrays follow, with a number for each example, and these alone are held in memory: 18 bytes an example,
however long. A row is read when it is asked for and checked by its sum.

What cannot be read or written is rendered again: nothing here is the only copy of anything.
"""

import hashlib
import json
import logging
import os
import tempfile
import weakref
import zipfile
import zlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from studio import codec
from studio.data.array_files import read_arrays
from studio.data.example_files import ExampleFile
from studio.data.tokenizing.doubts import Doubt
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.errors import DataError
from studio.files import disk_trouble, hash_file, open_plain, whole_file
from studio.logs import logged

log = logging.getLogger(__name__)

FORMAT = 3
"""Raised when the files are laid out in another way, so that older ones are no longer found."""

MOST_BYTES = 2 * 2**30
"""The folder is kept below this: the files that were not used for the longest time go."""

REFUSED = -1

_ID_BYTES = 4
_TOKEN_BYTES = _ID_BYTES + 1
_ARRAYS = ("ends", "learned", "sums", "outcomes")
_KINDS = tuple(map(np.dtype, ("int64", "uint32", "uint32", "int16")))


@dataclass(frozen=True)
class KeptIndex:
    """What is held in memory of the rows, with a number for each example.

    `ends` are the tokens up to its end, `learned` how many of its tokens are predicted, `sums` the CRC-32 of its row.
    `outcomes` is `REFUSED` where the chat template takes no such example, 0 where there is no doubt about it, or else
    which of the `doubts` it has, counted from 1. Of examples with doubts of the same kinds, those of the first are
    there; of the refused ones, why the first was.
    """

    ends: NDArray[np.int64]
    learned: NDArray[np.uint32]
    sums: NDArray[np.uint32]
    outcomes: NDArray[np.int16]
    doubts: tuple[tuple[Doubt, ...], ...] = ()
    refusal: tuple[str, str] = ("", "")

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many tokens each example has."""
        return np.diff(self.ends, prepend=0)

    def is_of(self, examples: int, row_bytes: int) -> bool:
        """Tell whether this can be the index of so many examples, with rows of so many bytes."""
        arrays: tuple[NDArray[Any], ...] = (self.ends, self.learned, self.sums, self.outcomes)
        if any(each.shape != (examples,) for each in arrays):
            return False
        if any(each.dtype != kind for each, kind in zip(arrays, _KINDS, strict=True)):
            return False
        if not examples:
            return True
        lengths, least, most = self.lengths, int(self.outcomes.min()), int(self.outcomes.max())
        return bool(
            (lengths >= 0).all()
            and (self.learned <= lengths).all()
            and int(self.ends[-1]) * _TOKEN_BYTES <= row_bytes
            and REFUSED <= least
            and most <= len(self.doubts)
        )


class KeptTokens:
    """The tokens of all examples, read one by one. The file may be deleted or replaced meanwhile: it stays open here.

    `again` renders the example at a place, for a row that cannot be read; it raises LookupError and DataError where
    the examples are not those that were rendered.
    """

    def __init__(self, descriptor: int, index: KeptIndex, again: Callable[[int], Rendered | DataError]) -> None:
        self._descriptor = descriptor
        self._again = again
        self.index = index
        weakref.finalize(self, os.close, descriptor)

    def __len__(self) -> int:
        return len(self.index.ends)

    def read(self, place: int) -> tuple["array[int]", bytes]:
        """Return the ids of an example, and for each a byte, 1 where it is learned.

        Raises DataError when the example is not any more what it was.
        """
        start = int(self.index.ends[place - 1]) if place else 0
        count, wanted = int(self.index.ends[place]) - start, int(self.index.sums[place])
        row = b""
        with logged(log, "A row of the kept tokens cannot be read", OSError):
            row = os.pread(self._descriptor, count * _TOKEN_BYTES, start * _TOKEN_BYTES)
        if len(row) != count * _TOKEN_BYTES or zlib.crc32(row) != wanted:
            log.warning("The kept tokens of example %d have changed; they are made again", place)
            try:
                row = _row(self._again(place))
            except LookupError as error:  # there are fewer examples than there were
                raise _changed() from error
            if len(row) != count * _TOKEN_BYTES or row.count(1, count * _ID_BYTES + 1) != self.index.learned[place]:
                raise _changed()
        ids = array("i")
        ids.frombytes(row[: count * _ID_BYTES])
        return ids, row[count * _ID_BYTES :]


def _changed() -> DataError:
    return DataError(
        "The examples of this run, or their tokens, were changed while it read them.",
        "Continue the run: its tokens are made again then.",
    )


def render_kept(
    examples: ExampleFile, *, renderer: ChatRenderer, folder: Path, tell: Callable[[int], None] = lambda done: None
) -> KeptTokens:
    """Render all examples, or open what was kept of them. `tell` is called before each with how many are done.

    Raises DataError for examples that cannot be read, and where no disk takes the tokens; and what `tell` raises.
    """
    content, source = _hash(examples.path), examples.path
    path = folder / f"{_key(content, renderer)}.npz"
    looked_at = _Looked(source, content)

    def again(place: int) -> Rendered | DataError:
        with logged(log, "The changed tokens could not be deleted", OSError):
            path.unlink(missing_ok=True)  # so that the next run makes all of them again
        looked_at.check()
        return next(made for _, made in renderer.render_each((ExampleFile(source)[place],)))

    def write(file: IO[bytes]) -> KeptTokens:
        index = _write(file, examples, renderer, tell)
        return KeptTokens(os.dup(file.fileno()), index, again)

    opened = _open(path, len(examples))
    if opened is not None:
        return KeptTokens(*opened, again)
    found: KeptTokens | None = None
    with logged(log, "The tokens of this data could not be kept", OSError, level=logging.INFO):
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path, shared=True) as temporary, temporary.open("w+b") as file:
            found = write(file)
        _drop_oldest(folder)
    if found is not None:
        return found
    with disk_trouble("The tokens of the examples", Path(tempfile.gettempdir()), DataError):
        with tempfile.TemporaryFile() as file:
            return write(file)


def _write(file: IO[bytes], examples: ExampleFile, renderer: ChatRenderer, tell: Callable[[int], None]) -> KeptIndex:
    """Write the rows and then their index."""
    ends, learned, sums, outcomes = array("q"), array("I"), array("I"), array("h")
    doubts: dict[tuple[str, ...], tuple[Doubt, ...]] = {}
    refusal: tuple[str, str] | None = None
    end = 0
    tell(0)
    for _, rendered in renderer.render_each(examples):
        row = b""
        if isinstance(rendered, DataError):
            refusal = refusal or (rendered.message, rendered.hint)
            outcomes.append(REFUSED)
            learned.append(0)
        else:
            row = _row(rendered)
            outcomes.append(_number(rendered.doubts, doubts))
            learned.append(sum(rendered.learned[1:]))
        file.write(row)
        end += len(row) // _TOKEN_BYTES
        ends.append(end)
        sums.append(zlib.crc32(row))
        tell(len(ends))
    index = KeptIndex(
        ends=np.frombuffer(ends, dtype=np.int64),
        learned=np.frombuffer(learned, dtype=np.uint32),
        sums=np.frombuffer(sums, dtype=np.uint32),
        outcomes=np.frombuffer(outcomes, dtype=np.int16),
        doubts=tuple(doubts.values()),
        refusal=refusal or ("", ""),
    )
    told = json.dumps({"refusal": index.refusal, "doubts": codec.to_plain(index.doubts)})
    np.savez(file, **{name: getattr(index, name) for name in _ARRAYS}, told=np.array(told))
    file.flush()
    return index


def _row(rendered: Rendered | DataError) -> bytes:
    return b"" if isinstance(rendered, DataError) else array("i", rendered.ids).tobytes() + bytes(rendered.learned)


def _number(found: tuple[Doubt, ...], known: dict[tuple[str, ...], tuple[Doubt, ...]]) -> int:
    """Return which of the known sets of doubts has the kinds of these, counted from 1; 0 for no doubt."""
    if not found:
        return 0
    kinds = tuple(doubt.kind for doubt in found)
    known.setdefault(kinds, found)
    return list(known).index(kinds) + 1


class _Looked:
    """Tells whether a file of examples still is what it was, having read it once for each time that it looks otherwise.

    A row of which only the sum is wrong could be that of another example as long.
    """

    def __init__(self, path: Path, content: str) -> None:
        self._path = path
        self._content = content
        self._seen: tuple[int, int, int] | None = None

    def check(self) -> None:
        """Raise DataError where the examples are others by now."""
        try:
            told = os.stat(self._path)
        except OSError as error:
            raise _changed() from error
        looks = (told.st_size, told.st_mtime_ns, told.st_ino)
        if looks != self._seen:
            if _hash(self._path) != self._content:
                raise _changed()
            self._seen = looks


def _hash(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise DataError(f"The examples in {path} cannot be read: {error.strerror}.") from error


def _key(content: str, renderer: ChatRenderer) -> str:
    return hashlib.sha256(f"{FORMAT} {content} {renderer.fingerprint}".encode()).hexdigest()[:32]


def _open(path: Path, examples: int) -> tuple[int, KeptIndex] | None:
    """Open a kept file; None where there is none, or one that is damaged."""
    try:
        with open_plain(path) as file:
            kept = read_arrays(file, (*_ARRAYS, "told"))
            told = codec.parse(str(kept["told"]))
            index = KeptIndex(
                ends=kept["ends"],
                learned=kept["learned"],
                sums=kept["sums"],
                outcomes=kept["outcomes"],
                doubts=codec.from_plain(tuple[tuple[Doubt, ...], ...], told["doubts"]),
                refusal=codec.from_plain(tuple[str, str], told["refusal"]),
            )
            if not index.is_of(examples, os.fstat(file.fileno()).st_size):
                raise ValueError("its numbers do not fit together")
            os.utime(path)
            return os.dup(file.fileno()), index
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, AttributeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        log.warning("The kept tokens in %s cannot be read; they are made again: %s", path, error, exc_info=True)
        return None


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    held = 0
    for number, path in enumerate(files):
        held += path.stat().st_size
        if number and held > MOST_BYTES:
            path.unlink(missing_ok=True)
