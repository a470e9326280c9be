"""What a run is doing, folded from its events: the one place where the state of a run is derived.

Time and the state of the lock are passed in. The same fold serves a
worker that prepares a model or exports a run: it then has no steps.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from studio.events import (
    LAST_TIME,
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
    Resumed,
    Sampled,
    Saved,
    Skipped,
    SpeedUps,
    Started,
    Stepped,
    Stopping,
)
from studio.runs.series import smoothed, thin
from studio.runs.steps import FIELDS, TIME, Numbers, Steps
from studio.wording import counted, duration, size

__all__ = ["RunView", "Status", "headline", "seconds_left", "smoothed", "status", "thin"]

Status = Literal[
    "draft", "queued", "preparing", "training", "stopping", "stopped", "finished", "failed", "lost", "damaged"
]
WORKING: tuple[Status, ...] = ("preparing", "training", "stopping")
ENDED: tuple[Status, ...] = ("stopped", "finished", "failed", "lost", "damaged")

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
    loading: Loading | None = None
    loaded: Loaded | None = None
    prepared: Prepared | None = None
    steps: Steps = field(default_factory=Steps)
    trains_since: float = 0.0
    """When the present worker said last that it prepares: its steps begin there."""
    first_step: int = 0
    """How many steps there were when the present worker started: larger than 0 after a run was taken up again."""
    evaluations: list[Evaluated] = field(default_factory=list)
    samples: list[Sampled] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)
    """The step that each earlier worker had reached that ended without a word."""
    notes: list[Noted] = field(default_factory=list)
    forecast: Forecasted | None = None
    measured: Measured | None = None
    speedups: SpeedUps | None = None
    skipped: int = 0
    """How many steps changed nothing, since fp16 could not hold their gradient."""
    stopping: bool = False
    finished: Finished | None = None
    failed: Failed | None = None
    ended_at: float | None = None
    taken_up_at: float | None = None
    """When the present worker, or the last one, spoke first."""
    heard_at: float = 0.0
    """When a worker spoke last."""
    worked_before: float = 0.0
    """The seconds that the workers before it were at the run."""
    passed_over: int = 0
    """How many whole lines could not be read."""
    doubtful: bool = False
    """Whether something that could not be read came after the last end that was: the run may have ended since."""
    trouble: str = ""
    """Why nothing at all could be read, as a sentence."""

    @property
    def seconds_at_work(self) -> float | None:
        """How long workers were at the run, without the time between them; None before the first."""
        if self.taken_up_at is None:
            return None
        return self.worked_before + max(0.0, self.heard_at - self.taken_up_at)

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

    @property
    def step_times(self) -> list[float]:
        """When each of `steps` was done."""
        times: list[float] = self.steps.column(TIME).tolist()
        return times

    def apply_steps(self, rows: Numbers) -> bool:
        """Take many steps in at once: for each `seq`, time, and the fields of `Stepped`.

        Takes none, and says so, where they do not simply follow one another and what there is: `apply` sorts that out.
        """
        if not len(rows):
            return True
        seqs, steps = rows[:, 0], rows[:, 2]
        if seqs[0] != self.last_seq + 1 or steps[0] <= self.step:
            return False
        if rows[:, 1].min() < 0 or rows[:, 1].max() > LAST_TIME:
            return False
        if not (np.diff(seqs) == 1).all() or not (np.diff(steps) > 0).all() or (steps % 1).any():
            return False
        self.first_step = min(self.first_step, len(self.steps))
        self.steps.extend(np.column_stack([rows[:, 2 : 2 + len(FIELDS)], rows[:, 1]]), since=self.trains_since)
        self.last_seq, self.loading = int(seqs[-1]), None
        self.heard_at = float(rows[-1, 1])
        return True

    def apply(self, record: Record) -> None:
        """Take one record in. A record that was taken in before, or of an unknown kind, changes nothing else."""
        if record.seq <= self.last_seq:
            return
        self.doubtful |= record.seq > self.last_seq + 1
        self.last_seq = record.seq
        if isinstance(record.event, Started):
            self.worked_before = self.seconds_at_work or 0.0
            self.taken_up_at = record.time
        self.heard_at = record.time
        match record.event:
            case Stepped() as event:
                self._apply_step(event, record.time)
            case Evaluated() as event:
                _cut_from(self.evaluations, event.step)
                self.evaluations.append(event)
            case Sampled() as event:
                self._apply_sample(event)
            case Saved() as event:
                self.saved.append(event)
            case Resumed() as event:
                self._go_back_to(event.step)
                self.trains_since = record.time
            case Noted() as event:
                self.notes.append(event)
            case Stopping():
                self.stopping = True
            case Finished() as event:
                self.finished, self.ended_at, self.loading, self.doubtful = event, record.time, None, False
            case Failed() as event:
                self.failed, self.ended_at, self.loading, self.doubtful = event, record.time, None, False
            case event:
                self._apply_beginning(event, record.time)

    def pass_over(self) -> None:
        """Take note of a line that cannot be read."""
        self.passed_over += 1
        self.doubtful = True

    def _apply_beginning(self, event: object, time: float) -> None:
        if isinstance(event, Started | Loading | Loaded | Prepared):
            self.trains_since = time
        match event:
            case Started():
                if self.started is not None and self.ended_at is None:
                    self.deaths.append(self.step)
                self.started, self.first_step = event, len(self.steps)
                self.loading, self.loaded, self.prepared = None, None, None
                self.measured = None
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
            case SpeedUps():
                self.speedups = event
            case Skipped():
                self.skipped = event.count

    def _go_back_to(self, step: int) -> None:
        """Drop what an earlier worker had done beyond the step that the present one goes on from."""
        self.steps.cut_behind(step)
        _cut_from(self.evaluations, step + 1)
        while self.samples and self.samples[-1].step > step:
            self.samples.pop()
        self.first_step = len(self.steps)

    def _apply_step(self, event: Stepped, time: float) -> None:
        self.steps.cut_behind(event.step - 1)
        self.first_step = min(self.first_step, len(self.steps))
        self.steps.append(event, time, since=self.trains_since)
        self.loading = None

    def _apply_sample(self, event: Sampled) -> None:
        """Add an answer; those that an earlier worker had got to this and later questions go."""
        while self.samples and (self.samples[-1].step, self.samples[-1].number) >= (event.step, event.number):
            self.samples.pop()
        self.samples.append(event)


def _cut_from(series: list[Evaluated], step: int) -> None:
    """Drop what an earlier worker had done from a step on that the present one does again."""
    while series and series[-1].step >= step:
        series.pop()


def status(
    view: RunView,
    *,
    alive: bool,
    silent: bool = False,
    queued: bool = False,
    launched: bool = True,
    stop_asked: bool = False,
) -> Status:
    """Name the state of a run: the only place that does.

    `queued` says whether it waits for its turn, `alive` whether a worker holds its lock, and `silent` whether that one
    has not spoken yet, so that all that was said is an earlier one's. `launched` says whether it ever had a worker,
    `stop_asked` whether a person asked it to end. Ask in this order and then read the events: a worker is started
    before its run leaves the queue, and holds the lock until its last event is written.
    """
    if alive and (silent or view.ended_at is None):
        if stop_asked or (view.stopping and not silent):
            return "stopping"
        ready = view.prepared and view.loaded and not view.loading
        return "training" if not silent and (len(view.steps) > view.first_step or ready) else "preparing"
    if view.doubtful and not alive:
        return "damaged"
    if queued:
        return "queued"
    if view.failed:
        return "failed"
    if view.finished:
        return "stopped" if view.finished.status == "stopped" else "finished"
    if not launched and view.last_seq == 0:
        return "draft"
    return "stopped" if stop_asked else "lost"


def seconds_left(view: RunView, now: float) -> float | None:
    """Estimate the time until the last step, from the pace of the last fifty steps and the pauses between them.

    None before three steps of the present worker, when the plan is not known, and when the run has ended. One very long
    pause, as of a laptop that slept, counts for no more than thirty ordinary steps.
    """
    window = view.steps.column(TIME)[max(view.first_step, len(view.steps) - _RATE_WINDOW - 1) :]
    times: list[float] = window.tolist()
    if len(times) < _FEWEST_STEPS or not view.total_steps or view.ended_at is not None:
        return None
    gaps = [max(0.0, later - earlier) for earlier, later in pairwise(times)]
    ordinary = sorted(gaps)[len(gaps) // 2]
    pace = sum(min(gap, _LONGEST_PAUSE * ordinary) for gap in gaps) / len(gaps)
    remaining = max(0, view.total_steps - view.step)
    since = min(max(0.0, now - times[-1]), pace)
    return max(0.0, remaining * pace - since)


def headline(view: RunView, state: str, now: float, *, reason: str = "") -> str:
    """Say in a sentence or two what the run is doing. `reason` says why a lost run was lost, or why one that
    waits could not be started."""
    match state:
        case "draft":
            return "Not started yet. Put it in the queue when it shall train."
        case "queued":
            return f"Waiting for its turn{_to_go_on_after(view)}. {reason}".strip()
        case "preparing":
            return _preparing_sentence(view)
        case "training":
            return _training_sentence(view, now)
        case "stopping":
            saving = _loading_sentence(view) if view.loading else "This takes a moment."
            return f"Stopping{_after_step(view)}. {saving}"
        case "finished":
            return _finished_sentence(view)
        case "stopped":
            forced = "" if view.finished else " It did not end by itself and was ended by force."
            return f"Stopped by you{_after_step(view)}.{forced} {_what_is_left(view) or 'There was nothing to keep.'}"
        case "failed" if view.failed:
            trouble = f"{view.failed.message} {view.failed.hint}".strip()
            return f"Failed{_after_step(view)}. {trouble} {_what_is_left(view)}".strip()
        case "damaged":
            return damaged_sentence(view)
    twice = "It ended twice at the same step, so it waits for you." if died_twice(view) else ""
    sentences = (f"The run ended without a word{_after_step(view)}.", reason, twice, _what_is_left(view))
    return " ".join(sentence for sentence in sentences if sentence)


def damaged_sentence(view: RunView) -> str:
    """Say what of a run's events cannot be read, and what can be done."""
    number = counted(view.passed_over, "line")
    found = f"{number} of events.jsonl cannot be read" if view.passed_over else "some of events.jsonl is missing"
    return (
        f"Damaged: {view.trouble or found + '.'} How the run ended is not known, so it is not resumed. "
        f"Duplicate it to train with its settings again, or delete it."
    )


def died_twice(view: RunView) -> bool:
    """Tell whether a lost run ended at the very step at which the worker before had ended."""
    return bool(view.deaths) and view.deaths[-1] == view.step


def _preparing_sentence(view: RunView) -> str:
    if view.started is None or view.ended_at is not None:
        return "Starting the worker."
    if not (view.loading or view.loaded or view.prepared):
        return "Starting: the libraries are being loaded."
    return _loading_sentence(view)


def _to_go_on_after(view: RunView) -> str:
    return f", to go on after step {view.saved_step:,}" if view.saved_step else ""


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
    seconds = (view.seconds_at_work if view.worked_before else None) or view.finished.seconds
    took = f"{counted(view.step, 'step')} in {duration(seconds)}"
    kept = view.finished.kept_step
    best = f" What it knew after step {kept:,} is kept: it scored best on the held-out examples." if kept else ""
    return f"Finished: {took}.{_held_out_change(view)}{best} {_what_is_left(view)}"


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
