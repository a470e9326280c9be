from typing import Any

from studio.config import RunConfig
from studio.models.presets import QUICK, THOROUGH, Case
from studio.planning.suggestions import Following, Suggestion, follow
from tests.planning.fake_forecasts import Oracle


def followed(settings: RunConfig, before: Suggestion | None = None, **case: Any) -> Following:
    return follow(settings, before or Suggestion(), Case(**case), estimate=Oracle().estimate)


def test_what_nobody_touched_follows() -> None:
    found = followed(RunConfig(), preset=QUICK)
    assert found.changes == {"epochs": 1, "rank": 8, "alpha": 16}
    assert (found.settings.epochs, found.settings.rank, found.settings.alpha) == (1, 8, 16)
    assert found.theirs == ()
    again = followed(found.settings, found.suggestion, preset=QUICK)
    assert again.changes == {}


def test_what_a_person_has_set_stays_and_is_theirs() -> None:
    found = followed(RunConfig(rank=20), preset=THOROUGH)
    assert found.settings.rank == 20
    assert [(each.field, each.value) for each in found.theirs] == [("rank", 32)]
    assert found.settings.alpha == 40


def test_a_value_that_was_set_by_hand_stays_when_it_comes_to_be_the_suggestion() -> None:
    """Thorough suggests 32; back at Balanced the 32 of the person must not be taken away without a word."""
    theirs = followed(RunConfig(rank=32))
    thorough = followed(theirs.settings, theirs.suggestion, preset=THOROUGH)
    assert "rank" not in {each.field for each in thorough.theirs}
    back = followed(thorough.settings, thorough.suggestion)
    assert back.settings.rank == 32


def test_the_suggestion_put_back_follows_again() -> None:
    theirs = followed(RunConfig(rank=20))
    back = followed(RunConfig(rank=16), theirs.suggestion)
    assert followed(back.settings, back.suggestion, preset=QUICK).settings.rank == 8


def test_a_field_that_is_half_typed_is_left_alone() -> None:
    found = followed(RunConfig(rank=None), preset=QUICK)  # type: ignore[arg-type]
    assert "rank" not in found.changes
    assert found.settings.alpha == 16


def test_the_rank_is_remembered_while_every_weight_is_trained() -> None:
    full = followed(RunConfig(method="full", rank=16), preset=QUICK)
    assert full.changes == {"epochs": 1, "learning_rate": 5e-5}
    lora = followed(RunConfig(rank=16, epochs=1, learning_rate=5e-5), full.suggestion, preset=QUICK)
    assert lora.changes == {"learning_rate": 5e-4, "rank": 8, "alpha": 16}
