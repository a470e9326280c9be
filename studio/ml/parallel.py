"""Several processes that train one model together, each on its own device, through accelerate.

Every process holds the whole model and takes every n-th micro-batch of a step; the gradients are summed before the
step, so all of them stay equal.
"""

import contextlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from torch import distributed
from torch._C._distributed_c10d import TCPStore

from studio.errors import NotConnected, OthersLost, RunError, is_out_of_memory
from studio.files import HELD_PORT

PATIENCE = timedelta(hours=2)
"""So long a process waits for the others: one may fetch its model first, and the first asks questions meanwhile."""

MOST_MET = 300
"""So many letters of what a library says of the connection are passed on."""

Item = TypeVar("Item")

log = logging.getLogger(__name__)


class Processes:
    """The processes of a run, seen from one of them. Alone when nothing started more."""

    def __init__(self) -> None:
        with _others(NotConnected):
            self._state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE, **_meet())

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


def _meet() -> dict[str, Any]:
    """Find the other processes of the run, and return what connects them; nothing where there are none, or it was done.

    Raises RunError where the nodes have unlike numbers of processes: each would wait for others that never come.
    """
    count, number = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if count < 2 or distributed.is_initialized():
        return {}
    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=number == 0,
        timeout=PATIENCE,
        wait_for_workers=False,
        master_listen_fd=_held_port() if number == 0 else None,
    )
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    store.set(f"processes/{os.environ.get('GROUP_RANK', '0')}", str(count // nodes))
    on_each = [int(store.get(f"processes/{node}")) for node in range(nodes)]
    if len(set(on_each)) > 1:
        raise RunError(
            f"The nodes of this run have unlike numbers of graphics cards: {', '.join(map(str, on_each))}.",
            "Give each node as many: name the GPUs of a node among the settings of the place. Or switch off that a run "
            "uses all of them.",
        )
    return {"store": store, "rank": number, "world_size": count}


def _held_port() -> int | None:
    """Return an open file of its own for the port that is held for this process; None where none is."""
    try:
        held = int(os.environ.get(HELD_PORT, ""))
        return os.dup(held) if stat.S_ISSOCK(os.fstat(held).st_mode) else None
    except (ValueError, OSError):  # what starts the Python of a place may not pass open files on
        log.debug("No port is held for this process", exc_info=True)
        return None


@contextlib.contextmanager
def _others(kind: type[OthersLost] = OthersLost) -> Iterator[None]:
    """Say in a sentence that the other processes cannot be reached, and what was met."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        met = " ".join(str(error).split("\n", 1)[0].split())[:MOST_MET].rstrip(".")
        said = f"Another process of this run ended, or the connection to it did: {met}."
        if kind is NotConnected:
            said = f"The processes of this run could not be connected: {met}."
        raise kind(said, "The log says more. Resume the run: it goes on from its newest checkpoint.") from error
