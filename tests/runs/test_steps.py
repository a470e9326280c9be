import threading

import numpy as np
import pytest

from studio.events import Stepped
from studio.runs.steps import ALL_TOKENS, COLUMNS, TIME, WORKED, Steps


def step(number: int, *, tokens: int = 100) -> Stepped:
    return Stepped(number, number / 10, 3.0 / number, 1e-4, 0.5, 250.5, 1.25, tokens)


def steps(last: int) -> Steps:
    made = Steps()
    for number in range(1, last + 1):
        made.append(step(number), 1000.0 + number, since=1000.0)
    return made


def test_what_goes_in_comes_out() -> None:
    made = steps(200)
    assert len(made) == 200
    assert made[0] == step(1)
    assert made[-1] == step(200)
    assert made[-2:] == [step(199), step(200)]
    assert made == [step(number) for number in range(1, 201)]
    assert type(made[0].step) is type(made[0].tokens) is int
    with pytest.raises(IndexError):
        made[200]
    assert not Steps()


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    rows = np.array([[*(getattr(step(n), name) for name in COLUMNS[:8]), 1000.0 + n] for n in range(1, 201)])
    whole = Steps()
    whole.extend(rows[:150], since=1000.0)
    whole.extend(rows[150:], since=1000.0)
    assert whole == steps(200)
    for name in COLUMNS:
        assert whole.column(name) == pytest.approx(steps(200).column(name))


def test_what_was_shown_does_not_change() -> None:
    made = steps(70)
    shown = made.until_now()
    made.append(step(71), 1071.0, since=1000.0)
    assert len(shown) == 70
    made.cut(10)
    made.append(step(11, tokens=7), 2000.0, since=1990.0)
    assert shown == steps(70)
    assert (len(made), made[-1].tokens) == (11, 7)
    shown.append(step(71, tokens=9), 1071.0, since=1000.0)
    assert (made[-1].tokens, len(made)) == (7, 11)
    with pytest.raises(ValueError, match="read-only"):
        shown.column("loss")[0] = 1.0


def test_time_between_two_workers_is_no_time_of_training() -> None:
    made = steps(3)
    made.append(step(4), 5002.0, since=5000.0)
    assert made.column(TIME).tolist() == [1001.0, 1002.0, 1003.0, 5002.0]
    assert made.column(WORKED).tolist() == [1.0, 2.0, 3.0, 5.0]
    assert made.column(ALL_TOKENS).tolist() == [100.0, 200.0, 300.0, 400.0]


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    made = steps(2)
    made.append(step(3), 500.0, since=1000.0)
    made.append(step(4), 501.0, since=1000.0)
    assert made.column(WORKED).tolist() == [1.0, 2.0, 2.0, 2.0]


def test_steps_behind_one_can_be_forgotten() -> None:
    made = steps(9)
    assert [made.count_until(number) for number in (0, 1, 5, 9, 50)] == [0, 1, 5, 9, 9]
    made.cut_behind(4)
    assert made == steps(4)
    made.cut_behind(0)
    assert len(made) == 0


def test_a_reader_sees_whole_steps_while_another_thread_adds() -> None:
    made = Steps()
    ended = threading.Event()
    torn: list[int] = []

    def read() -> None:
        while not ended.is_set():
            seen = made.until_now()
            if not (seen.column("step") == np.arange(1, len(seen) + 1)).all():
                torn.append(len(seen))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 5001):
        made.append(step(number), float(number), since=0.0)
    ended.set()
    reader.join()
    assert torn == []
