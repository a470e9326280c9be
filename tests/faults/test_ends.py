"""Pauses, wishes and company: a worker that is held up, one that is thrown away, two servers, and very many runs."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from studio.errors import RunError
from studio.events import Started
from studio.runs.launcher import PROJECT_ROOT, kill_group
from studio.runs.store import RunFolder
from tests.faults.conftest import Tally
from tests.faults.ground import (
    Expected,
    Ground,
    check_finished,
    check_whole,
    events,
    kill,
    last_step,
    wait,
)
from tests.faults.test_server_kills import Server
from tests.processes import session_of
from tests.warm import ONE_THREAD, Forkserver


@pytest.mark.parametrize("seconds", [0.5, pytest.param(40.0, marks=[pytest.mark.faults])], ids=["short", "whole"])
def test_a_worker_that_is_held_up(ground: Ground, steady: Expected, tally: Tally, seconds: float) -> None:
    held = tally(f"SIGSTOP for {seconds:g} s")
    run = ground.make_run()
    process_id = ground.start(run)
    wait(lambda: (last_step(run) or 0) >= 12, what="step 12")
    os.kill(process_id, signal.SIGSTOP)
    time.sleep(seconds)
    state = ground.state(run)
    assert state.status == "training"
    assert state.seconds_left is not None
    assert 0 <= state.seconds_left < 60
    os.kill(process_id, signal.SIGCONT)
    wait(lambda: (last_step(run) or 0) >= 20, what="step 20")
    left = ground.state(run).seconds_left
    assert left is None or left < 60, "one pause is no pace"
    wait(lambda: not run.is_alive(), what="the end")
    check_finished(ground, run, steady)
    held()


@pytest.mark.faults
def test_a_worker_that_is_held_up_and_shall_stop_is_killed_after_the_grace(
    ground: Ground, steady: Expected, tally: Tally
) -> None:
    held = tally("a worker that does not hear the request to stop")
    run = ground.make_run()
    process_id = ground.start(run)
    wait(lambda: len(run.checkpoint_steps) >= 2, what="checkpoints")
    os.kill(process_id, signal.SIGSTOP)
    ground.scheduler.stop(run.id, grace_seconds=0.5)
    assert ground.state(run).status == "stopping"
    wait(lambda: not run.is_alive(), seconds=60, what="it to be killed")
    wait(lambda: not session_of(process_id), what="the worker to be gone")
    state = ground.state(run)
    assert state.status == "stopped"
    assert "ended by force" in state.headline
    assert ground.another_server().recover() == ()
    check_whole(ground, run, steady)
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


@pytest.mark.faults
def test_stopping_at_any_moment_keeps_a_result_and_goes_on_to_the_same_end(
    ground: Ground, steady: Expected, tally: Tally
) -> None:
    run = ground.make_run()
    for steps in (1, 8, 16, 24):
        held = tally("stop and keep, then resume")
        process_id = ground.start(run)
        wait(lambda: (last_step(run) or 0) >= steps, what="a step", pause=0.001)  # noqa: B023
        ground.scheduler.stop(run.id)
        wait(lambda: not run.is_alive(), what="it to stop")
        wait(lambda: not session_of(process_id), seconds=60, what="its last process to be gone")  # noqa: B023
        state = ground.state(run)
        assert state.status == "stopped"
        assert "What it learned is saved." in state.headline
        assert run.result == run.path / "adapter"
        check_whole(ground, run, steady)
        held()
    ground.finish(run)
    check_finished(ground, run, steady)


def test_deleting_a_run_while_it_trains(ground: Ground, steady: Expected, tally: Tally) -> None:
    held = tally("deleting a run while it trains")
    run = ground.make_run()
    process_id = ground.start(run)
    wait(lambda: len(run.checkpoint_steps) >= 2, what="checkpoints")
    with pytest.raises(RunError, match="still at work"):
        ground.scheduler.delete(run.id)
    assert run.is_alive()
    ground.another_server().discard(run.id)
    wait(lambda: not session_of(process_id), seconds=60, what="the worker to be gone")
    assert ground.store.all() == ()
    assert ground.another_server().recover() == ()
    with pytest.raises(RunError, match="no run"):
        ground.scheduler.view(run.id)
    (binned,) = ground.store.binned()
    restored = ground.store.restore(binned.id)
    assert ground.another_server().recover() == (), "what was thrown away and taken back waits for the person"
    assert ground.state(restored).status == "stopped"
    ground.scheduler.delete(restored.id)
    restored = ground.store.restore(restored.id)
    ground.finish(restored)
    check_finished(ground, restored, steady)
    held()


def workers_of(run: RunFolder) -> int:
    """Count the workers that a run ever had."""
    return sum(isinstance(event, Started) for event in events(run))


@pytest.mark.parametrize("runs", [2, pytest.param(12, marks=[pytest.mark.faults])], ids=["short", "whole"])
def test_two_servers_on_one_folder(ground: Ground, forkserver: Forkserver, tally: Tally, runs: int) -> None:
    made = [ground.make_run(epochs=1) for _ in range(runs)]
    for run in made:
        ground.scheduler.queue.add(run.id)
    servers = [Server(ground.home, forkserver) for _ in range(2)]
    try:
        while not all(ground.state(run).status == "finished" for run in made):
            assert sum(run.is_alive() for run in made) <= 1
            time.sleep(0.05)
    finally:
        for server in servers:
            server.kill()
    for run in made:
        held = tally("a run that two servers might start")
        assert workers_of(run) == 1
        held()


@pytest.mark.parametrize(
    "count", [200, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.timeout(900)])], ids=["short", "whole"]
)
def test_very_many_runs(ground: Ground, steady: Expected, tally: Tally, count: int) -> None:
    """The limits leave room for a busy machine: what is measured is printed in the table."""
    held = tally(f"{count:,} runs in the folder: a run is interrupted, recovered and ends")
    run = ground.interrupted()
    finished = ground.make_run(epochs=1)
    ground.finish(finished)
    for number in range(count):
        folder = run.path.parent / f"20200101-000000-run-{number}"
        folder.mkdir()
        for name in ("config.json", "origin.json", "train.jsonl", "val.jsonl", "events.jsonl", "worker.log"):
            os.link(finished.path / name, folder / name)
    measured: dict[str, float] = {}
    run.lost_path.unlink()
    server = ground.another_server()

    def timed(what: str) -> None:
        measured[what] = time.monotonic() - began
        tally(f"    {what}", seconds=measured[what])()

    began = time.monotonic()
    assert server.recover() == (run.id,)
    timed(f"{count:,} runs: a server starts and finds the one that was lost")
    began = time.monotonic()
    server.tick()
    timed(f"{count:,} runs: the one whose turn it is starts")
    began = time.monotonic()
    assert server.view(run.id).status in ("preparing", "training")
    timed(f"{count:,} runs: a look at one")
    began = time.monotonic()
    ground.make_run()
    timed(f"{count:,} runs: a new one is made")
    wait(lambda: not run.is_alive(), what="it to end")
    check_finished(ground, run, steady)
    held()
    assert measured[f"{count:,} runs: a server starts and finds the one that was lost"] < 5 + count / 200
    for path in run.path.parent.glob("20200101-*"):
        shutil.rmtree(path)


TWO_PROCESSES = """
import sys
from pathlib import Path
from studio.jobs.tasks import Train
from studio.runs.launcher import write_task
from studio.workers.job import run_job
from studio.workers.train import train_run
task = Train(Path(sys.argv[1]))
write_task(task)
run_job("train", task.paths.events, lambda job: train_run(job, task, processes=2))
"""


@pytest.mark.faults
@pytest.mark.parametrize("trains", [False, True], ids=["before it trains", "as it trains"])
def test_the_other_processes_of_a_run_end_with_the_first(ground: Ground, tally: Tally, trains: bool) -> None:
    """Where several GPUs work on a run, the others waited for half an hour for one that had been killed."""
    held = tally("kill -9 of the first of two processes of a run")
    run = ground.make_run(rows=64)
    first = subprocess.Popen(
        [sys.executable, "-c", TWO_PROCESSES, str(run.path)],
        cwd=PROJECT_ROOT,
        env={**os.environ, **ONE_THREAD, "ACCELERATE_USE_CPU": "true"},
        start_new_session=True,
    )
    try:
        if trains:
            wait(lambda: last_step(run), seconds=120, what="a step")
        else:
            wait(lambda: len(session_of(first.pid)) == 2, seconds=120, what="the second process")
        first.kill()
        first.wait()
        wait(lambda: not session_of(first.pid), seconds=60, what="the second process to end")
    finally:
        kill_group(first.pid)
    held()


@pytest.mark.faults
def test_a_run_that_dies_twice_at_the_same_step_waits_for_the_person(ground: Ground, tally: Tally) -> None:
    held = tally("a run that dies twice at the same step is not recovered")
    run = ground.make_run()
    for lives in (1, 2):
        server = ground.another_server()
        if lives == 1:
            server.enqueue(run.id)
        else:
            assert server.recover() == (run.id,)
            server.tick()
        started = functools.partial(lambda lives: workers_of(run) == lives, lives)
        wait(started, what="it to start")
        kill(int(run.lock_path.read_text()))
        wait(lambda: not run.is_alive(), what="it to die")
    assert ground.another_server().recover() == ()
    assert "ended twice at the same step, so it waits for you" in ground.state(run).headline
    held()
