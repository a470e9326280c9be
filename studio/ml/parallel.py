"""Several processes that train one model together, each on its own device, through accelerate.

Every process holds the whole model and takes every n-th micro-batch of a step; the gradients are summed before the
step, so all of them stay equal.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import distributed

Item = TypeVar("Item")


class Processes:
    """The processes of a run, seen from one of them. Alone when nothing started more."""

    def __init__(self) -> None:
        self._state = PartialState(cpu=not torch.cuda.is_available())

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
        distributed.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def total(self, *numbers: float) -> tuple[float, ...]:
        """Return the sum of each number over all processes."""
        if self.count == 1:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64 if self._state.device.type != "mps" else torch.float32)
        values = values.to(self._state.device)
        distributed.all_reduce(values)
        return tuple(values.tolist())
