"""The events of one worker as a file: one writer appends lines, any number of readers follow from a byte offset.

A line counts only once its line end is there, so a reader never sees half an event and a writer that died in the middle
of a line harms nothing. Knows nothing of what the events mean.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from studio.errors import DATA_FOLDER_HINT, RunError
from studio.events import Event, Record, decode, encode

_FIRST_WINDOW_BYTES = 64 * 1024


class EventLog:
    """The writing end. Opening it cuts a torn last line away and goes on counting where the last record stopped."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open `path` for appending, creating it. Raises RunError when it cannot be written."""
        self._path = path
        self._clock = clock
        self._turn = threading.Lock()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._size, self._seq = _whole_size_and_last_seq(self._descriptor)
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            raise self._trouble(error) from error

    @property
    def seq(self) -> int:
        """The number of the last record; 0 before the first."""
        return self._seq

    def emit(self, event: Event) -> Record:
        """Append one event and return its record. May be called from any thread.

        Raises RunError when the disk does not take the line (nothing of it stays), ValueError when a number in the
        event is not finite.
        """
        with self._turn:
            record = Record(seq=self._seq + 1, time=self._clock(), event=event)
            line = (encode(record) + "\n").encode("utf-8")
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
    """Read the whole lines from a byte offset on; return them without their ends, and the offset to go on from.

    A file that is not there has none. An offset beyond the end means that the file was replaced: it is read from its
    start.

    Raises RunError when the file is there but cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = offset if offset <= size else 0
            if start == size:
                return [], start
            file.seek(start)
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return [], 0
    except OSError as error:
        raise RunError(f"The events of the run cannot be read from {path}: {error.strerror or error}.") from error
    end = content.rfind(b"\n") + 1
    return [line for line in content[:end].split(b"\n") if line], start + end


def read_events(path: Path, offset: int = 0) -> tuple[tuple[Record, ...], int]:
    """Read the records from a byte offset on, and return the offset to go on from, as `read_lines` does.

    A line that cannot be decoded is passed over. Raises RunError when the file is there but cannot be read.
    """
    lines, end = read_lines(path, offset)
    return decode_lines(lines), end


def decode_lines(lines: Iterable[bytes]) -> tuple[Record, ...]:
    """Decode lines one after the other; one that cannot be is passed over."""
    return tuple(record for record in map(_decoded, lines) if record is not None)


def last_event(path: Path) -> Event | None:
    """Return the last event of a log, reading as little as needed; None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        window = os.pread(descriptor, _FIRST_WINDOW_BYTES, max(0, os.fstat(descriptor).st_size - _FIRST_WINDOW_BYTES))
    finally:
        os.close(descriptor)
    for line in reversed(window[: window.rfind(b"\n") + 1].split(b"\n")):
        record = _decoded(line) if line else None
        if record is not None:
            return record.event
    return None


def _decoded(line: bytes) -> Record | None:
    try:
        return decode(line.decode("utf-8"))
    except (ValueError, TypeError, KeyError, OverflowError):
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
            record = _decoded(line)
            if record is not None:
                return start + end, record.seq
        if start == 0:
            return end, 0
        window *= 4
