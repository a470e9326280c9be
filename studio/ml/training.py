"""The training loop, from the first batch to the last step."""

import itertools
import logging
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from studio.config import CHANGES_BASE, RunConfig
from studio.errors import StudioError, is_out_of_memory
from studio.events import Evaluated, Event, Noted, Resumed, Saved, Skipped, Stepped, Stopping
from studio.ml.batches import TokenRow, epoch_steps, lengths_of
from studio.ml.checkpoints import Keeper, Progress, restore_rng_state, rng_state
from studio.ml.engine import Engine
from studio.ml.held_out import HeldOut, Scorer
from studio.ml.loading import FP16, Placement
from studio.ml.memory import memory_gib, release_memory
from studio.ml.optimizers import Optimizer, learning_rate_factor
from studio.ml.pacing import SavePace, Scores
from studio.ml.parallel import Processes
from studio.ml.soundness import NotFinite, ensure_finite, no_longer_finite
from studio.ml.streams import Streams
from studio.ml.threads import training
from studio.models.forecast.held_out import rows_between
from studio.models.forecast.plan import answer_steps, evaluation_steps

Group = tuple[int, Sequence[TokenRow]]
"""Rows that go through the model at once, with their number in the step."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended. The losses are of the held-out rows; None where they were never scored.

    They are over all of these rows, or both over the same `part` of `of`. `kept_step` is the step that the model is
    left at, where an earlier one was better than the last; None else.
    """

    steps: int
    stopped: bool
    first_validation_loss: float | None
    validation_loss: float | None
    seconds: float
    kept_step: int | None = None
    stopped_early: bool = False
    part: int = 0
    of: int = 0


class Trainer:
    """Trains what the model trains on `train_rows`, and scores `validation_rows` before the first step and then evenly:
    all of them at both ends, and in between as many as `studio.models.forecast.held_out` says.

    Each step averages over the learned tokens of all its rows, so a long answer counts for more than a short one and
    cutting the step into micro-batches changes nothing. `sample(step)` is called after some of the scorings with the
    model as it came, may ask it, and says whether it did all that it wanted.
    """

    def __init__(
        self,
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
        checkpointing: bool = False,
        micro_batch_tokens: int = 0,
    ) -> None:
        self.model, self.config, self.device = model, config, placement.device
        self.train_rows, self.validation_rows = train_rows, validation_rows
        self.total_steps = config.total_steps(len(train_rows))
        self.held_out = self.divide(self.rows_between())
        self.emit, self.should_stop, self.sample = emit, should_stop, sample
        self.keeper = keeper
        self.pace = SavePace(share=keeper.share)
        self.processes = Processes()
        self.parts = max(self.processes.count, config.nodes)
        changes_base = config.initialisation in CHANGES_BASE
        model.train()  # before the engine looks at it: whether the base drops out decides what can be fused
        self.engine = Engine(
            model,
            config=config,
            placement=placement,
            pad_id=pad_id,
            checkpointing=checkpointing,
            micro_batch_tokens=micro_batch_tokens,
        )
        self.processes.require_alike(self.engine.tokens_at_once, self.engine.is_packed, len(train_rows))
        self.processes.spread([each for each in model.parameters() if each.requires_grad or changes_base])
        self.streams = Streams(self.engine.side_by_side if self.processes.count == 1 else 1)
        self.scorer = Scorer(model, self.engine, self.processes, self.streams, emit, lambda: self.is_stopping)
        self.emit(self.engine.speedups)
        self.optimizer = Optimizer(
            model.named_parameters(), config=config, device=placement.device, fp16=placement.precision == FP16
        )
        self.scored_at = evaluation_steps(self.total_steps)
        self.asked_at = {0} | answer_steps(self.total_steps, placement.device)
        self.step = self.saved_at = 0
        self.threads = training(placement.device)
        self.scores = Scores(part=self.held_out.scored[0])
        self.shown: set[int] = set()
        self.began = time.monotonic()

    def run(self, resume: Progress | None = None) -> TrainingResult:
        """Train to the end, or until a stop is requested or nothing is gained any more, as the settings say.

        With `resume` the training goes on behind the step that it was saved at. Ended early, the model is left at its
        best checkpoint.

        Raises Diverged when a loss or a gradient is not finite, and ModelError for a loss that was so before anything
        was learned; what was saved before stays. Out of memory once, a step is tried again with half the tokens at a
        time; the second time the error is raised.
        """
        self.began = time.monotonic()
        try:
            if resume is None:
                self.score()
            else:
                self.restore(resume)
                resume = None  # the pages of its file would stay in memory as long as the run
                self.make_up()
            if self.has_learned_enough:
                return self.end(early=True)
            for rows in self.remaining_steps():
                before = rng_state()
                if not self.train_step(rows):
                    self.emit(Stopping())
                    self.optimizer.forget()
                    if self.step:
                        self.save(before)
                    return self.end(stopped=True)
                if self.step in self.scored_at and not self.is_stopping:
                    self.score()
                    if self.pace.is_affordable and self.scores.best_step in (0, self.step):
                        self.save(rng_state())
                    if self.has_learned_enough:
                        self.emit(Noted("info", self.scores.early_end(self.step)))
                        return self.end(early=True)
                elif self.pace.is_due:
                    self.save(rng_state())
            return self.end()
        finally:
            self.threads.pause()
            self.streams.close()
            self.engine.undo()
            self.optimizer.close()
            release_memory()

    def remaining_steps(self) -> Iterator[Sequence[TokenRow]]:
        """Yield the rows of each step that is still to do."""
        each, done = self.config.steps_per_epoch(len(self.train_rows)), self.step
        for epoch in range(done // each, self.config.epochs):
            batches = epoch_steps(
                self.train_rows, batch_size=self.config.batch_size, seed=self.config.seed, epoch=epoch
            )
            yield from itertools.islice(batches, max(0, done - epoch * each), None)

    def train_step(self, rows: Sequence[TokenRow]) -> bool:
        """Do one step; False when it was left because a stop is requested."""
        began = time.monotonic()
        learning_rate = self.config.learning_rate * learning_rate_factor(self.step, self.total_steps, self.config)
        loss = self.accumulate_in_memory(rows)
        if loss is None:
            return False
        ensure_finite(loss, "loss", self.step + 1, before_learning=self.step == 0)
        skipped = self.optimizer.skipped
        grad_norm = ensure_finite(self.optimizer.step(learning_rate), "gradient", self.step + 1)
        self.step += 1
        if self.optimizer.scale is not None and self.optimizer.skipped > skipped:
            self.emit(Skipped(self.step, self.optimizer.skipped, self.optimizer.scale.value))
        tokens = sum(len(row.ids) for row in rows)
        self.emit(
            Stepped(
                step=self.step,
                epoch=round(self.step * self.config.epochs / self.total_steps, 4),
                loss=loss,
                learning_rate=learning_rate,
                grad_norm=grad_norm,
                tokens_per_second=round(tokens / (time.monotonic() - began), 1),
                memory_gib=round(memory_gib(self.device), 3),
                tokens=tokens,
            )
        )
        return True

    def accumulate_in_memory(self, rows: Sequence[TokenRow]) -> float | None:
        """Accumulate; out of memory, try once more with half the tokens at a time.

        Only where one process trains: several cut a step alike, and one that cut it finer would do other rows.
        """
        try:
            return self.accumulate(rows)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or self.engine.has_halved or self.processes.count > 1:
                raise
        self.optimizer.forget()
        self.engine.halve()
        release_memory()
        text = (
            f"The memory ran out. From here on {self.engine.tokens_at_once:,} tokens go through the model at once, "
            "half of what it was; the batch, and so the result, stays the same."
        )
        self.emit(Noted("warning", text))
        return self.accumulate(rows)

    def accumulate(self, rows: Sequence[TokenRow]) -> float | None:
        """Gather the gradient of the mean loss over all learned tokens of `rows`; None when a stop is requested."""
        self.model.train()
        groups = self.processes.share(list(enumerate(self.engine.cut(rows, parts=max(self.parts, self.streams.count)))))
        learn = self.learn_side_by_side if min(self.streams.count, len(groups)) > 1 else self.learn_in_order
        losses = list(learn(groups, learned=sum(row.learned for row in rows)))
        if len(losses) < len(groups):  # a stop was requested; asked there, because a step of many rows can take minutes
            return None
        summed = sum(torch.stack(losses).tolist()) if losses else 0.0  # at the end: a GPU is not waited for in between
        if self.processes.count > 1:
            self.processes.add_up(self.optimizer.gradients())
            summed, stop = self.processes.total(summed, float(self.should_stop()))
            return None if stop else summed
        return summed

    def learn_in_order(self, groups: Sequence[Group], *, learned: int) -> Iterator[torch.Tensor]:
        """Gather the gradient of each group and yield its part of the loss, as far as no stop is requested.

        Where several share a step, what is dropped out at random follows from the place of the group in it: so it is
        the same whichever process has it, and however many there are.
        """
        for number, group in groups:
            if self.is_stopping:
                return
            if self.parts > 1:
                torch.manual_seed(((self.config.seed * 1_000_003 + self.step) * 100_003 + number) % 2**63)
            batch = self.engine.batch(group)
            self.threads.step(batch.tokens)
            with self.engine.whole_pass():
                loss = self.engine.summed_loss(batch) / learned
                self.optimizer.scaled(loss).backward()
            yield loss.detach()
        self.threads.end_step()

    def learn_side_by_side(self, groups: Sequence[Group], *, learned: int) -> Iterator[torch.Tensor]:
        """Do the same with several groups at once. Their gradients are added in the same order at every run."""

        def learn(group: Sequence[TokenRow]) -> tuple[torch.Tensor, Sequence[torch.Tensor | None]]:
            with self.engine.whole_pass():
                loss = self.engine.summed_loss(self.engine.batch(group)) / learned
                return loss.detach(), torch.autograd.grad(loss, self.optimizer.parameters, allow_unused=True)

        largest_first = tuple(group for _, group in reversed(groups))  # so that no long one is left for the end
        for loss, gradients in self.streams.in_order(largest_first, learn, is_over=lambda: self.is_stopping):
            self.optimizer.gather(gradients)
            yield loss

    def rows_between(self) -> int:
        """Return how many held-out rows a check in between scores."""
        return rows_between(
            array("q", lengths_of(self.validation_rows).tobytes()),
            trained=self.config.epochs * int(lengths_of(self.train_rows).sum()),
            total_steps=self.total_steps,
            config=self.config,
        )

    def divide(self, count: int) -> HeldOut:
        """Have so many of the held-out rows scored at each check."""
        return HeldOut.of(self.validation_rows, count=count, seed=self.config.seed)

    def score(self) -> None:
        """Score held-out rows and show what the model answers; neither when a stop is requested."""
        if self.validation_rows:
            has_more = self.step == 0 and bool(self.held_out.rest)
            loss = self.scorer.loss(self.held_out, self.step, goes_on=has_more)
            whole = self.scorer.loss_of_all(self.held_out, 0, loss=loss) if has_more and loss is not None else None
            if loss is None or (has_more and whole is None):
                return
            self.emit(Evaluated(self.step, loss, *self.held_out.scored, whole))
            self.scores = self.scores.seen(loss, self.step, smallest_gain=self.config.smallest_gain)
            if whole is not None:
                self.scores = replace(self.scores, first_of_all=whole)
        if self.step in self.asked_at:
            self.show(self.step)

    def show(self, step: int) -> None:
        """Have the answers of a step sampled, by the first process. The model is as it was after that step."""
        if not self.processes.is_first:
            return
        with self.engine.unpacked():
            try:
                whole = self.sample(step)
            except NotFinite as error:
                raise no_longer_finite("score of a word", step, before_learning=step == 0) from error
        if whole:
            self.scores = self.scores.shown(step)
            self.shown.add(step)

    def restore(self, progress: Progress) -> None:
        """Go back to where a checkpoint was saved."""
        self.step, self.saved_at = progress.step, progress.step
        if progress.scores.first is not None:  # its losses go on over the same rows, as many as these were
            self.held_out = self.divide(progress.scores.part or len(self.validation_rows))
        self.scores = replace(progress.scores, part=self.held_out.scored[0])
        self.shown = {progress.scores.shown_step}
        self.optimizer.restore(progress.tensors)
        restore_rng_state(progress.tensors)
        self.emit(Resumed(self.step))

    def make_up(self) -> None:
        """Score and show what was left out at this step because a stop was requested."""
        if self.step not in self.scored_at:
            return
        if self.validation_rows and self.scores.last_step != self.step:
            self.score()
            self.scores = self.scores.saved(self.step)
        elif self.step in self.asked_at and self.scores.shown_step != self.step:
            self.show(self.step)

    def save(self, rng: dict[str, torch.Tensor]) -> None:
        """Save a checkpoint of this step, by the first process and once."""
        if not self.processes.is_first or self.saved_at == self.step:
            return
        self.scores, self.saved_at = self.scores.saved(self.step), self.step
        with self.optimizer.masters_in_place():
            progress = Progress(self.step, self.scores, self.optimizer.state() | rng)
            self.pace.timed(lambda: self.emit(Saved(step=self.step, path=self.keeper.save(progress))))

    def end(self, *, stopped: bool = False, early: bool = False) -> TrainingResult:
        """Go back to the best checkpoint where the settings say so, and return how the training ended."""
        better = self.scores.better_step if self.config.early_stopping and not stopped else None
        if better is not None and not self.goes_back_to(better):
            better = None
        last = self.scores.last if better is None else self.scores.kept
        ends = None if stopped else self.losses_at_ends(last, better)
        if not stopped and (kept := better or self.step) not in self.shown:
            self.show(kept)
        seconds = time.monotonic() - self.began
        if ends is not None:
            return TrainingResult(self.step, stopped, *ends, seconds, better, early)
        part, of = self.held_out.scored
        return TrainingResult(self.step, stopped, self.scores.first, last, seconds, better, early, part, of)

    def goes_back_to(self, step: int) -> bool:
        """Leave the model at an earlier checkpoint; say whether that can be read."""
        self.optimizer.rest()
        release_memory()
        try:
            self.optimizer.restore_masters(self.keeper.load(step).tensors)
        except StudioError:
            log.info("The best checkpoint cannot be read", exc_info=True)
            text = f"The checkpoint of step {step:,} scored best, but is damaged: the last step is kept."
            self.emit(Noted("warning", text))
            return False
        return True

    def losses_at_ends(self, last: float | None, better: int | None) -> tuple[float, float] | None:
        """Score all held-out rows at the step that is kept; return the first and the last loss over all of them.

        `last` is the last over the part. None where no check is of a part alone, or the ends were not both scored.
        """
        if not self.held_out.rest:
            return None
        alone = False
        if self.processes.count > 1:  # only the first one has checkpoints, and goes back to one
            (gone_back,) = self.processes.total(float(better is not None))
            alone = bool(gone_back)
        scored_step = self.scores.last_step if better is None else better
        if last is None or scored_step != (better or self.step) or (alone and not self.processes.is_first):
            return None
        whole = self.scorer.loss_of_all(self.held_out, scored_step, loss=last, alone=alone)
        if whole is None:
            return None
        self.emit(Evaluated(scored_step, last, *self.held_out.scored, whole))
        first = self.scores.first_of_all
        return None if first is None else (first, whole)

    @property
    def is_stopping(self) -> bool:
        """Whether a stop is requested of the one process that trains; several agree on it at the end of a step."""
        return self.processes.count == 1 and self.should_stop()

    @property
    def has_learned_enough(self) -> bool:
        """Whether the training is to end before its last step, because the last checks gained nothing."""
        gained_nothing = self.scores.without_gain >= self.config.patience
        return self.config.early_stopping and gained_nothing and self.step < self.total_steps
