"""Server and workers are killed under a group of runs, also as it gives way: nothing is lost, nothing is done twice."""

import random
import time

import pytest

from studio.runs import lock
from studio.runs.store import GIVE_WAY, RunFolder, RunGroup
from tests.faults.conftest import Tally
from tests.faults.ground import Expected, Ground, check_finished, check_whole, kill, wait
from tests.faults.test_server_kills import Server, check_endings, check_truth
from tests.processes import session_of
from tests.warm import Forkserver

GROUP = RunGroup("0123456789abcdef", "colours", ("seed",), gives_way=True)


def kill_worker(runs: list[RunFolder]) -> None:
    """Kill -9 whatever worker is at one of these runs."""
    for run in runs:
        holder = lock.holder(run.lock_path)
        if holder is not None:
            kill(holder)
            wait(lambda: not session_of(holder), what="the worker to be gone")  # noqa: B023


@pytest.mark.parametrize(
    ("size", "kills"),
    [(3, 3), pytest.param(20, 30, marks=[pytest.mark.faults, pytest.mark.timeout(3600)])],
    ids=["short", "whole"],
)
def test_a_group_survives_whatever_is_killed(
    ground: Ground, forkserver: Forkserver, steady: Expected, tally: Tally, size: int, kills: int
) -> None:
    rng = random.Random(23)
    runs = [ground.make_run(group=GROUP) for _ in range(size)]
    server = Server(ground.home, forkserver, *(each for run in runs for each in ("queue", run.id)))
    server.wait_until_done()
    for number in range(kills):
        time.sleep(rng.uniform(0.2, 2.0))
        if number % 3 == 0:
            single = ground.make_run()
            ground.another_server().enqueue(single.id)
            runs.append(single)
            time.sleep(rng.uniform(0.0, 0.6))
        power_fails = rng.random() < 0.5
        held = tally(f"kill -9 of the server of a group{' and its worker' if power_fails else ''}")
        server.kill()
        if power_fails:
            kill_worker(runs)
        for run in runs:
            check_truth(ground, run)
            check_whole(ground, run, steady)
        assert sum(run.is_alive() for run in runs) <= 1, "two runs at once"
        held()
        server = Server(ground.home, forkserver)
    server.kill()
    check_endings(ground, forkserver, runs, steady, tally)


def test_a_run_that_gave_way_ends_as_if_it_never_had(
    ground: Ground, forkserver: Forkserver, steady: Expected, tally: Tally
) -> None:
    first, second, single = ground.make_run(group=GROUP), ground.make_run(group=GROUP), ground.make_run()
    held = tally("a run gives way and goes on by itself, bit for bit")
    server = Server(ground.home, forkserver, "queue", first.id, "queue", second.id)
    try:
        wait(lambda: ground.state(first).view.step >= 3, what="steps of the first run")
        ground.another_server().enqueue(single.id)
        wait(lambda: first.stop_wanted == GIVE_WAY, what="the run to give way")
        wait(lambda: ground.state(single).status == "finished", seconds=90, what="the run that was started alone")
        assert ground.state(second).status != "finished", "the group went on first"
        for run in (first, second, single):
            wait(lambda: ground.state(run).status == "finished", seconds=90, what=f"{run.id} to end")  # noqa: B023
            wait(lambda: not run.is_alive(), what="its worker to be gone")  # noqa: B023
            check_finished(ground, run, steady)
        assert ground.state(first).view.deaths == []
    finally:
        server.kill()
    held()
