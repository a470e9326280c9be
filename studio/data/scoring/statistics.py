"""How sure a figure is: intervals by resampling rows, and tests of whether two models differ on the same rows.

Every seed gives the same numbers again.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float, float]
"""A figure, and the low and high end of its 95 % interval."""

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""From the places of drawn rows, (draws, rows), to one number for each draw, (draws,)."""

RESAMPLES = 2000

_NORMAL_95 = 1.959963984540054
_HIGHEST_LOSS = 700.0
"""Above it, a perplexity is no number that a computer can hold."""

FLIPS = 10_000
MOST_ENUMERATED = 12
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Paired:
    """A figure of both models and of tuned less base, all three from the same resamples."""

    base: Interval
    tuned: Interval
    change: Interval


def bootstrap(rows: int, statistic: Statistic, *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Return a statistic of all rows and its 95 % percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13).

    Each resample draws as many rows as there are, with replacement. With one row, or where all rows are equal, the
    interval is the value: resampling knows of nothing that it has not seen. Where a biased statistic would leave the
    value outside, the interval is widened to hold it. Raises ValueError without a row, or when the statistic is not a
    number on some resample.
    """
    return _interval(*_drawn(rows, statistic, seed, resamples))


def bootstrap_pair(rows: int, base: Statistic, tuned: Statistic, *, seed: int, resamples: int = RESAMPLES) -> Paired:
    """Return a statistic of both models and their difference, with intervals from the same resamples.

    As both answered the same rows, what makes a row hard for both cancels in the change. Raises as `bootstrap` does.
    """
    base_value, base_draws = _drawn(rows, base, seed, resamples)
    tuned_value, tuned_draws = _drawn(rows, tuned, seed, resamples)
    return Paired(
        base=_interval(base_value, base_draws),
        tuned=_interval(tuned_value, tuned_draws),
        change=_interval(tuned_value - base_value, tuned_draws - base_draws),
    )


def mean_of(values: ArrayLike, weights: ArrayLike | None = None) -> Statistic:
    """Make the statistic that is the mean of values (rows,), weighted where there are weights (rows,).

    The loss of a data set is the mean of the rows' losses weighted by their tokens. Raises ValueError without a row,
    for a value that is not finite, and for a weight that is not above zero.
    """
    numbers = _numbers(values)
    if weights is None:
        return lambda picks: numbers[picks].mean(axis=-1)
    shares = _weights(weights, numbers)
    weighted = numbers * shares
    return lambda picks: weighted[picks].sum(axis=-1) / shares[picks].sum(axis=-1)


def perplexity_of(losses: ArrayLike, tokens: ArrayLike) -> Statistic:
    """Make the statistic that is e to the mean loss a token, from the rows' losses in nats and their tokens, (rows,).

    Raises as `mean_of` does. A loss above 700 counts as 700.
    """
    loss = mean_of(losses, tokens)
    return lambda picks: np.exp(np.minimum(loss(picks), _HIGHEST_LOSS))


def paired_p_value(base: ArrayLike, tuned: ArrayLike, *, seed: int, weights: ArrayLike | None = None) -> float:
    """Return the two-sided p value of a sign-flip test that base and tuned (rows,) have the same mean, row by row.

    If the two models were alike, each difference might as well have the other sign (Fisher 1935). All ways to set the
    signs are counted when at most 12 rows differ; else 10,000 drawn at random, with the observed one counted among them
    (Phipson & Smyth 2010), so that the result is never zero. When all differences have one size, as with scores of 0
    and 1, the test is the binomial one, exact for any number of rows, and known as McNemar's exact test. With weights
    (rows,) it is the weighted mean that is tested; a perplexity rises with the loss and so has the p value of the loss.

    1 when no row differs. Raises ValueError as `mean_of` does, and when the two are not of one length.
    """
    before, after = _numbers(base), _numbers(tuned)
    if before.shape != after.shape:
        raise ValueError(f"The models must have answered the same rows, but these are {len(before)} and {len(after)}.")
    changes = after - before
    if weights is not None:
        changes = changes * _weights(weights, changes)
    changes = changes[changes != 0]
    sizes = np.abs(changes)
    if not len(changes) or np.all(sizes == sizes[0]):
        wins = int((changes > 0).sum())
        return verdict(wins, len(changes) - wins)
    # Flipping signs takes twice the flipped differences from the sum.
    total = float(changes.sum())
    count = len(changes)
    return share_as_far(total, lambda flips: total - 2 * (flips @ changes), count, seed=seed, width=count)


def swap_p_value(
    base: NDArray[np.int64],
    tuned: NDArray[np.int64],
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    *,
    seed: int,
) -> float:
    """Return the two-sided p value that a statistic of the answers of both, (rows,), such as macro F1, is the same.

    As in `paired_p_value`, but the answers themselves change places, row by row, as not every statistic is a mean
    (approximate randomisation; Noreen 1989, Yeh 2000). `statistic` takes answers (draws, rows) and returns (draws,).
    Raises ValueError without a row, and when the two are not of one length.
    """
    if not len(base) or base.shape != tuned.shape:
        raise ValueError(f"The models must have answered the same rows, but these are {len(base)} and {len(tuned)}.")
    differ = np.flatnonzero(base != tuned)

    def change(flips: NDArray[np.bool_]) -> NDArray[np.float64]:
        swapped = np.zeros((len(flips), len(base)), dtype=np.bool_)
        swapped[:, differ] = flips
        return statistic(np.where(swapped, base, tuned)) - statistic(np.where(swapped, tuned, base))

    observed = float(change(np.zeros((1, len(differ)), dtype=np.bool_))[0])
    return share_as_far(observed, change, len(differ), seed=seed, width=len(base))


def verdict(wins: int, losses: int) -> float:
    """Return the two-sided p value of the sign test: so many wins or further from half of them, by a fair coin.

    Ties are left out. 1 without wins and losses. Raises ValueError for a negative number.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"There cannot be {wins} wins and {losses} losses.")
    rounds, fewer = wins + losses, min(wins, losses)
    # log C(n, 1), log C(n, 2), ..., each from the one before.
    steps = np.log(np.arange(rounds, rounds - fewer, -1.0)) - np.log(np.arange(1.0, fewer + 1))
    log_tail = np.logaddexp.reduce(np.concatenate([[0.0], np.cumsum(steps)])) - rounds * math.log(2)
    return min(1.0, 2 * math.exp(log_tail))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927), which holds for few trials and for shares of 0 and 1.

    Raises ValueError without a trial, or when there are more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"There cannot be {successes} successes in {trials} trials.")
    share, spread = successes / trials, _NORMAL_95**2 / trials
    centre = share + spread / 2
    reach = math.sqrt(spread * (share * (1 - share) + spread / 4))
    low = (centre - reach) / (1 + spread) if successes else 0.0
    high = (centre + reach) / (1 + spread) if successes < trials else 1.0
    return low, high


def _drawn(rows: int, statistic: Statistic, seed: int, resamples: int) -> tuple[float, NDArray[np.float64]]:
    """Return the statistic of all rows and of each resample. The resamples follow from rows and seed alone."""
    if rows < 1:
        raise ValueError("There is no row to make a figure from.")
    rng = np.random.default_rng(seed)
    draws = [statistic(rng.integers(0, rows, size=(size, rows), dtype=np.int64)) for size in blocks(resamples, rows)]
    value, drawn = float(statistic(np.arange(rows)[None])[0]), np.concatenate(draws)
    if not (math.isfinite(value) and np.isfinite(drawn).all()):
        raise ValueError("The figure is not a number on some of the rows.")
    return value, drawn


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return value, min(float(low), value), max(float(high), value)


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError("There is no row to make a figure from.")
    if not np.isfinite(numbers).all():
        raise ValueError("A row has a score that is not a number.")
    return numbers


def _weights(weights: ArrayLike, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = _numbers(weights)
    if shares.shape != numbers.shape or not (shares > 0).all():
        raise ValueError("Every row needs a weight above zero.")
    return shares


def share_as_far(
    observed: float,
    change: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
    count: int,
    *,
    seed: int,
    width: int,
) -> float:
    """Return the share of flips of `count` rows whose change is as far from zero as the observed one: above 0, to 1.

    `change` takes flips (flips, count) and returns (flips,); `width` is how many numbers one of them takes. All flips
    are counted for at most 12 rows, else 10,000 random ones and the observed one (Phipson & Smyth 2010). What differs
    by a rounding is as far.
    """
    least = abs(observed) * (1 - 1e-9)
    every = count <= MOST_ENUMERATED
    as_far = 0
    for flips in _every_flip(count, width) if every else _random_flips(count, width, seed):
        as_far += int((np.abs(change(flips)) >= least).sum())
    return as_far / 2**count if every else (as_far + 1) / (FLIPS + 1)


def blocks(draws: int, width: int) -> Iterator[int]:
    """Yield how many draws of `width` numbers to make at once, until all are made."""
    most = max(1, _AT_ONCE // width)
    for made in range(0, draws, most):
        yield min(most, draws - made)


def _every_flip(count: int, width: int) -> Iterator[NDArray[np.bool_]]:
    made = 0
    for size in blocks(2**count, width):
        numbers = np.arange(made, made + size)
        yield (numbers[:, None] >> np.arange(count)) & 1 == 1
        made += size


def _random_flips(count: int, width: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    for size in blocks(FLIPS, width):
        coins = rng.integers(0, 256, size=(size, count // 8 + 1), dtype=np.uint8)
        yield np.unpackbits(coins, axis=1, count=count).astype(np.bool_)
