"""A run that trains at another place: whatever dies on the way, here or there, it ends as one that nobody disturbed."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from studio.events import Failed, Loading, Noted, Resumed, Started, Stepped
from studio.files import write_whole
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.evaluation_report import AT_THE_END, read_report, read_rows
from studio.jobs.places.away import read_away
from studio.jobs.places.book import Places
from studio.jobs.tasks import Train, TrainElsewhere
from studio.runs import lock
from studio.runs.launcher import Task, Worker, launch
from studio.runs.store import GIVE_WAY, RunFolder, RunGroup
from tests.faults.ground import Expected, Ground, check_finished, check_whole, events, kill, last_step, wait
from tests.faults.place import NAME, NextDoor, add_next_door
from tests.warm import Forkserver

COMMAND = (sys.executable, "-m", "studio.workers")


def carry(task: Task, /) -> Worker:
    """Start the worker here of a run that trains elsewhere: a real process."""
    assert isinstance(task, Train)
    return launch(TrainElsewhere(task.run), command=COMMAND)


@dataclass(frozen=True)
class Away:
    """A data folder whose runs train next door."""

    ground: Ground
    place: NextDoor

    def make_run(self, **settings: object) -> RunFolder:
        return self.ground.make_run(place=NAME, **settings)

    def start(self, run: RunFolder) -> None:
        self.ground.start(run)

    def training(self, **settings: object) -> RunFolder:
        """Return a run that is beyond its first checkpoint, there and here."""
        run = self.make_run(**settings)
        self.start(run)
        wait(lambda: run.checkpoint_steps or not run.is_alive(), what="a checkpoint here", pause=0.02)
        newest = run.checkpoint_steps[-1]
        wait(lambda: (last_step(run) or 0) > newest, what="a step beyond it", pause=0.01)
        return run

    def finish(self, run: RunFolder, seconds: float = 120) -> None:
        self.ground.finish(run, seconds=seconds)


@pytest.fixture
def away(tmp_path: Path, tiny_model: Path, forkserver: Forkserver) -> Iterator[Away]:
    ground = Ground(tmp_path / "home", tiny_model, carry)  # type: ignore[arg-type]
    made = Away(ground, add_next_door(ground.home, tmp_path / "place", forkserver))
    yield made
    for run in ground.store.all():
        ground.scheduler.discard(run.id)
    made.place.kill_node()


def test_a_run_elsewhere_ends_as_one_here(away: Away, steady: Expected) -> None:
    run = away.make_run()
    away.start(run)
    away.finish(run)
    check_finished(away.ground, run, steady)
    told = json.loads((run.path / "adapter" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == str(away.ground.model), "the base is named by a folder of the place"
    assert away.place.jobs() == [read_away(run.path).job]  # type: ignore[union-attr]
    assert not list(away.place.folder.glob("runs/*")), "what the run left at the place was not deleted"
    assert not list(away.place.scratch.glob("run-*")), "the folder that it worked in was not deleted"
    second = away.make_run()
    away.start(second)
    sent = {path: path.stat().st_mtime_ns for path in away.place.folder.glob("inputs/*")}
    away.finish(second)
    assert {path: path.stat().st_mtime_ns for path in away.place.folder.glob("inputs/*")}.items() >= sent.items()
    check_finished(away.ground, second, steady)


def test_a_run_is_evaluated_where_it_was_trained(away: Away) -> None:
    run = away.make_run(epochs=1)
    write_whole(request_path(run), "0")
    away.start(run)
    begun = lambda: any(isinstance(each, Loading) and each.is_evaluating for each in events(run))  # noqa: E731
    wait(begun, seconds=120, what="the evaluation there")
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    wait(lambda: not run.is_alive(), what="the lock to be let go of")
    away.finish(run)
    report = read_report(run, AT_THE_END)
    assert report is not None
    assert (report.run_id, report.rows, report.run_name) == (run.id, 4, run.name)
    assert len(read_rows(run, AT_THE_END)) == 4
    assert not request_path(run).exists(), "it would be evaluated again here"
    assert not list(away.place.folder.glob("runs/*")), "what the run left at the place was not deleted"


def test_the_worker_here_is_killed_and_finds_its_job_again(away: Away, steady: Expected) -> None:
    run = away.training()
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    wait(lambda: not run.is_alive(), what="the lock to be let go of")
    assert away.ground.state(run).status == "lost"
    check_whole(away.ground, run, steady)
    time.sleep(1.0)
    away.finish(run)
    check_finished(away.ground, run, steady)
    assert len(away.place.jobs()) == 1, "the run was started twice"
    assert sum(isinstance(event, Started) for event in events(run)) == 2


def test_a_node_dies_and_the_run_goes_on_in_another_job(away: Away, steady: Expected) -> None:
    run = away.training()
    away.place.kill_node()
    away.finish(run)
    check_finished(away.ground, run, steady)
    assert len(away.place.jobs()) == 2
    told = events(run)
    assert any(isinstance(event, Noted) and "goes on from step" in event.text for event in told)
    assert any(isinstance(event, Resumed) and event.step for event in told)


def test_it_stops_there_when_it_is_asked_to_and_goes_on(away: Away, steady: Expected) -> None:
    run = away.training()
    away.ground.scheduler.stop(run.id)
    wait(lambda: not run.is_alive(), what="the run to stop")
    state = away.ground.state(run)
    assert state.status == "stopped", state.headline
    assert run.checkpoint_steps[-1] == state.view.step, "the last step was not saved"
    wait(lambda: not away.place.workers(), what="the worker there to end")
    away.finish(run)
    check_finished(away.ground, run, steady)


def test_a_run_of_a_group_gives_way_there_and_goes_on_by_itself(away: Away, steady: Expected) -> None:
    ground = away.ground
    first = away.training(group=RunGroup("0123456789abcdef", "colours", gives_way=True))
    single = away.make_run()
    ground.scheduler.enqueue(single.id)
    assert first.stop_wanted == GIVE_WAY

    def is_done() -> bool:
        ground.scheduler.tick()
        return ground.state(single).status == "finished" and not single.is_alive()

    wait(is_done, seconds=120, what="the run that was started alone")
    assert ground.state(first).status != "finished", "it did not give way"
    away.finish(first)
    for run in (first, single):
        check_finished(ground, run, steady)
    assert ground.state(first).view.deaths == []
    assert len(away.place.jobs()) == 3, "one job each, and one in which the first went on"


def test_nothing_is_left_at_work_there_when_a_run_is_discarded(away: Away) -> None:
    run = away.training()
    away.ground.scheduler.discard(run.id)
    assert not run.path.exists()
    wait(lambda: all(not lock.is_held(path) for path in away.place.folder.glob("jobs/*.lock")), what="the job to end")


def test_a_storage_that_does_not_answer_for_a_while_loses_nothing(away: Away, steady: Expected) -> None:
    run = away.training()
    hidden = away.place.folder.with_name("hidden")
    away.place.folder.rename(hidden)
    time.sleep(3.0)
    assert run.is_alive()
    hidden.rename(away.place.folder)
    away.finish(run)
    check_finished(away.ground, run, steady)
    assert len(away.place.jobs()) == 1


def test_a_place_that_was_forgotten_is_a_sentence_and_the_run_waits_for_the_person(away: Away) -> None:
    run = away.make_run()
    Places(away.ground.home).remove(NAME)
    away.start(run)
    wait(lambda: not run.is_alive(), what="the run to end")
    last = events(run)[-1]
    assert isinstance(last, Failed)
    assert last.message == f"There is no place '{NAME}' where runs train."


def _stepping(run: RunFolder) -> bool:
    return any(isinstance(event, Stepped) for event in events(run))


def _finalising(run: RunFolder) -> bool:
    return (last_step(run) or 0) >= 58


MOMENTS: dict[str, Callable[[RunFolder], bool]] = {
    "starting": lambda run: any(isinstance(event, Started) for event in events(run)),
    "stepping": _stepping,
    "saving": lambda run: bool(run.checkpoint_steps),
    "finalising": _finalising,
}


@pytest.mark.faults
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("who", ["here", "there", "both"])
def test_kills_at_every_moment(away: Away, steady: Expected, moment: str, who: str) -> None:
    run = away.make_run()
    away.start(run)
    wait(partial(MOMENTS[moment], run), what=moment, pause=0.005)
    if who in ("there", "both"):
        away.place.kill_node()
    holder = lock.holder(run.lock_path)
    if who in ("here", "both") and holder is not None:
        kill(holder)
        wait(lambda: not run.is_alive(), what="the lock to be let go of")
    check_whole(away.ground, run, steady)
    away.finish(run)
    check_finished(away.ground, run, steady)


@pytest.mark.faults
def test_a_place_whose_jobs_always_die_is_given_up(tmp_path: Path, tiny_model: Path, forkserver: Forkserver) -> None:
    ground = Ground(tmp_path / "home", tiny_model, carry)  # type: ignore[arg-type]
    place = add_next_door(ground.home, tmp_path / "place", forkserver, python="/bin/false")
    run = ground.make_run(place=NAME)
    ground.start(run)
    wait(lambda: not run.is_alive(), what="the run to give up", seconds=120)
    last = events(run)[-1]
    assert isinstance(last, Failed)
    assert "3 times without a word" in last.message
    assert len(place.jobs()) == 3
