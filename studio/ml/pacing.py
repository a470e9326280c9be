"""When a training saves and says how far it is, and when it has learned enough: rules over times and losses."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from studio.events import Checking
from studio.models.forecast.plan import SAVE_SHARE

SAVE_SECONDS = 30.0
"""The time between two checkpoints where saving is cheap: no more than this is ever trained again."""

TELL_SECONDS = 2.0


class SavePace:
    """Says when a checkpoint is due, from what the last ones cost."""

    def __init__(
        self, *, share: float = SAVE_SHARE, seconds: float = SAVE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share, self._seconds, self._clock = share, seconds, clock
        self._began = self._last = clock()
        self._spent = self._cost = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint whatever the losses say."""
        return self._clock() - self._last >= max(self._seconds, self._cost / self._share)

    @property
    def is_affordable(self) -> bool:
        """Whether one more checkpoint, as expensive as the last, stays within the share; the first always does."""
        return self._spent + self._cost <= self._share * (self._clock() - self._began) or not self._spent

    def timed(self, save: Callable[[], object]) -> None:
        """Save, and remember what it cost."""
        began = self._clock()
        save()
        self._last = self._clock()
        self._cost = self._last - began
        self._spent += self._cost


class Telling:
    """Tells how far something is, every `TELL_SECONDS` at most: each word on it is written down for good."""

    def __init__(self, emit: Callable[[Checking], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit, self._clock = emit, clock
        self._told_at = float("-inf")

    def tell(self, progress: Checking) -> None:
        """Tell it, unless something was told just now."""
        if self._clock() - self._told_at >= TELL_SECONDS:
            self._told_at = self._clock()
            self._emit(progress)


@dataclass(frozen=True)
class Scores:
    """What the held-out losses of a run have been until now. `best` is the lowest, `best_step` where it was.

    All but `first_of_all` are over the rows that each check scores: the first `part` of those drawn, 0 for all of them.

    `kept` is the lowest at a step of which there is a checkpoint, `kept_step`. `gained` is the loss that a new one
    must beat to count as a gain, and `without_gain` counts the checks in a row that did not. `last_step` is the
    step of the last, and `shown_step` the last step of which the answers were shown.
    """

    first: float | None = None
    last: float | None = None
    best: float | None = None
    best_step: int = 0
    last_step: int = 0
    shown_step: int = 0
    kept: float | None = None
    kept_step: int = 0
    gained: float | None = None
    without_gain: int = 0
    part: int = 0
    first_of_all: float | None = None

    def seen(self, loss: float, step: int, *, smallest_gain: float) -> "Scores":
        """Take a new loss in. A gain is a fall by more than the share `smallest_gain` since the last gain."""
        gains = self.gained is None or loss < self.gained * (1 - smallest_gain)
        is_best = self.best is None or loss < self.best
        return replace(
            self,
            first=loss if self.first is None else self.first,
            last=loss,
            last_step=step,
            best=loss if is_best else self.best,
            best_step=step if is_best else self.best_step,
            gained=loss if gains else self.gained,
            without_gain=0 if gains else self.without_gain + 1,
        )

    def shown(self, step: int) -> "Scores":
        """Remember that the answers of a step were shown."""
        return replace(self, shown_step=step)

    def saved(self, step: int) -> "Scores":
        """Remember that there is a checkpoint of the best step."""
        return replace(self, kept=self.best, kept_step=step) if step == self.best_step else self

    def early_end(self, step: int) -> str:
        """Return what to tell a person when the training ends early after `step`."""
        return (
            f"Ended early after step {step:,}: the held-out examples gained nothing in the last {self.without_gain} "
            f"checks. They scored best after step {self.best_step:,}."
        )

    @property
    def better_step(self) -> int | None:
        """The step of a checkpoint that scores better than the last, None where there is none."""
        if self.kept is None or self.last is None or self.kept >= self.last:
            return None
        return self.kept_step
