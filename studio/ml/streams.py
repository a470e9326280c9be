"""Micro-batches side by side on a processor: each is computed by cores of its own.

Where all cores share each product, each waits for the slowest some thousand times a step, and what no two can share,
such as Python's own work, keeps one of them busy and the others waiting. Beside another program that wait is most of
the time. Batches that are computed apart wait for one another once a step (benchmarks/README.md has both).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


class Streams:
    """Threads that compute parts of a step, each with its share of the cores. One alone is the thread that asks."""

    def __init__(self, count: int) -> None:
        cores = torch.get_num_threads()
        self.count = max(1, min(count, cores))
        self._pool: ThreadPoolExecutor | None = None
        if self.count > 1:
            share = cores // self.count
            self._pool = ThreadPoolExecutor(self.count, "stream", lambda: torch.set_num_threads(share))

    def in_order(
        self, parts: Sequence[Part], compute: Callable[[Part], Result], *, is_over: Callable[[], bool]
    ) -> Iterator[Result]:
        """Yield what comes of each part, in their order, whichever is ready first; begin no more once it `is_over`.

        A part that is alone gets all cores. The first error is raised, once all that had begun is done.
        """
        if self._pool is None or len(parts) == 1:
            for part in parts:
                if is_over():
                    return
                yield compute(part)
            return
        left = iter(enumerate(parts))
        running: dict[Future[Result], int] = {}
        ready: dict[int, Result] = {}
        following = 0
        try:
            while True:
                while len(running) < self.count and not is_over() and (each := next(left, None)) is not None:
                    running[self._pool.submit(compute, each[1])] = each[0]
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    ready[running.pop(future)] = future.result()
                while following in ready:
                    yield ready.pop(following)
                    following += 1
        finally:
            wait(running)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
