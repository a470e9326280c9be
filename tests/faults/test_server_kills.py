"""The server is killed at random moments; the next one goes on where it was: no run is forgotten or trains twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunFolder
from studio.runs.view import WORKING, died_twice
from tests.faults import hook
from tests.faults.conftest import Tally
from tests.faults.ground import Expected, Ground, check_finished, check_whole, kill, wait
from tests.processes import session_of
from tests.warm import Forkserver

LONGEST_SECONDS = 2.5
"""So long after it is up a server is killed at the latest."""


class Server:
    """A server with its queue, in a process of its own."""

    def __init__(self, home: Path, forkserver: Forkserver, *verbs: str, fault: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", str(home), str(forkserver.address), *verbs],
            cwd=PROJECT_ROOT,
            env={**os.environ, hook.VARIABLE: fault},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    def wait_until_done(self) -> None:
        """Wait until it has done what it was told, or has died of its fault."""
        assert self.process.stdout is not None
        while self.process.stdout.readline() not in ("done\n", ""):
            continue

    def kill(self) -> None:
        """Kill -9 the server alone."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def check_truth(ground: Ground, run: RunFolder) -> None:
    """Assert that what a new server says of a run agrees with the process table and the queue."""
    before = run.is_alive()
    state = ground.another_server().view(run.id)
    if before != run.is_alive():
        return  # it ended or began while it was looked at
    if before:
        holder = lock.holder(run.lock_path)
        assert holder is None or session_of(holder) or not run.is_alive(), "held, and nobody there"
        if state.status not in WORKING and state.view.ended_at is not None:  # it has said its last word, and leaves
            wait(lambda: not run.is_alive(), what="the worker to leave after its end")
            check_truth(ground, run)
            return
        assert state.status in WORKING, state.status
    else:
        assert state.status not in WORKING, state.status
        waits = run.id in ground.scheduler.queue.line().waiting
        assert waits == (state.status == "queued"), (waits, state.status)
    assert state.headline


def fault_for(rng: random.Random, home: Path) -> str:
    """Choose a change of a file at which the server dies: its queue, a run's lock and log, why one was lost."""
    where = rng.choice(("queue.", "queue.json", "run.lock", "worker.log", "lost.json", str(home)))
    return f"kill@{where}@{rng.randint(1, 6)}"


@pytest.mark.parametrize(
    "kills",
    [2, pytest.param(50, marks=[pytest.mark.faults, pytest.mark.timeout(3600)])],
    ids=["short", "whole"],
)
def test_a_killed_server_forgets_nothing(
    ground: Ground, forkserver: Forkserver, steady: Expected, tally: Tally, kills: int
) -> None:
    """Runs wait and train; they end by themselves, however often it dies, and the computer with it."""
    rng = random.Random(11)
    left = kills
    while left > 0:
        runs = [ground.make_run() for _ in range(2)]
        verbs = [each for run in runs for each in ("queue", run.id)]
        for _ in range(min(left, 6)):
            fault = fault_for(rng, ground.home) if rng.random() < 0.6 else ""
            power_fails = rng.random() < 0.3  # the worker dies with it
            server = Server(ground.home, forkserver, *verbs, fault=fault)
            until = time.monotonic() + rng.uniform(0.0, LONGEST_SECONDS)
            wait(lambda: server.process.poll() is not None or time.monotonic() > until, what="the moment")  # noqa: B023
            moment = "at any moment" if server.process.poll() is None else "as it changes a file"
            held = tally(f"kill -9 of the server {moment}")
            if power_fails:
                for run in runs:
                    holder = lock.holder(run.lock_path)
                    if holder is not None:
                        kill(holder)
                        wait(lambda: not session_of(holder), what="the worker to be gone")  # noqa: B023
            server.kill()
            for run in runs:
                check_truth(ground, run)
                check_whole(ground, run, steady)
            assert sum(run.is_alive() for run in runs) <= 1, "two runs at once"
            held()
            verbs = []
            left -= 1
        check_endings(ground, forkserver, runs, steady, tally)


def check_endings(
    ground: Ground, forkserver: Forkserver, runs: list[RunFolder], expected: Expected, tally: Tally
) -> None:
    """Let a last server end what the killed ones began. A person only starts what waits for one, and says so."""
    verbs = []
    for run in runs:
        state = ground.state(run)
        if state.status == "draft" or died_twice(state.view):
            assert state.status == "draft" or "waits for you" in state.headline or state.status != "lost"
            verbs += ["queue", run.id]
    held = tally("runs whose servers were killed end by themselves, bit for bit")
    server = Server(ground.home, forkserver, *verbs)
    try:
        for run in runs:
            wait(lambda: ground.state(run).status == "finished", seconds=90, what=f"{run.id} to end")  # noqa: B023
            wait(lambda: not run.is_alive(), what="its worker to be gone")  # noqa: B023
            check_finished(ground, run, expected)
    finally:
        server.kill()
    held()


@pytest.mark.parametrize("verb", ["stop", pytest.param("discard", marks=pytest.mark.faults)])
def test_a_wish_to_end_a_run_outlives_the_server(
    ground: Ground, forkserver: Forkserver, tally: Tally, verb: str
) -> None:
    """A server that died between the request and the stop left a run that trained on and said that it stops."""
    held = tally(f"kill -9 of the server between the request to {verb} and its end")
    run = ground.make_run(epochs=100)  # it must not be done before the next server is up
    process_id = ground.start(run)
    os.kill(process_id, signal.SIGSTOP)  # it cannot hear the request
    fault = "kill@/bin@1" if verb == "discard" else ""
    server = Server(ground.home, forkserver, verb, run.id, fault=fault)
    server.wait_until_done()
    server.kill()
    if verb == "stop":
        assert ground.state(run).status == "stopping"
        os.kill(process_id, signal.SIGCONT)
    server = Server(ground.home, forkserver)
    try:
        if verb == "stop":
            wait(lambda: ground.state(run).status == "stopped", seconds=120, what="the run to stop")
        else:
            wait(lambda: ground.store.binned(), seconds=120, what="the run to be thrown away")
            assert not run.path.exists()
        wait(lambda: not session_of(process_id), what="the worker to be gone")
    finally:
        server.kill()
    held()
