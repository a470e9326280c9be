"""The training loop, from the first batch to the last step.

Takes a model that trains some of its parameters, rows of tokens, and three plain callables: `emit` for events,
`should_stop`, and `save`, which writes a checkpoint somewhere. Does not know what a run folder or a page is, nor how
the loss is computed fast: that is the engine's.
"""

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from studio.config import RunConfig
from studio.errors import StudioError, is_out_of_memory
from studio.events import Evaluated, Event, Noted, Saved, Stepped, Stopping
from studio.ml.batches import TokenRow, epoch_steps
from studio.ml.engine import Engine
from studio.ml.loading import Placement
from studio.ml.optimizers import Optimizer, learning_rate_factor
from studio.ml.parallel import Processes
from studio.models.forecast_plan import SCORINGS


class Diverged(StudioError):
    """The loss or the gradient is no longer a finite number."""


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended. The losses are of the held-out rows; None where they were never scored."""

    steps: int
    stopped: bool
    first_validation_loss: float | None
    validation_loss: float | None
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Where a training is between two steps, with all that is needed to go on as if it had never stopped.

    `tensors` holds the masters, the optimiser's moments and the state of chance; the order of the data follows from
    the seed and `step`.
    """

    step: int
    first_validation_loss: float | None
    tensors: dict[str, torch.Tensor]


def evaluation_steps(total: int) -> frozenset[int]:
    """Return after which steps the held-out rows are scored: evenly spread, always the last."""
    return frozenset(math.ceil(total * part / SCORINGS) for part in range(1, SCORINGS + 1))


def train(
    model: Any,
    *,
    train_rows: Sequence[TokenRow],
    validation_rows: Sequence[TokenRow],
    config: RunConfig,
    placement: Placement,
    pad_id: int,
    emit: Callable[[Event], None],
    should_stop: Callable[[], bool],
    save: Callable[[Progress], str],
    resume: Progress | None = None,
    checkpointing: bool = False,
    micro_batch_tokens: int = 0,
) -> TrainingResult:
    """Train what the model trains on `train_rows`, scoring `validation_rows` before the first step and then evenly.

    Each step averages over the learned tokens of all its rows, so a long answer counts for more than a short one and
    cutting the step into micro-batches changes nothing. `save(progress)` writes the model as it stands, in fp32, and
    returns the relative path. With `resume` the training goes on behind the step that it was saved at.

    Raises Diverged when a loss or a gradient is not finite; what was saved before stays. Out of memory once, a step is
    tried again with half the tokens at a time; the second time the error is raised.
    """
    processes = Processes()
    model.train()  # before the engine looks at it: whether the base drops out decides what can be fused
    engine = Engine(
        model,
        config=config,
        placement=placement,
        pad_id=pad_id,
        checkpointing=checkpointing,
        micro_batch_tokens=micro_batch_tokens,
    )
    optimizer = Optimizer(model.named_parameters(), config=config, device=placement.device)
    total = config.total_steps(len(train_rows))

    def score(step: int) -> float | None:
        if not validation_rows:
            return None
        model.eval()
        summed, learned = 0.0, 0
        with torch.inference_mode():
            for group in processes.share(engine.cut(validation_rows, parts=processes.count)):
                if processes.count == 1 and should_stop():
                    return None
                batch = engine.batch(group)
                summed += float(engine.summed_loss(batch))
                learned += batch.learned
        summed, whole = processes.total(summed, learned)
        loss = _finite(summed / whole, "held-out loss", step)
        emit(Evaluated(step=step, loss=loss))
        return loss

    def accumulate(rows: Sequence[TokenRow]) -> float | None:
        """Gather the gradient of the mean loss over all learned tokens of `rows`; None when asked to stop."""
        model.train()
        learned = sum(row.learned for row in rows)
        summed = 0.0
        for group in processes.share(engine.cut(rows, parts=processes.count)):
            if processes.count == 1 and should_stop():  # asked here, for a step of many rows can take minutes
                return None
            loss = engine.summed_loss(engine.batch(group)) / learned
            loss.backward()
            summed += float(loss.detach())
        if processes.count > 1:
            processes.add_up(optimizer.gradients())
            summed, stop = processes.total(summed, float(should_stop()))
            return None if stop else summed
        return summed

    began = time.monotonic()
    step = 0 if resume is None else resume.step
    scored_at = evaluation_steps(total)
    if resume is not None:
        _restore(resume, optimizer)
        first_loss = last_loss = resume.first_validation_loss
    else:
        first_loss = last_loss = score(0)
    try:
        for epoch in range(config.epochs):
            batches = epoch_steps(train_rows, batch_size=config.batch_size, seed=config.seed, epoch=epoch)
            before = epoch * config.steps_per_epoch(len(train_rows))
            for number, rows in enumerate(batches, start=before):
                if number < step:
                    continue  # done before the training was stopped
                step_began = time.monotonic()
                learning_rate = config.learning_rate * learning_rate_factor(step, total, config)
                again = functools.partial(accumulate, rows)
                summed = _once_more(again, engine, optimizer, emit, alone=processes.count == 1)
                if summed is None:
                    emit(Stopping())
                    return TrainingResult(step, True, first_loss, last_loss, time.monotonic() - began)
                _finite(summed, "loss", step + 1)
                grad_norm = _finite(optimizer.step(learning_rate), "gradient", step + 1)

                step += 1
                tokens = sum(len(row.ids) for row in rows)
                emit(
                    Stepped(
                        step=step,
                        epoch=round(step * config.epochs / total, 4),
                        loss=summed,
                        learning_rate=learning_rate,
                        grad_norm=grad_norm,
                        tokens_per_second=round(tokens / (time.monotonic() - step_began), 1),
                        memory_gib=round(memory_gib(placement.device), 3),
                    )
                )
                if step in scored_at:
                    if processes.is_first:
                        with optimizer.masters_in_place():
                            emit(Saved(step=step, path=save(_progress(step, first_loss, optimizer))))
                    if processes.count > 1 or not should_stop():
                        last_loss = score(step) or last_loss
    finally:
        engine.undo()
        optimizer.close()
    return TrainingResult(step, False, first_loss, last_loss, time.monotonic() - began)


def _once_more(
    accumulate: Callable[[], float | None],
    engine: Engine,
    optimizer: Optimizer,
    emit: Callable[[Event], None],
    *,
    alone: bool,
) -> float | None:
    """Gather a step's gradient; out of memory, try once more with half the tokens at a time.

    Only where one process trains `alone`: several cut a step alike, and one that cut it finer would do other rows.
    """
    try:
        return accumulate()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or engine.has_halved or not alone:
            raise
    optimizer.forget()
    engine.halve()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    emit(
        Noted(
            "warning",
            f"The memory ran out. From here on {engine.tokens_at_once:,} tokens go through the model at once, half of "
            "what it was; the batch, and so the result, stays the same.",
        )
    )
    return accumulate()


def memory_gib(device: str) -> float:
    """Return the memory that this process holds now: the GPU's peak where there is one, else resident memory."""
    held = torch.cuda.max_memory_allocated() if device == "cuda" else psutil.Process().memory_info().rss
    return float(held) / 2**30


def _progress(step: int, first_loss: float | None, optimizer: Optimizer) -> Progress:
    chance = {"chance/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        chance["chance/cuda"] = torch.cuda.get_rng_state()
    return Progress(step, first_loss, optimizer.state() | chance)


def _restore(progress: Progress, optimizer: Optimizer) -> None:
    optimizer.restore(progress.tensors)
    torch.set_rng_state(progress.tensors["chance/cpu"])
    if "chance/cuda" in progress.tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(progress.tensors["chance/cuda"])


def _finite(value: float, what: str, step: int) -> float:
    if not math.isfinite(value):
        raise Diverged(
            f"The {what} is no longer a number at step {step}: the training diverged.",
            "Lower the learning rate to a third and start again. What was saved before this step can still be used.",
        )
    return value
