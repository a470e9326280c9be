"""Into what a run is divided, and after which steps it is checked."""

import random

import pytest

from studio.config import RunConfig
from studio.models.forecast.plan import Workload, answer_steps, evaluation_steps, micro_batch_count


def test_evaluation_steps_are_at_least_five_where_there_are_steps_and_end_with_the_last() -> None:
    assert evaluation_steps(60) == {10, 20, 30, 40, 50, 60}
    assert max(evaluation_steps(7)) == 7
    assert len(evaluation_steps(7)) == 6
    assert evaluation_steps(1) == {1}


def test_a_held_out_loss_is_scored_at_least_five_times_and_at_the_end() -> None:
    for total in range(1, 400):
        steps = evaluation_steps(total)
        assert max(steps) == total
        assert len(steps) >= min(total, 5)
    rng = random.Random(1)
    for total in (rng.randrange(400, 200_000) for _ in range(50)):
        assert len(evaluation_steps(total)) >= 5


def test_a_short_run_on_a_processor_asks_halfway_and_at_its_end() -> None:
    """Answers at every check took a fifth of the first run of a newcomer."""
    assert answer_steps(42, "cpu") == {21, 42}
    assert answer_steps(42, "cuda") == evaluation_steps(42)
    assert len(answer_steps(80, "cpu")) == 4
    assert answer_steps(600, "cpu") == evaluation_steps(600)
    for total in range(1, 200):
        steps = answer_steps(total, "cpu")
        assert max(steps) == total
        assert steps <= evaluation_steps(total)
        assert len(steps) >= min(total, 2)


@pytest.mark.parametrize(("rows", "length", "batch", "expected"), [(1, 8_000, 8, 1), (2, 8_000, 1, 2), (8, 600, 4, 8)])
def test_a_row_is_never_cut(rows: int, length: int, batch: int, expected: int) -> None:
    """A row of 8,000 tokens counted as sixteen micro-batches, each with buffers of its own size."""
    work = Workload(rows, rows * length, length, rows * length // 2, 0, 0)
    config = RunConfig(batch_size=batch, max_length=65_536)
    assert micro_batch_count(config, work, budget=512) == expected
