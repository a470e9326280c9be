from dataclasses import replace
from typing import Any

import pytest
from markupsafe import Markup

from studio.config import RunConfig
from studio.models.forecast.forecast import Remedy, Workload
from studio.models.forecast.run_time import Correction, RunTime
from studio.planning.forecasts import Known
from studio.ui.configure.forecast_card import Learners, details, few_steps, in_millions, room, summary, written_time
from tests.planning.fake_forecasts import MACHINE, MODEL, Oracle

DATA = Workload(examples=100, tokens=9_000, longest=90, learned_tokens=4_000, held_out_examples=10, held_out_tokens=900)
ABOUT = Known(MODEL, MACHINE)


def drawn(
    oracle: Oracle | None = None, *, workload: Workload | None = DATA, price: float | None = None, **settings: Any
) -> str:
    found = (oracle or Oracle()).estimate(MODEL, RunConfig(**settings), machine=MACHINE, workload=workload)
    top = summary(ABOUT, found, missing="once there is data", price=price, room="")
    return str(top) + str(details(found, MACHINE, Learners(), Markup("<ul></ul>")))


def test_a_run_that_fits_says_what_it_takes() -> None:
    made = drawn()
    assert "Fits" in made
    assert "<dd>1.0 GB</dd>" in made
    assert "of 8.0 GB" in made
    assert "It fits into free memory." in made
    assert "<dd>5 to 15 min</dd>" in made
    assert "16,000" in made
    assert "1.6 % of 1.0 million" in made
    assert "2.0 MB" in made
    assert "3.0 MB" in made
    assert "remedy" not in made


def test_the_parts_of_the_memory_are_drawn_and_read_out() -> None:
    made = drawn()
    assert 'aria-label="Memory: Weights 1000.0 MB, Logits 1.0 kB"' in made
    assert 'class="ls-part-1" style="width:100.00%"' in made
    assert "ls-part-3" not in made
    assert "ls-limit" not in made


def test_a_tight_run_says_what_helps() -> None:
    made = drawn(Oracle({"lora": 7_500_000_000}))
    assert "Tight" in made
    assert "close other programs first" in made


def test_the_one_change_that_makes_it_fit_is_a_button() -> None:
    made = drawn(Oracle({"lora": 16_000_000_000}))
    assert "Does not fit" in made
    assert "It needs more than there is of free memory." in made
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
    found = replace(Oracle().estimate(MODEL, RunConfig(), machine=bare, workload=DATA), time=None)
    assert "once this machine is measured" in summary(Known(MODEL, bare), found, missing="", price=None, room="")


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        (Known(MODEL, None), "This machine is being measured, once."),
        (Known(MODEL, machine_trouble="It could not be measured."), "It could not be measured. So memory and time"),
        (Known(None, MACHINE), "once the model is known"),
        (Known(None, MACHINE, "It is no decoder."), "It is no decoder."),
    ],
)
def test_without_a_forecast_the_count_and_the_reason_stand(about: Known, sentence: str) -> None:
    assert sentence in summary(about, None, missing="", price=2.0, room="")
    made = details(None, about.machine, Learners(trainable=500, total=1_000), Markup("<ul></ul>"))
    assert "50 % of 1,000" in made
    assert "ls-memory" not in made


def test_money_only_when_there_is_a_price() -> None:
    assert "cost" not in drawn()
    assert "costs 0.23 to 0.60 at 2.5 an hour" in drawn(price=2.5)
    assert "cost" not in drawn(workload=None, price=2.5)


def test_full_fine_tuning_trains_all() -> None:
    assert "100 % of 1.0 million" in drawn(method="full")


def test_a_time_is_a_range_and_says_what_it_is_from() -> None:
    """Promised was "under 1 min", again and again, for a run that took three."""
    found = Oracle().estimate(MODEL, RunConfig(), machine=MACHINE, workload=DATA)
    time = RunTime(20.0, 100.0, 60.0, Correction(loop=2.0, least=0.8, most=1.3, runs=3), slower=1.5)
    made = str(summary(ABOUT, replace(found, time=time), missing="", price=None, room=""))
    assert f"<dd>{written_time(time)}</dd>" in made
    assert written_time(time) == "4 to 8 min"
    assert "then evaluation up to 2 min in the background" in made
    assert "corrected by 3 runs on this machine" in made
    assert "1.5 times as long as usual, because other programs are at work" in made
    assert written_time(None) == "-"


def test_the_adapter_has_room_for_as_many_tokens_as_it_has_numbers() -> None:
    enough = "The adapter holds 4.9 M numbers, your data 0.2 M learned tokens: room enough."
    assert enough in room(Learners(trainable=4_884_480, total=10**8), 200_000)
    assert "ls-good" in room(Learners(trainable=1_000, total=10**8), 1_000)
    little = room(Learners(trainable=1_000, total=10**8), 1_001)
    assert "ls-warning" in little
    assert "too little room for all of it" in little
    assert [in_millions(number) for number in (9_216, 150_000, 1_234_000_000)] == ["9,216", "0.1 M", "1,234.0 M"]


def test_no_room_is_told_of_what_is_not_known() -> None:
    assert room(Learners(trouble="Not here."), 100) == ""
    assert room(Learners(trainable=1_000, total=10**8), 0) == ""


def test_a_run_of_few_steps_is_warned_of_before_it_starts() -> None:
    """A quick look of 14 steps promised to show whether the model learns, and was told to be too short at its end."""
    said = str(few_steps(14))
    assert "The run makes 14 steps: too few to change much." in said
    assert "ls-warning" in said
    assert few_steps(30) == few_steps(0) == ""
