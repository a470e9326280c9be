import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from studio.data.scoring.classification import macro_f1
from studio.data.scoring.statistics import (
    RESAMPLES,
    Interval,
    bootstrap,
    bootstrap_pair,
    mean_of,
    paired_p_value,
    perplexity_of,
    swap_p_value,
    verdict,
    wilson,
)


def bootstrap_mean(
    values: ArrayLike, *, seed: int, weights: ArrayLike | None = None, resamples: int = RESAMPLES
) -> Interval:
    return bootstrap(np.size(values), mean_of(values, weights), seed=seed, resamples=resamples)


def test_the_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).gamma(2, size=80)
    value, low, high = bootstrap_mean(values, seed=2, resamples=20_000)
    other = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=3).confidence_interval
    spread = values.std() / math.sqrt(len(values))
    assert value == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((other.low, other.high), abs=0.05 * spread)


def covered(interval: tuple[float, float, float], truth: float) -> bool:
    return interval[1] <= truth <= interval[2]


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    """Shares of 0.7, lopsided scores, and weighted losses; 1,000 times each, so that 3 sigma are 2 %."""
    rng = np.random.default_rng(4)
    hits = np.zeros(3)
    for trial in range(1000):
        rights, scores = (rng.random(100) < 0.7).astype(float), rng.exponential(size=100)
        tokens = rng.integers(5, 50, 100)
        losses = rng.normal(2, 1 / np.sqrt(tokens))
        hits += (
            covered(bootstrap_mean(rights, seed=trial, resamples=500), 0.7),
            covered(bootstrap_mean(scores, seed=trial, resamples=500), 1.0),
            covered(bootstrap_mean(losses, weights=tokens, seed=trial, resamples=500), 2.0),
        )
    assert np.all((hits / 1000 > 0.92) & (hits / 1000 < 0.97)), hits / 1000


def test_intervals_of_the_change_hold_the_true_change() -> None:
    rng = np.random.default_rng(5)
    hits, narrower = 0, 0
    for trial in range(1000):
        base = rng.normal(0, 3, 60)
        tuned = base + rng.normal(0.5, 0.5, 60)
        pair = bootstrap_pair(60, mean_of(base), mean_of(tuned), seed=trial, resamples=500)
        hits += covered(pair.change, 0.5)
        narrower += pair.change[2] - pair.change[1] < pair.base[2] - pair.base[1]
    assert 0.92 < hits / 1000 < 0.97
    assert narrower == 1000


def test_macro_f1_and_perplexity_have_intervals_too() -> None:
    rng = np.random.default_rng(6)
    expected = rng.integers(0, 3, 50)
    answered = np.where(rng.random(50) < 0.6, expected, 3)
    value, low, high = bootstrap(50, lambda picks: macro_f1(expected[picks], answered[picks], 3), seed=7)
    assert low < value < high
    assert value == macro_f1(expected, answered, 3)
    losses, tokens = rng.gamma(3, size=50), rng.integers(1, 9, 50)
    loss = bootstrap_mean(losses, weights=tokens, seed=8)
    assert loss[0] == pytest.approx(np.average(losses, weights=tokens))
    assert bootstrap(50, perplexity_of(losses, tokens), seed=8) == pytest.approx(np.exp(loss), rel=1e-3)
    assert bootstrap(2, perplexity_of([9999.0, 9999.0], [1, 1]), seed=8)[0] == pytest.approx(math.exp(700))


def test_the_seed_decides_and_base_and_tuned_share_their_resamples() -> None:
    values = np.random.default_rng(9).random(40)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)
    pair = bootstrap_pair(40, mean_of(values), mean_of(values + 1), seed=1)
    assert pair.base == bootstrap_mean(values, seed=1)
    assert pair.change == pytest.approx((1, 1, 1))


def test_many_rows_are_drawn_in_parts() -> None:
    largest = 0

    def mean(picks: NDArray[np.int64]) -> NDArray[np.float64]:
        nonlocal largest
        largest = max(largest, picks.size)
        return picks.mean(axis=-1) / 30_000

    value, low, high = bootstrap(30_000, mean, seed=1, resamples=200)
    assert largest <= 1_000_000
    assert low < value < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(12 * 30_000), rel=0.2)


@pytest.mark.parametrize("values", [[0.25], [0.5] * 9, [1.0] * 200])
def test_one_row_and_equal_rows_give_an_interval_without_width(values: list[float]) -> None:
    assert bootstrap_mean(values, seed=1) == pytest.approx((values[0],) * 3)


def test_refuses_what_has_no_mean() -> None:
    for values in ([], [1.0, math.nan], [math.inf], [[1.0]]):
        with pytest.raises(ValueError, match=r"There is no row|not a number"):
            bootstrap_mean(values, seed=1)
    for weights in ([1.0], [1.0, 0.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match="a weight above zero"):
            bootstrap_mean([1.0, 2.0], weights=weights, seed=1)
    with pytest.raises(ValueError, match=r"There is no row"):
        bootstrap(0, lambda picks: picks.mean(axis=-1), seed=1)
    with pytest.raises(ValueError, match="not a number on some"):
        bootstrap(3, lambda picks: np.full(len(picks), math.nan), seed=1)


def by_scipy(differences: NDArray[np.float64]) -> float:
    return stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=math.inf, vectorized=True
    ).pvalue


@pytest.mark.parametrize("rows", [2, 3, 5, 9, 12])
def test_few_differences_are_counted_exactly_as_scipy_does(rows: int) -> None:
    rng = np.random.default_rng(rows)
    base = np.concatenate([rng.random(rows), np.ones(30)])
    tuned = np.concatenate([base[:rows] + rng.normal(0.3, 0.5, rows), np.ones(30)])
    assert paired_p_value(base, tuned, seed=1) == pytest.approx(by_scipy((tuned - base)[:rows]))


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.4])
def test_many_differences_are_near_to_what_scipy_counts(shift: float) -> None:
    differences = np.random.default_rng(10).normal(shift, 0.7, 15)
    exact = by_scipy(differences)
    found = paired_p_value(np.zeros(15), differences, seed=1)
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000) + 2e-4)
    assert found == paired_p_value(np.zeros(15), differences, seed=1)
    assert found == paired_p_value(differences, np.zeros(15), seed=1)


def test_one_row_that_differs_proves_nothing() -> None:
    assert paired_p_value([0.1, 0.5], [0.9, 0.5], seed=1) == 1


def test_random_flips_never_say_that_it_cannot_be_chance() -> None:
    assert paired_p_value(np.zeros(80), np.linspace(1, 2, 80), seed=1) == pytest.approx(1 / 10_001)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (9, 3), (7, 7), (60, 31), (400, 300), (2, 3000)])
def test_right_and_wrong_answers_get_mcnemars_exact_test(wins: int, losses: int) -> None:
    base = np.repeat([0, 1, 1, 0], [wins, losses, 20, 10])
    tuned = np.repeat([1, 0, 1, 0], [wins, losses, 20, 10])
    exact = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1
    assert paired_p_value(base, tuned, seed=1) == pytest.approx(exact, rel=1e-9)
    assert verdict(wins, losses) == pytest.approx(exact, rel=1e-9)


def test_weights_count_in_the_test() -> None:
    base, tuned, weights = np.zeros(6), np.array([1.0, 2.0, -1.0, 0.5, 3.0, -0.2]), np.array([1, 9, 5, 2, 2, 7])
    assert paired_p_value(base, tuned, weights=weights, seed=1) == pytest.approx(by_scipy(tuned * weights))


def test_where_nothing_changed_one_time_in_twenty_seems_a_change() -> None:
    rng = np.random.default_rng(11)
    found = [paired_p_value(rng.random(30), rng.random(30), seed=trial) for trial in range(200)]
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.10
    assert 0.35 <= np.mean(found) <= 0.65


def right(expected: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    return lambda answered: (answered == expected).mean(axis=-1)


@pytest.mark.parametrize("rows", [10, 40])
def test_swapping_answers_agrees_with_mcnemar_where_the_figure_is_a_mean(rows: int) -> None:
    rng = np.random.default_rng(rows)
    expected = rng.integers(0, 3, rows)
    base = np.where(rng.random(rows) < 0.4, expected, 3)
    tuned = np.where(rng.random(rows) < 0.7, expected, 3)
    exact = paired_p_value(base == expected, tuned == expected, seed=1)
    assert swap_p_value(base, tuned, right(expected), seed=1) == pytest.approx(exact, abs=0.02)


def test_swapping_answers_tests_macro_f1() -> None:
    rng = np.random.default_rng(12)
    expected = rng.integers(0, 3, 60)
    base = np.where(rng.random(60) < 0.3, expected, 3)

    def score(answered: NDArray[np.int64]) -> NDArray[np.float64]:
        return macro_f1(expected, answered, 3)

    assert swap_p_value(base, base, score, seed=1) == 1
    assert swap_p_value(base, expected, score, seed=1) == pytest.approx(1 / 10_001)


def test_a_test_needs_the_same_rows() -> None:
    with pytest.raises(ValueError, match="the same rows"):
        paired_p_value([1.0], [1.0, 2.0], seed=1)
    with pytest.raises(ValueError, match=r"There is no row"):
        paired_p_value([], [], seed=1)
    with pytest.raises(ValueError, match="the same rows"):
        swap_p_value(np.array([], dtype=int), np.array([], dtype=int), right(np.array(0)), seed=1)
    with pytest.raises(ValueError, match="wins"):
        verdict(-1, 2)


@given(st.integers(1, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_agrees_with_scipy(counts: tuple[int, int]) -> None:
    other = stats.binomtest(*counts).proportion_ci(method="wilson")
    assert wilson(*counts) == pytest.approx((other.low, other.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_cannot_be(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="There cannot be"):
        wilson(successes, trials)
