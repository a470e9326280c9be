"""How long a run takes from its start to the end of its evaluation, corrected by what runs on this machine took.

The arithmetic of `duration` knows the model and the data. What it does not know - a slow disk, a processor that gets
hot - shows in the runs that were done: their real times divided by what was estimated of them, the median of which
corrects the next estimate. Preparations, steps and evaluations are corrected apart: what a short run lost at its start
says nothing of how fast a long one steps.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from studio.models.machine import Machine, Timing

BOUNDS = (0.2, 10.0)
"""No correction makes a time shorter or longer than this: one run that was disturbed must not rule all others."""

NEWEST = 9
"""So many of the newest runs count."""

SHORTEST_SECONDS = 0.5
"""What was estimated to take less says nothing."""

UNCORRECTED = (0.7, 1.8)
"""How far a time may be below or above an estimate that no run has corrected yet."""

CORRECTED = (0.8, 1.3)
"""The same at the least once runs have; where they differ more among themselves, by as much."""

_WIDEST = 2.5
_OF_OTHERS = 0.5
"""The part of a correction that is taken from runs of other models or methods: half of it, as a power."""

_KEPT_ANSWERS = 0.5
"""What the evaluation takes of its time where the answers of the base are known from an earlier one."""


@dataclass(frozen=True)
class Correction:
    """By what estimated times are multiplied, between which factors of that the real time will be, and how many runs
    of the same model and method that is from; 0 where it is from others, or from none.
    """

    start: float = 1.0
    loop: float = 1.0
    evaluation: float = 1.0
    least: float = UNCORRECTED[0]
    most: float = UNCORRECTED[1]
    runs: int = 0


@dataclass(frozen=True)
class RunTime:
    """The seconds of a run. `start`, `loop` and `evaluation` are as the arithmetic has them, on a machine that does
    nothing else; all others are corrected, and consider what the machine is busy with.
    """

    start: float
    """Before the first step and after the last."""
    loop: float
    """All steps, with the checks, the sample answers and the checkpoints between them."""
    evaluation: float = 0.0
    """The evaluation at its end; 0 without one."""
    correction: Correction = field(default_factory=Correction)
    slower: float = 1.0
    """How many times as long all takes because other programs are at work."""

    @property
    def training_seconds(self) -> float:
        """From the start of the worker to its end."""
        return self.slower * (self.start * self.correction.start + self.loop * self.correction.loop)

    @property
    def evaluation_seconds(self) -> float:
        """The evaluation after that."""
        return self.slower * self.evaluation * self.correction.evaluation

    @property
    def training_range(self) -> tuple[float, float]:
        """Between which seconds the training will be."""
        return self.correction.least * self.training_seconds, self.correction.most * self.training_seconds

    @property
    def range(self) -> tuple[float, float]:
        """Between which seconds training and evaluation will be together."""
        (least, most), (after_least, after_most) = self.training_range, self.evaluation_range
        return least + after_least, most + after_most

    @property
    def evaluation_range(self) -> tuple[float, float]:
        """Between which seconds the evaluation will be: shorter where what the base answers is known already."""
        after = self.evaluation_seconds
        return self.correction.least * _KEPT_ANSWERS * after, self.correction.most * after

    def without_evaluation(self) -> "RunTime":
        """Return the same for a run that is not evaluated at its end."""
        return replace(self, evaluation=0.0)


def corrected(time: RunTime, machine: Machine, *, model: str, method: str) -> RunTime:
    """Correct an estimate by what earlier runs on the machine took, and by what else it does now."""
    on_device = [each for each in machine.timings if each.device == machine.device]
    same = [each for each in on_device if (each.model, each.method) == (model, method)][-NEWEST:]
    loops = _ratios(same, _loop)
    least, most = _spread(loops) if loops else UNCORRECTED
    correction = Correction(
        start=_factor(same, on_device, _start),
        loop=_factor(same, on_device, _loop),
        evaluation=_factor(same, on_device, _evaluation),
        least=least,
        most=most,
        runs=len(loops),
    )
    return replace(time, correction=correction, slower=slowdown(machine))


def slowdown(machine: Machine) -> float:
    """Return how many times as long a run takes beside what else the machine does.

    A run has as many threads as there are cores; beside those of others each of them gets its share of the processor.
    """
    return 1.0 + machine.load


_Part = Callable[[Timing], tuple[float, float]]
"""Returns of a timing what was estimated of a part, and what it took."""


def _factor(same: Sequence[Timing], on_device: Sequence[Timing], part: _Part) -> float:
    if ratios := _ratios(same, part):
        return _bounded(statistics.median(ratios))
    others = _ratios(on_device, part)[-NEWEST:]
    return _bounded(statistics.median(others)) ** _OF_OTHERS if others else 1.0


def _ratios(timings: Iterable[Timing], part: _Part) -> list[float]:
    """Divide what was measured by what was estimated, where both say something."""
    pairs = (part(each) for each in timings)
    return [
        measured / estimated
        for estimated, measured in pairs
        if estimated >= SHORTEST_SECONDS and measured > 0 and math.isfinite(measured / estimated)
    ]


def _start(timing: Timing) -> tuple[float, float]:
    return timing.start_estimated, timing.start_seconds


def _loop(timing: Timing) -> tuple[float, float]:
    return timing.loop_estimated, timing.loop_seconds


def _evaluation(timing: Timing) -> tuple[float, float]:
    return timing.evaluation_estimated, timing.evaluation_seconds


def _spread(ratios: Sequence[float]) -> tuple[float, float]:
    """Return between which factors of their median the ratios are, at least `CORRECTED`."""
    middle = statistics.median(ratios)
    least, most = min(ratios) / middle, max(ratios) / middle
    return max(1 / _WIDEST, min(CORRECTED[0], least)), min(_WIDEST, max(CORRECTED[1], most))


def _bounded(ratio: float) -> float:
    return min(max(ratio, BOUNDS[0]), BOUNDS[1])
