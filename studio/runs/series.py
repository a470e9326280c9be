"""Series of numbers made fit for a chart: fewer points with the same shape, and the trend under the noise."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_BLOCK = 64
_EARLY = 4096
"""Behind so many values the start of an average that reaches back over a hundred weighs nothing any more."""


def thin(points: Sequence[tuple[float, float]], most: int = 1000) -> tuple[tuple[float, float], ...]:
    """Choose at most `most` of the points (x, y), in order, such that no peak and no dip gets lost.

    The points are cut into runs of equal length; the first, last, lowest and highest of each run are kept. Raises
    ValueError when `most` is below 4.
    """
    if most < 4:
        raise ValueError(f"most must be at least 4, found {most}")
    if len(points) <= most:
        return tuple(points)
    buckets = most // 4
    chosen: list[tuple[float, float]] = []
    for bucket in range(buckets):
        start, end = bucket * len(points) // buckets, (bucket + 1) * len(points) // buckets
        heights = [point[1] for point in points[start:end]]
        lowest, highest = heights.index(min(heights)), heights.index(max(heights))
        chosen += [points[start + place] for place in sorted({0, lowest, highest, end - start - 1})]
    return tuple(chosen)


def spread(columns: Sequence[Numbers], most: int = 1000) -> NDArray[np.int64]:
    """Choose at most `most` places of columns of equal length, such that none loses a peak or a dip.

    The places are cut into runs of a length that seldom changes, so that what was chosen stays while more come; the
    first and last of each run are chosen, and the highest and lowest of every column. Raises ValueError when `most`
    leaves no room for that.
    """
    each = 2 + 2 * len(columns)
    if most < 2 * each:
        raise ValueError(f"most must be at least {2 * each}, found {most}")
    count = len(columns[0])
    if count <= most:
        return np.arange(count)
    length = 1
    while -(-count // length) > most // each:
        length = max(length + 1, length * 5 // 4)
    whole = count // length
    starts = np.arange(whole) * length
    chosen = [starts, starts + length - 1]
    for column in columns:
        runs = column[: whole * length].reshape(whole, length)
        chosen += [starts + runs.argmin(axis=1), starts + runs.argmax(axis=1)]
    if whole * length < count:
        rest = whole * length
        ends = [np.array([rest, count - 1])]
        ends += [rest + np.array([column[rest:].argmin(), column[rest:].argmax()]) for column in columns]
        chosen += ends
    return np.unique(np.concatenate(chosen))


def default_weight(count: int) -> float:
    """Return the weight that reaches back over about an eighth of `count` values, and never over more than 100."""
    return 1 - 2 / (max(2.0, min(100.0, count / 8)) + 1)


def trend(losses: Numbers) -> Numbers:
    """Return what `smoothed` does of very many losses in a fraction of the time, to fifteen digits or so."""
    weight = default_weight(len(losses))
    blocks = -(-len(losses) // _BLOCK)
    padded = np.zeros(blocks * _BLOCK)
    padded[: len(losses)] = losses
    places = np.arange(_BLOCK)
    ages = places[:, None] - places[None, :]
    shares = np.where(ages >= 0, (1 - weight) * weight ** np.maximum(ages, 0), 0.0)
    averages = np.asarray(padded.reshape(blocks, _BLOCK) @ shares.T)
    fading = weight ** (places + 1)
    for earlier, block in pairwise(averages):
        block += earlier[-1] * fading
    average: Numbers = averages.reshape(-1)[: len(losses)]
    early = average[:_EARLY]
    early /= 1 - weight ** np.arange(1.0, len(early) + 1)
    return average


def smoothed(losses: Sequence[float], weight: float | None = None) -> tuple[float, ...]:
    """Average each loss with those before it, the older the weaker.

    An exponential moving average with the correction for its start that Adam uses (Kingma and Ba 2015, section 3): the
    first value is the first loss itself. `weight` is the share that the past keeps at each step, 0 <= weight < 1;
    without it the average reaches back over about an eighth of the series, so that a short one does not lag behind.
    """
    if weight is None:
        weight = default_weight(len(losses))
    average, past, result = 0.0, 1.0, []
    for loss in losses:
        average = weight * average + (1 - weight) * loss
        past *= weight
        result.append(average / (1 - past))
    return tuple(result)
