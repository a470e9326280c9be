"""How far a process steps back for others that want the processor."""

import logging
import os
import time
from pathlib import Path

from studio.logs import logged

BEHIND = 10
"""So far steps back what nobody asked for. Beside it another process gets nine tenths."""

BESIDE_PAGES = 5
"""So far steps back the work of one person beside the pages of others, which get three quarters beside it."""

_LAST = 19
_TRIES = 5
_APART_SECONDS = 0.11

log = logging.getLogger(__name__)


def step_back(nice: int, process_id: int = 0) -> None:
    """Have a process, this one where no other is given, leave the processor to others first: `nice` is what it adds to
    its number, 19 at most, as nice(1) does. What cannot be is logged.

    Linux shares the processor among sessions before it looks at the `nice` of each process, where it groups by session
    (sched(7), "The autogroup feature"; most distributions do): a process that leads a session of its own, as a worker
    does, has to step back as a session too. Linux takes one such change in a tenth of a second from all users together.
    """
    with logged(log, "A process does not step back", OSError, level=logging.INFO):
        behind = min(_LAST, os.getpriority(os.PRIO_PROCESS, process_id) + nice)
        os.setpriority(os.PRIO_PROCESS, process_id, behind)
        number = process_id or os.getpid()
        group = Path(f"/proc/{number}/autogroup")
        if os.getsid(number) == number and group.exists():
            _write(group, str(behind))


def _write(path: Path, text: str) -> None:
    for _ in range(_TRIES - 1):
        try:
            path.write_text(text, encoding="ascii")
        except BlockingIOError:
            time.sleep(_APART_SECONDS)
        else:
            return
    path.write_text(text, encoding="ascii")
