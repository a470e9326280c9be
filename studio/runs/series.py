"""Series of numbers made fit for a chart: fewer points with the same shape, and the trend under the noise.

Knows nothing of runs, events or charts.
"""

from collections.abc import Sequence


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


def smoothed(losses: Sequence[float], weight: float | None = None) -> tuple[float, ...]:
    """Average each loss with those before it, the older the weaker.

    An exponential moving average with the correction for its start that Adam uses (Kingma and Ba 2015, section 3): the
    first value is the first loss itself. `weight` is the share that the past keeps at each step, 0 <= weight < 1;
    without it the average reaches back over about an eighth of the series, so that a short one does not lag behind.
    """
    if weight is None:
        weight = 1 - 2 / (max(2.0, min(100.0, len(losses) / 8)) + 1)
    average, past, result = 0.0, 1.0, []
    for loss in losses:
        average = weight * average + (1 - weight) * loss
        past *= weight
        result.append(average / (1 - past))
    return tuple(result)
