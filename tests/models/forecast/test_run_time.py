"""How what runs took corrects what others are estimated to take, with made-up histories."""

from dataclasses import replace

import pytest

from studio.models.forecast.run_time import BOUNDS, CORRECTED, UNCORRECTED, RunTime, corrected
from studio.models.machine import Machine, Timing
from studio.wording import between

MACHINE = Machine("cpu", "a processor", 2**33, False, 1, (), "key")
PLAIN = RunTime(start=10.0, loop=40.0, evaluation=100.0)


def took(
    start: float = 1.0, loop: float = 1.0, *, model: str = "starter", method: str = "lora", device: str = "cpu"
) -> Timing:
    """Make up a run that was estimated to take 10 and 40 seconds, and took so many times as long."""
    return Timing(model, method, device, 10.0, 10.0 * start, 40.0, 40.0 * loop)


def after(*timings: Timing, load: float = 0.0, time: RunTime = PLAIN) -> RunTime:
    return corrected(time, replace(MACHINE, timings=timings, load=load), model="starter", method="lora")


def test_without_a_history_nothing_is_corrected_and_the_range_is_wide() -> None:
    found = after()
    assert (found.training_seconds, found.evaluation_seconds, found.correction.runs) == (50.0, 100.0, 0)
    assert found.training_range == (UNCORRECTED[0] * 50, UNCORRECTED[1] * 50)
    least, most = found.range
    assert (least, most) == (UNCORRECTED[0] * (50 + 50), UNCORRECTED[1] * 150)
    assert found.without_evaluation().range == found.training_range


def test_less_than_a_minute_is_not_promised_again_after_three_were_measured() -> None:
    """The estimate of 40 seconds was given for every run, though each took three minutes."""
    short = replace(PLAIN, evaluation=0.0)
    assert between(*replace(short, loop=15.0).range) == "under 1 min"
    found = after(took(start=2.0, loop=4.0), time=short)
    assert found.training_seconds == 180.0
    assert found.correction.runs == 1
    assert between(*found.range) == "2 to 4 min"


def test_one_disturbed_run_among_several_changes_little() -> None:
    steady = [took(loop=ratio) for ratio in (1.9, 2.0, 2.1, 2.0)]
    assert after(*steady).correction.loop == pytest.approx(2.0)
    assert after(*steady, took(loop=60.0)).correction.loop == pytest.approx(2.0)
    assert after(took(loop=60.0)).correction.loop == BOUNDS[1]
    assert after(took(loop=0.001)).correction.loop == BOUNDS[0]


def test_the_range_follows_how_far_runs_were_apart() -> None:
    alike = after(took(loop=2.0), took(loop=2.1), took(loop=2.2)).correction
    assert (alike.least, alike.most) == CORRECTED
    apart = after(took(loop=1.0), took(loop=2.0), took(loop=4.0)).correction
    assert (apart.least, apart.most) == (0.5, 2.0)
    wild = after(took(loop=0.1), took(loop=2.0), took(loop=90.0)).correction
    assert (wild.least, wild.most) == (0.4, 2.5)


def test_the_newest_runs_count() -> None:
    long_ago = [took(loop=5.0)] * 20
    assert after(*long_ago, *[took(loop=1.5)] * 9).correction.loop == 1.5


def test_what_a_short_run_lost_at_its_start_does_not_slow_the_steps_of_a_long_one() -> None:
    found = after(took(start=6.0), time=RunTime(start=10.0, loop=3_600.0))
    assert found.training_seconds == pytest.approx(60 + 3_600)


def test_runs_of_other_models_and_methods_count_by_half_and_those_of_other_devices_not_at_all() -> None:
    assert after(took(loop=4.0, method="qlora")).correction.loop == pytest.approx(2.0)
    assert after(took(loop=4.0, model="org/other")).correction.runs == 0
    assert after(took(loop=4.0, model="org/other"), took(loop=1.5)).correction.loop == 1.5
    assert after(took(loop=4.0, device="cuda")).correction.loop == 1.0


def test_evaluations_are_corrected_by_evaluations() -> None:
    found = after(Timing("starter", "lora", "cpu", evaluation_estimated=50.0, evaluation_seconds=150.0))
    assert (found.evaluation_seconds, found.training_seconds) == (300.0, 50.0)


def test_a_busy_machine_takes_longer() -> None:
    assert after(load=0.5).training_seconds == 75.0
    assert after(load=0.5).slower == 1.5


@pytest.mark.parametrize(
    "timing",
    [
        Timing("starter", "lora", "cpu"),
        Timing("starter", "lora", "cpu", 0.0, 9.0, -5.0, 9.0),
        Timing("starter", "lora", "cpu", 10.0, 0.0, 1e-300, 1e300),
        Timing("starter", "lora", "cpu", 10.0, float("inf"), 10.0, float("nan")),
    ],
)
def test_a_history_that_says_nothing_corrects_nothing(timing: Timing) -> None:
    assert after(timing).correction == after().correction
