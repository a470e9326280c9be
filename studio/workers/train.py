"""The training job: from a run's folder to an adapter in it.

Everything heavy is imported after the first event is written, so that the page sees the run within a moment.
"""

import itertools
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import RunConfig
from studio.data.examples import Example
from studio.data.library import read_examples
from studio.data.rendering import ChatRenderer
from studio.errors import ConfigError, DataError
from studio.events import Finished, Loaded, Loading, Noted, Prepared, Saved
from studio.runs.store import RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.job import Job

if TYPE_CHECKING:
    from studio.ml.batches import TokenRow
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
        rows = _render(job, run=run, renderer=renderer)
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


@dataclass(frozen=True)
class _Rows:
    """The run's examples as rows of tokens, and what is told of them."""

    train: list["TokenRow"]
    validation: list["TokenRow"]
    prepared: Prepared


def _render(job: Job, *, run: RunFolder, renderer: ChatRenderer) -> _Rows:
    """Render the run's examples. Raises DataError when none is left to train on."""
    from studio.ml.training import total_steps

    config = run.config
    examples = read_examples(run.train_path)
    train, left_out = token_rows(examples, renderer=renderer, max_length=config.max_length)
    held_out = read_examples(run.validation_path)
    validation, held_out_left_out = token_rows(held_out, renderer=renderer, max_length=config.max_length)
    if not train:
        raise DataError(
            f"None of the {len(examples)} examples fits into {config.max_length} tokens.",
            "Raise 'longest example', or shorten the examples.",
        )
    if held_out and not validation:
        text = f"None of the {len(held_out)} held-out examples fits into {config.max_length} tokens: nothing is scored."
        job.emit(Noted("warning", text))
    if renderer.uses_plain_template:
        text = "This model has no chat template, so the studio's plain one (User: / Assistant:) is used."
        job.emit(Noted("info", text))
    prepared = Prepared(
        train_examples=len(train),
        validation_examples=len(validation),
        left_out=left_out + held_out_left_out,
        tokens=sum(len(row.ids) for row in train),
        learned_tokens=sum(row.learned for row in train),
        total_steps=total_steps(len(train), config),
    )
    return _Rows(train, validation, prepared)


def _load(job: Job, *, folder: Path, config: RunConfig) -> tuple[Any, "Placement"]:
    """Load the base with a fresh adapter. Raises ModelError, and ConfigError for settings that do not suit it."""
    import torch

    from studio.ml import loading

    job.emit(Loading(what="Loading the base model"))
    placement = loading.choose_placement(precision=config.precision, four_bit=config.four_bit)
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


def token_rows(examples: Sequence[Example], *, renderer: ChatRenderer, max_length: int) -> tuple[list["TokenRow"], int]:
    """Render examples to rows of tokens. Returns the rows that fit and how many were too long."""
    from studio.ml.batches import TokenRow

    rows = []
    for example in examples:
        rendered = renderer.render(example.messages)
        if len(rendered.ids) <= max_length:
            rows.append(TokenRow(ids=rendered.ids, labels=rendered.labels))
    learnable = [row for row in rows if row.learned]
    return learnable, len(examples) - len(learnable)


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

    examples = (*read_examples(run.validation_path), *read_examples(run.train_path))
    rendered = ((example, renderer.render(example.messages).ids) for example in examples)
    fitting = ((example, ids) for example, ids in rendered if len(ids) <= run.config.max_length)
    probes = [
        reference.Probe(ids=ids, prompt=renderer.prompt(example.messages[:-1]))
        for example, ids in itertools.islice(fitting, reference.ROWS)
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
