"""How long a training still takes: its steps, the checks between them, and saving what was learned."""

from itertools import pairwise

from studio.models.forecast.plan import evaluation_steps
from studio.runs.steps import TIME
from studio.runs.view import RunView

_RATE_WINDOW = 50
_FEWEST_STEPS = 3
_LONGEST_PAUSE = 30.0

SAVING_CHECKS = 2.0
"""Saving the result takes as long as so many checks, more or less: a few questions are asked then, one after the other.
Measured on the starter: 25 s of saving beside checks of 10 s."""


def seconds_left(view: RunView, now: float) -> float | None:
    """Estimate the time until the result is saved: the pace of the last fifty steps, and what a check took so far.

    None before three steps of the present worker, when the plan is not known, and when the run has ended. One very long
    pause, as of a laptop that slept, counts for no more than thirty ordinary steps.
    """
    first = max(view.first_step, len(view.steps) - _RATE_WINDOW - 1)
    times: list[float] = view.steps.column(TIME)[first:].tolist()
    if len(times) < _FEWEST_STEPS or not view.total_steps or view.ended_at is not None:
        return None
    numbers: list[float] = view.steps.column("step")[first:].tolist()
    checked = evaluation_steps(view.total_steps) if view.check_seconds else frozenset()
    pace = _pace(times, numbers, checked)
    to_come = sum(step > view.step for step in checked)
    is_due = view.step in checked and view.last_check < view.step
    remaining = max(0, view.total_steps - view.step)
    ending = (to_come + is_due + view.checks_of_rest + SAVING_CHECKS) * view.check_seconds
    at_once = (pace if remaining else 0.0) + (view.check_seconds if is_due else 0.0)
    since = min(max(0.0, now - times[-1]), at_once or ending)
    return max(0.0, remaining * pace + ending - since)


def run_seconds_left(view: RunView, now: float) -> float | None:
    """Estimate how long a training will have the accelerator: by its pace, before that by its forecast.

    One that is done, and evaluated where it was trained, has nothing left that it could save and leave to others.
    """
    if view.ended_at is None and view.loading is not None and view.loading.is_evaluating:
        return 0.0
    left = seconds_left(view, now)
    if left is not None or view.ended_at is not None:
        return left
    if view.forecast is None or view.forecast.seconds is None or view.started is None:
        return None
    return view.forecast.seconds


def _pace(times: list[float], numbers: list[float], checked: frozenset[int]) -> float:
    """Return the mean seconds of a step, without the gaps in which there was a check as far as there are others."""
    gaps = [
        (max(0.0, later - earlier), number in checked)
        for (earlier, later), number in zip(pairwise(times), numbers, strict=False)
    ]
    chosen = [gap for gap, has_check in gaps if not has_check] or [gap for gap, _ in gaps]
    ordinary = sorted(chosen)[len(chosen) // 2]
    return sum(min(gap, _LONGEST_PAUSE * ordinary) for gap in chosen) / len(chosen)
