"""The training job: from a run's folder to a tuned model in it.

Everything heavy is imported after the first event is written, so that the page sees the run within a moment.
"""

import contextlib
import dataclasses
import functools
import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio import wording
from studio.config import FULL, RunConfig
from studio.data.example_files import ExampleFile
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ConfigError, ModelError, OutOfMemory, RunError, StudioError, is_out_of_memory
from studio.events import Event, Finished, Forecasted, Loaded, Loading, Measured, Noted, Resumed, Saved
from studio.files import whole_folder
from studio.jobs.calibration import accelerator_lock
from studio.jobs.tasks import Train, TrainElsewhere, home_of
from studio.logs import logged
from studio.models.adapter_base import ensure_same_base
from studio.models.adapter_files import hash_learned
from studio.models.architecture import architecture_in
from studio.models.forecast.forecast import Forecast, savings
from studio.models.machine import Machine
from studio.models.processor_load import ProcessorLoad
from studio.runs.precision import precision_of
from studio.runs.store import ADAPTER, GIVE_WAY, MODEL, RunFolder
from studio.runs.turns import Holder
from studio.workers.base_model import ensure_model, load_renderer
from studio.workers.checkpoints import (
    leave_results_only,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from studio.workers.estimates import estimate, keep_timing, leg_timing, peak_bytes, this_machine, workload_of
from studio.workers.job import Job
from studio.workers.ranks import nodes, rank, together
from studio.workers.rows import Rows, prepare_rows, prompt_length, rows_of
from studio.workers.samples import Sampler, prompts_of
from studio.workers.stopping import runs_on
from studio.workers.webhook import call_webhook

if TYPE_CHECKING:
    from studio.ml.checkpoints import Progress
    from studio.ml.loading import Placement
    from studio.ml.training import TrainingResult

log = logging.getLogger(__name__)

KEPT_TOKENS = "tokens"
REFERENCE = "reference.safetensors"


def train_run(job: Job, task: Train, *, processes: int | None = None) -> Finished:
    """Train what the run's method trains and write it to the run's folder. Other runs wait until this one is done.

    `processes` is how many work on it, by default one, or one for each GPU where the run asks for all of them.
    """
    run, home = RunFolder(task.run), home_of(task.run)
    files = ensure_model(run.config.model, home, job)
    is_first = rank() == 0
    waiting = job.holding(
        accelerator_lock(home),
        waiting="Waiting for another run to finish",
        holder=Holder(f"the run {run.name}", events=str(run.events_path), home=str(home)),
    )
    with waiting if is_first else contextlib.nullcontext():
        began, load = time.monotonic(), ProcessorLoad()  # without what was waited for: a download, another run
        job.emit(Loading(what="Starting PyTorch"))
        import torch  # noqa: F401  (it takes seconds, and the page shall know why)

        with together(task, processes=processes or _processes(run.config)):
            machine = this_machine(home, load=load())
            result = _train(job, run=run, machine=machine, folder=files.folder, is_first=is_first, began=began)
    return Finished(
        status="stopped" if result.stopped else "finished",
        summary=_summary(result),
        seconds=time.monotonic() - began,
        kept_step=result.kept_step,
    )


def _train(
    job: Job, *, run: RunFolder, machine: Machine, folder: Path, is_first: bool, began: float
) -> "TrainingResult":
    from studio.ml.checkpoints import Keeper
    from studio.ml.methods import keep_start
    from studio.ml.training import Trainer

    config, home = run.config, home_of(run.path)
    renderer = load_renderer(folder)
    rows = prepare_rows(job, run=run, renderer=renderer, kept=home / KEPT_TOKENS)
    if machine.trouble:
        job.emit(Noted("warning", machine.trouble))
    expected = _forecast(job, folder=folder, config=config, machine=machine, rows=rows)
    way = _agreed(_way(job, run, machine=machine, expected=expected))
    with _in_words(folder, config, machine=machine, rows=rows):
        model, placement = _load(job, folder=folder, config=config, home=home, precision=way.precision)
        start = keep_start(model, config, run.path / "start") if is_first else None
        sampler = Sampler(job, model, prompts_of(run, renderer), renderer=renderer, pad_id=pad_id(renderer))
        job.emit(Loading(what="Trying out what makes the training faster"))
        trainer = Trainer(
            model,
            train_rows=rows.train,
            validation_rows=rows.validation,
            config=config,
            placement=placement,
            pad_id=pad_id(renderer),
            emit=job.emit,
            should_stop=job.should_stop,
            keeper=Keeper(
                save=lambda progress: save_checkpoint(model, run, progress, start=start),
                load=functools.partial(load_checkpoint, run),
            ),
            sample=sampler,
            checkpointing=way.checkpointing,
            micro_batch_tokens=way.micro_batch_tokens,
        )
        job.emit(rows.prepared)  # from here on the run is said to train
        progress = _where_it_was(job, run)
        if nodes() < config.nodes:
            step = 0 if progress is None else progress.step
            few = f"The run goes on from step {step:,} on {nodes():,} of {config.nodes:,} nodes: there are no more now."
            job.emit(Noted("warning", few))
        result = trainer.run(progress)
        del trainer  # its masters would stay beside what is saved
    if result.steps and is_first:
        _keep_result(job, model, run, result, folder=folder, renderer=renderer, start=start, sampler=sampler)
    seconds = time.monotonic() - began
    job.emit(Measured(memory_gib=_gib(peak_bytes(placement.device)), seconds=seconds))
    if is_first and expected is not None and expected.time is not None:
        timing = leg_timing(
            expected.time,
            config,
            device=machine.device,
            done=(result.steps - (0 if progress is None else progress.step), config.total_steps(len(rows.train))),
            seconds=seconds,
            loop_seconds=result.seconds,
        )
        keep_timing(home, timing)
    return result


def _keep_result(
    job: Job,
    model: Any,
    run: RunFolder,
    result: "TrainingResult",
    *,
    folder: Path,
    renderer: ChatRenderer,
    start: Path | None,
    sampler: Sampler,
) -> None:
    """Save what was learned and what exports are checked against, and note where no answer ends."""
    from studio.ml.soundness import NotFinite, no_longer_finite

    kept_step = result.kept_step or result.steps
    name = MODEL if run.config.method == FULL else ADAPTER
    job.emit(Loading(what="Saving what was learned"))
    _save_result(model, run.path / name, folder=folder, config=run.config, start=start)
    job.emit(Loading(what="Asking a few questions, so that exports can be checked against the answers"))
    found = None
    try:
        has_ended = keep_reference(model, run, renderer=renderer) or sampler.ended_by_itself == kept_step
        if not result.stopped and not has_ended:
            job.emit(Loading(what="Looking whether its answers end by themselves"))
            found = runs_on(model, run, renderer=renderer, pad_id=pad_id(renderer))
    except NotFinite as error:
        raise no_longer_finite("score of a word", result.steps) from error
    if found is not None:
        job.emit(found)
    job.emit(Saved(step=kept_step, path=name))


def clean_up(task: Train | TrainElsewhere, last: Event) -> None:
    """Drop what only the training needed, once `last` says that the run is done, and tell whoever wants to know.

    Not before: a run that is not done may be taken up again. What cannot be dropped stays.
    """
    if isinstance(task, Train) and task.is_away:
        return
    run = RunFolder(task.run)
    if isinstance(last, Finished) and last.status == "finished":
        with logged(log, "What only the training needed could not be deleted", OSError, RunError, level=logging.INFO):
            leave_results_only(run, whole_models=run.config.method == FULL)
    stopped = isinstance(last, Finished) and last.status == "stopped"
    if not (stopped and run.stop_wanted == GIVE_WAY):  # it goes on by itself: that is no end
        call_webhook(run, last)


@contextlib.contextmanager
def _in_words(folder: Path, config: RunConfig, *, machine: Machine, rows: Rows) -> Iterator[None]:
    """Turn an error of memory into a sentence that names what would help, with the forecast of each."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        try:
            found = savings(architecture_in(folder), config, machine=machine, workload=workload_of(rows))
        except StudioError:
            log.debug("What would help cannot be estimated", exc_info=True)
            found = ()
        ways = [f"{text.rstrip('.')} (then about {wording.size(size)})" for text, size in found]
        raise OutOfMemory(
            "The memory of this machine was not enough for this run.",
            f"What helps: {'; or '.join(ways)}." if ways else "Choose a smaller base model.",
        ) from error


def _where_it_was(job: Job, run: RunFolder) -> "Progress | None":
    """Read the newest whole checkpoint; without one, say that all begins again where an earlier worker had begun."""
    found = newest_checkpoint(run, tell=lambda text: job.emit(Noted("warning", text)))
    if found is None and job.follows_another:
        job.emit(Resumed(step=0))
    return found


def _processes(config: RunConfig) -> int:
    import torch

    return max(1, torch.cuda.device_count()) if config.data_parallel else 1


def _forecast(job: Job, *, folder: Path, config: RunConfig, machine: Machine, rows: Rows) -> Forecast | None:
    """Say what the run will take; None for a model whose numbers are not known. Raises ConfigError."""
    try:
        architecture = architecture_in(folder)
    except ModelError:
        log.info("The needs of this model cannot be estimated", exc_info=True)
        return None
    expected = estimate(architecture, config, machine=machine, rows=rows)
    least, most = (None, None) if expected.time is None else expected.time.training_range
    job.emit(Forecasted(_gib(expected.memory_bytes), expected.seconds, least, most))
    return expected


@dataclass(frozen=True)
class _Way:
    """How a run computes, which each machine would settle by itself."""

    precision: str
    checkpointing: bool
    micro_batch_tokens: int


def _way(job: Job, run: RunFolder, *, machine: Machine, expected: Forecast | None) -> _Way:
    precision = _settled_precision(job, run, machine)
    if expected is None:
        return _Way(precision, run.config.checkpointing == "on", 0)
    return _Way(precision, expected.checkpointing, expected.micro_batch_tokens)


def _agreed(way: _Way) -> _Way:
    """Have all processes of a run compute as the first one does: what each of them measured differs."""
    from studio.ml.loading import BF16, FP16, FP32
    from studio.ml.parallel import Processes

    formats = (FP32, BF16, FP16)
    numbers = Processes().as_first(formats.index(way.precision), way.checkpointing, way.micro_batch_tokens)
    number, checkpointing, tokens = map(int, numbers)
    return _Way(formats[number], bool(checkpointing), tokens)


def _settled_precision(job: Job, run: RunFolder, machine: Machine) -> str:
    """Settle what the run computes in. One that goes on does so in the format in which it began, where that is known
    here: what "auto" means on a machine is measured, and another try may find another format."""
    from studio.ml.accelerator import has_bf16

    before = precision_of(run)
    if run.config.precision != "auto" or before == "auto":
        return machine.precision_of(run.config.precision)
    if (before == "bf16" and not has_bf16(machine.device)) or (before == "fp16" and machine.device == "cpu"):
        now = machine.precision_of("auto")
        job.emit(Noted("info", f"This machine does not compute in {before}, so the run goes on in {now}."))
        return now
    return before


def _load(job: Job, *, folder: Path, config: RunConfig, home: Path, precision: str) -> tuple[Any, "Placement"]:
    """Load the base and make it trainable. Raises ModelError, and ConfigError for settings that do not suit it."""
    import torch

    from studio.ml import loading
    from studio.ml.methods import experts_left_out, make_trainable

    job.emit(Loading(what="Loading the base model"))
    placement = loading.choose_placement(precision=precision, bits=config.base_bits)
    torch.manual_seed(config.seed)
    start = _start_adapter(config, folder=folder, home=home) if config.start_adapter else None
    base, placement = _load_sound(job, folder, placement, config=config)
    context = loading.context_length(base)
    if context is not None and config.max_length > context:
        raise ConfigError(
            f"The longest example is set to {config.max_length} tokens, and this model reads at most {context}.",
            f"Set 'longest example' to {context} or less.",
        )
    model = make_trainable(base, config, start_adapter=start)
    if frozen := experts_left_out(model, config):
        job.emit(Noted("warning", frozen))
    total, trainable = loading.parameter_counts(model)
    job.emit(
        Loaded(
            parameters=total - trainable,
            trainable=trainable,
            device=placement.device,
            precision=placement.sentence,
            target_modules=loading.adapted_modules(model),
        )
    )
    return model, placement


def _load_sound(job: Job, folder: Path, placement: "Placement", *, config: RunConfig) -> tuple[Any, "Placement"]:
    """Load a base that answers with numbers: in fp32 where it does not in an fp16 that nobody asked for.

    Raises ModelError where no format helps.
    """
    from studio.ml import loading
    from studio.ml.memory import release_memory
    from studio.ml.soundness import ensure_sound

    base = loading.load_base(folder, placement)
    try:
        ensure_sound(base)
        return base, placement
    except ModelError:
        if placement.precision != loading.FP16 or config.precision == loading.FP16:
            raise
    del base
    release_memory()
    job.emit(Noted("info", "Numbers of this model are too large for fp16, so the run computes in fp32."))
    placement = dataclasses.replace(placement, precision=loading.FP32)
    base = loading.load_base(folder, placement)
    ensure_sound(base)
    return base, placement


def _start_adapter(config: RunConfig, *, folder: Path, home: Path) -> Path:
    """Find the adapter that is trained further: that of a run, or a folder.

    Raises RunError when there is none, ModelError when it belongs to another base than the one in `folder` and the
    person did not ask for that.
    """
    name = config.start_adapter
    run = RunFolder(home / "runs" / name)
    is_run = "/" not in name and run.path.is_dir()
    adapter = run.result if is_run else Path(name).expanduser()
    if adapter is None or not (adapter / "adapter_config.json").is_file():
        raise RunError(
            f"There is no adapter to continue from at '{name}'.",
            "Choose a finished LoRA run or the folder of an adapter.",
        )
    if not config.other_base:
        learned_on = run.config.model if is_run else ""
        ensure_same_base(adapter, learned_on=learned_on, base=folder, base_name=config.model, home=home)
    return adapter


def pad_id(renderer: ChatRenderer) -> int:
    """Return the id that fills short rows. It is masked everywhere, so any id of the model serves."""
    return renderer.end_ids[0] if renderer.end_ids else 0


def _save_result(model: Any, target: Path, *, folder: Path, config: RunConfig, start: Path | None) -> None:
    """Write the result; a whole model in the number format of its base, with the base's tokenizer beside it."""
    from studio.ml.export import stored_placement
    from studio.ml.methods import save_model
    from studio.models.companions import copy_companions

    with whole_folder(target) as temporary:
        if config.method == FULL:
            dtype = stored_placement(folder).dtype
            for parameter in model.parameters():  # not the buffers: rotary frequencies in bf16 are other ones
                parameter.data = parameter.data.to(dtype)
            copy_companions(folder, temporary)
        save_model(model, temporary, start=start)


def keep_reference(model: Any, run: RunFolder, *, renderer: ChatRenderer) -> bool:
    """Write what the model says about a few rows of the run, held-out ones first, to check exports against.

    Tells whether one of its answers ended by itself.
    """
    from studio.ml import reference

    examples = itertools.chain(ExampleFile(run.validation_path), ExampleFile(run.train_path))
    rows = rows_of(examples, renderer=renderer, config=run.config)
    asked = [
        (tuple(row.ids[: reference.LONGEST]), prompt_length(row)) for row in itertools.islice(rows, reference.ROWS)
    ]
    probes = [reference.Probe(ids, prompt=ids[:length]) for ids, length in asked]
    observed = reference.observe(model, probes, end_ids=renderer.end_ids, pad_id=pad_id(renderer))
    learned = hash_learned(run.result) if run.result is not None else ""
    reference.save_reference(dataclasses.replace(observed, learned=learned), run.path / REFERENCE)
    return any(answer and answer[-1] in renderer.end_ids for answer in observed.answers)


def _gib(count: int) -> float:
    return round(count / 2**30, 3)


def _summary(result: "TrainingResult") -> str:
    steps = "1 step" if result.steps == 1 else f"{result.steps} steps"
    if not result.steps:
        return "Stopped before the first step; there was nothing to keep."
    ended = "Stopped" if result.stopped else "Finished"
    kept = "" if result.kept_step is None else f" up to step {result.kept_step}, where it scored best,"
    text = f"{ended} after {steps}; what it learned{kept} is saved."
    if result.first_validation_loss is not None and result.validation_loss is not None:
        over = f" (over {wording.part_of(result.part, result.of)})" if result.part else ""
        text += f" Held-out loss went from {result.first_validation_loss:.3f} to {result.validation_loss:.3f}{over}."
    return text
