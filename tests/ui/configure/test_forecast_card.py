from dataclasses import replace
from typing import Any

import pytest

from studio.config import RunConfig
from studio.models.forecast.forecast import Remedy, Workload
from studio.planning.forecasts import Known
from studio.ui.configure.forecast_card import Learners, card, rough_time
from tests.planning.fake_forecasts import MACHINE, MODEL, Oracle

DATA = Workload(examples=100, tokens=9_000, longest=90, learned_tokens=4_000, held_out_examples=10, held_out_tokens=900)
ABOUT = Known(MODEL, MACHINE)


def drawn(
    oracle: Oracle | None = None, *, workload: Workload | None = DATA, price: float | None = None, **settings: Any
) -> str:
    found = (oracle or Oracle()).estimate(MODEL, RunConfig(**settings), machine=MACHINE, workload=workload)
    return str(card(ABOUT, found, Learners(), missing="once there is data", price=price))


def test_a_run_that_fits_says_what_it_takes() -> None:
    made = drawn()
    assert "Fits" in made
    assert "Needs 1.0 GB of 8.0 GB of free memory." in made
    assert "<dd>about 8 min</dd>" in made
    assert "16,000" in made
    assert "1.6 % of 1.0 million" in made
    assert "2.0 MB" in made
    assert "3.0 MB" in made
    assert "remedy" not in made


def test_the_parts_of_the_memory_are_drawn_and_read_out() -> None:
    made = drawn()
    assert 'aria-label="Memory: Weights 1000.0 MB, Logits 1.0 kB"' in made
    assert 'class="ls-part-1" style="width:12.50%"' in made
    assert "ls-part-3" not in made
    assert "ls-limit" not in made


def test_a_tight_run_says_what_helps() -> None:
    made = drawn(Oracle({"lora": 7_500_000_000}))
    assert "Tight" in made
    assert "close other programs first" in made


def test_the_one_change_that_makes_it_fit_is_a_button() -> None:
    made = drawn(Oracle({"lora": 16_000_000_000}))
    assert "Does not fit" in made
    assert "Needs 16.0 GB, and there are 8.0 GB of free memory." in made
    assert 'data-verb="remedy"' in made
    assert "Set the longest example to 256 tokens." in made
    assert 'class="ls-limit" style="left:50.00%"' in made


def test_no_button_where_no_change_helps() -> None:
    made = drawn(Oracle({"lora": 16 * 10**9}, remedy=Remedy("Choose a smaller base model.", ())))
    assert "Choose a smaller base model." in made
    assert "data-verb" not in made


def test_what_is_not_known_is_said() -> None:
    assert "not known yet" in drawn(workload=None)
    assert "once there is data" in drawn(workload=None)
    bare = replace(MACHINE, rates=())
    found = replace(Oracle().estimate(MODEL, RunConfig(), machine=bare, workload=DATA), seconds=None)
    assert "once this machine is measured" in card(Known(MODEL, bare), found, Learners(), missing="", price=None)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        (Known(MODEL, None), "This machine is being measured, once."),
        (Known(MODEL, machine_trouble="It could not be measured."), "It could not be measured. So memory and time"),
        (Known(None, MACHINE), "as soon as the model is known"),
        (Known(None, MACHINE, "It is no decoder."), "It is no decoder."),
    ],
)
def test_without_a_forecast_the_count_and_the_reason_stand(about: Known, sentence: str) -> None:
    made = card(about, None, Learners(trainable=500, total=1_000), missing="", price=2.0)
    assert sentence in made
    assert "50 % of 1,000" in made
    assert "ls-memory" not in made


def test_money_only_when_there_is_a_price() -> None:
    assert "cost" not in drawn()
    assert "costs about 0.33 at 2.5 an hour" in drawn(price=2.5)
    assert "cost" not in drawn(workload=None, price=2.5)


def test_full_fine_tuning_trains_all() -> None:
    assert "100 % of 1.0 million" in drawn(method="full")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (3, "under 1 min"),
        (50, "1 min"),
        (239, "4 min"),
        (4_800, "1 h 20 min"),
        (7_200, "2 h"),
        (3 * 86_400, "3 days"),
        (None, "-"),
    ],
)
def test_a_time_is_no_finer_than_it_can_be_known(seconds: float | None, written: str) -> None:
    assert rough_time(seconds) == written
