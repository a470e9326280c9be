"""The evaluations that nobody asks for: when they begin, what they wait for, and what they give way to."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from studio.data.library import DatasetLibrary
from studio.events import Failed, Finished, Started
from studio.jobs.automatic_evaluations import note_giving_way, note_try, request_path, seconds_before
from studio.jobs.evaluations import Evaluations
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Evaluate
from studio.runs import lock
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings
from tests.jobs.test_evaluations import datasets, run, store
from tests.patience import PATIENCE_SECONDS

__all__ = ["datasets", "run", "store"]

DONE = Finished("finished", "Done", 1.0)


class Training:
    """What trains at the moment, as the scheduler tells it."""

    def __init__(self) -> None:
        self.now = ""

    def __call__(self) -> str:
        return self.now


@pytest.fixture
def training() -> Training:
    return Training()


@pytest.fixture
def evaluations(store: RunStore, datasets: DatasetLibrary, fake_launch, training: Training) -> Evaluations:
    settings = Settings(store.folder.parent, evaluate=True)
    return Evaluations(store, datasets, jobs=Jobs(fake_launch), settings=settings, comes_first=training)


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when it is asked to."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def finish(evaluations: Evaluations, run: RunFolder, say) -> None:
    """Let a run train and finish, with an evaluation to come."""
    run.log_path.touch()
    evaluations.automatic.expect(run)
    say(run.events_path, Started(1, "train"), DONE)


def test_a_run_is_evaluated_when_it_has_finished_and_not_before(
    evaluations: Evaluations, run: RunFolder, fake_launch, say
) -> None:
    run.log_path.touch()
    evaluations.automatic.expect(run)
    assert request_path(run).exists()
    held = lock.acquire(run.lock_path)
    assert held is not None
    assert evaluations.state(run.id).status == "waiting"
    evaluations.automatic.tick()
    assert not fake_launch.tasks
    os.close(held)
    evaluations.automatic.tick()  # its worker died without a word: it may go on
    assert not fake_launch.tasks
    say(run.events_path, Started(1, "train"), Finished("finished", "Done", 1.0))
    evaluations.automatic.tick()
    evaluations.automatic.tick()
    assert len(fake_launch.tasks) == 1


def test_another_server_evaluates_what_the_first_did_not_live_to(
    evaluations: Evaluations, run: RunFolder, store: RunStore, datasets: DatasetLibrary, fake_launch, say
) -> None:
    run.log_path.touch()
    evaluations.automatic.expect(run)
    say(run.events_path, Started(1, "train"), Finished("finished", "Done", 1.0))
    for tries in range(1, 4):
        later = Evaluations(
            store, datasets, jobs=Jobs(fake_launch), settings=Settings(store.folder.parent, evaluate=True)
        )
        later.automatic.recover()
        later.automatic.tick()
        if len(fake_launch.tasks) == tries:
            note_try(run)  # as its worker does
        fake_launch.end()
        assert len(fake_launch.tasks) == min(tries, 2), "what brings the machine down is not tried for ever"
    assert not request_path(run).exists()


@pytest.mark.parametrize("last", [Failed("bug", "No.", ""), Finished("stopped", "Nothing was kept.", 1.0)])
def test_a_run_without_a_result_is_not_evaluated(
    evaluations: Evaluations, run: RunFolder, fake_launch, say, last: Failed | Finished
) -> None:
    run.log_path.touch()
    (run.path / "adapter" / "adapter_config.json").unlink()
    evaluations.automatic.expect(run)
    say(run.events_path, Started(1, "train"), last)
    evaluations.automatic.tick()
    assert not fake_launch.tasks
    assert evaluations.state(run.id).status == "none"


def test_nothing_happens_unasked_where_that_is_switched_off(
    store: RunStore, datasets: DatasetLibrary, run: RunFolder, fake_launch, say
) -> None:
    quiet = Evaluations(store, datasets, jobs=Jobs(fake_launch), settings=Settings(store.folder.parent))
    quiet.automatic.expect(run)
    say(run.events_path, Started(1, "train"), Finished("finished", "Done", 1.0))
    quiet.automatic.recover()
    quiet.automatic.tick()
    assert not request_path(run).exists()
    assert not fake_launch.tasks


def test_one_that_waits_is_called_off(evaluations: Evaluations, run: RunFolder, fake_launch, say) -> None:
    run.log_path.touch()
    evaluations.automatic.expect(run)
    evaluations.cancel(run.id)
    say(run.events_path, Started(1, "train"), Finished("finished", "Done", 1.0))
    evaluations.automatic.tick()
    assert not fake_launch.tasks
    assert evaluations.state(run.id).status == "none"


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_that_was_stopped_by_hand_is_evaluated_when_asked(
    evaluations: Evaluations, run: RunFolder, fake_launch, say, kept: bool
) -> None:
    run.log_path.touch()
    evaluations.automatic.expect(run)
    say(run.events_path, Started(1, "train"), Finished("stopped", "Stopped after 3 steps.", 1.0))
    evaluations.automatic.tick()
    assert not fake_launch.tasks
    assert not request_path(run).exists()
    said = evaluations.state(run.id)
    assert (said.status, said.sentence) == (
        "none",
        "You stopped this run, so it is evaluated only when you ask for it.",
    )
    evaluations.start(run.id)
    assert fake_launch.tasks == [Evaluate(run.path, "end")]


def test_training_comes_first_and_it_is_said_what_is_waited_for(
    evaluations: Evaluations, run: RunFolder, training: Training, fake_launch, say
) -> None:
    """A run waited nine minutes for the evaluation of the one before."""
    finish(evaluations, run, say)
    training.now = "the run heron, 3 to 5 min"
    evaluations.automatic.tick()
    assert not fake_launch.tasks
    said = evaluations.state(run.id)
    assert said.status == "waiting"
    assert said.sentence == "The evaluation waits for the run heron, 3 to 5 min, which comes first."
    training.now = ""
    assert evaluations.state(run.id).sentence == "It begins in a moment."
    evaluations.automatic.tick()
    assert len(fake_launch.tasks) == 1


def test_one_at_work_gives_way_and_is_begun_again_after_the_training(
    evaluations: Evaluations, run: RunFolder, training: Training, fake_launch, say, worker: subprocess.Popen[bytes]
) -> None:
    finish(evaluations, run, say)
    evaluations.automatic.tick()
    events = Evaluate(run.path, "end").paths.events
    say(events, Started(worker.pid, "evaluate"))
    training.now = "the run heron"
    evaluations.automatic.give_way()
    assert worker.wait(timeout=PATIENCE_SECONDS) != 0
    say(events, Finished("stopped", "Stopped.", 1.0))
    fake_launch.end()
    for _ in range(3):
        evaluations.automatic.tick()
    assert len(fake_launch.tasks) == 1
    assert evaluations.state(run.id).status == "waiting"
    training.now = ""
    evaluations.automatic.tick()
    assert len(fake_launch.tasks) == 2


def test_one_that_was_asked_for_gives_way_to_nothing(
    evaluations: Evaluations, run: RunFolder, fake_launch, say, worker: subprocess.Popen[bytes]
) -> None:
    finish(evaluations, run, say)
    evaluations.automatic.tick()
    say(Evaluate(run.path, "end").paths.events, Started(worker.pid, "evaluate"))
    assert evaluations.start(run.id) == "end", "whoever asks for it while it is at work asks for it all the same"
    evaluations.automatic.give_way()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=0.2)
    assert len(fake_launch.tasks) == 1


def test_one_whose_worker_was_killed_is_not_begun_again_by_the_same_studio(
    evaluations: Evaluations, run: RunFolder, fake_launch, say
) -> None:
    finish(evaluations, run, say)
    evaluations.automatic.tick()
    say(Evaluate(run.path, "end").paths.events, Started(1, "evaluate"))
    fake_launch.end(-9)
    for _ in range(3):
        evaluations.automatic.tick()
    assert len(fake_launch.tasks) == 1
    assert evaluations.state(run.id).status == "failed"


def test_to_give_way_is_no_failed_try(run: RunFolder) -> None:
    note_try(run)
    note_giving_way(run, 3.0)
    assert not request_path(run).exists(), "what somebody asked for is counted nowhere"
    request_path(run).write_text("0")
    note_try(run)
    assert (request_path(run).read_text(), seconds_before(run)) == ("1 0.0\n", 0.0)
    note_giving_way(run, 12.5)
    note_try(run)
    assert (request_path(run).read_text(), seconds_before(run)) == ("1 12.5\n", 12.5)


@pytest.mark.parametrize("noted", ["", "0", "0 nan", "0 -3", "0 inf", "x y", "0 1e999"])
def test_what_no_evaluation_noted_is_no_time(run: RunFolder, noted: str) -> None:
    request_path(run).write_text(noted)
    assert seconds_before(run) == 0.0
