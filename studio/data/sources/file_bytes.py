"""The bytes of a file on disk: opened only where it is an ordinary file, and looked through once from end to end."""

import codecs
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from studio.data.rows import Report, silent
from studio.errors import DataError

BLOCK_BYTES = 1 << 18
"""How much is read at a time."""

HEAD_BYTES = 1 << 20
"""How much of the start of a file is looked at to find out what it is."""

_SAMPLE_BYTES = 1 << 16
_REPORT_SECONDS = 0.1


class Progress:
    """Tells a `Report` how many bytes are done, no more often than a person can follow.

    `total` is in bytes, over all files.
    """

    def __init__(self, report: Report, what: str, total: int) -> None:
        self._report = report
        self._what = what
        self._total = total
        self._before = 0
        self._reported = float("-inf")

    def end_file(self, size: int) -> None:
        """End a file of so many bytes; what is said from now on is of the next."""
        self._before += size
        self.at(0)

    def at(self, done: int) -> None:
        """Say how many bytes of the file are done. Raises CancelledError when the report does."""
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self._report(self._what, min(self._before + done, self._total), self._total)

    def finish(self) -> None:
        """Say that all is done."""
        self._report(self._what, self._total, self._total)


def silence() -> Progress:
    """Return a progress that nobody is told of."""
    return Progress(silent, "Reading", 0)


@dataclass(frozen=True)
class Survey:
    """What one look through all the bytes of a file shows.

    `broken` counts places that are not UTF-8 and `whole` about how many characters beyond ASCII are; `strange` holds
    some of the lines with bytes beyond ASCII, for a guess at another encoding.
    """

    sha256: str
    size: int
    head: bytes
    broken: int
    whole: int
    strange: bytes


def shown(path: Path | str) -> str:
    """Return the name of a file as it can be shown and stored, whatever bytes it holds."""
    name = path.name if isinstance(path, Path) else path
    text = name.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in text)[-200:] or "?"


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading. Raises DataError when it is missing, not an ordinary file, or not readable."""
    name = shown(path)
    try:
        # Without O_NONBLOCK a named pipe would wait for its writer for ever.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"There is no file '{name}'.", "Check its name and folder.") from error
    except (OSError, ValueError) as error:
        if os.path.isdir(path):
            raise _folder(name) from error
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"The file '{name}' cannot be read: {reason}.", "Check its permissions, or copy it elsewhere."
        ) from error
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(number, "rb")
    os.close(number)
    raise (
        _folder(name)
        if stat.S_ISDIR(mode)
        else DataError(f"'{name}' is a device or a pipe, not a file.", "Save its content as a file first.")
    )


def _folder(name: str) -> DataError:
    return DataError(f"'{name}' is a folder.", "Choose the files in it.")


def read_blocks(path: Path, progress: Progress) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks. Raises DataError when they cannot be read."""
    done = 0
    with open_bytes(path) as file:
        while True:
            try:
                block = file.read(BLOCK_BYTES)
            except OSError as error:
                raise unreadable(path, error) from error
            if not block:
                return
            yield block
            done += len(block)
            progress.at(done)


def unreadable(path: Path, error: OSError) -> DataError:
    """Say that the disk did not give what it holds."""
    return DataError(
        f"The file '{shown(path)}' cannot be read to its end: {error.strerror or error}.", "Copy it elsewhere."
    )


def look_through(path: Path, progress: Progress) -> Survey:
    """Read all bytes of a file once. Raises DataError when that cannot be done."""
    digest = hashlib.sha256()
    head, strange = bytearray(), bytearray()
    size = 0
    count = _CountUtf8()
    for block in read_blocks(path, progress):
        digest.update(block)
        size += len(block)
        if len(head) < HEAD_BYTES:
            head += block[: HEAD_BYTES - len(head)]
        if not count.add(block) and len(strange) < _SAMPLE_BYTES:
            strange += _lines_beyond_ascii(block)
    count.end()
    return Survey(digest.hexdigest(), size, bytes(head), count.broken, count.whole, _cut_at_ascii(bytes(strange)))


class _CountUtf8:
    """Counts, block by block, the places that are not UTF-8, and about how many characters beyond ASCII are."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.broken = 0
        self.whole = 0

    def add(self, block: bytes) -> bool:
        """Count a block; say whether all of it is UTF-8."""
        held: bytes = self._decoder.getstate()[0]
        if not held and block.isascii():
            return True
        try:
            self.whole += max(len(block) - len(self._decoder.decode(block)), 0)
            return True
        except UnicodeDecodeError:
            lenient = codecs.getincrementaldecoder("utf-8")("replace")
            text = lenient.decode(held + block)
            # The replacement character may be in the file as well.
            self.broken += text.count("\ufffd") - (held + block).count("\ufffd".encode())
            self.whole += max(len(block) - len(text), 0)
            self._decoder.setstate((lenient.getstate()[0], 0))
            return False

    def end(self) -> None:
        """Count what the last block left open."""
        self.broken += bool(self._decoder.getstate()[0])


def _lines_beyond_ascii(block: bytes) -> bytes:
    return b"\n".join(line for line in block.split(b"\n") if not line.isascii())


def _cut_at_ascii(strange: bytes) -> bytes:
    """Cut a sample where no character of several bytes is cut in two."""
    if len(strange) <= _SAMPLE_BYTES:
        return strange
    end = max(strange.rfind(mark, 0, _SAMPLE_BYTES) for mark in (b"\n", b" ", b'"'))
    return strange[: end if end > 0 else _SAMPLE_BYTES]
