"""What a run is doing, folded from its events: the one place where the state of a run is derived.

Time and the state of the lock are passed in. Knows nothing of files, processes or the page. The same fold serves a
worker that prepares a model or exports a run: it then has no steps.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from studio.events import (
    Evaluated,
    Failed,
    Finished,
    Forecasted,
    Loaded,
    Loading,
    Measured,
    Noted,
    Prepared,
    Record,
    Saved,
    Started,
    Stepped,
    Stopping,
)
from studio.runs.series import smoothed, thin
from studio.words import counted, duration, size

__all__ = ["RunView", "Status", "headline", "seconds_left", "smoothed", "status", "thin"]

Status = Literal["starting", "loading", "training", "stopping", "finished", "stopped", "failed", "lost"]

STARTING_SECONDS = 10.0
"""For so long after its creation a run without an event and without a worker counts as starting, not as lost."""

_RATE_WINDOW = 50
_FEWEST_STEPS = 3
_LONGEST_PAUSE = 30.0


@dataclass
class RunView:
    """The fold of a run's records. All times are seconds since the epoch.

    `steps`, `evaluations` and `saved` are in ascending order of step. What `loading` says is over once something later
    has happened: it is None then. Hold a lock while one thread applies and another reads.
    """

    last_seq: int = 0
    started: Started | None = None
    started_at: float | None = None
    loading: Loading | None = None
    loaded: Loaded | None = None
    prepared: Prepared | None = None
    steps: list[Stepped] = field(default_factory=list)
    step_times: list[float] = field(default_factory=list)
    """When each of `steps` was done."""
    first_step: int = 0
    """How many steps there were when the present worker started: larger than 0 after a run was taken up again."""
    evaluations: list[Evaluated] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    notes: list[Noted] = field(default_factory=list)
    forecast: Forecasted | None = None
    measured: Measured | None = None
    stopping: bool = False
    finished: Finished | None = None
    failed: Failed | None = None
    ended_at: float | None = None

    @property
    def step(self) -> int:
        """The number of the last step that is done; 0 before the first."""
        return self.steps[-1].step if self.steps else 0

    @property
    def total_steps(self) -> int:
        """How many steps the run is planned to take; 0 while that is not known."""
        return self.prepared.total_steps if self.prepared else 0

    @property
    def saved_step(self) -> int | None:
        """The step up to which the run's work is saved and usable; None when nothing is."""
        return self.saved[-1].step if self.saved else None

    def apply(self, record: Record) -> None:
        """Take one record in. A record that was taken in before, or of an unknown kind, changes nothing else."""
        if record.seq <= self.last_seq:
            return
        self.last_seq = record.seq
        match record.event:
            case Stepped() as event:
                self._apply_step(event, record.time)
            case Evaluated() as event:
                _cut_from(self.evaluations, event.step)
                self.evaluations.append(event)
            case Saved() as event:
                self.saved.append(event)
            case Noted() as event:
                self.notes.append(event)
            case Stopping():
                self.stopping = True
            case Finished() as event:
                self.finished, self.ended_at, self.loading = event, record.time, None
            case Failed() as event:
                self.failed, self.ended_at, self.loading = event, record.time, None
            case event:
                self._apply_beginning(event, record.time)

    def _apply_beginning(self, event: object, time: float) -> None:
        match event:
            case Started():
                self.started, self.first_step = event, len(self.steps)
                self.started_at = time if self.started_at is None else self.started_at
                self.loading, self.loaded, self.prepared = None, None, None
                self.stopping, self.finished, self.failed, self.ended_at = False, None, None, None
            case Loading():
                self.loading = event
            case Loaded():
                self.loaded, self.loading = event, None
            case Prepared():
                self.prepared, self.loading = event, None
            case Forecasted():
                self.forecast = event
            case Measured():
                self.measured = event

    def _apply_step(self, event: Stepped, time: float) -> None:
        _cut_from(self.steps, event.step)
        del self.step_times[len(self.steps) :]
        self.first_step = min(self.first_step, len(self.steps))
        self.steps.append(event)
        self.step_times.append(time)
        self.loading = None


def _cut_from(series: list[Stepped] | list[Evaluated], step: int) -> None:
    """Drop what an earlier worker had done beyond the point where the present one took up."""
    while series and series[-1].step >= step:
        series.pop()


def status(view: RunView, *, alive: bool, age_seconds: float) -> Status:
    """Name the state of a run.

    `alive` says whether a worker holds the lock; ask that BEFORE reading the events, or a run that finishes in between
    looks lost. `age_seconds` is how long ago the run was created.
    """
    if view.failed:
        return "failed"
    if view.finished:
        return "stopped" if view.finished.status == "stopped" else "finished"
    if not alive:
        return "starting" if view.last_seq == 0 and age_seconds < STARTING_SECONDS else "lost"
    if view.stopping:
        return "stopping"
    if view.steps or (view.prepared and view.loaded and not view.loading):
        return "training"
    return "loading" if view.loading or view.loaded or view.prepared else "starting"


def seconds_left(view: RunView, now: float) -> float | None:
    """Estimate the time until the last step, from the pace of the last fifty steps and the pauses between them.

    None before three steps of the present worker, when the plan is not known, and when the run has ended. One very long
    pause, as of a laptop that slept, counts for no more than thirty ordinary steps.
    """
    times = view.step_times[max(view.first_step, len(view.step_times) - _RATE_WINDOW - 1) :]
    if len(times) < _FEWEST_STEPS or not view.total_steps or view.ended_at is not None:
        return None
    gaps = [max(0.0, later - earlier) for earlier, later in pairwise(times)]
    ordinary = sorted(gaps)[len(gaps) // 2]
    pace = sum(min(gap, _LONGEST_PAUSE * ordinary) for gap in gaps) / len(gaps)
    remaining = max(0, view.total_steps - view.step)
    since = min(max(0.0, now - times[-1]), pace)
    return max(0.0, remaining * pace - since)


def headline(view: RunView, state: str, now: float, *, reason: str = "") -> str:
    """Say in a sentence or two what the run is doing. `reason` is a sentence on why a lost run was lost."""
    match state:
        case "starting":
            return "Starting: the libraries are being loaded." if view.started else "Starting the worker."
        case "loading":
            return _loading_sentence(view)
        case "training":
            return _training_sentence(view, now)
        case "stopping":
            saving = _loading_sentence(view) if view.loading else "This takes a moment."
            return f"Stopping{_after_step(view)}. {saving}"
        case "finished":
            return _finished_sentence(view)
        case "stopped":
            return f"Stopped by you{_after_step(view)}. {_what_is_left(view) or 'There was nothing to keep.'}"
        case "failed" if view.failed:
            trouble = f"{view.failed.message} {view.failed.hint}".strip()
            return f"Failed{_after_step(view)}. {trouble} {_what_is_left(view)}".strip()
    sentences = (f"The run ended without a word{_after_step(view)}.", reason, _what_is_left(view))
    return " ".join(sentence for sentence in sentences if sentence)


def _loading_sentence(view: RunView) -> str:
    loading = view.loading
    if loading is None:
        return "Preparing the data." if view.loaded else "Loading the base model."
    if not loading.total:
        done = f" ({size(loading.done)})" if loading.unit == "bytes" and loading.done else ""
    elif loading.unit == "bytes":
        done = f" ({size(loading.done)} of {size(loading.total)})"
    else:
        done = f" ({loading.done:,} of {loading.total:,})"
    return f"{loading.what[:1].upper()}{loading.what[1:]}{done}."


def _training_sentence(view: RunView, now: float) -> str:
    of_total = f" of {view.total_steps:,}" if view.total_steps else ""
    if not view.steps:
        return f"Training: the first step{of_total} is on its way."
    if view.total_steps and view.step >= view.total_steps:
        saving = _loading_sentence(view) if view.loading else "The result is being checked and saved."
        return f"Training: step {view.step:,}{of_total} is done. {saving}"
    left = seconds_left(view, now)
    return f"Training: step {view.step:,}{of_total}{'' if left is None else f', {duration(left)} left'}."


def _finished_sentence(view: RunView) -> str:
    if view.finished is None or not view.steps:
        return view.finished.summary if view.finished and view.finished.summary else "Finished."
    took = f"{counted(view.step, 'step')} in {duration(view.finished.seconds)}"
    return f"Finished: {took}.{_held_out_change(view)} {_what_is_left(view)}"


def _held_out_change(view: RunView) -> str:
    if len(view.evaluations) < 2:
        return ""
    first, last = view.evaluations[0].loss, view.evaluations[-1].loss
    return f" Held-out loss {'fell' if last < first else 'went'} from {first:.2f} to {last:.2f}."


def _after_step(view: RunView) -> str:
    return f" after step {view.step:,}" if view.steps else " before the first step"


def _what_is_left(view: RunView) -> str:
    if view.saved_step is None:
        return "Nothing was saved." if view.steps else ""
    if view.saved_step >= view.step:
        return "The result is usable."
    return f"What was saved up to step {view.saved_step:,} is usable."
