"""Runs on a real Ray cluster that shares no folder with the studio: its losses, its checks, and nodes that die."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import NoAnswer
from studio.jobs.jobs import Jobs
from studio.jobs.places.away import read_away
from studio.jobs.places.book import Place, Places
from studio.jobs.places.ray_jobs import RayEngine
from studio.jobs.tasks import CheckPlace, Train, TrainElsewhere
from studio.runs import lock
from studio.runs.launcher import Task, Worker, launch
from studio.runs.store import RunFolder
from tests.cluster.conftest import RayCluster, free_port
from tests.faults.conftest import forkserver, steady, tally
from tests.faults.ground import Expected, Ground, check_finished, kill, last_step, wait

__all__ = ["forkserver", "steady", "tally"]

pytestmark = pytest.mark.timeout(600)


def carry(task: Task, /) -> Worker:
    """Start the worker here of a run that trains elsewhere: a real process."""
    assert isinstance(task, Train)
    return launch(TrainElsewhere(task.run), command=(sys.executable, "-m", "studio.workers"))


@pytest.fixture
def ground(tmp_path: Path, tiny_model: Path, cluster: RayCluster) -> Iterator[Ground]:
    ground = Ground(tmp_path / "home", tiny_model, carry)  # type: ignore[arg-type]
    Places(ground.home).add(cluster.place())
    yield ground
    for run in ground.store.all():
        ground.scheduler.discard(run.id)


def training(ground: Ground) -> RunFolder:
    """Return a run on the cluster that is beyond its first checkpoint."""
    run = ground.make_run(place="ray")
    ground.start(run)
    wait(lambda: run.checkpoint_steps or not run.is_alive(), what="a checkpoint here", pause=0.05, seconds=180)
    newest = run.checkpoint_steps[-1]
    wait(lambda: (last_step(run) or 0) > newest, what="a step beyond it", pause=0.05)
    return run


def test_a_cluster_says_what_it_is(ground: Ground, cluster: RayCluster) -> None:
    task = CheckPlace(ground.home, "ray")
    jobs = Jobs(lambda task: launch(task, command=(sys.executable, "-m", "studio.workers")))
    jobs.start(task)
    state = jobs.wait(task)
    assert state.ready, (state.sentence, state.failed)
    check = Places(ground.home).last_check("ray")
    assert check is not None
    assert check.facts is not None
    assert check.facts.cores >= 1
    assert dict(check.facts.versions)["torch"]
    assert check.doubts == ()
    assert check.facts.nodes == 2, "the head has no cores to train on"


def test_a_run_on_a_cluster_ends_as_one_here(ground: Ground, steady: Expected) -> None:
    run = ground.make_run(place="ray")
    ground.start(run)
    ground.finish(run, seconds=240)
    check_finished(ground, run, steady)


def test_the_worker_here_dies_and_finds_the_job_again(ground: Ground, steady: Expected) -> None:
    run = training(ground)
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    wait(lambda: not run.is_alive(), what="the lock to be let go of")
    ground.finish(run, seconds=240)
    check_finished(ground, run, steady)
    assert read_away(run.path).attempt == 1  # type: ignore[union-attr]


def test_it_stops_when_it_is_asked_to_and_goes_on(ground: Ground, steady: Expected) -> None:
    run = training(ground)
    ground.scheduler.stop(run.id)
    wait(lambda: not run.is_alive(), what="the run to stop")
    state = ground.state(run)
    assert state.status == "stopped", state.headline
    ground.finish(run, seconds=240)
    check_finished(ground, run, steady)


def test_a_node_dies_and_the_run_goes_on_on_another(ground: Ground, cluster: RayCluster, steady: Expected) -> None:
    run = training(ground)
    cluster.kill_busy_node()
    cluster.add_node()
    ground.finish(run, seconds=300)
    check_finished(ground, run, steady)
    assert read_away(run.path).attempt == 2  # type: ignore[union-attr]


def test_the_head_dies_and_comes_back(ground: Ground, cluster: RayCluster, steady: Expected) -> None:
    run = training(ground)
    cluster.end()
    cluster.nodes.clear()
    cluster.start(nodes=2)
    ground.finish(run, seconds=400)
    check_finished(ground, run, steady)


def test_a_cluster_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    place = Place("ray", "ray", address=f"http://127.0.0.1:{free_port()}", files_address="http://127.0.0.1:9")
    with pytest.raises(NoAnswer, match="does not answer"):
        RayEngine(place, Places(tmp_path), answer_seconds=20).state("lora-studio-run-0-1")
