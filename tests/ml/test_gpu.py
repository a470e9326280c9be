"""What only a CUDA device can show. These skip without one."""

import dataclasses
from pathlib import Path

import pytest
import torch

from studio.events import Stepped
from studio.ml import loading
from studio.ml.batches import TokenRow
from tests.ml.conftest import MEMORISE, run_training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("method", ["lora", "qlora"], ids=["bf16", "nf4"])
def test_a_gpu_trains_in_bf16(tiny_model: Path, four_rows: tuple[TokenRow, ...], method: str) -> None:
    placement = loading.choose_placement(precision="auto", bits=4 if method == "qlora" else 0)
    assert (placement.device, placement.precision) == ("cuda", "bf16")
    config = dataclasses.replace(MEMORISE, epochs=20, method=method)
    trained = run_training(tiny_model, four_rows, config=config, placement=placement)
    losses = [event.loss for event in trained.events if isinstance(event, Stepped)]
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in trained.model.parameters() if parameter.requires_grad)
    assert {parameter.device.type for parameter in trained.model.parameters()} == {"cuda"}


def test_a_model_that_does_not_fit_is_out_of_memory_in_words(tiny_model: Path) -> None:
    from studio.workers.job import failure

    with pytest.raises(torch.OutOfMemoryError) as raised:
        torch.empty(2**50, device="cuda")
    assert failure(raised.value).cause == "out_of_memory"
