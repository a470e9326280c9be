"""Which held-out rows are scored at the checks in between."""

import random
from dataclasses import replace

import pytest

from studio.config import RunConfig
from studio.models.forecast.held_out import (
    FEWEST_ROWS,
    SCORING_SHARE,
    drawn,
    expected_tokens_between,
    rows_between,
    scoring_cost,
)
from studio.models.forecast.plan import Workload, evaluation_steps

LORA, FULL = RunConfig(), RunConfig(method="full")


def share(lengths: list[int], count: int, *, trained: int, total_steps: int, config: RunConfig) -> float:
    """Return the share of a run's computing that its scorings have, with `count` rows in between."""
    part = sum(lengths[place] for place in drawn(len(lengths), seed=config.seed)[:count])
    between = len(evaluation_steps(total_steps)) - 1
    scoring = scoring_cost(full=config.method == "full") * (2 * sum(lengths) + between * part)
    return scoring / (trained + scoring)


def test_scoring_takes_a_tenth_at_most_or_the_fewest_rows() -> None:
    rng = random.Random(3)
    seen = set()
    for _ in range(400):
        config = replace(rng.choice((LORA, FULL)), seed=rng.randrange(1000))
        lengths = [rng.randrange(1, 600) for _ in range(rng.randrange(1, 300))]
        plan = {"trained": rng.randrange(100, 3_000_000), "total_steps": rng.randrange(1, 200)}
        count = rows_between(lengths, config=config, **plan)
        assert min(FEWEST_ROWS, len(lengths)) <= count <= len(lengths)
        if count > FEWEST_ROWS and plan["total_steps"] > 1:
            assert share(lengths, count, config=config, **plan) <= SCORING_SHARE + 1e-9
        if count < len(lengths):
            one_more = share(lengths, count + 1, config=config, **plan)
            assert one_more > SCORING_SHARE, "no more would have fitted"
        seen.add("all" if count == len(lengths) else "fewest" if count == FEWEST_ROWS else "some")
    assert seen == {"all", "fewest", "some"}


def test_a_tenth_held_out_of_the_usual_three_epochs_is_always_scored_whole() -> None:
    for count in (10, 100, 1000):
        total_steps = LORA.total_steps(9 * count)
        trained = LORA.epochs * 9 * count * 350
        assert rows_between([350] * count, trained=trained, total_steps=total_steps, config=LORA) == count


def test_a_large_test_file_beside_little_to_learn_from_is_scored_in_part() -> None:
    """100 rows of it beside 250 took half of the training's time."""
    plan = {"trained": 3 * 250 * 350, "total_steps": LORA.total_steps(250)}
    assert rows_between([350] * 100, config=LORA, **plan) == FEWEST_ROWS
    assert rows_between([350] * 100, config=replace(LORA, epochs=6), **{**plan, "trained": 6 * 250 * 350}) == 40


def test_where_there_is_no_check_in_between_all_is_scored() -> None:
    assert rows_between([350] * 100, trained=1, total_steps=1, config=LORA) == 100


def test_the_order_is_that_of_the_seed_and_favours_no_place() -> None:
    assert drawn(50, seed=1) == drawn(50, seed=1) != drawn(50, seed=2)
    assert sorted(drawn(50, seed=1)) == list(range(50))
    firsts = [drawn(20, seed=seed)[0] for seed in range(4000)]
    assert all(100 < firsts.count(place) < 300 for place in range(20))


@pytest.mark.parametrize("epochs", [1, 3, 5, 8, 20])
def test_the_forecast_expects_what_is_scored(epochs: int) -> None:
    rng = random.Random(1)
    config = replace(LORA, epochs=epochs)
    lengths = [rng.randrange(200, 500) for _ in range(200)]
    work = Workload(250, 250 * 350, 500, 30_000, len(lengths), sum(lengths))
    plan = {"trained": epochs * work.tokens, "total_steps": config.total_steps(work.examples)}
    count = rows_between(lengths, config=config, **plan)
    real = sum(lengths[place] for place in drawn(len(lengths), seed=config.seed)[:count])
    assert expected_tokens_between(work, config) == pytest.approx(real, rel=0.15)
    few = replace(work, held_out_examples=FEWEST_ROWS)
    assert expected_tokens_between(few, config) == few.held_out_tokens
