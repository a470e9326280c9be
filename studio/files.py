"""Files and folders: opened without waiting for a pipe or a device, written whole or not at all, and moved."""

import errno
import hashlib
import itertools
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from studio.errors import DATA_FOLDER_HINT, RunError, StudioError
from studio.logs import logged

HELD_PORT = "STUDIO_HELD_PORT"
"""The variable in which the first process of a run finds the open file by which others hold the port for it at which
the rest of the run looks for it: a port that was only chosen could be another program's by then."""

log = logging.getLogger(__name__)

_LONGEST_STEM = 200
_NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What a file system says that cannot flush such a file."""


def open_plain(path: Path | str) -> BufferedReader:
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


def hash_file(path: Path | str) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits. Raises OSError."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


@contextmanager
def whole_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield the name under which to write a file; it takes the place of `path` when all went well. Raises OSError.

    The temporary name is always the same, so that the next writer overwrites what a killed one left. Where several
    processes may write at once, `shared` gives each a name of its own.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp" if shared else f".{path.name}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with logged(log, "A temporary file could not be deleted", OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text and a line end, whole or not at all, and have the disk hold it. Raises OSError."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder that takes the place of `target` when all went well, and goes when it did not. Raises OSError."""
    temporary = target.parent / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for path in (*temporary.iterdir(), temporary):
            _flush(path)
        take_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def take_place(folder: Path, target: Path) -> None:
    """Move a folder to `target`; what was there is deleted once that is done. Raises OSError."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(folder, target)
    shutil.rmtree(old, ignore_errors=True)


def delete_folder(folder: Path) -> None:
    """Delete a folder so that what is left of it, should the deleting be cut short, is not taken for a whole one."""
    old = folder.with_name(f".{folder.name}.old")
    with logged(log, "A folder could not be moved away to be deleted", OSError):
        os.replace(folder, old)
    shutil.rmtree(old, ignore_errors=True)


def move_to_free_name(path: Path, folder: Path, name: str, *, suffix: str = "") -> Path:
    """Move a file or a folder into another folder, under `name` or that with a number. Raises OSError."""
    for number in itertools.count(1):
        target = folder / (f"{name}{suffix}" if number == 1 else f"{name[:_LONGEST_STEM]}-{number}{suffix}")
        if not target.exists():
            try:
                return path.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another took the name just now
                    raise
    raise AssertionError("there is always a free name")


@contextmanager
def disk_trouble(what: str, folder: Path, kind: type[StudioError] = RunError) -> Iterator[None]:
    """Turn what the disk says into a sentence of this kind: `what` cannot be written to `folder`."""
    try:
        yield
    except OSError as error:
        said = f"{what} cannot be written to {folder}: "
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise kind(f"{said}the disk is full ({reason}).", f"Free some space on the disk of {folder}.") from error
        raise kind(f"{said}{reason}.", DATA_FOLDER_HINT) from error


def _flush(path: Path) -> None:
    """Have the disk hold a file's content before its name says that it is whole: the power may fail.

    Raises OSError when the disk does not take it; some disks say so only now.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        os.close(descriptor)
