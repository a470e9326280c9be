"""The training job: from a run's folder to an adapter in it.

Everything heavy is imported after the first event is written, so that the page sees the run within a moment.
"""

import itertools
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import RunConfig
from studio.data.example_files import ExampleFile
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ConfigError
from studio.events import Finished, Loaded, Loading, Saved
from studio.runs.store import RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.job import Job
from studio.workers.rows import prepare_rows, prompt_length, rows_of

if TYPE_CHECKING:
    from studio.ml.loading import Placement
    from studio.ml.training import TrainingResult

MEMORY_LOCK = "accelerator.lock"
REFERENCE = "reference.safetensors"


def train_run(job: Job, *, run: RunFolder, home: Path) -> Finished:
    """Train the run's adapter and write it to the run's folder. Other runs wait until this one is done."""
    began = time.monotonic()
    config = run.config
    files = ensure_model(config.model, home, job)
    with job.holding(home / MEMORY_LOCK, waiting="Waiting for another run to finish"):
        job.emit(Loading(what="Starting PyTorch"))
        from studio.ml.training import train

        renderer = ChatRenderer.load(files.folder)
        rows = prepare_rows(job, run=run, renderer=renderer)
        model, placement = _load(job, folder=files.folder, config=config)
        job.emit(rows.prepared)
        result = train(
            model,
            train_rows=rows.train,
            validation_rows=rows.validation,
            config=config,
            placement=placement,
            pad_id=pad_id(renderer),
            emit=job.emit,
            should_stop=job.should_stop,
            save=lambda step: save_checkpoint(model, run, step),
        )
        if result.steps:
            job.emit(Loading(what="Saving the adapter"))
            _save_adapter(model, run.path / "adapter")
            keep_reference(model, run, renderer=renderer)
            shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
            job.emit(Saved(step=result.steps, path="adapter"))
    return Finished(
        status="stopped" if result.stopped else "finished",
        summary=_summary(result),
        seconds=time.monotonic() - began,
    )


def _load(job: Job, *, folder: Path, config: RunConfig) -> tuple[Any, "Placement"]:
    """Load the base with a fresh adapter. Raises ModelError, and ConfigError for settings that do not suit it."""
    import torch

    from studio.ml import loading

    job.emit(Loading(what="Loading the base model"))
    placement = loading.choose_placement(precision=config.precision, bits=config.base_bits)
    torch.manual_seed(config.seed)
    base = loading.load_base(folder, placement)
    context = loading.context_length(base)
    if context is not None and config.max_length > context:
        raise ConfigError(
            f"The longest example is set to {config.max_length} tokens, and this model reads at most {context}.",
            f"Set 'longest example' to {context} or less.",
        )
    model = loading.attach_adapter(base, config)
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


def pad_id(renderer: ChatRenderer) -> int:
    """Return the id that fills short rows. It is masked everywhere, so any id of the model serves."""
    return renderer.end_ids[0] if renderer.end_ids else 0


def save_checkpoint(model: Any, run: RunFolder, step: int) -> str:
    """Write the adapter to checkpoints/step-N, whole or not at all, and let the older ones go."""
    name = f"checkpoints/step-{step}"
    _save_adapter(model, run.path / name)
    for other in (run.path / "checkpoints").glob("step-*"):
        if other.name != f"step-{step}":
            shutil.rmtree(other, ignore_errors=True)
    return name


def _save_adapter(model: Any, target: Path) -> None:
    temporary = target.parent / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
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


def _summary(result: "TrainingResult") -> str:
    steps = "1 step" if result.steps == 1 else f"{result.steps} steps"
    if not result.steps:
        return "Stopped before the first step; there was nothing to keep."
    ended = "Stopped" if result.stopped else "Finished"
    text = f"{ended} after {steps}; the adapter is saved."
    if result.first_validation_loss is not None and result.validation_loss is not None:
        text += f" Held-out loss went from {result.first_validation_loss:.3f} to {result.validation_loss:.3f}."
    return text
