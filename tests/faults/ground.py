"""A data folder in which workers are hurt, and what must be true of it whatever was done to them."""

import copy
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from studio.config import RunConfig
from studio.errors import StudioError
from studio.events import Checking, Evaluated, Event, Finished, Prepared, Saved, Stepped
from studio.jobs.places.ending import EndingJobs
from studio.jobs.tasks import Train
from studio.ml.checkpoints import read_progress
from studio.models.forecast.plan import evaluation_steps
from studio.runs import lock
from studio.runs.event_log import read_events
from studio.runs.launcher import Launch
from studio.runs.scheduler import RunState, Scheduler
from studio.runs.store import RunFolder, RunGroup, RunStore
from tests.processes import session_of
from tests.warm import WarmLaunch
from tests.workers.conftest import examples

PHASES = ("starting", "loading", "stepping", "evaluating", "checkpoint", "finalising")

_ONE_FORMAT: dict[str, Any] = {"precision": "fp32"}
"""What "auto" means is measured: a busy moment could give two runs that are compared two formats."""

STEADY: dict[str, Any] = {**_ONE_FORMAT, "learning_rate": 2e-3, "dropout": 0.1, "early_stopping": False}
"""Gets better at each check, and drops out at random: the RNG state must be taken up again."""

_TOO_FAST = {"learning_rate": 0.03, "rank": 32, "dropout": 0.1, "early_stopping": True, "patience": 1}
EARLY: dict[str, Any] = {**_ONE_FORMAT, **_TOO_FAST}
"""Learns too fast, gets worse, and ends early at its best."""


@dataclass(frozen=True)
class Expected:
    """All that a run says and leaves that was never disturbed."""

    steps: tuple[tuple[float, ...], ...]
    evaluations: tuple[tuple[int, float], ...]
    samples: tuple[tuple[int, int, str], ...]
    kept_step: int | None
    weights: dict[str, torch.Tensor]
    total_steps: int
    seconds: float


@dataclass
class Ground:
    """A data folder with one scheduler, as a server has it."""

    home: Path
    model: Path
    launch: WarmLaunch
    clock: Callable[[], float] = time.time
    scheduler: Scheduler = field(init=False)

    def __post_init__(self) -> None:
        self.store = RunStore(self.home)
        self.scheduler = self.another_server()

    def another_server(self, launch: Launch | None = None) -> Scheduler:
        """Return what a server that is started now has: it remembers nothing."""
        store = RunStore(self.home)
        start = launch or self.launch
        server = Scheduler(
            store,
            self.home,
            launch=lambda run: start(Train(run.path)),
            clock=self.clock,
            make_room=lambda: None,
            let_go=lambda run: EndingJobs(self.home).add_run(run.path),
        )
        server.nearly_done_seconds = 0.0  # these runs take seconds
        return server

    def make_run(
        self, *, epochs: int = 5, rows: int = 24, held_out: int = 4, group: RunGroup | None = None, **settings: Any
    ) -> RunFolder:
        """Write a run that never started, of 60 steps."""
        config = RunConfig(model=str(self.model), epochs=epochs, batch_size=2, max_length=256, **(STEADY | settings))
        return self.store.create(
            config,
            dataset_id="colours",
            dataset_name="Colours",
            dataset_sha256="0" * 64,
            train=examples(rows),
            validation=examples(held_out),
            group=group,
        )

    def start(self, run: RunFolder, launch: Launch | None = None) -> int:
        """Have a run at work, and return its process."""
        (self.another_server(launch) if launch else self.scheduler).enqueue(run.id)
        trouble = self.scheduler.trouble(run.id)
        assert trouble is None, trouble
        process_id = lock.holder(run.lock_path)
        return process_id if process_id is not None else -1

    def finish(self, run: RunFolder, *, seconds: float = 120) -> None:
        """Have a run go on until it is done, without disturbing it."""
        if self.scheduler.view(run.id).can_resume:
            self.start(run)

        def rests() -> bool:
            self.scheduler.tick()
            return not run.is_alive() and run.id not in self.scheduler.queue.line().waiting

        wait(rests, seconds=seconds, what=f"{run.id} to end")
        state = self.scheduler.view(run.id)
        assert state.status == "finished", (state.status, state.headline, run.log_tail())

    def interrupted(self, *, checkpoints: int = 2, **settings: Any) -> RunFolder:
        """Return a run of which the worker was killed between two of its later checkpoints."""
        run = self.make_run(**settings)
        process_id = self.start(run)
        wait(lambda: len(run.checkpoint_steps) >= checkpoints, what="checkpoints", pause=0.001)
        newest = run.checkpoint_steps[-1]
        wait(lambda: (last_step(run) or 0) > newest or not run.is_alive(), what="a step beyond them", pause=0.001)
        kill(process_id)
        check_lost(self, run, process_id)
        return run

    def state(self, run: RunFolder) -> RunState:
        """Return what a server that knows nothing yet says of a run."""
        return self.another_server().view(run.id)


def wait(condition: Callable[[], object], *, seconds: float = 60, what: str = "it", pause: float = 0.005) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(pause)


def events(run: RunFolder) -> list[Event]:
    """Return all that a run said."""
    return [record.event for record in read_events(run.events_path)[0]]


def last_step(run: RunFolder) -> int | None:
    """Return the last step that a run said to have done."""
    return next((event.step for event in reversed(events(run)) if isinstance(event, Stepped)), None)


def kill(process_id: int) -> None:
    """Kill -9 one process, and not its group: nobody tidies up behind it."""
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return


def phase_of(run: RunFolder, total_steps: int, *, since: float, before: int) -> str:
    """Say in which phase a worker died that was started at `since`, behind `before` events, by what it left behind."""
    if [path for path in run.path.glob("checkpoints/.*") if path.stat().st_mtime >= since]:
        return "checkpoint"
    life = events(run)[before:]
    if not life:
        return "starting"
    if [path for name in ("adapter", ".adapter.*") for path in run.path.glob(name) if path.stat().st_mtime >= since]:
        return "finalising"
    scored = evaluation_steps(total_steps)
    last = next((event for event in reversed(life) if isinstance(event, Stepped | Evaluated | Saved)), None)
    if last is None:
        return "evaluating" if isinstance(life[-1], Prepared | Checking) else "loading"
    if isinstance(last, Stepped) and last.step in scored:
        return "evaluating"
    if last.step >= total_steps:
        return "finalising"
    return "stepping"


def check_whole(ground: Ground, run: RunFolder, expected: Expected | None = None) -> None:
    """Assert what is true of a run's files at every moment, whatever was done to its worker.

    A worker that goes on meanwhile may delete what only its training needed between two looks; then it is looked again.
    """
    deadline = time.monotonic() + 10
    while True:
        may_change = run.is_alive()
        try:
            _check_files(ground, run)
            break
        except (AssertionError, OSError, StudioError):
            if not may_change or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if expected is not None:
        view = ground.state(run).view
        assert tuple(map(numbers, view.steps)) == expected.steps[: len(view.steps)], "another course of losses"


def _check_files(ground: Ground, run: RunFolder) -> None:
    told = events(run)
    saved = [event.step for event in told if isinstance(event, Saved) and event.path.startswith("checkpoints/")]
    ended = isinstance(told[-1], Finished) and told[-1].status == "finished" if told else False
    if saved and not ended:
        assert saved[-1] in run.checkpoint_steps, "a completed checkpoint is lost"
    if not ended:
        for step in run.checkpoint_steps:
            assert read_progress(run.checkpoint(step)).step == step
    if run.result is not None:
        load_result(ground.model, run.result)


def check_lost(ground: Ground, run: RunFolder, process_id: int, expected: Expected | None = None) -> None:
    """Assert what is true of a run whose worker was killed."""
    wait(lambda: not run.is_alive(), seconds=60, what="the lock to be let go of")
    wait(lambda: not session_of(process_id), seconds=60, what="the last process of the worker to be gone")
    for server in (ground.scheduler, ground.another_server()):
        state = server.view(run.id)
        assert state.status == "lost", state.status
        assert state.diagnosis is not None
        assert state.diagnosis.cause in ("killed", "unknown"), state.diagnosis
        assert state.headline.startswith("The run ended without a word")
        assert state.can_resume
    check_whole(ground, run, expected)


def check_finished(ground: Ground, run: RunFolder, expected: Expected) -> None:
    """Assert that a run ended as one that was never disturbed, bit for bit, and left nothing half-written."""
    state = ground.state(run)
    assert state.status == "finished", (state.status, state.headline)
    found = expected_of(run, state, seconds=0.0)
    assert found.steps == expected.steps
    assert found.evaluations == expected.evaluations
    assert found.samples == expected.samples
    assert found.kept_step == expected.kept_step
    assert found.weights.keys() == expected.weights.keys()
    assert all(torch.equal(found.weights[name], expected.weights[name]) for name in expected.weights)
    assert not [path for path in run.path.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
    check_whole(ground, run, expected)


def expected_of(run: RunFolder, state: RunState, *, seconds: float) -> Expected:
    """Gather what a finished run said and left."""
    assert run.result is not None
    assert state.view.finished is not None
    return Expected(
        steps=tuple(map(numbers, state.view.steps)),
        evaluations=tuple((event.step, event.loss) for event in state.view.evaluations),
        samples=tuple((event.step, event.number, event.answer) for event in state.view.samples),
        kept_step=state.view.finished.kept_step,
        weights=load_file(run.result / "adapter_model.safetensors"),
        total_steps=state.view.total_steps,
        seconds=seconds,
    )


def numbers(step: Stepped) -> tuple[float, ...]:
    """Return what the mathematics of a step gave."""
    return (step.step, step.epoch, step.loss, step.learning_rate, step.grad_norm)


_BASES: dict[Path, Any] = {}


def load_result(model: Path, result: Path) -> None:
    """Load an adapter with plain peft."""
    base = _BASES.setdefault(model, AutoModelForCausalLM.from_pretrained(model))
    PeftModel.from_pretrained(copy.deepcopy(base), str(result))
