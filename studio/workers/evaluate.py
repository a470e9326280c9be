"""The evaluation job: asks base and tuned model the same rows, scores and compares them, and writes the report.

What the base answers is kept in the data folder, for the next run on the same rows.
"""

import importlib.metadata
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError, RunError
from studio.events import Finished, Loaded, Loading, Noted
from studio.jobs import standard_tasks
from studio.jobs.evaluation_report import HELD_OUT, EvaluationReport, write_evaluation
from studio.jobs.evaluations import request_path
from studio.jobs.tasks import Evaluate, home_of
from studio.models.architecture import architecture_in
from studio.models.forecast.answers import AnswerClock
from studio.models.forecast.plan import FP32, ITEM_BYTES
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder, is_whole_model
from studio.workers.base_model import ensure_model, load_renderer
from studio.workers.estimates import this_machine
from studio.workers.eval_rows import choose_rows
from studio.workers.job import Job
from studio.workers.model_outputs import Observer, keep, kept_path, read_kept, read_probes
from studio.workers.scoring import judge
from studio.workers.standard import StandardObserver, standard_figures
from studio.workers.train import MEMORY_LOCK, pad_id

if TYPE_CHECKING:
    from studio.ml.loading import Placement

log = logging.getLogger(__name__)

PROBES = PROJECT_ROOT / "assets" / "probes"
KEPT = "evaluations"
_TELL_SECONDS = 0.5
_BASE = "Base model"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


def evaluate_run(job: Job, task: Evaluate) -> Finished:
    """Evaluate and write the report last. Whatever comes of it, the run is not evaluated again without being asked."""
    began = time.monotonic()
    run, home = RunFolder(task.run), home_of(task.run)
    try:
        files = ensure_model(run.config.model, home, job)
        with job.holding(home / MEMORY_LOCK, waiting="Waiting for other work on this machine to finish"):
            headline = _evaluate(job, task, run=run, home=home, folder=files.folder, began=began)
    finally:
        request_path(run).unlink(missing_ok=True)
    return Finished(status="finished", summary=headline, seconds=time.monotonic() - began)


def _evaluate(job: Job, task: Evaluate, *, run: RunFolder, home: Path, folder: Path, began: float) -> str:
    result = run.result
    if result is None:
        raise RunError("This run has nothing to evaluate.", "Let a run finish, or stop it after its first steps.")
    job.emit(Loading(what="Starting PyTorch"))
    from studio.ml import loading

    renderer = load_renderer(folder)
    placement = loading.choose_placement(precision=precision_of(run), bits=run.config.base_bits)
    clock = _clock(folder, placement, home)
    asked = choose_rows(run, renderer, data=task.data, rows=task.rows, longest=task.longest, clock=clock, job=job)
    probes = read_probes(PROBES, renderer, share=_probe_share(folder, placement)) if task.probes else None
    job.emit(Noted("info", asked.sentence(0.0 if probes is None else clock.read_seconds(probes.tokens))))
    observer = Observer(
        asked,
        probes,
        renderer=renderer,
        placement=placement,
        pad_id=pad_id(renderer),
        should_stop=job.should_stop,
    )
    standard = _standard(task, home, folder, placement, job) if task.tasks else None
    observers = [observer] if standard is None else [observer, standard]
    watch = _ModelRunner(job, observers, folder=folder, placement=placement, kept=home / KEPT)
    (base, *base_standard), (tuned, *tuned_standard) = watch.both(result)
    job.emit(Loading(what="Comparing both"))
    judged = judge(asked, base, tuned, probes=probes, seed=run.config.seed)
    figures = standard_figures(*base_standard, *tuned_standard, seed=run.config.seed) if standard else ()
    libraries = (*LIBRARIES, *((standard_tasks.PACKAGE,) if standard else ()))
    origin = run.origin
    report = EvaluationReport(
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
        rows_left_out=asked.left_out,
        task=asked.task.kind,
        main=judged.main,
        figures=judged.figures,
        confusions=judged.confusions,
        forgetting=judged.forgetting,
        headline=judged.headline,
        created=time.time(),
        seconds=time.monotonic() - began,
        device=placement.device,
        precision=placement.sentence,
        seed=run.config.seed,
        versions=tuple((name, importlib.metadata.version(name)) for name in libraries),
        standard=figures,
        at_limit=judged.at_limit,
    )
    write_evaluation(run, report, judged.rows)
    return judged.headline


def _standard(task: Evaluate, home: Path, folder: Path, placement: "Placement", job: Job) -> StandardObserver:
    job.emit(Loading(what="Starting lm-evaluation-harness"))
    return StandardObserver(
        task.tasks,
        questions=task.questions,
        home=home if task.own_tasks else None,
        folder=folder,
        placement=placement,
        should_stop=job.should_stop,
        fetching=lambda name: job.emit(Loading(what=f"Fetching the questions of {standard_tasks.title_of(name)}")),
    )


class _ModelRunner:
    """Loads one model after another and has them observed, with its progress on the page."""

    def __init__(self, job: Job, observers: Sequence[Any], *, folder: Path, placement: "Placement", kept: Path) -> None:
        """Each of the observers has `kind`, `key` and `observe`, see `Observer`."""
        self._job = job
        self._observers = observers
        self._folder = folder
        self._placement = placement
        self._kept = kept

    def both(self, result: Path) -> tuple[list[Any], list[Any]]:
        """Observe the base, or read what was kept of it, and the result; return what each observer saw of both."""
        from studio.ml import loading
        from studio.ml.memory import release_memory

        paths = [kept_path(self._kept, self._folder, observer.key) for observer in self._observers]
        base = [read_kept(path, observer.kind) for path, observer in zip(paths, self._observers, strict=True)]
        whole = is_whole_model(result)
        model = self._load() if None in base or not whole else None
        for place, observer in enumerate(self._observers):
            if base[place] is None:
                base[place] = self._look(observer, model, _BASE)
                keep(paths[place], base[place])
        if not whole:
            tuned = loading.load_adapter(model, result, dtype=self._placement.dtype)
        else:
            model = None
            release_memory()  # the memory of the base must be free before a whole model comes
            self._job.emit(Loading(what="Loading the tuned model"))
            tuned = loading.load_base(result, self._placement)
        return base, [self._look(observer, tuned, "Tuned model") for observer in self._observers]

    def _load(self) -> Any:
        from studio.ml import loading

        self._job.emit(Loading(what="Loading the base model"))
        model = loading.load_base(self._folder, self._placement)
        total, _ = loading.parameter_counts(model)
        self._job.emit(
            Loaded(
                parameters=total,
                trainable=0,
                device=self._placement.device,
                precision=self._placement.sentence,
                target_modules=(),
            )
        )
        return model

    def _look(self, observer: Any, model: Any, who: str) -> Any:
        from studio.ml.soundness import NotFinite, broken_model

        told_at = float("-inf")

        def tell(what: str, done: int, total: int) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= _TELL_SECONDS or done in (0, total):
                told_at = time.monotonic()
                self._job.emit(Loading(what=f"{who}: {what}", done=done, total=total))

        try:
            return observer.observe(model, tell)
        except NotFinite as error:
            raise broken_model(is_base=who == _BASE) from error


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
