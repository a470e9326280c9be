"""One view of a run for all pages that follow it: what fifty of them ask for in the same moment is worked out once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

Parts = Mapping[str, Any]

FRESH_SECONDS = 0.4
"""A look this old still counts: the page asks every second."""

_MOST_RUNS = 16
"""So many runs are remembered, the least recently looked at going first."""


class _View:
    """The parts of one run, and when they were drawn."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.parts: Parts | None = None
        self.at = 0.0


class SharedView:
    """What is shown of each run, for any number of threads."""

    def __init__(self, draw: Callable[[str], Parts], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`draw` looks at a run, given its id, and makes the parts of it that the page shows."""
        self._draw = draw
        self._clock = clock
        self._guard = threading.Lock()
        self._seen: OrderedDict[str, _View] = OrderedDict()

    def look(self, run_id: str, *, fresh: bool = False) -> Parts:
        """Return what is shown of a run, as it was at most `FRESH_SECONDS` ago; `fresh` for who has just changed it.

        Raises what `draw` raises.
        """
        seen = self._of(run_id)
        with seen.guard:
            if fresh or seen.parts is None or self._clock() - seen.at >= FRESH_SECONDS:
                seen.parts, seen.at = None, self._clock()
                seen.parts = self._draw(run_id)
            return seen.parts

    def _of(self, run_id: str) -> _View:
        with self._guard:
            seen = self._seen.setdefault(run_id, _View())
            self._seen.move_to_end(run_id)
            while len(self._seen) > _MOST_RUNS:
                self._seen.popitem(last=False)
            return seen


class Memo:
    """Keeps what takes long to work out for as long as it stays the same."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._made: OrderedDict[str, tuple[object, Any]] = OrderedDict()

    def get(self, name: str, key: object, make: Callable[[], Any]) -> Any:
        """Return what `make` made for this name and key, making it where the key is another one than last time."""
        with self._guard:
            found = self._made.get(name)
            if found is not None and found[0] == key:
                return found[1]
        made = make()
        with self._guard:
            self._made[name] = (key, made)
            self._made.move_to_end(name)
            while len(self._made) > _MOST_RUNS:
                self._made.popitem(last=False)
        return made
