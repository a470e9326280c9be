import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.events import (
    Evaluated,
    Event,
    Failed,
    Finished,
    Loading,
    Noted,
    Record,
    Resumed,
    Saved,
    Started,
    Stepped,
    encode,
)
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Export
from studio.runs import lock
from studio.runs.event_log import decoded, read_lines
from studio.runs.following import Following
from studio.runs.view import RunView

STARTED = Started(1, "export")
DONE = Finished("finished", "Done.", 1.0)
STEP = Stepped(1, 0.1, 2.0, 1e-3, 1.0, 100.0, 0.5)


@pytest.fixture
def task(tmp_path: Path) -> Export:
    return Export(tmp_path, "adapter")


@pytest.fixture
def jobs(fake_launch) -> Jobs:
    return Jobs(fake_launch)


def test_following_shows_what_was_written_since_and_what_it_showed_does_not_change(tmp_path: Path, say) -> None:
    path = tmp_path / "events.jsonl"
    following = Following(path)
    assert following.view().last_seq == 0
    say(path, STARTED, STEP)
    first = following.view()
    say(path, Stepped(2, 0.2, 1.5, 1e-3, 1.0, 100.0, 0.5))
    assert [step.step for step in following.view().steps] == [1, 2]
    assert [step.step for step in first.steps] == [1]
    assert following.view() is following.view()


def test_many_threads_may_follow_at_once(tmp_path: Path, say) -> None:
    path = tmp_path / "events.jsonl"
    following = Following(path)
    say(path, *(Noted("info", str(number)) for number in range(200)))
    seen: list[int] = []
    pages = [threading.Thread(target=lambda: seen.append(len(following.view().notes))) for _ in range(8)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert seen == [200] * 8


def test_a_job_from_start_to_end(task: Export, jobs: Jobs, fake_launch, say: Callable[..., None]) -> None:
    assert jobs.state(task) == JobState("none", "")
    jobs.start(task)
    assert jobs.state(task) == JobState("working", "Starting.")
    say(task.paths.events, STARTED, Noted("info", "5 of 9."), Loading("Packing", 1, 2, "bytes"))
    assert jobs.state(task) == JobState("working", "Packing", done=1, total=2, unit="bytes", remark="5 of 9.")
    say(task.paths.events, Saved(0, "adapter"), DONE)
    fake_launch.end()
    assert jobs.state(task) == JobState("ready", "Done.", "adapter")
    assert jobs.wait(task).ready


def test_a_job_that_failed_and_is_started_again_is_at_work_before_it_speaks(
    task: Export, jobs: Jobs, fake_launch, say
) -> None:
    jobs.start(task)
    say(task.paths.events, STARTED, Failed("disk", "The disk is full."))
    fake_launch.end(1)
    assert jobs.state(task).failed == Failed("disk", "The disk is full.")
    jobs.start(task)
    assert jobs.state(task).working
    assert jobs.state(task).failed is None


@pytest.mark.parametrize("events", [(), (STARTED,), (STARTED, Loading("Packing"))])
def test_a_job_that_died_says_so(task: Export, jobs: Jobs, fake_launch, say, events) -> None:
    jobs.start(task)
    say(task.paths.events, *events)
    fake_launch.end(-9)
    failed = jobs.state(task).failed
    assert failed is not None
    assert failed.cause == "killed"
    assert failed.message.startswith("The work ended before it was done.")


def test_a_studio_that_is_opened_later_sees_the_same(task: Export, fake_launch, say) -> None:
    fake_launch(task)
    say(task.paths.events, STARTED, Loading("Packing"))
    assert Jobs(fake_launch).state(task).working
    task.paths.log.write_text("OSError: [Errno 28] No space left on device\n")
    fake_launch.end(1)
    failed = Jobs(fake_launch).state(task).failed
    assert failed is not None
    assert failed.cause == "disk_full"


@pytest.mark.parametrize("events", [(), (STARTED,)])
def test_a_job_that_died_does_not_seem_alive_when_another_takes_the_lock(
    task: Export, jobs: Jobs, fake_launch, say, events
) -> None:
    jobs.start(task)
    say(task.paths.events, *events)
    fake_launch.end(-9)
    assert jobs.state(task).failed
    with lock.holding(task.paths.lock):
        state = jobs.state(task)
        assert not state.working
        assert jobs.is_held(task)
        assert state.failed


def test_a_job_that_could_not_be_started_keeps_its_state(task: Export, jobs: Jobs, fake_launch, say) -> None:
    say(task.paths.events, STARTED, DONE)
    fake_launch(task)
    with pytest.raises(RunError, match="already under way"):
        jobs.start(task)
    assert jobs.state(task) == JobState("ready", "Done.", "")


def test_what_is_started_once_is_started_again_by_another_studio_alone(task: Export, jobs: Jobs, fake_launch) -> None:
    for _ in range(3):
        jobs.start_once(task)
    fake_launch.end(1)
    jobs.start_once(task)
    assert len(fake_launch.tasks) == 1
    Jobs(fake_launch).start_once(task)
    assert len(fake_launch.tasks) == 2


def test_a_job_that_is_asked_to_end_before_it_listens_was_stopped(task: Export, jobs: Jobs, fake_launch, say) -> None:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    jobs.start(task)
    say(task.paths.events, Started(worker.pid, "export"))
    jobs.cancel(task)
    assert jobs.state(task).cancelled
    assert worker.wait(10) == -signal.SIGTERM
    fake_launch.end(-signal.SIGTERM)
    assert jobs.state(task).status == "stopped"


def lines_of(*events: Event) -> bytes:
    records = (Record(place + 1, 1000.0 + place, event) for place, event in enumerate(events))
    return "".join(f"{encode(record)}\n" for record in records).encode()


def stepped(number: int) -> Stepped:
    return Stepped(number, 0.1, 2.0 / number, 1e-3, 1.0, 100.0, 0.5, 7)


def one_by_one(path: Path) -> RunView:
    view = RunView()
    for record in map(decoded, read_lines(path)[0]):
        if record is None:
            view.pass_over()
        else:
            view.apply(record)
    return view


STEPS = [stepped(number) for number in range(1, 4501)]


@pytest.mark.parametrize(
    "content",
    [
        lines_of(STARTED, *STEPS, Evaluated(4500, 1.0)),
        lines_of(STARTED, *STEPS[:3000], STARTED, Resumed(2500), *STEPS[2500:]),
        lines_of(STARTED, *STEPS[:100], *STEPS[50:200]),
        lines_of(*STEPS[:10], Noted("info", '"kind":"Stepped"'), *STEPS[10:20]),
        lines_of(*STEPS[:50]) + lines_of(*STEPS[:60]),
        lines_of(*STEPS[:50]).replace(b'"step":20,', b'"step":20.5,'),
        lines_of(*STEPS[:50]).replace(b'"step":20,', b'"step":"20",'),
        lines_of(*STEPS[:50]).replace(b'"step":20,', b""),
        lines_of(*STEPS[:50]).replace(b'"loss":0.1,', b'"loss":NaN,'),
        lines_of(*STEPS[:50]).replace(b'{"seq":20,', b'{{"seq":20,'),
        lines_of(*STEPS[:50]).replace(b',"tokens":7}', b"}"),
        lines_of(*STEPS[:50]).replace(b',"tokens":7}', b"}", 20),
    ],
)
def test_many_steps_at_once_are_read_as_they_are_one_by_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    expected, found = one_by_one(path), Following(path).view()
    assert found.steps
    assert {**vars(found), "steps": found.steps[:]} == {**vars(expected), "steps": expected.steps[:]}
    assert found.step_times == expected.step_times


@pytest.mark.slow
def test_two_hundred_thousand_steps_are_read_whole_and_then_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines_of(*(stepped(number) for number in range(1, 200_001))))
    following = Following(path)
    assert len(following.view().steps) == 200_000
    with path.open("ab") as file:
        file.write(f"{encode(Record(200_001, 2e5, stepped(200_001)))}\n".encode())
    assert len(following.view().steps) == 200_001
