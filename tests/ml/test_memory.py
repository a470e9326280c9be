"""What nothing needs any more is free, however it is held."""

import weakref

import torch

from studio.config import RunConfig
from studio.ml.memory import memory_gib, release_memory
from studio.ml.optimizers import Optimizer


class Ring:
    """Holds itself, as a model does."""

    def __init__(self) -> None:
        self.weights = torch.zeros(1000)
        self.owner = self


def test_rings_are_looked_for() -> None:
    kept = Ring()
    weights = weakref.ref(kept.weights)
    del kept
    release_memory()
    assert weights() is None


def test_what_was_freed_goes_back_to_the_system() -> None:
    large = torch.ones(7, 2**20)
    del large  # from then on the allocator keeps what is smaller
    pieces = [torch.ones(64, 1024) for _ in range(1000)]  # 262 MB
    pin = torch.ones(64, 1024)  # or the end of the heap would be given back by itself
    full = memory_gib("cpu")
    del pieces
    release_memory()
    assert full - memory_gib("cpu") > 200e6 / 2**30
    assert pin.sum() == pin.numel()


def test_an_optimiser_at_rest_holds_its_masters_alone() -> None:
    """A full fine-tuning kept its moments beside the checkpoint that it loaded at its end: 1.2 GB too much."""
    layer = torch.nn.Linear(8, 8, dtype=torch.bfloat16)
    optimizer = Optimizer(layer.named_parameters(), config=RunConfig(), device="cpu")
    layer(torch.ones(1, 8, dtype=torch.bfloat16)).sum().backward()
    optimizer.step(1e-2)
    saved = optimizer.state()
    assert "moment/weight/exp_avg" in saved
    optimizer.rest()
    assert optimizer.state().keys() == {"master/weight", "master/bias"}
    optimizer.restore(saved)
    assert optimizer.state().keys() == saved.keys()
    optimizer.close()
    assert optimizer.state().keys() == {"master/weight", "master/bias"}
