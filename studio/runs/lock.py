"""Who is at work on a folder, told by a file lock that the kernel lets go of when its holder dies.

The lock is `flock` on a small file, held for the whole life of a worker. Whether a worker lives is never asked of its
process id, which may belong to someone else by now; the file names it for as long as the lock is held.
"""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import RunError
from studio.files import disk_trouble, open_descriptor, read_bytes
from studio.logs import logged

log = logging.getLogger(__name__)

_MOST_BYTES = 100
_LARGEST_ID = 2**31 - 1
_TRIES = 10
_PAUSE_SECONDS = 0.01
PATIENCE_SECONDS = 10.0
"""So long `in_turn` waits for another."""

_TURN_PAUSE_SECONDS = 0.02
_LOOKED_AT_SECONDS = 10.0
_LOOKED_AT_PAUSE_SECONDS = 0.002
_NOT_A_LOCK = (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


def acquire(path: Path) -> int | None:
    """Take the lock and return its file descriptor, or None when another holds it.

    The lock is held until the descriptor is closed in every process that has it; pass it on to a child to hand the lock
    over. `is_held` takes the lock for a moment too: a lock that is only looked at is waited for, however many look.

    Raises RunError when the lock file cannot be written.
    """
    with disk_trouble("The lock", path):
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT)
    found_held, deadline = 0, time.monotonic() + _LOOKED_AT_SECONDS
    while found_held < _TRIES and time.monotonic() < deadline:
        if _try_lock(descriptor, fcntl.LOCK_EX):
            os.ftruncate(descriptor, 0)  # it names its last holder
            return descriptor
        if _try_lock(descriptor, fcntl.LOCK_SH):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(_LOOKED_AT_PAUSE_SECONDS)
        else:
            found_held += 1
            time.sleep(_PAUSE_SECONDS)
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Say whether some process holds the lock. What is not there, or no plain file, is not held: nobody can take it."""
    try:
        descriptor = open_descriptor(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NOT_A_LOCK:
            return False
        raise
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def name_holder(path: Path, process_id: int) -> None:
    """Write down which process the lock was handed to. Raises OSError when the disk does not take it."""
    with os.fdopen(open_descriptor(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(f"{process_id}\n".encode("ascii"))


def name_self(descriptor: int) -> None:
    """Write down that this process has the lock: whoever handed it over may have died before doing so."""
    with logged(log, "The lock does not name the process that holds it", OSError):
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def holder(path: Path) -> int | None:
    """Return the process that a held lock was handed to; None when it is free, or nobody wrote that down.

    Taking the lock wipes the name of the holder before.
    """
    return last_holder(path) if is_held(path) else None


def last_holder(path: Path) -> int | None:
    """Return the process that a lock was last handed to, whether it holds it still; None when nobody knows."""
    try:
        found = int(read_bytes(path, most_bytes=_MOST_BYTES) or b"")
    except (OSError, ValueError):
        return None
    return found if 0 < found <= _LARGEST_ID else None


@contextmanager
def holding(path: Path) -> Iterator[int]:
    """Hold the lock for the length of a `with` block. Raises RunError when another holds it."""
    descriptor = acquire(path)
    if descriptor is None:
        raise RunError(f"Another process is at work in {path.parent}.", "Wait until it is done, or stop it.")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


@contextmanager
def in_turn(path: Path, *, busy: str) -> Iterator[None]:
    """Hold the lock for the length of a `with` block, after those that hold it for a moment.

    Raises RunError, which says that it is `busy`, when that takes long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (descriptor := acquire(path)) is None:
        if time.monotonic() > deadline:
            raise RunError(busy, "Try again in a moment.")
        time.sleep(_TURN_PAUSE_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)
