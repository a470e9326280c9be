"""How busy other programs keep the processor, told from one look to the next: a run shares it with them."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil

_SHORTEST_SECONDS = 2.0
"""Within less processor time than this, summed over all cores, a look says what the one before said."""

_STEPS = 4
"""The load is told in quarters: it changes all the time, and the page would be drawn for nothing."""


@dataclass(frozen=True)
class ProcessorTimes:
    """Seconds since the start of the computer, summed over its cores: all, those that were busy, and those of this
    process. `crowd` is how many programs want a core for each core there is, on the mean of the last minute.
    """

    total: float
    busy: float
    own: float
    crowd: float = 0.0


def processor_times() -> ProcessorTimes:
    """Ask the system."""
    times, mine = psutil.cpu_times(), os.times()
    total = float(sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))  # these count twice
    idle = times.idle + getattr(times, "iowait", 0.0)
    crowd = psutil.getloadavg()[0] / (os.cpu_count() or 1)
    return ProcessorTimes(total, total - idle, mine.user + mine.system, crowd)


def others_share(earlier: ProcessorTimes, later: ProcessorTimes) -> float:
    """Return the share of the whole processor that other programs had between two looks, from 0 to 1."""
    others = (later.busy - earlier.busy) - (later.own - earlier.own)
    return min(max(others / (later.total - earlier.total), 0.0), 1.0)


class FreeCores:
    """How many cores other programs left free between the last two looks; all of them at the first. For one thread."""

    def __init__(
        self, times: Callable[[], ProcessorTimes] = processor_times, *, cores: int = os.cpu_count() or 1
    ) -> None:
        self._times, self._cores = times, cores
        self._last = times()
        self._free = float(cores)

    def __call__(self) -> float:
        """Look, unless the last look was a moment ago."""
        now = self._times()
        if now.total - self._last.total >= _SHORTEST_SECONDS:
            self._free = self._cores * (1 - others_share(self._last, now))
            self._last = now
        return self._free


class ProcessorLoad:
    """The share of the processor that other programs have since the last look, more than 1 where they wait for it in
    line already. For any number of threads. It is 0 at the first look.
    """

    def __init__(self, times: Callable[[], ProcessorTimes] = processor_times) -> None:
        self._times = times
        self._guard = threading.Lock()
        self._last = times()
        self._load = 0.0

    def __call__(self) -> float:
        """Return the share, in quarters."""
        with self._guard:
            now, last = self._times(), self._last
            if now.total - last.total >= _SHORTEST_SECONDS:
                # The mean of this look and the ones before, the older the weaker: a moment is no load.
                self._load = (self._load + others_share(last, now)) / 2
                self._last = now
            wanted = now.crowd if now.crowd > 1 else 0.0  # a busy processor is 1, however many are in line for it
            return round(_STEPS * max(self._load, wanted)) / _STEPS
