"""How seldom the pages look at the server, so that a hundred open pages do not keep it from answering a press.

Each page asks every few seconds. Up to `PAGES_AT_FULL_PACE` of them ask as often as they like; with twice as many, each
asks half as often, and all together as much as before.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

PAGES_AT_FULL_PACE = 25
"""So many pages take about a fifth of a processor core while nothing happens on them."""

SLOWEST = 8
"""The clocks of a page run at most so many times slower: whatever happens, it is seen within half a minute."""

SEEN_SECONDS = 45.0
"""A page that has not asked for so long is closed; the slowest asks every 24 seconds."""

_MOST_REMEMBERED = 2 * SLOWEST * PAGES_AT_FULL_PACE


class Pace:
    """The pages that are open, by what they asked, for any number of threads. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def of(self, page: str | None) -> int:
        """Note that a page has asked, and say how many times slower than usual its clocks are to run, from 1."""
        now = self._clock()
        with self._guard:
            if page:
                self._seen[page] = now
                self._seen.move_to_end(page)
            while self._seen and (
                len(self._seen) > _MOST_REMEMBERED or now - next(iter(self._seen.values())) > SEEN_SECONDS
            ):
                self._seen.popitem(last=False)
            return max(1, min(SLOWEST, -(-len(self._seen) // PAGES_AT_FULL_PACE)))
