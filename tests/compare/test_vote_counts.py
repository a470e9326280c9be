import json

import pytest

from studio.compare.vote_counts import Tally, as_preferences, tally, verdict
from studio.compare.votes import BOTH, FIRST, NEITHER, SECOND
from tests.compare.test_votes import BASE, OTTER, cast


def test_votes_are_counted_for_the_model_whichever_place_it_had() -> None:
    turned = cast(FIRST, first=OTTER, second=BASE)
    counts = tally([cast(SECOND), turned, cast(FIRST), cast(BOTH), cast(NEITHER), cast(NEITHER)], OTTER)
    assert counts == Tally(first=1, second=2, both=1, neither=2)
    assert (counts.decided, counts.total) == (3, 6)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (Tally(6, 14, 3, 0), "otter was preferred in 14 of 20: too few votes to tell."),
        (Tally(2, 18, 0, 0), "otter was preferred in 18 of 20: clearly better."),
        (Tally(18, 2, 0, 0), "base was preferred in 18 of 20: clearly better."),
        (Tally(5, 5, 0, 0), "Both were preferred equally often, in 5 of 10 each."),
        (Tally(90, 110, 0, 0), "otter was preferred in 110 of 200: no clear difference."),
        (Tally(0, 0, 4, 1), "No vote prefers one of the two yet."),
    ],
)
def test_the_verdict_is_a_plain_sentence(counts: Tally, sentence: str) -> None:
    assert verdict(counts, BASE, OTTER) == sentence


def test_the_share_has_its_wilson_interval() -> None:
    """By hand, with z = 1.96: (0.7 + z^2/40 -+ z sqrt(0.21/20 + z^2/1600)) / (1 + z^2/20) is 0.481 and 0.855."""
    assert Tally(6, 14, 9, 9).share() == pytest.approx((0.7, 0.481, 0.8545), abs=5e-4)
    with pytest.raises(ValueError, match="prefers"):
        Tally(0, 0, 1, 1).share()


def test_preferences_are_those_votes_that_prefer() -> None:
    lines = as_preferences([cast(FIRST), cast(BOTH), cast(SECOND, 1), cast(NEITHER)]).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"prompt": "Say 0", "chosen": "one", "rejected": "two"},
        {"prompt": "Say 1", "chosen": "two", "rejected": "one"},
    ]
