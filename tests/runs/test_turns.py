"""Who has the accelerator, and what those who wait for it are told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.events import Event, Forecasted, Prepared, Started, Stepped
from studio.runs import lock
from studio.runs.event_log import EventLog
from studio.runs.turns import Holder, Turn, read_holder, time_left, write_holder

NOW = 1_800_000_000.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "accelerator.lock"


@pytest.fixture
def held(place: Path) -> Iterator[int]:
    descriptor = lock.acquire(place)
    assert descriptor is not None
    lock.name_self(descriptor)
    yield descriptor
    os.close(descriptor)


def hold(place: Path, what: str, **known: object) -> None:
    write_holder(place, Holder(what, os.getpid(), **known))  # type: ignore[arg-type]


def waits_for(place: Path, now: float = NOW) -> str:
    return Turn(place, clock=lambda: now).waits_for().what


def test_nobody_is_named_where_nobody_holds_the_lock(place: Path) -> None:
    assert waits_for(place) == ""
    hold(place, "the run otter")
    assert read_holder(place) is None
    assert waits_for(place) == ""


def test_the_holder_is_named_with_the_time_that_it_needs(place: Path, held: int) -> None:
    assert waits_for(place) == ""  # it has not said what it does
    hold(place, "the evaluation of otter", until=NOW + 240)
    assert waits_for(place) == "the evaluation of otter, 3 to 5 min"
    assert waits_for(place, NOW + 200) == "the evaluation of otter, under 1 min"
    assert waits_for(place, NOW + 600) == "the evaluation of otter", "it takes longer than it thought"
    hold(place, "the export of otter")
    assert waits_for(place) == "the export of otter"


def test_what_an_earlier_holder_left_is_not_said_of_the_next(place: Path, held: int) -> None:
    write_holder(place, Holder("the run otter", os.getpid() + 1))
    assert waits_for(place) == ""


@pytest.mark.parametrize("content", ["", "{", "[]", '{"what": 3}', "x" * 20_000])
def test_a_file_that_cannot_be_read_names_nobody(place: Path, held: int, content: str) -> None:
    place.with_suffix(".json").write_text(content)
    assert waits_for(place) == ""


def test_a_training_is_as_far_as_its_events_say(place: Path, held: int, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "otter" / "events.jsonl"
    path.parent.mkdir(parents=True)
    now = [NOW]
    log = EventLog(path, clock=lambda: now[0])
    hold(place, "the run otter", events=str(path))
    turn = Turn(place, clock=lambda: now[0])
    begun: list[Event] = [Started(1, "train"), Forecasted(1.0, 1200.0), Prepared(8, 0, 0, 100, 50, 40)]
    for event in begun:
        log.emit(event)
    assert turn.waits_for().what == "the run otter, 15 to 25 min"
    for number in range(1, 21):
        now[0] += 30
        log.emit(Stepped(number, 0.1, 1.0, 1e-4, 1.0, 10.0, 1.0))
    log.close()
    assert turn.waits_for().what == "the run otter, 7 to 13 min"  # 20 steps of 30 seconds


def test_events_outside_the_data_folder_are_not_read(place: Path, held: int, tmp_path: Path) -> None:
    hold(place, "the run otter", events="/proc/self/environ")
    assert waits_for(place) == "the run otter"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "under 1 min"), (40, "under 1 min"), (240, "3 to 5 min"), (3600 * 4, "3 to 5 h")]
)
def test_time_is_told_as_exactly_as_it_is_known(seconds: float, said: str) -> None:
    assert time_left(seconds) == said


def test_names_are_cut(place: Path, held: int) -> None:
    hold(place, "x" * 900)
    assert len(waits_for(place)) == 120
