"""Tries out how many threads of the processor are fastest at what is done now, writing an answer or training.

All parts of a product wait for the slowest. Where another program uses one of the cores, as the browser that shows the
page does, the part on that core is late some hundred times a token; one thread less is faster then.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from studio.models.processor_load import FreeCores

TRIES = 3
"""How many steps are taken with each number of threads before one is preferred, in turns."""

FASTER = 0.9
"""Another number of threads is taken where its steps last at most this share."""

FIRST_REST, LONGEST_REST = 8, 256
"""How many steps lie between two trials: twice as many after each that changed nothing."""

IN_THE_WAY, ROOM = 0.1, 0.5
"""By how many cores there must be too few for the threads at work to try with one less, and too many for one more."""

CHANGED = 0.5
"""So many cores more or less are free that what a trial found before says nothing any more."""


class ThreadTrials:
    """Chooses a number of threads for steps that follow one another and are much alike.

    Now and then it tries the next lower or higher number for a few steps, and stays with it where that is faster. With
    `free`, which says how many cores other programs leave free, it tries only what that makes likely, so that on a
    quiet machine nothing is tried, and soon after it changed.
    """

    def __init__(
        self,
        most: int,
        *,
        free: Callable[[], float] | None = None,
        use: Callable[[int], object] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """At most `most` threads; `use` sets how many work from now on."""
        self.chosen = most
        self._most = most
        self._free = free
        self._free_before = float(most)
        self._use = use
        self._clock = clock
        self._lower = True
        self._rest = self._steps_left = FIRST_REST
        self._trial: deque[int] = deque()
        self._times: dict[int, list[float]] = {}
        self._using = most
        self._began: float | None = None
        self._work = 1.0

    def step(self, work: float = 1.0) -> None:
        """Begin a step of so much work, such as its tokens; the one before is over."""
        if self._most == 1:
            return
        self.end_step()
        if not self._times:
            self._steps_left -= 1
            if self._steps_left <= 0 or self._has_changed():
                self._begin_trial()
        self._set(self._trial.popleft() if self._trial else self.chosen)
        self._work, self._began = work, self._clock()

    def end_step(self) -> None:
        """End the last step: the time until the next is none of its own. As many threads work on as did."""
        if self._times and self._began is not None:
            self._times[self._using].append((self._clock() - self._began) / self._work)
            if not self._trial:
                self._decide()
        self._began = None

    def pause(self) -> None:
        """End the last step and a trial: what comes now is of another kind, and all threads work at it."""
        self._times, self._began = {}, None
        self._trial.clear()
        self._set(self._most)

    def _set(self, threads: int) -> None:
        if threads != self._using:
            self._use(threads)
            self._using = threads

    def _has_changed(self) -> bool:
        rested = self._rest - self._steps_left >= FIRST_REST
        return self._free is not None and rested and abs(self._free() - self._free_before) >= CHANGED

    def _begin_trial(self) -> None:
        if self._free is None:
            self._lower = self.chosen == self._most or (self._lower and self.chosen > 1)
            other = self.chosen + (-1 if self._lower else 1)
        else:
            free = self._free_before = self._free()
            if self.chosen - IN_THE_WAY <= free <= self.chosen + ROOM:
                return
            self._lower = free < self.chosen
            other = min(max(round(free), 1), self._most)
            if other == self.chosen:  # so few too many or too few as round to none
                other += -1 if self._lower else 1
            if not 1 <= other <= self._most:
                return
        self._times = {self.chosen: [], other: []}
        self._trial = deque([self.chosen, other] * TRIES)

    def _decide(self) -> None:
        (_, times), (other, others) = self._times.items()
        if statistics.median(others) <= FASTER * statistics.median(times):
            self.chosen, self._rest = other, FIRST_REST
        else:
            self._lower, self._rest = not self._lower, min(2 * self._rest, LONGEST_REST)
        self._times, self._steps_left = {}, self._rest


def training(device: str) -> ThreadTrials:
    """Return what is told of each batch that a training on a device computes. Other programs that come and go tell when
    another number is worth a try: in minutes with too many threads a trial pays, on a quiet machine it costs.
    """
    most = torch.get_num_threads() if device == "cpu" else 1
    return ThreadTrials(most, free=FreeCores())


_known: dict[int, ThreadTrials] = {}


@contextmanager
def writing(device: str) -> Iterator[ThreadTrials]:
    """Give what is told of each token that is written on a device. What was found out is known the next time."""
    most = torch.get_num_threads() if device == "cpu" else 1
    threads = _known.setdefault(most, ThreadTrials(most))
    try:
        yield threads
    finally:
        threads.pause()
