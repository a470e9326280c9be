import json
from typing import Any

import pytest

from studio.config import RunConfig
from studio.planning.suggestions import Suggestion
from studio.ui.configure.draft import Draft, filled_in, read, typed, written

PROMPTS = ("Why?", "How?")


def test_what_a_person_has_set_is_kept_as_json() -> None:
    config = RunConfig(name="otter", rank=20, sample_prompts=PROMPTS, early_stopping=False, learning_rate=1e-4)
    draft = Draft("quick", 2.5, typed(config, Suggestion()))
    assert read(json.loads(json.dumps(written(draft)))) == draft
    assert filled_in(draft, RunConfig(), Suggestion())[0] == config


def test_what_is_suggested_or_at_fault_is_not_kept() -> None:
    suggestion = Suggestion({**Suggestion().values, "rank": 32})
    assert typed(RunConfig(rank=32, epochs=None), suggestion) == {}  # type: ignore[arg-type]
    assert typed(RunConfig(rank=16), Suggestion(own={"rank": 16})) == {"rank": 16}


def test_what_was_typed_before_the_draft_came_stays() -> None:
    draft = Draft(settings={"rank": 8, "epochs": 9})
    config, suggestion = filled_in(draft, RunConfig(rank=20), Suggestion())
    assert (config.rank, config.epochs) == (20, 9)
    assert suggestion.own == {"epochs": 9}


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], "x", 3, {"settings": [1]}, {"settings": {"walrus": 1, "switched_off": ["packing"]}}),
        {"preset": "best", "price": "much", "settings": {"rank": 0, "epochs": 1.5, "name": 3, "model": None}},
        {"preset": ["quick"], "price": True, "settings": {"rank": True, "sample_prompts": [1], "targets": "all"}},
        {"price": float("nan"), "settings": {"rank": 10**30, "chosen_modules": ["x"] * 5_000, "stratify": 1}},
    ],
)
def test_what_cannot_be_right_is_left_out(document: Any) -> None:
    assert read(document) == Draft()
