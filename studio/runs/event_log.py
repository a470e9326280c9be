"""The events of one worker as a file: one writer appends lines, any number of readers follow from a byte offset.

A line counts only once its line end is there, so a reader never sees half an event and a writer that died in the middle
of a line harms nothing.
"""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from studio.codec import Damaged
from studio.errors import DATA_FOLDER_HINT, RunError
from studio.events import Event, Record, decode, encode
from studio.files import open_descriptor, open_plain

log = logging.getLogger(__name__)

_FIRST_WINDOW_BYTES = 64 * 1024

MOST_BYTES = 512 * 2**20
"""A log that is larger is not read: two hundred thousand steps take 40 MB."""

_AT_ONCE_BYTES = 16 * 2**20


class EventLog:
    """The writing end. Opening it cuts a torn last line away and goes on counting where the last record stopped."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open `path` for appending, creating it. Raises RunError when it cannot be written."""
        self._path = path
        self._clock = clock
        self._turn = threading.Lock()
        try:
            self._descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            self._size, self._seq = _whole_size_and_last_seq(self._descriptor)
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            raise self._trouble(error) from error

    @property
    def seq(self) -> int:
        """The number of the last record; 0 before the first."""
        return self._seq

    def emit(self, event: Event, *, at: float | None = None, there: str = "") -> Record:
        """Append one event and return its record. May be called from any thread.

        One that comes from another place has happened `at` a time, and had the number `there`.

        Raises RunError when the disk does not take the line (nothing of it stays), ValueError when a number in the
        event is not finite.
        """
        with self._turn:
            record = Record(seq=self._seq + 1, time=self._clock() if at is None else at, event=event)
            line = (encode(record, there=there) + "\n").encode("utf-8")
            try:
                if os.write(self._descriptor, line) < len(line):
                    raise OSError(0, "no space left on the disk")
            except OSError as error:
                os.ftruncate(self._descriptor, self._size)
                raise self._trouble(error) from error
            self._size += len(line)
            self._seq = record.seq
            return record

    def close(self) -> None:
        """Close the file. The log cannot be used afterwards."""
        os.close(self._descriptor)

    def _trouble(self, error: OSError) -> RunError:
        return RunError(
            f"The events of the run cannot be written to {self._path}: {error.strerror or error}.",
            DATA_FOLDER_HINT,
        )


def read_lines(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    """Read whole lines from a byte offset on; return them without their ends, and the offset to go on from.

    Of a long file they are not all: read on until there are none. A piece of a line whose end is far off counts as
    a line. A file that is not there has none. An offset beyond the end means that the file was replaced: it is read
    from its start.

    Raises RunError when the file is there but cannot be read, or is too large for what a worker says.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BYTES:
                raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES >> 20} MiB")
            start = offset if offset <= size else 0
            if start == size:
                return [], start
            file.seek(start)
            content = file.read(_AT_ONCE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return [], 0
    except OSError as error:
        raise RunError(f"The events of the run cannot be read from {path}: {error.strerror or error}.") from error
    end = content.rfind(b"\n") + 1 or (len(content) if len(content) == _AT_ONCE_BYTES else 0)
    return [line for line in content[:end].split(b"\n") if line], start + end


def read_events(path: Path, offset: int = 0) -> tuple[tuple[Record, ...], int]:
    """Read all records from a byte offset on, and return the offset to go on from.

    A line that cannot be decoded is passed over. Raises RunError when the file is there but cannot be read.
    """
    records: list[Record] = []
    while True:
        lines, offset = read_lines(path, offset)
        if not lines:
            return tuple(records), offset
        records += decode_lines(lines)


def decode_lines(lines: Iterable[bytes]) -> tuple[Record, ...]:
    """Decode lines one after the other; one that cannot be is passed over."""
    return tuple(record for record in map(decoded, lines) if record is not None)


def lines_with(path: Path, mark: bytes) -> list[bytes]:
    """Read the whole lines that hold `mark`. Raises RunError when the file is there but cannot be read."""
    found: list[bytes] = []
    offset = 0
    while True:
        lines, offset = read_lines(path, offset)
        if not lines:
            return found
        found += (line for line in lines if mark in line)


def last_event(path: Path) -> Event | None:
    """Return the last event of a log, reading as little as needed; None where the last whole line is none."""
    try:
        with open_plain(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _FIRST_WINDOW_BYTES))
            window = file.read()
    except OSError:
        return None
    lines = [line for line in window[: window.rfind(b"\n") + 1].split(b"\n") if line]
    record = decoded(lines[-1]) if lines else None
    return None if record is None else record.event


def decoded(line: bytes) -> Record | None:
    """Decode one line; None where it is no event."""
    try:
        return decode(line)
    except Damaged:
        return None


def _whole_size_and_last_seq(descriptor: int) -> tuple[int, int]:
    """Find where the last whole line ends and the number of the last record, reading as little as needed."""
    size = os.fstat(descriptor).st_size
    window = _FIRST_WINDOW_BYTES
    while True:
        start = max(0, size - window)
        content = os.pread(descriptor, size - start, start)
        end = content.rfind(b"\n") + 1
        for line in reversed(content[:end].split(b"\n")):
            record = decoded(line)
            if record is not None:
                return start + end, record.seq
        if start == 0:
            return end, 0
        window *= 4
