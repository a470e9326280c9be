"""How many runs may wait in the queue: in all, and of one visitor. Refuses before anything of a run is written."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from studio.errors import TooMany
from studio.limits import Limits, raised_by
from studio.visitors import NOBODY, visitor

_HINT = "Wait until one has trained, or take one out of the queue."


class QueuePlaces:
    """The places of one queue. Who queued a run is known until the studio ends; the bound in all holds beyond that."""

    def __init__(self, limits: Limits, waiting: Callable[[], tuple[str, ...]]) -> None:
        """`waiting` returns the ids of the runs that wait."""
        self._limits = limits
        self._waiting = waiting
        self._guard = threading.Lock()
        self._taking: Counter[str] = Counter()
        self._queued_by: dict[str, str] = {}

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Hold a place while a run is written and put in the queue. Raises TooMany when there is none."""
        who = visitor()
        with self._guard:
            self._require(who)
            self._taking[who] += 1
        try:
            yield
        finally:
            with self._guard:
                self._taking[who] -= 1

    def remember(self, id: str) -> None:
        """Keep in mind who queued a run."""
        with self._guard:
            self._queued_by[id] = visitor()

    def _require(self, who: str) -> None:
        waiting = self._waiting()
        self._queued_by = {id: by for id, by in self._queued_by.items() if id in waiting}
        if len(waiting) + self._taking.total() >= self._limits.runs_waiting:
            raise TooMany(
                f"The queue is full: {self._limits.runs_waiting:,} runs wait, and no more are taken.",
                f"{_HINT} {raised_by('runs_waiting')}",
            )
        mine = Counter(self._queued_by.values())[who] + self._taking[who]
        most = self._limits.runs_waiting_each
        if who != NOBODY and mine >= most:
            raise TooMany(
                f"{mine:,} of your runs wait in the queue, and one visitor may have {most:,}.",
                f"{_HINT} {raised_by('runs_waiting_each')}",
            )
