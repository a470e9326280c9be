"""What only a CUDA device can show. These skip without one."""

import dataclasses
from pathlib import Path

import pytest
import torch

from studio.config import RunConfig
from studio.events import Stepped
from studio.ml import loading
from studio.ml.batches import TokenRow
from studio.ml.engine import Engine
from studio.ml.speed.attention import Shape, separate_attention, varlen_attention
from tests.ml.conftest import MEMORISE, run_training
from tests.ml.test_engine import make_rows
from tests.ml.tiny_families import FAMILIES, make_adapted

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


def test_the_varlen_kernel_attends_as_the_blocks_do() -> None:
    lengths = (130, 7, 64)
    rng = torch.Generator(device="cuda").manual_seed(0)
    shape = Shape(scale=64**-0.5)
    made = [
        torch.randn(heads, sum(lengths), 64, device="cuda", generator=rng).bfloat16().requires_grad_()
        for heads in (8, 2, 2)
    ]
    results = []
    for attend in (varlen_attention, separate_attention):
        attended = attend(*made, lengths=lengths, shape=shape)
        results.append((attended, *torch.autograd.grad(attended.float().square().sum(), made)))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one.float(), other.float(), atol=0.05, rtol=0.05)


def test_a_full_run_and_checkpointing_work_on_a_gpu(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    placement = loading.choose_placement(precision="auto")
    config = dataclasses.replace(MEMORISE, epochs=20, method="full", learning_rate=1e-3, checkpointing="on")
    trained = run_training(tiny_model, four_rows, config=config, placement=placement)
    losses = [event.loss for event in trained.events if isinstance(event, Stepped)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_a_gpu_trains_in_fp16(tiny_model: Path, four_rows: tuple[TokenRow, ...], method: str) -> None:
    placement = loading.choose_placement(precision="fp16", bits=4 if method == "qlora" else 0)
    config = dataclasses.replace(MEMORISE, epochs=20, method=method, learning_rate=1e-3 if method == "full" else 1e-2)
    trained = run_training(tiny_model, four_rows, config=config, placement=placement)
    losses = [event.loss for event in trained.events if isinstance(event, Stepped)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("optimizer", ["adamw-8bit", "paged-adamw-8bit"])
def test_the_small_optimisers_work_on_a_gpu(tiny_model: Path, four_rows: tuple[TokenRow, ...], optimizer: str) -> None:
    placement = loading.choose_placement(precision="auto")
    config = dataclasses.replace(MEMORISE, epochs=20, optimizer=optimizer)
    trained = run_training(tiny_model, four_rows, config=config, placement=placement)
    losses = [event.loss for event in trained.events if isinstance(event, Stepped)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gpu_computes_packed_rows_as_plain_transformers_do(family: str, precision: str) -> None:
    placement = loading.Placement(device="cuda", precision=precision)
    rows = make_rows()
    config = RunConfig(rank=4, alpha=8)
    model = make_adapted(family, config).to("cuda", placement.dtype).train()
    losses = [
        model(input_ids=torch.tensor([row.ids], device="cuda"), labels=torch.tensor([row.labels], device="cuda")).loss
        * row.learned
        for row in rows
    ]
    plain = torch.stack(losses).float().sum()
    plain.backward()
    expected = {name: each.grad.float() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    engine = Engine(model, config=config, placement=placement, pad_id=0)
    assert engine.is_packed or (family, precision) == ("mixtral", "bf16")
    loss = engine.summed_loss(engine.batch(rows))
    loss.backward()
    rounding = 1e-3 if precision == "fp32" else 0.05
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), rel=rounding)
    found = {name: each.grad.float() for name, each in model.named_parameters() if each.grad is not None}
    away = sum(float((found[name] - each).square().sum()) for name, each in expected.items()) ** 0.5
    whole = sum(float(each.square().sum()) for each in expected.values()) ** 0.5
    if (family, precision) != ("mixtral", "bf16"):  # there rounding sends tokens to other experts
        assert away < (1e-3 if precision == "fp32" else 0.1) * whole
