"""Finds answers that take long in a few threads, so that a page never waits for a network or a disk."""

import functools
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from studio.errors import StudioError
from studio.limits import LAPTOP, Limits

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Threads:
    """A bounded number of threads with a bounded line of work. They end when nothing is left to do."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guard = threading.Lock()
        self._line: deque[Callable[[], None]] = deque()
        self._running = 0

    def start(self, work: Callable[[], None]) -> bool:
        """Do some work as soon as a thread is free; False when too much is waiting already."""
        with self._guard:
            if self._running < self._limits.lookups_at_once:
                self._running += 1
                threading.Thread(target=self._run, args=(work,), name="look-up", daemon=True).start()
                return True
            if len(self._line) >= self._limits.lookups_waiting:
                return False
            self._line.append(work)
            return True

    @property
    def are_busy(self) -> bool:
        """Whether something is being looked for."""
        return self._running > 0

    def _run(self, work: Callable[[], None]) -> None:
        following: Callable[[], None] | None = work
        while following is not None:
            try:
                following()
            except Exception:
                log.exception("A look-up ended in trouble")
            with self._guard:
                following = self._line.popleft() if self._line else None
                self._running -= following is None


@dataclass
class _Answer(Generic[Found]):
    """What was found; `until` says when that is asked again, None for never."""

    found: Found | None = None
    until: float | None = None


class InBackground(Generic[Key, Found]):
    """The answers of one kind, each found once; the least recently asked go first, and failures are tried again."""

    def __init__(
        self,
        find: Callable[[Key], Found | None],
        *,
        threads: Threads | None = None,
        limits: Limits = LAPTOP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._threads = threads or Threads(limits)
        self._limits = limits
        self._clock = clock
        self._known: OrderedDict[Key, _Answer[Found]] = OrderedDict()
        self._working: set[Key] = set()
        self._guard = threading.Lock()

    def get(self, key: Key) -> Found | None:
        """Return what is known now; start to look when nothing is, or when that failed a while ago.

        When too much else is being looked for, the look starts when somebody asks again.
        """
        with self._guard:
            answer = self._known.get(key)
            if answer is not None:
                self._known.move_to_end(key)
            fresh = answer is not None and (answer.until is None or self._clock() < answer.until)
            if not fresh and key not in self._working and self._threads.start(functools.partial(self._learn, key)):
                self._working.add(key)
            return None if answer is None else answer.found

    def is_working(self, key: Key) -> bool:
        """Say whether this answer is still being looked for."""
        return key in self._working

    def _learn(self, key: Key) -> None:
        again = _Answer[Found](until=self._clock() + self._limits.failed_lookup_seconds)
        answer = again
        try:
            answer = _Answer(self._find(key))
        except StudioError as error:  # what is wrong is said where it is used
            log.info("%s was not found: %s", str(key)[:100], error, exc_info=True)
        finally:
            with self._guard:
                self._known[key] = answer
                self._known.move_to_end(key)
                self._working.discard(key)
                while len(self._known) > self._limits.lookups_remembered:
                    self._known.popitem(last=False)
