"""How much memory is free for a process, and a bound on a worker that takes nearly all of it.

Memory that files are mapped into does not count: the system takes that back by itself.
"""

import logging
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from studio import wording
from studio.logs import logged

log = logging.getLogger(__name__)

CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60
"""A container without a limit names a number near 2**63."""


def free_memory_bytes() -> int:
    """Return the bytes of RAM that a new process may take: what is free, within what the container may have."""
    free = int(psutil.virtual_memory().available)
    room = _container_room()
    return free if room is None else max(0, min(free, room))


def _container_room() -> int | None:
    """Return what the memory limit of this container leaves, None without one. Cached files do not count as used."""
    for limit, used, cached in (
        (CGROUP / "memory.max", CGROUP / "memory.current", r"^inactive_file (\d+)$"),
        (
            CGROUP / "memory" / "memory.limit_in_bytes",
            CGROUP / "memory" / "memory.usage_in_bytes",
            r"^total_inactive_file (\d+)$",
        ),
    ):
        with suppress(OSError, ValueError):
            most = int(limit.read_text())
            found = re.search(cached, (used.parent / "memory.stat").read_text(), re.MULTILINE)
            if most < _NO_LIMIT:
                return most - int(used.read_text()) + (int(found[1]) if found else 0)
    return None


ENDED = "The studio ended this worker because of its memory"
"""What the log of a worker that took too much ends with; `diagnosis` looks for it."""


def held_bytes(process_id: int) -> int:
    """Return the memory of a process and of all that it started; 0 when it has ended."""
    held = 0
    with suppress(psutil.Error):
        process = psutil.Process(process_id)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                memory = each.memory_info()
                held += memory.rss - getattr(memory, "shared", 0)
    return held


@dataclass(frozen=True)
class MemoryWatch:
    """How much a worker may take: `share` of what it has and what is free beside it, but always `floor_bytes`."""

    share: float = 0.9
    floor_bytes: int = 2 * 2**30
    every_seconds: float = 0.5
    held: Callable[[int], int] = held_bytes
    free: Callable[[], int] = free_memory_bytes

    def start(self, process_id: int, *, log_path: Path, has_ended: Callable[[], bool], end: Callable[[], None]) -> None:
        """Watch a process in a thread until it has ended; `end` ends it when it takes too much, and its log says so."""
        watching = threading.Thread(
            target=self._watch, args=(process_id, log_path, has_ended, end), name=f"memory-{process_id}", daemon=True
        )
        watching.start()

    def _watch(self, process_id: int, log_path: Path, has_ended: Callable[[], bool], end: Callable[[], None]) -> None:
        pause = threading.Event()
        while not has_ended():
            held = self.held(process_id)
            most = max(self.floor_bytes, int(self.share * (held + self.free())))
            if held > most:
                told = f"{ENDED}: it took {wording.size(held)}, and at most {wording.size(most)} were to be had."
                log.warning("process %d: %s", process_id, told)
                with (
                    logged(log, "The log of a worker that is ended could not be written", OSError, level=logging.INFO),
                    log_path.open("a", encoding="utf-8") as file,
                ):
                    file.write(f"\n{told}\n")
                return end()
            pause.wait(self.every_seconds)
        return None
