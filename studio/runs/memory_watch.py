"""A bound on the memory of a worker: whoever takes nearly all that there is, is ended before the machine has none left.

Memory that files are mapped into does not count: the system takes that back by itself.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from studio import wording
from studio.runs.free_memory import free_memory_bytes

log = logging.getLogger(__name__)

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
                with suppress(OSError), log_path.open("a", encoding="utf-8") as file:
                    file.write(f"\n{told}\n")
                return end()
            pause.wait(self.every_seconds)
        return None
