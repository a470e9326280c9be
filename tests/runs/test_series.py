import math
import random

import numpy as np
import pytest

from studio.runs.series import smoothed, spread, thin, trend


def test_few_points_stay_as_they_are() -> None:
    points = [(1.0, 2.0), (2.0, 1.0)]
    assert thin(points) == tuple(points)
    assert thin([]) == ()


def test_first_last_highest_and_lowest_survive() -> None:
    rng = random.Random(1)
    points = [(float(place), rng.random()) for place in range(10_007)]
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


def test_many_losses_are_smoothed_as_few_are() -> None:
    rng = random.Random(2)
    for count in (0, 1, 63, 64, 65, 900, 10_007):
        losses = [rng.random() for _ in range(count)]
        assert trend(np.array(losses)) == pytest.approx(smoothed(losses), rel=1e-12)


def test_no_column_loses_its_peak_or_its_dip() -> None:
    rng = np.random.default_rng(3)
    columns = [rng.random(10_007) for _ in range(3)]
    for place, column in enumerate(columns):
        column[2_000 + place], column[7_000 + place] = 99.0, -99.0
    chosen = spread(columns, 800)
    assert len(chosen) <= 800
    assert {0, 10_006, 2_000, 2_001, 2_002, 7_000, 7_001, 7_002} <= set(chosen.tolist())
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("count", [1001, 1999, 4000, 65_537, 200_000])
def test_never_more_places_than_asked_and_not_many_less(count: int) -> None:
    waves = np.sin(np.arange(count) * 1.7)
    assert 600 <= len(spread([waves], 1000)) <= 1000


def test_what_was_chosen_stays_while_more_come() -> None:
    rng = np.random.default_rng(4)
    column = rng.random(5_100)
    before, after = spread([column[:5_050]], 1000), spread([column], 1000)
    assert len(set(before.tolist()) - set(after.tolist())) <= 3


def test_too_few_places_cannot_be_asked_for() -> None:
    assert spread([np.arange(5.0)], 1000).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="at least 8"):
        spread([np.arange(5.0)], 7)
