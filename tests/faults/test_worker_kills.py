"""The worker is killed at random moments, again and again, and every run ends as if nobody had touched it."""

import itertools
import random
import time
from dataclasses import dataclass

import pytest

from studio.models.forecast.plan import evaluation_steps
from studio.runs.launcher import Launch
from studio.runs.store import RunFolder
from tests.faults.conftest import Tally
from tests.faults.ground import (
    EARLY,
    PHASES,
    STEADY,
    Expected,
    Ground,
    check_finished,
    check_lost,
    events,
    kill,
    phase_of,
    wait,
)
from tests.warm import cold_launch

KILLS_A_RUN = 8
"""A run that was killed so often is left in peace, to end."""

COLD_SECONDS = 8.0
"""About so long a worker that is started from nothing takes to begin."""


@dataclass(frozen=True)
class Moment:
    """When a worker is killed: by a fault that it meets, or so many seconds after its start."""

    fault: str = ""
    seconds: float = 0.0
    evaluating: bool = False


def moment(phase: str, rng: random.Random, whole_seconds: float) -> Moment:
    """Choose a moment that is likely to lie in a phase; which one it was is told by what is left behind."""
    match phase:
        case "starting":
            return Moment(fault="kill@events.jsonl@1")
        case "loading":
            return Moment(seconds=rng.uniform(0.0, 0.4))
        case "evaluating":
            return Moment(seconds=rng.uniform(0.0, 0.1), evaluating=True)
        case "checkpoint":
            # Making the folder, its files, giving it its name, and letting go of an older one.
            return Moment(fault=f"kill@checkpoints/@{rng.randint(1, 25)}")
        case "finalising":
            return Moment(fault=f"kill@{rng.choice(('adapter.', 'adapter', 'reference.'))}@{rng.randint(1, 4)}")
    return Moment(seconds=rng.uniform(0.3, whole_seconds))


def strike(ground: Ground, run: RunFolder, when: Moment, launch: Launch | None, scored: frozenset[int]) -> int:
    """Start a run, kill its worker at a moment, and return the process that it was."""
    if launch is None and when.fault:
        ground.launch.fault = when.fault
    process_id = ground.start(run, launch)
    if when.fault:
        wait(lambda: not run.is_alive(), what="the worker to meet its fault or its end")
        return process_id
    if when.evaluating:
        before = len(events(run))
        wait(lambda: not run.is_alive() or _evaluates(run, before, scored), what="a check to begin", pause=0.001)
    time.sleep(when.seconds)
    kill(process_id)
    return process_id


def _evaluates(run: RunFolder, before: int, scored: frozenset[int]) -> bool:
    last = events(run)[before:][-1:]
    return bool(last) and getattr(last[0], "step", None) in scored and type(last[0]).__name__ == "Stepped"


def rarest(hits: dict[str, int], rng: random.Random) -> str:
    """Choose the phase that was hit least, and every other time any."""
    return min(PHASES, key=lambda phase: hits[phase]) if rng.random() < 0.7 else rng.choice(PHASES)


@pytest.mark.parametrize(
    ("kills", "cold"),
    [(6, 1), pytest.param(200, 12, marks=[pytest.mark.faults, pytest.mark.timeout(3600)])],
    ids=["short", "whole"],
)
def test_a_killed_worker_loses_nothing(
    ground: Ground, request: pytest.FixtureRequest, tally: Tally, kills: int, cold: int
) -> None:
    rng = random.Random(5)
    hits = dict.fromkeys(PHASES, 0)
    left = kills
    for name in itertools.cycle(("steady", "early") if kills > 6 else ("steady",)):
        if left <= 0:
            break
        settings: dict[str, object] = {"steady": STEADY, "early": EARLY}[name]
        expected: Expected = request.getfixturevalue(name)
        run, struck = ground.make_run(**settings), 0
        scored = evaluation_steps(expected.total_steps)
        while left > 0 and struck < KILLS_A_RUN:
            is_cold = cold > 0 and left % max(1, kills // cold) == 0
            when = moment(rarest(hits, rng), rng, expected.seconds)
            if is_cold:
                when = Moment(seconds=rng.uniform(0.0, COLD_SECONDS))
            began, since, before = time.monotonic(), time.time(), len(events(run))
            process_id = strike(ground, run, when, cold_launch() if is_cold else None, scored)
            wait(lambda: not run.is_alive(), what="the worker to be gone")  # noqa: B023
            if ground.state(run).status == "finished":
                break  # it was quicker than the blow
            phase = phase_of(run, expected.total_steps, since=since, before=before)
            held = tally(f"kill -9 of the worker while {phase}", seconds=time.monotonic() - began)
            check_lost(ground, run, process_id, expected)
            hits[phase] += 1
            left, struck, cold = left - 1, struck + 1, cold - is_cold
            held()
        held = tally("a run killed up to eight times goes on to the same end, bit for bit")
        ground.finish(run)
        check_finished(ground, run, expected)
        held()
    if kills > 50:
        assert all(hits.values()), hits
