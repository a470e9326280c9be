"""One run on two nodes of a real Ray cluster: the losses of one process, and nodes and processes that die."""

import pytest

from studio.runs.store import RunFolder
from tests.cluster.conftest import RayCluster
from tests.cluster.test_ray import forkserver, ground, steady, tally
from tests.faults.ground import Expected, Ground, events, last_step, wait

__all__ = ["forkserver", "ground", "steady", "tally"]

pytestmark = pytest.mark.timeout(600)


def test_two_nodes_give_the_losses_of_one_process(ground: Ground, steady: Expected) -> None:
    run = ground.make_run(place="ray", nodes=2)
    ground.start(run)
    ground.finish(run, seconds=240)
    for event in events(run):
        print(event)
    print(run.log_tail())
    assert 0
