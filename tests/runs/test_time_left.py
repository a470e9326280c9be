"""How long a training still takes, from its events and the clock."""

import pytest

from studio.events import Evaluated, Event, Forecasted, Loading, Prepared, Record
from studio.runs.time_left import SAVING_CHECKS, run_seconds_left, seconds_left
from studio.runs.view import RunView
from tests.runs.test_view import BEGUN, FINISHED, LOADED, PREPARED, STARTED, fold, step, steps


def timed_steps(times: list[float], *, total: int = 60) -> RunView:
    view = fold(STARTED, LOADED, Prepared(90, 10, 0, 900, 400, total), every=0.0)
    for place, time in enumerate(times):
        view.apply(Record(10 + place, time, step(place + 1)))
    return view


class Heard:
    """A run that has begun, and what is heard of it, each event so many seconds after the one before."""

    def __init__(self) -> None:
        self.view, self.now = fold(*BEGUN, every=0.0), 0.0
        self._number = 3

    def hear(self, event: Event, seconds: float) -> None:
        self._number, self.now = self._number + 1, self.now + seconds
        self.view.apply(Record(self._number, self.now, event))


def test_time_left_is_not_told_before_three_steps_or_without_a_plan() -> None:
    assert seconds_left(timed_steps([10.0, 14.0]), 14.0) is None
    assert seconds_left(timed_steps([10.0, 14.0, 18.0]), 18.0) is not None
    assert seconds_left(fold(STARTED, *steps(5)), 20.0) is None
    assert seconds_left(fold(STARTED, LOADED, PREPARED, *steps(5), FINISHED), 40.0) is None


def test_time_left_follows_the_pace_and_the_clock() -> None:
    view = timed_steps([4.0 * place for place in range(1, 13)])
    assert seconds_left(view, 48.0) == pytest.approx(48 * 4)
    assert seconds_left(view, 50.0) == pytest.approx(48 * 4 - 2)
    # A step that is overdue does not make the rest of the run shorter.
    assert seconds_left(view, 4_000.0) == pytest.approx(47 * 4)
    assert seconds_left(view, 0.0) == pytest.approx(48 * 4)
    assert seconds_left(timed_steps([1.0, 2.0, 3.0], total=3), 3.0) == 0.0


def test_time_left_counts_regular_pauses_and_shrugs_off_one_long_one() -> None:
    with_evaluations = [float(place + 5 * (place // 10)) for place in range(1, 51)]
    assert seconds_left(timed_steps(with_evaluations, total=150), with_evaluations[-1]) == pytest.approx(150, rel=0.1)
    slept = [float(place + (7200 if place > 20 else 0)) for place in range(1, 51)]
    left = seconds_left(timed_steps(slept, total=150), slept[-1])
    assert left is not None
    assert left < 200


def test_time_left_follows_a_change_of_pace() -> None:
    slower = [float(place) for place in range(1, 101)] + [100.0 + 10.0 * place for place in range(1, 61)]
    assert seconds_left(timed_steps(slower, total=170), slower[-1]) == pytest.approx(100)


def test_time_left_holds_the_checks_to_come_and_the_saving() -> None:
    """Checks and saving were a third of a short run, and the time left knew of neither."""
    heard = Heard()
    view, hear = heard.view, heard.hear
    hear(Evaluated(0, 3.0), 10.0)
    for number in range(1, 13):  # a check after every tenth of 60 steps
        hear(step(number), 4.0)
        if number == 10:
            hear(Evaluated(10, 2.5), 10.0)
    assert view.check_seconds == pytest.approx(10.0)
    assert seconds_left(view, heard.now) == pytest.approx(48 * 4 + 5 * 10 + SAVING_CHECKS * 10)
    for number in range(13, 61):
        hear(step(number), 4.0)
        if number % 10 == 0 and number < 60:
            hear(Evaluated(number, 2.0), 10.0)
    assert seconds_left(view, heard.now) == pytest.approx(10 + SAVING_CHECKS * 10), "the last check is still to be done"
    hear(Evaluated(60, 1.9), 10.0)
    assert seconds_left(view, heard.now) == pytest.approx(SAVING_CHECKS * 10 - 10)
    assert seconds_left(view, heard.now + 500) == 0.0


def test_time_left_knows_that_the_ends_score_more_than_the_checks_in_between() -> None:
    """25 of 100 examples in 5 s, and so all of them in 20."""
    heard = Heard()
    view, hear = heard.view, heard.hear
    hear(Evaluated(0, 3.0, 25, 100, 3.1), 20.0)
    for number in range(1, 61):
        if number == 13:
            assert view.check_seconds == pytest.approx(5.0)
            assert seconds_left(view, heard.now) == pytest.approx(48 * 4 + 5 * 5 + 15 + SAVING_CHECKS * 5)
        hear(step(number), 4.0)
        if number % 10 == 0:
            hear(Evaluated(number, 2.0, 25, 100), 5.0)
    assert seconds_left(view, heard.now) == pytest.approx(15 + SAVING_CHECKS * 5 - 5)
    hear(Evaluated(60, 2.0, 25, 100, 2.1), 15.0)
    assert view.check_seconds == pytest.approx(5.0)
    assert view.checks_of_rest == 0.0


def test_a_run_that_is_evaluated_where_it_was_trained_has_nothing_left_to_save() -> None:
    """A worker that took such a run up again went by its forecast, and the run was asked to let others go first."""
    heard = Heard()
    heard.hear(Forecasted(2.0, 600.0), 1.0)
    assert run_seconds_left(heard.view, heard.now) == 600.0
    heard.hear(Loading(what="Evaluating at lab"), 1.0)
    assert run_seconds_left(heard.view, heard.now) == 0.0
    heard.hear(FINISHED, 1.0)
    assert run_seconds_left(heard.view, heard.now) is None
