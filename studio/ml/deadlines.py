"""Ends this process when something takes too long.

A library that loops in C lets no other thread of Python run, so the clock is faulthandler's, which needs none.
"""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOAD_SECONDS = 600.0
LOAD_SECONDS_PER_GIB = 60.0
"""A slow network disk reads a GiB in ten seconds, and packing one in 4 bits takes a processor about as long again."""


def load_seconds(folder: Path) -> float:
    """Return how long loading the weights in a folder may take."""
    size = sum(path.stat().st_size for kind in ("*.safetensors", "*.bin") for path in folder.glob(kind))
    return LOAD_SECONDS + LOAD_SECONDS_PER_GIB * size / 2**30


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
