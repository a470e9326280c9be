"""Several processes that train one model together, each on its own device, through accelerate.

Every process holds the whole model and takes every n-th micro-batch of a step; the gradients are summed before the
step, so all of them stay equal.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import distributed

from studio.errors import OthersLost, RunError, is_out_of_memory

PATIENCE = timedelta(hours=2)
"""So long a process waits for the others: one may fetch its model first, and the first asks questions meanwhile."""

Item = TypeVar("Item")


class Processes:
    """The processes of a run, seen from one of them. Alone when nothing started more."""

    def __init__(self) -> None:
        with _others():
            self._state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self._state.num_processes

    @property
    def is_first(self) -> bool:
        """Whether this is the process that tells and saves."""
        return self._state.is_main_process

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the part of the items that this process works on."""
        return items[self._state.process_index :: self.count]

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _others():
            distributed.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def total(self, *numbers: float) -> tuple[float, ...]:
        """Return the sum of each number over all processes."""
        if self.count == 1:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64 if self._state.device.type != "mps" else torch.float32)
        values = values.to(self._state.device)
        with _others():
            distributed.all_reduce(values)
            return tuple(values.tolist())

    def as_first(self, *numbers: float) -> tuple[float, ...]:
        """Return the numbers that the first process has, in all of them."""
        return self.total(*(number if self.is_first else 0.0 for number in numbers))

    def spread(self, tensors: Sequence[torch.Tensor]) -> None:
        """Give each tensor the content that it has in the first process."""
        if self.count > 1:
            with _others():
                for tensor in tensors:
                    distributed.broadcast(tensor.detach(), src=0)

    def require_alike(self, *numbers: float) -> None:
        """Raise RunError where what says how a batch is cut is not the same in all processes: each would then learn
        from other rows than the rest believes."""
        first = self.as_first(*numbers)
        (differing,) = self.total(float(first != tuple(map(float, numbers))))
        if differing:
            raise RunError(
                "The machines of this run would cut its batches in different ways.",
                "Switch off what not all of them can do (--switched-off packing), or let one node train.",
            )


@contextlib.contextmanager
def _others() -> Iterator[None]:
    """Say in a sentence that another process is gone."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise OthersLost(
            "Another process of this run ended, so it could not go on.",
            "The log says more. Resume the run: it goes on from its newest checkpoint.",
        ) from error
