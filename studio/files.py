"""Plain files: opened without waiting for a pipe or a device in their place, and written whole or not at all."""

import errno
import logging
import os
import stat
from pathlib import Path
from typing import BinaryIO

from studio.logs import logged

log = logging.getLogger(__name__)


def open_plain(path: Path | str) -> BinaryIO:
    """Open a file to be read. Raises OSError when it is not there, cannot be read, or is no plain file."""
    return os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")


def open_descriptor(path: Path | str, flags: int) -> int:
    """Open a plain file as `os.open` does. Raises OSError; opening a pipe would wait for its other end for ever."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    except ValueError as error:  # a name with a zero byte
        raise OSError(errno.EINVAL, str(error)) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a plain file")


def read_bytes(path: Path | str, *, most_bytes: int) -> bytes | None:
    """Read a whole file; None for one that is larger than `most_bytes`. Raises OSError."""
    with open_plain(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            return None
        content = file.read(most_bytes + 1)  # it may have grown meanwhile
    return content if len(content) <= most_bytes else None


def at_older_name(path: Path, older: str) -> Path:
    """Return the file beside `path` that an older studio wrote under the name `older`; `path` where there is none."""
    before = path.with_name(older)
    return before if before.exists() else path


def write_whole(path: Path, text: str) -> None:
    """Write a text and a line end: under a temporary name first, then renamed. Raises OSError.

    The name is always the same, so that what a killed process left is overwritten by the next one.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with logged(log, "A temporary file could not be deleted", OSError):
            temporary.unlink(missing_ok=True)
