"""Ends a process that takes too long: this one, or one that was started.

A library that loops in C lets no other thread of Python run, so the clock is faulthandler's, which needs none.
"""

import faulthandler
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.models.download import Stopped

LOAD_SECONDS = 600.0
LOAD_SECONDS_PER_GIB = 60.0
"""A slow network disk reads a GiB in ten seconds, and packing one in 4 bits takes a processor about as long again."""


_LOOK_SECONDS = 0.2


def load_seconds(folder: Path) -> float:
    """Return how long loading the weights in a folder may take."""
    size = sum(path.stat().st_size for kind in ("*.safetensors", "*.bin") for path in folder.glob(kind))
    return LOAD_SECONDS + LOAD_SECONDS_PER_GIB * size / 2**30


def finish_within(process: "subprocess.Popen[bytes]", *, seconds: float, should_stop: Callable[[], bool]) -> bytes:
    """Wait for a process, and return what it wrote to standard error. One that did not end by itself is killed.

    Raises Stopped when asked to stop, and TimeoutError when it takes longer than it may.
    """
    until = time.monotonic() + seconds
    try:
        while True:
            try:
                return process.communicate(timeout=_LOOK_SECONDS)[1]
            except subprocess.TimeoutExpired:
                if should_stop():
                    raise Stopped from None
                if time.monotonic() > until:
                    raise TimeoutError from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End this process, with "Timeout" and where it was on standard error, unless the block is left in time.

    There is one such clock in a process, so blocks cannot be nested. `runs/diagnosis` makes a sentence of the word.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
