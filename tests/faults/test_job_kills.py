"""The workers beside training are killed: what they leave is whole or not offered, and asking again gives it."""

import dataclasses
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.data.library import DatasetLibrary
from studio.events import Failed
from studio.jobs.evaluation_report import EvaluationReport, rows_path
from studio.jobs.evaluations import Evaluations, EvaluationState
from studio.jobs.exports import ADAPTER, MERGED, ExportState, export_folder, export_state, start_export
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Evaluate, Export
from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunFolder
from studio.settings import Settings
from tests.faults.conftest import Tally
from tests.faults.ground import Ground, kill, load_result, wait
from tests.own_task import write_task
from tests.processes import session_of

OWN_TASK = "drawers"
SILENT = "The work ended before it was done."

WHOLE = (pytest.mark.faults, pytest.mark.timeout(1800))


def strike(ground: Ground, start: Callable[[], object], lock_path: Path, *, seconds: float) -> None:
    """Start a worker and kill it after so many seconds, or have it meet the fault that was laid out for it."""
    meets_fault = bool(ground.launch.fault)
    start()
    process_id = lock.last_holder(lock_path)
    assert process_id is not None
    if not meets_fault:
        time.sleep(seconds)
        kill(process_id)
    wait(lambda: not lock.is_held(lock_path), what="the worker to meet its fault or its end")
    wait(lambda: not session_of(process_id), seconds=60, what="the last process of the worker to be gone")


def check_failed(state: EvaluationState | ExportState) -> None:
    """Assert that the page says of a killed worker what happened, and what to do."""
    assert state.status == "failed", (state.status, state.sentence)
    assert state.sentence.startswith(SILENT)
    assert isinstance(state.failed, Failed)
    assert state.failed.hint


def told(report: EvaluationReport | None) -> EvaluationReport | None:
    """Return what a report says, less when it was made and how long that took."""
    return report and dataclasses.replace(report, created=0.0, seconds=0.0)


class Evaluating:
    """The evaluation of one run, as a server has it."""

    def __init__(self, ground: Ground, run: RunFolder, tasks: tuple[str, ...]) -> None:
        self._ground = ground
        self._run = run
        self._tasks = tasks
        self._library = DatasetLibrary(ground.home, samples_folder=PROJECT_ROOT / "assets" / "samples")
        self.name = ""
        self.restart()

    def restart(self) -> None:
        """Be a server that is started now, and remembers nothing."""
        jobs = Jobs(self._ground.launch)
        self._evaluations = Evaluations(
            self._ground.store, self._library, jobs=jobs, settings=Settings(self._ground.home)
        )

    @property
    def lock_path(self) -> Path:
        return Evaluate(self._run.path, self.name).paths.lock

    def start(self) -> None:
        self.name = self._evaluations.start(self._run.id, tasks=self._tasks)

    def state(self) -> EvaluationState:
        return self._evaluations.state(self._run.id, self.name)

    def whole(self) -> EvaluationReport:
        """Evaluate undisturbed, and return the report, of which all rows are there and nothing lies about."""
        self.start()
        wait(lambda: self.state().status != "working", seconds=120, what="the evaluation")
        wait(lambda: not lock.is_held(self.lock_path), what="the worker to be gone")
        report = self.state().result
        assert self.state().status == "ready", self.state().sentence
        assert report is not None
        assert len(self._evaluations.rows(self._run.id, self.name)) == report.rows > 0
        left = {path.name for path in (self._run.path / "evaluations").iterdir()}
        worker = {f"{self.name}.{end}" for end in ("task.json", "lock", "events.jsonl", "log", "log.old")}
        assert left - worker == {f"{self.name}.json", rows_path(self._run, report).name}
        return report


@pytest.mark.parametrize(
    ("kills", "tasks"),
    [(2, ()), pytest.param(40, (), marks=WHOLE), pytest.param(6, (OWN_TASK,), marks=WHOLE)],
    ids=["short", "whole", "standard-tasks"],
)
def test_a_killed_evaluation_leaves_the_report_before_it(
    ground: Ground, tally: Tally, kills: int, tasks: tuple[str, ...]
) -> None:
    if tasks:
        pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
        write_task(ground.home)
    rng = random.Random(6)
    run = ground.make_run(epochs=1)
    ground.finish(run)
    evaluating = Evaluating(ground, run, tasks)
    began = time.monotonic()
    expected = evaluating.whole()
    seconds = time.monotonic() - began
    before: EvaluationReport | None = expected
    what = f"kill -9 of an evaluation{' with a standard task' if tasks else ''}"
    while kills > 0:
        shutil.rmtree(ground.home / "evaluations", ignore_errors=True)  # the base is asked again
        if rng.random() < 0.3:
            shutil.rmtree(run.path / "evaluations")
            before = None
        if rng.random() < 0.5:
            ground.launch.fault = f"kill@evaluations/@{rng.randint(1, 8)}"
        evaluating.restart()
        began = time.monotonic()
        strike(ground, evaluating.start, evaluating.lock_path, seconds=rng.uniform(0.0, seconds))
        if evaluating.state().status == "ready":
            before = evaluating.state().result
            continue  # it was quicker than the blow
        held = tally(what, seconds=time.monotonic() - began)
        check_failed(evaluating.state())
        evaluating.restart()
        if evaluating.state().status != "ready":  # as it is where the worker had not said a word, and one stood before
            check_failed(evaluating.state())
        found = evaluating.state().result
        # A worker that wrote its report had only its last word left to say.
        assert told(found) in (told(before), told(expected))
        assert found is None or rows_path(run, found).exists()
        kills -= 1
        if kills % 4 == 0:
            before = evaluating.whole()
            assert told(before) == told(expected)
        else:
            before = found
        held()


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=WHOLE)], ids=["short", "whole"])
def test_a_killed_export_is_not_offered(ground: Ground, tally: Tally, kills: int) -> None:
    rng = random.Random(7)
    run = ground.make_run(epochs=1)
    ground.finish(run)
    seconds = 1.0
    while kills > 0:
        kind = (ADAPTER, MERGED)[kills % 2]
        shutil.rmtree(run.exports, ignore_errors=True)
        jobs = Jobs(ground.launch)
        if rng.random() < 0.6:
            ground.launch.fault = f"kill@exports/@{rng.randint(1, 24)}"
        began = time.monotonic()
        lock_path = Export(run.path, kind).paths.lock
        strike(ground, lambda: start_export(jobs, run, kind), lock_path, seconds=rng.uniform(0.0, seconds))  # noqa: B023
        if export_state(jobs, run, kind).status == "ready":
            continue  # it was quicker than the blow
        held = tally("kill -9 of an export", seconds=time.monotonic() - began)
        for server in (jobs, Jobs(ground.launch)):
            check_failed(export_state(server, run, kind))
            assert export_state(server, run, kind).result is None
        began = time.monotonic()
        start_export(jobs, run, kind)
        wait(lambda: not lock.is_held(lock_path), seconds=120, what="the export to be done")  # noqa: B023
        seconds = time.monotonic() - began
        state = export_state(jobs, run, kind)
        assert state.status == "ready", state.sentence
        assert state.result is not None
        assert state.result.same_answers == state.result.answers
        assert not [path for path in run.exports.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
        if kind == ADAPTER:
            load_result(ground.model, export_folder(run, kind))
        kills -= 1
        held()
