"""Training in fp16, on a processor: what a T4 or a V100 does, but for the speed."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from studio.config import RunConfig
from studio.events import Skipped, SpeedUps, Stepped
from studio.ml import loading
from studio.ml.batches import TokenRow
from studio.ml.checkpoints import Progress
from studio.ml.methods import make_trainable
from studio.ml.optimizers import FIRST_SCALE, SMALLEST_SCALE, STEADY_STEPS, LossScale, Optimizer
from tests.ml.conftest import FP32, MEMORISE, run_training

FP16 = loading.Placement(device="cpu", precision="fp16")
SHORT = dataclasses.replace(MEMORISE, epochs=4, batch_size=2, learning_rate=1e-3)


def losses(events: list[object]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Stepped)]


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_fp16_learns_what_fp32_learns(tiny_model: Path, four_rows: tuple[TokenRow, ...], method: str) -> None:
    config = dataclasses.replace(SHORT, method=method)
    bits = 4 if method == "qlora" else 0
    found = run_training(tiny_model, four_rows, config=config, placement=dataclasses.replace(FP16, bits=bits))
    wide = run_training(tiny_model, four_rows, config=config, placement=dataclasses.replace(FP32, bits=bits))
    assert losses(found.events) == pytest.approx(losses(wide.events), rel=0.02)
    assert losses(found.events)[-1] < losses(found.events)[0]
    (speedups,) = [event for event in found.events if isinstance(event, SpeedUps)]
    assert {"packing", "learned-logits", "fused-elementwise"} <= set(speedups.on)
    assert ("fused-adapters" in speedups.on) == (method == "lora")
    assert {each.dtype for each in found.model.parameters() if each.requires_grad} == {torch.float32}


def test_a_step_with_infinities_is_skipped_and_counted(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    torch.manual_seed(0)
    model = make_trainable(loading.load_base(tiny_model, FP16), SHORT)
    weight = next(each for each in model.parameters() if each.requires_grad)
    factors = iter([math.inf])
    weight.register_hook(lambda gradient: gradient * next(factors, 1.0))
    trained = run_training(tiny_model, four_rows, config=SHORT, placement=FP16, model=model)
    assert [event for event in trained.events if isinstance(event, Skipped)] == [Skipped(1, 1, FIRST_SCALE / 2)]
    steps = [event for event in trained.events if isinstance(event, Stepped)]
    assert steps[0].grad_norm == 0
    assert all(step.grad_norm > 0 for step in steps[1:])
    assert steps[-1].loss < steps[0].loss


def test_a_run_in_fp16_goes_on_as_if_it_had_never_stopped(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    kept: dict[int, Progress] = {}
    whole = run_training(tiny_model, four_rows, config=SHORT, placement=FP16, kept=kept, validation=four_rows[:1])
    middle = sorted(kept)[len(kept) // 2]
    again = run_training(
        tiny_model, four_rows, config=SHORT, placement=FP16, resume=kept[middle], validation=four_rows[:1]
    )
    assert losses(again.events) == losses(whole.events)[middle:]
    assert "scale/loss" in kept[middle].tensors


def optimizer_of(layer: nn.Module) -> Optimizer:
    return Optimizer(layer.named_parameters(), config=RunConfig(), device="cpu", fp16=True)


def test_the_gradient_is_that_of_the_loss_before_it_was_scaled() -> None:
    layer = nn.Linear(3, 1, bias=False)
    optimizer = optimizer_of(layer)
    optimizer.scaled(layer(torch.ones(1, 3)).sum()).backward()
    assert float(layer.weight.grad[0, 0]) == FIRST_SCALE  # type: ignore[index]
    assert optimizer.step(1e-3) == pytest.approx(math.sqrt(3))


def test_what_no_scale_makes_finite_is_told() -> None:
    layer = nn.Linear(3, 1, bias=False)
    optimizer = optimizer_of(layer)
    before = layer.weight.detach().clone()
    norms = []
    while not norms or norms[-1] == 0:
        layer.weight.grad = torch.full_like(layer.weight, math.inf)
        norms.append(optimizer.step(1e-3))
    assert not math.isfinite(norms[-1])
    assert len(norms) == math.log2(FIRST_SCALE / SMALLEST_SCALE) + 1
    assert torch.equal(layer.weight, before)


def test_the_scale_grows_after_enough_good_steps_and_comes_back_as_it_was() -> None:
    scale = LossScale()
    scale.update(is_finite=False)
    for _ in range(STEADY_STEPS + 3):
        scale.update(is_finite=True)
    assert (scale.value, scale.skipped) == (FIRST_SCALE, 1)
    other = LossScale()
    other.restore(scale.state())
    for _ in range(STEADY_STEPS - 3):
        other.update(is_finite=True)
    assert (other.value, other.skipped) == (FIRST_SCALE * 2, 1)
