import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.errors import RunError, TooMany
from studio.limits import Limits
from studio.runs import lock
from studio.runs.queue import Line, Queue, QueuePlaces
from studio.visitors import visiting


def take(line: Queue, *, at_work: str = "", gone: str = "", refuses: str = "", started: list[str] | None = None) -> str:
    """Start the next run of a line, where some are at work, gone or cannot be started."""

    def start(id: str) -> bool:
        if started is not None and id not in refuses.split():
            started.append(id)
        return id not in refuses.split()

    found = line.start_next(
        may_wait=lambda id: id not in gone.split(), is_at_work=lambda id: id in at_work.split(), start=start
    )
    return found or ""


@pytest.fixture
def line(tmp_path: Path) -> Queue:
    made = Queue(tmp_path)
    for id in "abc":
        made.add(id)
    return made


def test_runs_wait_in_the_order_in_which_they_came(line: Queue) -> None:
    assert line.line() == Line(waiting=("a", "b", "c"))
    assert [take(line) for _ in range(4)] == ["a", "b", "c", ""]
    assert line.line() == Line(working=("c",))


def test_a_run_may_come_first_and_waits_only_once(line: Queue) -> None:
    line.add("d", ahead_of=lambda _: True)
    line.add("b", ahead_of=lambda _: True)
    line.add("a")
    assert line.line().waiting == ("d", "a", "b", "c")


@pytest.mark.parametrize(
    ("id", "places", "expected"),
    [("c", -1, "acb"), ("c", -9, "cab"), ("a", 1, "bac"), ("a", 9, "bca"), ("b", 0, "abc"), ("x", -1, "abc")],
)
def test_a_waiting_run_moves(line: Queue, id: str, places: int, expected: str) -> None:
    line.move(id, places)
    assert "".join(line.line().waiting) == expected


def test_a_cancelled_run_waits_no_more(line: Queue) -> None:
    assert line.remove("b")
    assert not line.remove("b")
    assert line.line().waiting == ("a", "c")


def test_nothing_starts_while_a_run_is_at_work(line: Queue) -> None:
    started: list[str] = []
    assert take(line, started=started) == "a"
    assert take(line, at_work="a", started=started) == ""
    assert take(line, started=started) == "b"
    assert started == ["a", "b"]


def test_one_that_cannot_start_does_not_hold_up_the_others(line: Queue) -> None:
    assert take(line, refuses="a") == "b"
    assert line.line() == Line(waiting=("a", "c"), working=("b",), stuck=("a",))


def test_runs_that_are_gone_leave_the_line_whoever_is_at_work(line: Queue) -> None:
    """A server that died between deleting a run and taking it out of the line left it there for ever."""
    assert take(line, gone="a c") == "b"
    assert line.line() == Line(working=("b",))
    line.add("d")
    assert take(line, gone="d", at_work="b") == ""
    assert line.line() == Line(working=("b",))


def test_a_run_is_at_work_before_it_leaves_the_line(line: Queue) -> None:
    seen: list[tuple[str, ...]] = []

    def start(id: str) -> bool:
        seen.append(line.line().waiting)
        return True

    line.start_next(may_wait=lambda id: True, is_at_work=lambda id: False, start=start)
    assert seen == [("a", "b", "c")]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"waiting": 3}', '{"waiting": [1]}'])
def test_a_file_that_cannot_be_read_counts_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "queue.json").write_text(content, encoding="utf-8")
    line = Queue(tmp_path)
    assert line.line() == Line()
    line.add("a")
    assert line.line() == Line(waiting=("a",))


def test_a_later_studio_reads_what_this_one_wrote(line: Queue, tmp_path: Path) -> None:
    assert json.loads((tmp_path / "queue.json").read_text()) == {"waiting": ["a", "b", "c"], "working": [], "stuck": []}
    assert Queue(tmp_path).line() == line.line()


def test_a_queue_that_another_program_holds_is_a_sentence(
    line: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.2)
    with lock.holding(tmp_path / "queue.lock"), pytest.raises(RunError, match="Another program is using the queue"):
        line.add("d")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        Queue(tmp_path / "file" / "home").add("a")


def _take_all(home: Path, begin: Callable[[], object], told: Path) -> None:
    begin()
    line, held = Queue(home), []

    def start(id: str) -> bool:
        descriptor = lock.acquire(home / f"{id}.lock")
        held.append(descriptor)
        with told.open("a") as file:
            file.write(f"{os.getpid()} {id}\n")
        return descriptor is not None

    while line.line().waiting:
        line.start_next(may_wait=lambda id: True, is_at_work=lambda id: False, start=start)


def test_two_processes_never_start_the_same_run(tmp_path: Path) -> None:
    ids = [f"run-{number}" for number in range(60)]
    line = Queue(tmp_path)
    for id in ids:
        line.add(id)
    told = tmp_path / "told"
    spawn = multiprocessing.get_context("fork")
    barrier = spawn.Barrier(3)
    others = [spawn.Process(target=_take_all, args=(tmp_path, barrier.wait, told)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    started = [text.split() for text in told.read_text().splitlines()]
    assert [id for _, id in started] == ids
    assert line.line().waiting == ()


def test_several_join_ahead_of_some(line: Queue) -> None:
    line.add("d", "b", "e", ahead_of=lambda id: id == "c")
    assert line.line().waiting == ("a", "b", "d", "e", "c")
    assert line.remove("d", "a", "x")
    assert line.line().waiting == ("b", "e", "c")
    assert not line.remove("d")


def test_places_for_several_are_taken_together(line: Queue) -> None:
    places = QueuePlaces(Limits(runs_waiting=6), lambda: line.line().waiting)
    with places.taking(3):
        with pytest.raises(TooMany, match="The queue is full: 6 runs wait"), places.taking():
            pass
    with pytest.raises(TooMany, match="no room for 4 runs: 3 wait in it, and it takes 6"), places.taking(4):
        pass


def test_runs_are_known_as_those_of_a_visitor_although_another_asks_meanwhile(line: Queue) -> None:
    places = QueuePlaces(Limits(runs_waiting_each=2), lambda: line.line().waiting)
    with visiting("eve"), places.taking(2):
        for id in ("e1", "e2"):
            places.remember(id)
            with visiting("bob"), places.taking():
                pass
        line.add("e1", "e2")
    with visiting("eve"), pytest.raises(TooMany, match="2 of your runs wait in the queue"), places.taking():
        pass
    with visiting("bob"), places.taking():
        pass


def test_runs_that_are_being_written_count_once(line: Queue) -> None:
    places = QueuePlaces(Limits(runs_waiting_each=4), lambda: line.line().waiting)
    with visiting("eve"), places.taking(2):
        places.remember("e1")
        places.remember("e2")
        with places.taking(2):
            pass
