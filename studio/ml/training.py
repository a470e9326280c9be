"""The training loop, from the first batch to the last step.

Takes a model that trains some of its parameters, rows of tokens, and plain callables: `emit` for events, `should_stop`,
a `Keeper` of checkpoints, and `sample`, which shows what the model answers. Does not know what a run folder or a page
is, nor how the loss is computed fast: that is the engine's.
"""

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from studio.config import RunConfig
from studio.errors import ModelError, StudioError, is_out_of_memory
from studio.events import Evaluated, Event, Noted, Resumed, Saved, Skipped, Stepped, Stopping
from studio.ml.batches import TokenRow, epoch_steps
from studio.ml.engine import Engine
from studio.ml.loading import FP16, Placement
from studio.ml.memory import release_memory
from studio.ml.optimizers import Optimizer, learning_rate_factor
from studio.ml.pacing import SavePace, Scores
from studio.ml.parallel import Processes
from studio.ml.soundness import NoNumbers
from studio.models.forecast.plan import SAVE_SHARE, SCORINGS

RngState = dict[str, torch.Tensor]

_OLDER_RNG = "chance/"
"""What the names of the RNG state began with in older checkpoints."""


class Diverged(StudioError):
    """The loss or the gradient is no longer a finite number."""


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended. The losses are of the held-out rows; None where they were never scored.

    `kept_step` is the step that the model is left at, where an earlier one was better than the last; None else.
    """

    steps: int
    stopped: bool
    first_validation_loss: float | None
    validation_loss: float | None
    seconds: float
    kept_step: int | None = None
    stopped_early: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a training is between two steps, with all that is needed to go on as if it had never stopped.

    `tensors` holds the masters, the optimiser's moments and the RNG state; the order of the data follows from
    the seed and `step`.
    """

    step: int
    scores: Scores
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Keeper:
    """Where checkpoints go. `save(progress)` writes the model as it stands, in fp32, and returns the relative path;
    `load(step)` reads the progress of one that was saved, and raises RunError when it cannot be read.
    """

    save: Callable[[Progress], str]
    load: Callable[[int], Progress]
    share: float = SAVE_SHARE
    """The share of the time that saving may take."""


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
    keeper: Keeper,
    sample: Callable[[int], bool] = lambda step: True,
    resume: Progress | None = None,
    checkpointing: bool = False,
    micro_batch_tokens: int = 0,
) -> TrainingResult:
    """Train what the model trains on `train_rows`, scoring `validation_rows` before the first step and then evenly.

    Each step averages over the learned tokens of all its rows, so a long answer counts for more than a short one and
    cutting the step into micro-batches changes nothing. `sample(step)` is called after each scoring with the model as
    it came, may ask it, and says whether it did all that it wanted. With `resume` the training goes on behind the step
    that it was saved at. It ends early, and the model is left at its best checkpoint, as the settings say.

    Raises Diverged when a loss or a gradient is not finite, and ModelError for a loss that was so before anything was
    learned; what was saved before stays. Out of memory once, a step is tried again with half the tokens at a time; the
    second time the error is raised.
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
    emit(engine.speedups)
    optimizer = Optimizer(
        model.named_parameters(), config=config, device=placement.device, fp16=placement.precision == FP16
    )
    total = config.total_steps(len(train_rows))
    scored_at = evaluation_steps(total)
    pace = SavePace(share=keeper.share)
    scores = Scores()
    saved_at = 0

    def score(step: int) -> None:
        """Score the held-out rows and show what the model answers, unless there are none or a stop is requested."""
        nonlocal scores
        if validation_rows:
            model.eval()
            summed, learned = 0.0, 0
            with torch.inference_mode():
                for group in processes.share(engine.cut(validation_rows, parts=processes.count)):
                    if processes.count == 1 and should_stop():
                        return
                    batch = engine.batch(group)
                    summed += float(engine.summed_loss(batch))
                    learned += batch.learned
            summed, whole = processes.total(summed, learned)
            loss = _finite(summed / whole, "held-out loss", step, before_learning=step == 0)
            emit(Evaluated(step=step, loss=loss))
            scores = scores.seen(loss, step, smallest_gain=config.smallest_gain)
        show(step)

    def show(step: int) -> None:
        nonlocal scores
        if processes.is_first:
            with engine.unpacked():
                try:
                    whole = sample(step)
                except NoNumbers as error:
                    raise no_longer_finite("score of a word", step, before_learning=step == 0) from error
                if whole:
                    scores = scores.shown(step)

    def make_up(step: int) -> None:
        """Score and show what was left out at a step because a stop was requested."""
        nonlocal scores
        if validation_rows and scores.last_step != step:
            score(step)
            scores = scores.saved(step)
        elif scores.shown_step != step:
            show(step)

    def accumulate(rows: Sequence[TokenRow]) -> float | None:
        """Gather the gradient of the mean loss over all learned tokens of `rows`; None when asked to stop."""
        model.train()
        learned = sum(row.learned for row in rows)
        summed = 0.0
        for group in processes.share(engine.cut(rows, parts=processes.count)):
            if processes.count == 1 and should_stop():  # asked here, for a step of many rows can take minutes
                return None
            loss = engine.summed_loss(engine.batch(group)) / learned
            optimizer.scaled(loss).backward()
            summed += float(loss.detach())
        if processes.count > 1:
            processes.add_up(optimizer.gradients())
            summed, stop = processes.total(summed, float(should_stop()))
            return None if stop else summed
        return summed

    def save(step: int, rng_state: RngState) -> None:
        nonlocal scores, saved_at
        if not processes.is_first or saved_at == step:
            return
        scores, saved_at = scores.saved(step), step
        with optimizer.masters_in_place():
            progress = Progress(step, scores, optimizer.state() | rng_state)
            pace.timed(lambda: emit(Saved(step=step, path=keeper.save(progress))))

    def ended(step: int, *, stopped: bool, early: bool = False) -> TrainingResult:
        better = scores.better_step if config.early_stopping and not stopped else None
        if better is not None:
            optimizer.rest()
            release_memory()
            try:
                optimizer.restore_masters(keeper.load(better).tensors)
            except StudioError:
                text = f"The checkpoint of step {better:,} scored best, but is damaged: the last step is kept."
                emit(Noted("warning", text))
                better = None
        last = scores.last if better is None else scores.kept
        return TrainingResult(step, stopped, scores.first, last, time.monotonic() - began, better, early)

    def learned_enough() -> bool:
        return config.early_stopping and scores.without_gain >= config.patience

    began = time.monotonic()
    step = 0
    try:
        if resume is None:
            score(0)
        else:
            step, scores, saved_at = resume.step, resume.scores, resume.step
            _restore(resume, optimizer)
            resume = None  # the pages of its file would stay in memory as long as the run
            emit(Resumed(step))
            if step in scored_at:
                make_up(step)
        if step < total and learned_enough():
            return ended(step, stopped=False, early=True)
        for rows in _steps_from(step, train_rows, config):
            step_began = time.monotonic()
            rng_state = _rng_state()
            learning_rate = config.learning_rate * learning_rate_factor(step, total, config)
            summed = _once_more(
                functools.partial(accumulate, rows), engine, optimizer, emit, alone=processes.count == 1
            )
            if summed is None:
                emit(Stopping())
                optimizer.forget()
                if step:
                    save(step, rng_state)
                return ended(step, stopped=True)
            _finite(summed, "loss", step + 1, before_learning=step == 0)
            skipped = optimizer.skipped
            grad_norm = _finite(optimizer.step(learning_rate), "gradient", step + 1)

            step += 1
            if optimizer.scale is not None and optimizer.skipped > skipped:
                emit(Skipped(step, optimizer.skipped, optimizer.scale.value))
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
                    tokens=tokens,
                )
            )
            if step in scored_at and (processes.count > 1 or not should_stop()):
                score(step)
                if pace.is_affordable and scores.best_step in (0, step):
                    save(step, _rng_state())
                if step < total and learned_enough():
                    emit(Noted("info", _early(step, scores)))
                    return ended(step, stopped=False, early=True)
            elif pace.is_due:
                save(step, _rng_state())
        return ended(step, stopped=False)
    finally:
        engine.undo()
        optimizer.close()
        release_memory()


def _steps_from(done: int, train_rows: Sequence[TokenRow], config: RunConfig) -> Iterator[Sequence[TokenRow]]:
    """Yield the rows of each step behind the first `done` of the run."""
    each = config.steps_per_epoch(len(train_rows))
    for epoch in range(done // each, config.epochs):
        batches = epoch_steps(train_rows, batch_size=config.batch_size, seed=config.seed, epoch=epoch)
        yield from itertools.islice(batches, max(0, done - epoch * each), None)


def _early(step: int, scores: Scores) -> str:
    return (
        f"Ended early after step {step:,}: the held-out examples gained nothing in the last {scores.without_gain} "
        f"checks. They scored best after step {scores.best_step:,}."
    )


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
    release_memory()
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


def _rng_state() -> RngState:
    """Return the RNG state, by names."""
    rng_state = {"rng/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        rng_state["rng/cuda"] = torch.cuda.get_rng_state()
    return rng_state


def _restore(progress: Progress, optimizer: Optimizer) -> None:
    optimizer.restore(progress.tensors)
    states = {name.replace(_OLDER_RNG, "rng/"): tensor for name, tensor in progress.tensors.items()}
    torch.set_rng_state(states["rng/cpu"])
    if "rng/cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["rng/cuda"])


def _finite(value: float, what: str, step: int, *, before_learning: bool = False) -> float:
    if math.isfinite(value):
        return value
    raise no_longer_finite(what, step, before_learning=before_learning)


def no_longer_finite(what: str, step: int, *, before_learning: bool = False) -> ModelError | Diverged:
    """Return ModelError for what is no number though nothing was learned yet, and Diverged for later."""
    if before_learning:
        return ModelError(
            f"The {what} of the model is no number before anything was learned, so no learning rate can help.",
            "Set the precision to fp32, or choose another base model or start adapter.",
        )
    return Diverged(
        f"The {what} is no longer a number at step {step}: the training diverged.",
        "Lower the learning rate to a third and start again. What was saved before this step can still be used.",
    )
