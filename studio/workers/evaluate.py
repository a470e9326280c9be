"""The evaluation job: asks base and tuned model the same rows, scores and compares them, and writes the report.

What the base answers is kept in the data folder, for the next run on the same rows.
"""

import functools
import importlib.metadata
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import ModelError, RunError
from studio.events import Finished, Loading, Noted
from studio.jobs import standard_tasks
from studio.jobs.automatic_evaluations import note_giving_way, note_try, request_path, seconds_before
from studio.jobs.calibration import accelerator_lock
from studio.jobs.evaluation_report import AT_THE_END, HELD_OUT, EvaluationReport, write_evaluation
from studio.jobs.tasks import Evaluate, home_of
from studio.jobs.verdicts import summary
from studio.models.architecture import architecture_in
from studio.models.forecast.answers import AnswerClock
from studio.models.forecast.plan import FP32, ITEM_BYTES
from studio.models.starter import Stopped
from studio.priority import BEHIND, step_back
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder
from studio.runs.turns import EVALUATION, Holder
from studio.workers.base_model import ensure_model, load_renderer
from studio.workers.bench import Bench, ModelRunner
from studio.workers.estimates import evaluation_timing, keep_timing, this_machine
from studio.workers.eval_rows import EvalRows, choose_rows
from studio.workers.job import Job
from studio.workers.model_outputs import Observer, Probes, read_probes
from studio.workers.scoring import Judged, judge
from studio.workers.standard import StandardObserver, standard_figures
from studio.workers.train import pad_id

if TYPE_CHECKING:
    from studio.ml.loading import Placement

log = logging.getLogger(__name__)

PROBES = PROJECT_ROOT / "assets" / "probes"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


def evaluate_run(job: Job, task: Evaluate) -> Finished:
    """Evaluate and write the report last. Then the run is not evaluated again without being asked.

    One that is stopped while the run's request for it is still there gives way to other work, and is begun again later
    from where it was.
    """
    run, home = RunFolder(task.run), home_of(task.run)
    holder = Holder(f"the evaluation of {run.name}", kind=EVALUATION, home=str(home))
    if request_path(run).exists():
        step_back(BEHIND)  # nobody asked for it
    note_try(run)
    before, began = seconds_before(run), None
    try:
        files = ensure_model(run.config.model, home, job)
        with job.holding(
            accelerator_lock(home), waiting="Waiting for other work on this machine to finish", holder=holder
        ):
            began = time.monotonic() - before  # without what was waited for: a download, other work
            said = _evaluate(job, task, run=run, home=home, folder=files.folder, began=began)
    except Stopped:
        note_giving_way(run, before if began is None else time.monotonic() - began)
        raise
    except BaseException:
        request_path(run).unlink(missing_ok=True)
        raise
    request_path(run).unlink(missing_ok=True)
    return Finished(status="finished", summary=said, seconds=time.monotonic() - began)


def _evaluate(job: Job, task: Evaluate, *, run: RunFolder, home: Path, folder: Path, began: float) -> str:
    result = run.result
    if result is None:
        raise RunError("This run has nothing to evaluate.", "Let a run finish, or stop it after its first steps.")
    job.emit(Loading(what="Starting PyTorch"))
    from studio.ml import loading

    placement = loading.choose_placement(precision=precision_of(run), bits=run.config.base_bits)
    bench = Bench(job, task, run, home, folder, load_renderer(folder), placement)
    asked, probes = _questions(bench)
    standard = _standard(bench) if task.tasks else None
    observers = [_observer(bench, asked, probes), *([standard] if standard is not None else [])]
    runner = ModelRunner(bench, observers, hold_until=functools.partial(_hold_until, bench))
    (base, *base_standard), (tuned, *tuned_standard) = runner.both(result)
    job.emit(Loading(what="Comparing both"))
    judged = judge(asked, base, tuned, probes=probes, seed=run.config.seed)
    figures = standard_figures(*base_standard, *tuned_standard, seed=run.config.seed) if standard else ()
    report = replace(_report(bench, asked, judged), seconds=time.monotonic() - began, standard=figures)
    write_evaluation(run, report, judged.rows)
    if runner.has_asked_all and probes is not None and task.name == AT_THE_END and not (task.rows or task.longest):
        clock = _clock(folder, placement, home)
        estimated = clock.machine.start_seconds + asked.seconds + clock.read_seconds(probes.tokens)
        keep_timing(home, evaluation_timing(run.config, report, estimated))
    return summary(report).text


def _questions(bench: Bench) -> tuple[EvalRows, Probes | None]:
    """Choose what is asked, and say how much that is and how long it will take."""
    run, task, job = bench.run, bench.task, bench.job
    clock = _clock(bench.folder, bench.placement, bench.home)
    asked = choose_rows(run, bench.renderer, data=task.data, rows=task.rows, longest=task.longest, clock=clock, job=job)
    probes = None
    if task.probes:
        probes = read_probes(PROBES, bench.renderer, share=_probe_share(bench.folder, bench.placement))
    probe_seconds = 0.0 if probes is None else clock.read_seconds(probes.tokens)
    job.emit(Noted("info", asked.sentence(probe_seconds)))
    _hold_until(bench, time.time() + asked.seconds + probe_seconds)
    return asked, probes


def _hold_until(bench: Bench, until: float) -> None:
    """Tell those who wait for the accelerator when the evaluation will be done."""
    holder = Holder(f"the evaluation of {bench.run.name}", until=until, kind=EVALUATION, home=str(bench.home))
    bench.job.hold(accelerator_lock(bench.home), holder)


def _observer(bench: Bench, asked: EvalRows, probes: Probes | None) -> Observer:
    return Observer(
        asked,
        probes,
        renderer=bench.renderer,
        placement=bench.placement,
        pad_id=pad_id(bench.renderer),
        should_stop=bench.job.should_stop,
    )


def _report(bench: Bench, asked: EvalRows, judged: Judged) -> EvaluationReport:
    run, task, origin = bench.run, bench.task, bench.run.origin
    libraries = (*LIBRARIES, *((standard_tasks.PACKAGE,) if task.tasks else ()))
    return EvaluationReport(
        name=task.name,
        run_id=run.id,
        run_name=run.name,
        model=origin.model_name,
        method=run.config.method,
        dataset_id=origin.dataset_id,
        dataset_name=origin.dataset_name,
        dataset_sha256=origin.dataset_sha256,
        data=HELD_OUT if task.data is None else task.title or task.name,
        data_sha256=asked.sha256,
        rows=len(asked.rows),
        rows_available=asked.available,
        rows_learned=asked.learned,
        rows_seen=asked.seen,
        rows_left_out=asked.left_out,
        task=asked.task.kind,
        main=judged.main,
        figures=judged.figures,
        confusions=judged.confusions,
        forgetting=judged.forgetting,
        created=time.time(),
        seconds=0.0,
        device=bench.placement.device,
        precision=bench.placement.sentence,
        seed=run.drawn_by,
        versions=tuple((name, importlib.metadata.version(name)) for name in libraries),
        at_limit=judged.at_limit,
    )


def _standard(bench: Bench) -> StandardObserver:
    task, job = bench.task, bench.job
    job.emit(Loading(what="Starting lm-evaluation-harness"))
    return StandardObserver(
        task.tasks,
        questions=task.questions,
        home=bench.home if task.own_tasks else None,
        folder=bench.folder,
        placement=bench.placement,
        should_stop=job.should_stop,
        fetching=lambda name: job.emit(Loading(what=f"Fetching the questions of {standard_tasks.title_of(name)}")),
    )


def _clock(folder: Path, placement: "Placement", home: Path) -> AnswerClock:
    """Collect what the time of a row depends on. A model whose numbers are not known is taken to be deep."""
    try:
        architecture = architecture_in(folder)
        parameters, layers = float(architecture.parameters), architecture.layers
    except ModelError as error:
        log.info("The time of the evaluation is guessed from the size of the files: %s", error, exc_info=True)
        parameters, layers = _parameters(folder), 32
    precision = placement.precision if placement.precision in ITEM_BYTES else FP32
    return AnswerClock(parameters, layers, precision, this_machine(home))


def _probe_share(folder: Path, placement: "Placement") -> float:
    """Choose which share of the probes is asked: on a processor a third for a model of a billion parameters or more."""
    return 1.0 if placement.device != "cpu" or _parameters(folder) < 1e9 else 1 / 3


def _parameters(folder: Path) -> float:
    """Guess the size of a model from its files."""
    return max(1.0, sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2)
