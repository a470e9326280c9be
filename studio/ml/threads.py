"""Tries out how many threads of the processor write an answer fastest.

All parts of a product wait for the slowest. Where another program uses one of the cores, as the browser that shows the
page does, the part on that core is late some hundred times a token; one thread less is faster then.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

TRIES = 3
"""How many steps are taken with each number of threads before one is preferred, in turns."""

FASTER = 0.9
"""Another number of threads is taken where its steps last at most this share."""

FIRST_REST, LONGEST_REST = 8, 256
"""How many steps lie between two trials: twice as many after each that changed nothing."""


class ThreadTrials:
    """Chooses a number of threads for steps that follow one another and are much alike.

    Now and then it tries the next lower or higher number for a few steps, and stays with it where that is faster.
    """

    def __init__(
        self,
        most: int,
        *,
        use: Callable[[int], object] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """At most `most` threads; `use` sets how many work from now on."""
        self.chosen = most
        self._most = most
        self._use = use
        self._clock = clock
        self._lower = True
        self._rest = self._steps_left = FIRST_REST
        self._trial: deque[int] = deque()
        self._times: dict[int, list[float]] = {}
        self._using = most
        self._began: float | None = None

    def step(self) -> None:
        """Begin a step; the one before is over."""
        if self._most == 1:
            return
        if self._times and self._began is not None:
            self._times[self._using].append(self._clock() - self._began)
            if not self._trial:
                self._decide()
        if not self._times:
            self._steps_left -= 1
            if self._steps_left <= 0:
                self._begin_trial()
        self._set(self._trial.popleft() if self._trial else self.chosen)
        self._began = self._clock()

    def pause(self) -> None:
        """End the last step: what comes now is of another kind, and all threads work at it."""
        self._times, self._began = {}, None
        self._trial.clear()
        self._set(self._most)

    def _set(self, threads: int) -> None:
        if threads != self._using:
            self._use(threads)
            self._using = threads

    def _begin_trial(self) -> None:
        self._lower = self.chosen == self._most or (self._lower and self.chosen > 1)
        other = self.chosen + (-1 if self._lower else 1)
        self._times = {self.chosen: [], other: []}
        self._trial = deque([self.chosen, other] * TRIES)

    def _decide(self) -> None:
        (_, times), (other, others) = self._times.items()
        if statistics.median(others) <= FASTER * statistics.median(times):
            self.chosen, self._rest = other, FIRST_REST
        else:
            self._lower, self._rest = not self._lower, min(2 * self._rest, LONGEST_REST)
        self._times, self._steps_left = {}, self._rest


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
