import math
import random

import pytest

from studio.runs.series import smoothed, thin


def test_few_points_stay_as_they_are() -> None:
    points = [(1.0, 2.0), (2.0, 1.0)]
    assert thin(points) == tuple(points)
    assert thin([]) == ()


def test_first_last_highest_and_lowest_survive() -> None:
    chance = random.Random(1)
    points = [(float(place), chance.random()) for place in range(10_007)]
    points[5_000] = (5_000.0, 99.0)
    points[7_777] = (7_777.0, -99.0)
    kept = thin(points, 200)
    assert len(kept) <= 200
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert {points[5_000], points[7_777]} <= set(kept)
    assert list(kept) == sorted(kept)
    assert set(kept) <= set(points)


@pytest.mark.parametrize("count", [1001, 1999, 4000, 200_000])
def test_never_more_than_asked(count: int) -> None:
    assert len(thin([(float(place), math.sin(place)) for place in range(count)])) <= 1000


def test_fewer_than_four_points_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        thin([(0.0, 0.0)] * 10, 3)


def test_smoothing_is_unbiased_at_its_start_and_keeps_a_constant() -> None:
    assert smoothed([3.0, 3.0, 3.0]) == pytest.approx((3.0, 3.0, 3.0))
    assert smoothed([4.0, 2.0], 0.5) == pytest.approx((4.0, (0.25 * 4 + 0.5 * 2) / 0.75))
    assert smoothed([]) == ()
    assert smoothed([5.0, 1.0], 0.0) == (5.0, 1.0)
