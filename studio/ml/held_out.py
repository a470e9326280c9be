"""Scoring the held-out rows of a training: a part of them at each check, the rest of them at both ends as well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from studio.events import Checking, Event
from studio.ml.batches import TokenRow, chosen, learned_in
from studio.ml.engine import Engine
from studio.ml.pacing import Telling
from studio.ml.parallel import Processes
from studio.ml.soundness import ensure_finite
from studio.ml.streams import Streams
from studio.models.forecast.held_out import drawn
from studio.wording import counted


@dataclass(frozen=True)
class HeldOut:
    """Each check scores `part`, and the ends of a training `rest` as well. Both are in the order of the data."""

    part: Sequence[TokenRow]
    rest: Sequence[TokenRow] = ()

    @classmethod
    def of(cls, rows: Sequence[TokenRow], *, count: int, seed: int) -> "HeldOut":
        """Divide rows, so that `count` of them are scored at each check."""
        if count >= len(rows):
            return cls(rows)
        is_part = np.zeros(len(rows), dtype=np.bool_)
        is_part[np.asarray(drawn(len(rows), seed=seed)[:count])] = True
        return cls(chosen(rows, np.flatnonzero(is_part)), chosen(rows, np.flatnonzero(~is_part)))

    @property
    def total(self) -> int:
        """How many rows are held out."""
        return len(self.part) + len(self.rest)

    @property
    def scored(self) -> tuple[int, int]:
        """How many rows each check scores, and of how many; 0 and 0 where it scores all."""
        return (len(self.part), self.total) if self.rest else (0, 0)

    @cached_property
    def learned(self) -> int:
        """How many tokens of the part are predicted."""
        return learned_in(self.part)


@dataclass(frozen=True)
class Scorer:
    """Scores rows with the model as it is; several processes share them. Gives None when a stop is requested."""

    model: Any
    engine: Engine
    processes: Processes
    streams: Streams
    emit: Callable[[Event], None]
    is_stopping: Callable[[], bool]

    def loss(self, rows: HeldOut, step: int, *, goes_on: bool) -> float | None:
        """Return the mean loss over the part. `goes_on` says that the rest is scored after it."""
        found = self._sums(rows.part, step, before=0, total=rows.total if goes_on else len(rows.part))
        if found is None:
            return None
        summed, learned = self.processes.total(*found)
        return ensure_finite(summed / learned, "held-out loss", step, before_learning=step == 0)

    def loss_of_all(self, rows: HeldOut, step: int, *, loss: float, alone: bool = False) -> float | None:
        """Score the rest, and return the mean loss over all rows. `loss` is that over the part, with these weights.

        `alone` says that no other process has them.
        """
        found = self._sums(rows.rest, step, before=len(rows.part), total=rows.total, alone=alone)
        if found is None:
            return None
        summed, learned = found if alone else self.processes.total(*found)
        whole = (loss * rows.learned + summed) / (rows.learned + learned)
        return ensure_finite(whole, "held-out loss", step, before_learning=step == 0)

    def _sums(
        self, rows: Sequence[TokenRow], step: int, *, before: int, total: int, alone: bool = False
    ) -> tuple[float, float] | None:
        """Sum up the losses of this process's rows and their learned tokens. `before` of `total` are scored already."""
        self.model.eval()
        summed, learned, done, scored = 0.0, 0, before, 0
        telling = Telling(self.emit)
        groups = self.engine.cut(rows, parts=max(self.processes.count, self.streams.count))
        own = groups if alone else self.processes.share(groups)
        total -= len(rows) - sum(map(len, own))  # what other processes score meanwhile is not counted here
        what = f"Scoring {counted(total, 'held-out example')}"
        telling.tell(Checking(step, what, done, total, "examples"))
        for loss, tokens, count in self.streams.in_order(own, self._score, is_over=self.is_stopping):
            summed, learned, done, scored = summed + loss, learned + tokens, done + count, scored + 1
            telling.tell(Checking(step, what, done, total, "examples"))
        return None if scored < len(own) else (summed, learned)

    def _score(self, group: Sequence[TokenRow]) -> tuple[float, int, int]:
        """Return the summed loss of some rows, their learned tokens, and how many they are."""
        with torch.inference_mode(), self.engine.whole_pass():
            batch = self.engine.batch(group)
            return float(self.engine.summed_loss(batch)), batch.learned, len(group)
