"""A run on several nodes of a place, here processes beside one another: whichever dies, it ends as one undisturbed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from studio.events import Loading, Noted
from studio.jobs.places.away import read_away
from studio.runs.store import RunFolder
from tests.faults.ground import Expected, Ground, check_finished, events, expected_of, wait
from tests.faults.place import add_next_door
from tests.faults.test_places import Away, away, carry
from tests.warm import Forkserver, WarmLaunch

__all__ = ["away"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, forkserver: Forkserver) -> Iterator[Expected]:
    """What a run on two nodes ends in that nobody disturbs. It drops out at random."""
    folder = tmp_path_factory.mktemp("shared")
    ground = Ground(folder / "home", tiny_model, carry)  # type: ignore[arg-type]
    place = add_next_door(ground.home, folder / "place", forkserver)
    run = ground.make_run(place="next-door", nodes=2)
    ground.finish(run)
    yield expected_of(run, ground.state(run), seconds=0.0)
    place.kill_node()


def attempts(run: RunFolder) -> int:
    away = read_away(run.path)
    assert away is not None
    return away.attempt


def assert_alike(found: Expected, expected: Expected) -> None:
    """Assert that two runs did the same but for rounding."""
    assert [step[:2] for step in found.steps] == [step[:2] for step in expected.steps]
    for one, other in zip(found.steps, expected.steps, strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    assert found.kept_step == expected.kept_step
    for name, weights in found.weights.items():
        assert torch.allclose(weights, expected.weights[name], rtol=1e-2, atol=1e-4), name


def test_two_nodes_give_the_losses_of_one_process(away: Away, forkserver: Forkserver) -> None:
    here = Ground(away.ground.home.with_name("here"), away.ground.model, WarmLaunch(forkserver.address))
    alone, both = here.make_run(dropout=0.0), away.make_run(nodes=2, dropout=0.0)
    here.finish(alone)
    away.finish(both)
    first, second = (
        expected_of(alone, here.state(alone), seconds=0),
        expected_of(both, away.ground.state(both), seconds=0),
    )
    assert_alike(second, first)
    assert attempts(both) == 1
    assert not list(away.place.scratch.glob("run-*")), "a folder that a node worked in was not deleted"


@pytest.mark.parametrize("number", [pytest.param(0, marks=pytest.mark.faults), 1])
def test_a_process_dies_on_a_node_and_the_run_goes_on(away: Away, shared: Expected, number: int) -> None:
    run = away.training(nodes=2)
    away.place.kill_worker(number)
    away.finish(run)
    check_finished(away.ground, run, shared)
    assert attempts(run) == 2


def test_the_run_goes_on_on_the_nodes_that_are_left(away: Away, shared: Expected) -> None:
    """What it drops out at random is the same too, however many nodes share a step."""
    run = away.training(nodes=2)
    away.place.set_nodes(1)
    away.place.kill_worker(1)
    away.finish(run)
    assert_alike(expected_of(run, away.ground.state(run), seconds=0), shared)
    told = [event.text for event in events(run) if isinstance(event, Noted)]
    assert any(text.startswith("The run goes on from step ") and "on 1 of 2 nodes" in text for text in told), told


@pytest.mark.faults
def test_a_run_waits_for_nodes_that_are_not_there_and_can_be_stopped(away: Away) -> None:
    run = away.make_run(nodes=3)
    away.start(run)
    sentence = "The run asks for 3 nodes, and it fits on 2 of those that are there."
    wait(lambda: any(isinstance(event, Loading) and sentence in event.what for event in events(run)), what="it")
    away.ground.scheduler.stop(run.id)
    wait(lambda: not run.is_alive(), what="the run to stop")
    assert away.ground.state(run).status == "stopped"
    away.place.set_nodes(3)
    away.finish(run)
    assert attempts(run) == 2


@pytest.mark.faults
def test_it_stops_on_all_nodes_when_it_is_asked_to_and_goes_on(away: Away, shared: Expected) -> None:
    run = away.training(nodes=2)
    away.ground.scheduler.stop(run.id)
    wait(lambda: not run.is_alive(), what="the run to stop")
    state = away.ground.state(run)
    assert state.status == "stopped", state.headline
    assert run.checkpoint_steps[-1] == state.view.step, "the last step was not saved"
    wait(lambda: not away.place.workers(), what="the workers there to end")
    away.finish(run)
    check_finished(away.ground, run, shared)
