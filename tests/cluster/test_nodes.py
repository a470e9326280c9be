"""One run on two nodes of a real Ray cluster: the losses of one process, and nodes and processes that die."""

from pathlib import Path

import pytest
import torch

from studio.events import Loading, Noted
from studio.jobs.places.away import read_away
from studio.jobs.places.book import Places
from studio.jobs.places.ray_jobs import RayEngine
from studio.runs import lock
from studio.runs.store import RunFolder
from tests.cluster.conftest import RayCluster
from tests.cluster.test_ray import carry, forkserver, ground, steady, tally
from tests.faults.ground import Expected, Ground, check_finished, events, expected_of, kill, last_step, wait

__all__ = ["forkserver", "ground", "steady", "tally"]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, cluster: RayCluster) -> Expected:
    """What a run on two nodes ends in that nobody disturbs. It drops out at random."""
    ground = Ground(tmp_path_factory.mktemp("shared") / "home", tiny_model, carry)  # type: ignore[arg-type]
    Places(ground.home).add(cluster.place())
    run = ground.make_run(place="ray", nodes=2)
    ground.finish(run, seconds=240)
    return expected_of(run, ground.state(run), seconds=0.0)


def training(ground: Ground, **settings: object) -> RunFolder:
    """Return a run on two nodes that is beyond its first checkpoint."""
    run = ground.make_run(place="ray", nodes=2, **settings)
    ground.start(run)
    wait(lambda: run.checkpoint_steps or not run.is_alive(), what="a checkpoint here", pause=0.05, seconds=180)
    newest = run.checkpoint_steps[-1]
    wait(lambda: (last_step(run) or 0) > newest, what="a step beyond it", pause=0.05)
    return run


def attempts(run: RunFolder) -> int:
    away = read_away(run.path)
    assert away is not None
    return away.attempt


def test_two_nodes_give_the_losses_of_one_process(ground: Ground, cluster: RayCluster) -> None:
    alone, shared = (ground.make_run(place="ray", nodes=nodes, dropout=0.0) for nodes in (1, 2))
    ground.finish(alone, seconds=240)
    ground.start(shared)
    wait(lambda: last_step(shared), what="a step", seconds=120)
    assert sorted(cluster.workers()) == [0, 1]
    ground.finish(shared, seconds=240)
    first, second = (expected_of(run, ground.state(run), seconds=0.0) for run in (alone, shared))
    assert [step[:2] for step in first.steps] == [step[:2] for step in second.steps]
    for one, other in zip(first.steps, second.steps, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    assert [loss for _, loss in first.evaluations] == pytest.approx([loss for _, loss in second.evaluations], rel=1e-4)
    assert first.kept_step == second.kept_step
    for name, weights in first.weights.items():
        assert torch.allclose(weights, second.weights[name], rtol=1e-3, atol=1e-5), name


def test_the_worker_here_dies_and_finds_the_job_of_two_nodes_again(ground: Ground, shared: Expected) -> None:
    run = training(ground)
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    wait(lambda: not run.is_alive(), what="the lock to be let go of")
    ground.finish(run, seconds=240)
    check_finished(ground, run, shared)
    assert attempts(run) == 1


def test_a_run_on_two_nodes_stops_when_it_is_asked_to_and_goes_on(ground: Ground, shared: Expected) -> None:
    run = training(ground)
    ground.scheduler.stop(run.id)
    wait(lambda: not run.is_alive(), what="the run to stop")
    state = ground.state(run)
    assert state.status == "stopped", state.headline
    assert run.checkpoint_steps[-1] == state.view.step, "the last step was not saved"
    ground.finish(run, seconds=240)
    check_finished(ground, run, shared)


def test_who_stops_the_job_at_the_cluster_has_its_work_put_away(
    ground: Ground, cluster: RayCluster, shared: Expected
) -> None:
    run = training(ground)
    away = read_away(run.path)
    assert away is not None
    RayEngine(cluster.place(), Places(ground.home)).stop(away.job)
    wait(lambda: not run.is_alive(), what="the run to stop", seconds=120)
    state = ground.state(run)
    assert state.status == "stopped", state.headline
    assert run.checkpoint_steps[-1] == state.view.step, "the last step was not saved"
    ground.finish(run, seconds=240)
    check_finished(ground, run, shared)


@pytest.mark.parametrize("number", [0, 1])
def test_a_process_on_a_node_dies_and_the_run_goes_on(
    ground: Ground, cluster: RayCluster, shared: Expected, number: int
) -> None:
    run = training(ground)
    cluster.workers()[number].kill()
    ground.finish(run, seconds=300)
    check_finished(ground, run, shared)
    assert attempts(run) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_a_node_dies_and_the_run_goes_on_on_two_others(
    ground: Ground, cluster: RayCluster, shared: Expected, number: int
) -> None:
    run = training(ground)
    cluster.kill_busy_node(number)
    cluster.add_node()
    ground.finish(run, seconds=300)
    check_finished(ground, run, shared)


def test_a_node_dies_for_good_and_the_run_goes_on_on_the_other(
    ground: Ground, cluster: RayCluster, shared: Expected
) -> None:
    run = training(ground)
    cluster.kill_busy_node(1)
    try:
        ground.finish(run, seconds=400)
    finally:
        cluster.add_node()
    found = expected_of(run, ground.state(run), seconds=0.0)
    assert [step[0] for step in found.steps] == [step[0] for step in shared.steps]
    for one, other in zip(found.steps, shared.steps, strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    told = [event.text for event in events(run) if isinstance(event, Noted)]
    assert any(text.startswith("The run goes on from step ") and "on 1 of 2 nodes" in text for text in told), told


def test_the_head_dies_and_comes_back_under_a_run_on_two_nodes(
    ground: Ground, cluster: RayCluster, shared: Expected
) -> None:
    run = training(ground)
    cluster.end()
    cluster.nodes.clear()
    cluster.start(nodes=2)
    ground.finish(run, seconds=400)
    check_finished(ground, run, shared)


def test_a_run_that_asks_for_more_nodes_than_there_are_waits(ground: Ground, cluster: RayCluster) -> None:
    place = cluster.place()
    assert RayEngine(place, Places(ground.home)).nodes() == 2
    run = ground.make_run(place="ray", nodes=3)
    ground.start(run)
    sentence = "The run asks for 3 nodes, and it fits on 2 of those that are there."
    wait(
        lambda: any(isinstance(event, Loading) and sentence in event.what for event in events(run)),
        what="the sentence",
        seconds=120,
        pause=0.1,
    )
    cluster.add_node()
    try:
        wait(lambda: last_step(run), what="a step", seconds=180, pause=0.1)
        assert sorted(cluster.workers()) == [0, 1, 2]
        ground.scheduler.discard(run.id)
        wait(lambda: not cluster.workers(), what="the workers there to end", seconds=120, pause=0.5)
    finally:
        cluster.end_node()
    assert not run.path.exists()
