"""The training job: from a run's folder to an adapter in it.

Everything heavy is imported after the first event is written, so that the page sees the run within a moment.
"""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import RunConfig
from studio.data.formats import Example
from studio.data.library import read_examples
from studio.data.rendering import ChatRenderer
from studio.errors import DataError
from studio.events import Finished, Loaded, Loading, Noted, Prepared, Saved
from studio.runs.store import RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.job import Job

if TYPE_CHECKING:
    from studio.ml.batches import TokenRow
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
        import torch

        from studio.ml import loading
        from studio.ml.training import total_steps, train

        renderer = ChatRenderer.load(files.folder)
        examples = read_examples(run.train_path)
        held_out = read_examples(run.validation_path)
        train_rows, train_left_out = token_rows(examples, renderer=renderer, max_length=config.max_length)
        validation_rows, left_out = token_rows(held_out, renderer=renderer, max_length=config.max_length)
        _check_rows(train_rows, config=config, examples=len(examples))
        if renderer.uses_plain_template:
            job.emit(
                Noted(
                    "info", "This model has no chat template, so the studio's plain one (User: / Assistant:) is used."
                )
            )

        job.emit(Loading(what="Loading the base model"))
        placement = loading.choose_placement(precision=config.precision, four_bit=config.four_bit)
        torch.manual_seed(config.seed)
        base = loading.load_base(files.folder, placement)
        _check_length(config, loading.context_length(base))
        model = loading.attach_adapter(base, config)
        parameters, trainable = loading.parameter_counts(model)
        job.emit(
            Loaded(
                parameters=parameters - trainable,
                trainable=trainable,
                device=placement.device,
                precision=placement.sentence,
                target_modules=loading.adapted_modules(model),
            )
        )
        job.emit(
            Prepared(
                train_examples=len(train_rows),
                validation_examples=len(validation_rows),
                left_out=train_left_out + left_out,
                tokens=sum(len(row.ids) for row in train_rows),
                learned_tokens=sum(row.learned for row in train_rows),
                total_steps=total_steps(len(train_rows), config),
            )
        )
        result = train(
            model,
            train_rows=train_rows,
            validation_rows=validation_rows,
            config=config,
            placement=placement,
            pad_id=pad_id(renderer),
            emit=job.emit,
            should_stop=job.should_stop,
            save=lambda step: save_checkpoint(model, run, step),
        )
        if result.steps:
            job.emit(Loading(what="Saving the adapter"))
            keep_reference(model, run, renderer=renderer, examples=(*held_out, *examples))
            _save_adapter(model, run.path / "adapter")
            shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
            job.emit(Saved(step=result.steps, path="adapter"))
    return Finished(
        status="stopped" if result.stopped else "finished",
        summary=_summary(result),
        seconds=time.monotonic() - began,
    )


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


def save_checkpoint(model: object, run: RunFolder, step: int) -> str:
    """Write the adapter to checkpoints/step-N, whole or not at all, and let the older ones go."""
    name = f"checkpoints/step-{step}"
    _save_adapter(model, run.path / name)
    for other in (run.path / "checkpoints").glob("step-*"):
        if other.name != f"step-{step}":
            shutil.rmtree(other, ignore_errors=True)
    return name


def _save_adapter(model: object, target: Path) -> None:
    temporary = target.parent / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)  # type: ignore[attr-defined]
    shutil.rmtree(target, ignore_errors=True)
    os.replace(temporary, target)


def keep_reference(model: object, run: RunFolder, *, renderer: ChatRenderer, examples: Sequence[Example]) -> None:
    """Write what the model says about a few rows of the run, for its exports to be checked against."""
    from studio.ml import reference

    rendered = [(example, renderer.render(example.messages).ids) for example in examples]
    fitting = [(example, ids) for example, ids in rendered if len(ids) <= run.config.max_length]
    probes = [
        reference.Probe(ids=ids, prompt=renderer.prompt(example.messages[:-1]))
        for example, ids in fitting[: reference.ROWS]
    ]
    observed = reference.observe(model, probes, end_ids=renderer.end_ids, pad_id=pad_id(renderer))
    reference.save_reference(observed, run.path / REFERENCE)


def _check_rows(rows: Sequence[object], *, config: RunConfig, examples: int) -> None:
    if not rows:
        raise DataError(
            f"None of the {examples} examples fits into {config.max_length} tokens.",
            "Raise 'longest example', or shorten the examples.",
        )


def _check_length(config: RunConfig, context: int | None) -> None:
    if context is not None and config.max_length > context:
        raise DataError(
            f"The longest example is set to {config.max_length} tokens, and this model reads at most {context}.",
            f"Set 'longest example' to {context} or less.",
        )


def _summary(result: "TrainingResult") -> str:
    steps = "1 step" if result.steps == 1 else f"{result.steps} steps"
    if not result.steps:
        return "Stopped before the first step; there was nothing to keep."
    ended = "Stopped" if result.stopped else "Finished"
    text = f"{ended} after {steps}; the adapter is saved."
    if result.first_validation_loss is not None and result.validation_loss is not None:
        text += f" Held-out loss went from {result.first_validation_loss:.3f} to {result.validation_loss:.3f}."
    return text
