"""What an account has at work is ended before the account goes: a worker would write into a folder that was moved."""

import logging
import os
import time
from pathlib import Path

from studio.errors import RunError
from studio.runs import lock
from studio.runs.launcher import kill_group

_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.05

log = logging.getLogger(__name__)


def end_work(home: Path) -> int:
    """End all workers in a data folder at once, and return how many there were. Raises RunError when one stays."""
    ended: set[int] = set()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while held := [path for path in _locks(home) if lock.is_held(path)]:
        if time.monotonic() > deadline:
            raise RunError(f"Something is still at work in {home}: {held[0].name}.", "Try again in a moment.")
        for process_id in filter(None, map(lock.holder, held)):
            kill_group(process_id)
            ended.add(process_id)
        time.sleep(_LOOK_SECONDS)
    return len(ended)


def _locks(home: Path) -> list[Path]:
    """List the locks in a data folder, without those of the folders of other accounts."""
    found = []
    for folder, names, files in os.walk(home):
        if Path(folder) == home:
            names[:] = [name for name in names if name != "accounts"]
        found += [Path(folder) / file for file in files if file == "lock" or file.endswith(".lock")]
    return found
