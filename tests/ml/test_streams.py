"""Micro-batches that are computed side by side learn what they learn one after the other, whichever is ready first."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from studio.events import SpeedUps, Stepped
from studio.ml import loading
from studio.ml.batches import TokenRow
from studio.ml.engine import Engine
from studio.ml.streams import Streams
from studio.models.forecast.plan import why_not_side_by_side
from tests.ml.conftest import FP32, MEMORISE, PAD, Trained, run_training

STEPS = dataclasses.replace(MEMORISE, epochs=4, batch_size=4, micro_batch_tokens=40)
ALONE = dataclasses.replace(STEPS, switched_off=("side-by-side",))


@pytest.fixture
def two_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def never() -> bool:
    return False


@pytest.mark.usefixtures("two_cores")
def test_what_is_ready_first_waits_for_its_turn() -> None:
    began: list[int] = []
    slow_is_over = threading.Event()

    def compute(part: int) -> int:
        began.append(part)
        if part == 0:
            assert slow_is_over.wait(10)
        elif part == 3:
            slow_is_over.set()
        return 10 * part

    streams = Streams(2)
    assert list(streams.in_order(range(4), compute, is_over=never)) == [0, 10, 20, 30]
    assert began == [0, 1, 2, 3], "the second thread did not wait for the slow part"
    assert list(streams.in_order([7], lambda part: threading.current_thread(), is_over=never)) == [
        threading.main_thread()
    ]
    streams.close()


@pytest.mark.usefixtures("two_cores")
def test_each_thread_has_its_share_of_the_cores_and_the_others_keep_theirs() -> None:
    streams = Streams(2)
    assert list(streams.in_order([0, 1], lambda _: torch.get_num_threads(), is_over=never)) == [1, 1]
    assert torch.get_num_threads() == 2
    streams.close()
    assert Streams(1).count == 1


@pytest.mark.usefixtures("two_cores")
def test_an_error_is_raised_once_nothing_runs_any_more_and_no_part_begins_after_the_end() -> None:
    done: list[int] = []

    def compute(part: int) -> int:
        if part == 0:
            raise MemoryError("not enough")
        time.sleep(0.1)
        done.append(part)
        return part

    streams = Streams(2)
    with pytest.raises(MemoryError, match="not enough"):
        list(streams.in_order([0, 1, 2, 3], compute, is_over=never))
    assert done == [1]
    assert list(streams.in_order([4, 5, 6], compute, is_over=lambda: len(done) > 1)) == [4, 5]
    streams.close()


def losses(trained: Trained) -> list[float]:
    return [event.loss for event in trained.events if isinstance(event, Stepped)]


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_what_one_batch_after_the_other_does(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], precision: str
) -> None:
    placement = loading.Placement(device="cpu", precision=precision)
    both = [
        run_training(tiny_model, four_rows, config=config, validation=four_rows, placement=placement)
        for config in (STEPS, ALONE, STEPS)
    ]
    beside, alone, again = both
    told = [next(event for event in each.events if isinstance(event, SpeedUps)) for each in both]
    assert ["side-by-side" in each.on for each in told] == [True, False, True]
    assert losses(beside) == pytest.approx(losses(alone), rel=1e-5 if precision == "fp32" else 5e-3)
    assert beside.result.validation_loss == pytest.approx(alone.result.validation_loss, rel=1e-2)
    assert losses(beside) == losses(again), "the same order at every run"


@pytest.mark.usefixtures("two_cores")
def test_threads_that_compute_at_once_do_not_take_each_others_products(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    """Joined projections keep what they give out, and packed attention which rows lie in a batch."""
    engine = Engine(loading.load_base(tiny_model, FP32), config=STEPS, placement=FP32, pad_id=PAD, join=True)
    groups = [list(four_rows[:3]), list(four_rows[3:]), list(four_rows[1:]), list(four_rows[:1])] * 8

    def score(group: list[TokenRow]) -> float:
        with torch.inference_mode():
            return float(engine.summed_loss(engine.batch(group)))

    expected = [score(group) for group in groups]
    streams = Streams(2)
    assert list(streams.in_order(groups, score, is_over=never)) == pytest.approx(expected, rel=1e-5)
    streams.close()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "full", "precision": "fp32"}, "gradients of whole weights"),
        ({"dropout": 0.1}, "drop out at random"),
        ({"train_embeddings": True}, "gradients of whole weights"),
        ({"method": "qlora-8bit"}, "8 bits"),
        ({}, ""),
    ],
)
def test_what_is_computed_in_order_says_why(changes: dict[str, object], reason: str) -> None:
    config = dataclasses.replace(STEPS, **changes)  # type: ignore[arg-type]
    assert reason in why_not_side_by_side(config, "cpu", cores=2)
    assert bool(reason) == bool(why_not_side_by_side(config, "cpu", cores=2))
    assert why_not_side_by_side(config, "cpu", cores=1) == "there is one core"
    assert why_not_side_by_side(config, "cuda", cores=8)


@pytest.mark.usefixtures("two_cores")
def test_a_base_that_draws_at_random_is_computed_in_order(tiny_model: Path) -> None:
    base = loading.load_base(tiny_model, FP32)
    base.config.attention_dropout = 0.1
    engine = Engine(base, config=STEPS, placement=FP32, pad_id=PAD)
    assert engine.side_by_side == 1
    assert "side-by-side: the model drops out at random" in engine.speedups.left_out
