"""The training job: from a run's folder to a tuned model in it.

Everything heavy is imported after the first event is written, so that the page sees the run within a moment.
"""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import FULL, RunConfig
from studio.data.example_files import ExampleFile
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ConfigError, ModelError, RunError
from studio.events import Finished, Forecasted, Loaded, Loading, Measured, Saved
from studio.models.architecture import architecture_in
from studio.models.forecast import Forecast
from studio.models.machine import Machine
from studio.runs.store import ADAPTER, MODEL, RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.foretell import foretell, peak_bytes, this_machine
from studio.workers.job import Job
from studio.workers.ranks import rank, together
from studio.workers.rows import Rows, prepare_rows, prompt_length, rows_of

if TYPE_CHECKING:
    from studio.ml.loading import Placement
    from studio.ml.training import Progress, TrainingResult

KEPT_TOKENS = "tokens"
MEMORY_LOCK = "accelerator.lock"
REFERENCE = "reference.safetensors"


def train_run(job: Job, *, run: RunFolder, home: Path, processes: int | None = None) -> Finished:
    """Train what the run's method trains and write it to the run's folder. Other runs wait until this one is done.

    `processes` is how many work on it, by default one, or one for each GPU where the run asks for all of them.
    """
    began = time.monotonic()
    files = ensure_model(run.config.model, home, job)
    is_first = rank() == 0
    waiting = job.holding(home / MEMORY_LOCK, waiting="Waiting for another run to finish")
    with waiting if is_first else contextlib.nullcontext():
        job.emit(Loading(what="Starting PyTorch"))
        import torch  # noqa: F401  (it takes seconds, and the page shall know why)

        with together(run.path, processes=processes or _processes(run.config)):
            result = _train(job, run=run, home=home, folder=files.folder, is_first=is_first)
    return Finished(
        status="stopped" if result.stopped else "finished",
        summary=_summary(result),
        seconds=time.monotonic() - began,
    )


def _train(job: Job, *, run: RunFolder, home: Path, folder: Path, is_first: bool) -> "TrainingResult":
    began = time.monotonic() - time.process_time()  # without what was waited for: a download, another run
    from studio.ml.methods import keep_start
    from studio.ml.training import train

    config = run.config
    renderer = ChatRenderer.load(folder)
    rows = prepare_rows(job, run=run, renderer=renderer, kept=home / KEPT_TOKENS)
    machine = this_machine(home)
    precision = machine.precision_of(config.precision)
    model, placement = _load(job, folder=folder, config=config, home=home, precision=precision)
    start = keep_start(model, config, run.path / "start") if is_first else None
    job.emit(rows.prepared)
    expected = _forecast(job, folder=folder, config=config, machine=machine, rows=rows)
    result = train(
        model,
        train_rows=rows.train,
        validation_rows=rows.validation,
        config=config,
        placement=placement,
        pad_id=pad_id(renderer),
        emit=job.emit,
        should_stop=job.should_stop,
        save=lambda progress: save_checkpoint(model, run, progress, start=start),
        checkpointing=config.checkpointing == "on" if expected is None else expected.checkpointing,
        micro_batch_tokens=0 if expected is None else expected.micro_batch_tokens,
    )
    if result.steps and is_first:
        job.emit(Loading(what="Saving what was learned"))
        name = MODEL if config.method == FULL else ADAPTER
        _save_result(model, run.path / name, folder=folder, config=config, start=start)
        keep_reference(model, run, renderer=renderer)
        shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
        job.emit(Saved(step=result.steps, path=name))
    job.emit(Measured(memory_gib=_gib(peak_bytes(placement.device)), seconds=time.monotonic() - began))
    return result


def _processes(config: RunConfig) -> int:
    import torch

    return max(1, torch.cuda.device_count()) if config.data_parallel else 1


def _forecast(job: Job, *, folder: Path, config: RunConfig, machine: Machine, rows: Rows) -> Forecast | None:
    """Say what the run will take; None for a model whose numbers are not known. Raises ConfigError."""
    try:
        architecture = architecture_in(folder)
    except ModelError:
        return None
    expected = foretell(architecture, config, machine=machine, rows=rows)
    job.emit(Forecasted(memory_gib=_gib(expected.memory_bytes), seconds=expected.seconds))
    return expected


def _load(job: Job, *, folder: Path, config: RunConfig, home: Path, precision: str) -> tuple[Any, "Placement"]:
    """Load the base and make it trainable. Raises ModelError, and ConfigError for settings that do not suit it."""
    import torch

    from studio.ml import loading
    from studio.ml.methods import make_trainable

    job.emit(Loading(what="Loading the base model"))
    placement = loading.choose_placement(precision=precision, bits=config.base_bits)
    torch.manual_seed(config.seed)
    base = loading.load_base(folder, placement)
    context = loading.context_length(base)
    if context is not None and config.max_length > context:
        raise ConfigError(
            f"The longest example is set to {config.max_length} tokens, and this model reads at most {context}.",
            f"Set 'longest example' to {context} or less.",
        )
    start = _start_adapter(config.start_adapter, home) if config.start_adapter else None
    model = make_trainable(base, config, start_adapter=start)
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


def _start_adapter(name: str, home: Path) -> Path:
    """Find the adapter that is trained further: that of a run, or a folder. Raises RunError when there is none."""
    run = RunFolder(home / "runs" / name)
    folder = run.result if "/" not in name and run.path.is_dir() else Path(name).expanduser()
    if folder is None or not (folder / "adapter_config.json").is_file():
        raise RunError(
            f"There is no adapter to go on from at '{name}'.", "Choose a finished LoRA run or the folder of an adapter."
        )
    return folder


def pad_id(renderer: ChatRenderer) -> int:
    """Return the id that fills short rows. It is masked everywhere, so any id of the model serves."""
    return renderer.end_ids[0] if renderer.end_ids else 0


def save_checkpoint(model: Any, run: RunFolder, progress: "Progress", *, start: Path | None = None) -> str:
    """Write what was learned and the progress to checkpoints/step-N, whole or not at all; let the older ones go."""
    from studio.ml.checkpoints import write_progress
    from studio.ml.methods import save_model

    name = f"checkpoints/step-{progress.step}"
    with _whole_or_not_at_all(run.path / name) as folder:
        save_model(model, folder, start=start)
        write_progress(progress, folder)
    for other in (run.path / "checkpoints").glob("step-*"):
        if other.name != f"step-{progress.step}":
            shutil.rmtree(other, ignore_errors=True)
    return name


def _save_result(model: Any, target: Path, *, folder: Path, config: RunConfig, start: Path | None) -> None:
    """Write the result; a whole model in the number format of its base, with the base's tokenizer beside it."""
    from studio.ml.export import copy_tokenizer, stored_placement
    from studio.ml.methods import save_model

    with _whole_or_not_at_all(target) as temporary:
        if config.method == FULL:
            dtype = stored_placement(folder).dtype
            for parameter in model.parameters():  # not the buffers: rotary frequencies in bf16 are other ones
                parameter.data = parameter.data.to(dtype)
            copy_tokenizer(folder, temporary)
        save_model(model, temporary, start=start)


@contextlib.contextmanager
def _whole_or_not_at_all(target: Path) -> Iterator[Path]:
    temporary = target.parent / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    shutil.rmtree(target, ignore_errors=True)
    os.replace(temporary, target)


def keep_reference(model: Any, run: RunFolder, *, renderer: ChatRenderer) -> None:
    """Write what the model says about a few rows of the run, held-out ones first, to check exports against."""
    from studio.ml import reference

    examples = itertools.chain(ExampleFile(run.validation_path), ExampleFile(run.train_path))
    rows = rows_of(examples, renderer=renderer, config=run.config)
    probes = [
        reference.Probe(ids=tuple(row.ids), prompt=tuple(row.ids[: prompt_length(row)]))
        for row in itertools.islice(rows, reference.ROWS)
    ]
    observed = reference.observe(model, probes, end_ids=renderer.end_ids, pad_id=pad_id(renderer))
    reference.save_reference(observed, run.path / REFERENCE)


def _gib(count: int) -> float:
    return round(count / 2**30, 3)


def _summary(result: "TrainingResult") -> str:
    steps = "1 step" if result.steps == 1 else f"{result.steps} steps"
    if not result.steps:
        return "Stopped before the first step; there was nothing to keep."
    ended = "Stopped" if result.stopped else "Finished"
    text = f"{ended} after {steps}; what it learned is saved."
    if result.first_validation_loss is not None and result.validation_loss is not None:
        text += f" Held-out loss went from {result.first_validation_loss:.3f} to {result.validation_loss:.3f}."
    return text
