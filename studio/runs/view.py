"""What a run is doing, folded from its events: the one place where the state of a run is derived.

Time and the state of the lock are passed in. The same fold serves a
worker that prepares a model or exports a run: it then has no steps.
"""

import bisect
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from studio.events import (
    LAST_TIME,
    Checking,
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
    Spent,
    Started,
    Stepped,
    Stopping,
)
from studio.runs.series import smoothed, thin
from studio.runs.steps import FIELDS, TIME, Numbers, Steps
from studio.runs.story import Story
from studio.runs.time_spent import TimeSpent

__all__ = ["RunView", "Status", "died_twice", "smoothed", "status", "thin"]

Status = Literal[
    "draft", "queued", "preparing", "training", "stopping", "stopped", "finished", "failed", "lost", "damaged"
]
WORKING: tuple[Status, ...] = ("preparing", "training", "stopping")
ENDED: tuple[Status, ...] = ("stopped", "finished", "failed", "lost", "damaged")


@dataclass
class RunView:
    """The fold of a run's records. All times are seconds since the epoch.

    `steps`, `evaluations` and `saved` are in ascending order of step. What `loading` says is over once something later
    has happened: it is None then. Hold a lock while one thread applies and another reads.
    """

    last_seq: int = 0
    started: Started | None = None
    loading: Loading | None = None
    checking: Checking | None = None
    """The check that the model goes through at the moment."""
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
    spent: Spent | None = None
    """What it has cost until now, where it trains at a place that is paid for."""
    speedups: SpeedUps | None = None
    skipped: int = 0
    """How many steps changed nothing, since fp16 could not hold their gradient."""
    stopping: bool = False
    finished: Finished | None = None
    failed: Failed | None = None
    ended_at: float | None = None
    time: TimeSpent = field(default_factory=TimeSpent)
    """What all of its workers spent their time on, until the last of them spoke."""
    story: Story = field(default_factory=Story)
    """What happened, in sentences."""
    passed_over: int = 0
    """How many whole lines could not be read."""
    doubtful: bool = False
    """Whether something that could not be read came after the last end that was: the run may have ended since."""
    trouble: str = ""
    """Why nothing at all could be read, as a sentence."""

    @property
    def seconds_at_work(self) -> float | None:
        """How long its workers worked at the run, without what they waited for; None before the first."""
        return self.time.working if self.time.has_begun else None

    @property
    def kept_step(self) -> int:
        """The step that the result is of: an earlier one than the last where that scored better."""
        return (self.finished.kept_step if self.finished else None) or self.step

    @property
    def kept_evaluation(self) -> Evaluated | None:
        """The last check of the held-out examples that the result has gone through; None before any."""
        return next((each for each in reversed(self.evaluations) if each.step <= self.kept_step), None)

    @property
    def last_check(self) -> int:
        """The step of the last check that is known of; -1 before any."""
        scored = self.evaluations[-1].step if self.evaluations else -1
        return max(scored, self.samples[-1].step if self.samples else -1)

    @property
    def check_seconds(self) -> float:
        """The mean seconds of a check between the ends of the training: scoring the held-out examples and, at most
        checks, asking the prompts.
        """
        checks = {each.step for each in self.evaluations} | {each.step for each in self.samples}
        count = len(checks) + sum(_checks_of_rest(each) for each in self.evaluations if each.whole is not None)
        return self.time.checking / count if checks else 0.0

    @property
    def checks_of_rest(self) -> float:
        """As many checks as scoring those examples at the end takes that the checks in between leave out."""
        if not self.evaluations or any(each.whole is not None and each.step for each in self.evaluations):
            return 0.0
        return _checks_of_rest(self.evaluations[-1])

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
        self.last_seq, self.loading, self.checking = int(seqs[-1]), None, None
        self.time = self.time.after(None, float(rows[-1, 1]))
        return True

    def apply(self, record: Record) -> None:
        """Take one record in. A record that was taken in before, or of an unknown kind, changes nothing else."""
        if record.seq <= self.last_seq:
            return
        self.doubtful |= record.seq > self.last_seq + 1
        self.last_seq = record.seq
        if isinstance(record.event, Spent):  # told beside whatever the run is at
            self.spent = record.event
            return
        self.time = self.time.after(record.event, record.time)
        self.story = self.story.after(record.event, record.time)
        if not isinstance(record.event, Noted):
            self.checking = record.event if isinstance(record.event, Checking) else None
        match record.event:
            case Stepped() as event:
                self._apply_step(event, record.time)
            case Evaluated() as event:
                self._apply_check(event)
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
                self.speedups, self.loading = event, None
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

    def _apply_check(self, event: Evaluated) -> None:
        """Add a check; or, at the end, the loss over all examples to the check of the step that is kept."""
        place = next((place for place, each in enumerate(self.evaluations) if each.step == event.step), None)
        if place is not None and event.step and event.whole is not None:
            self.evaluations[place] = event
            return
        _cut_from(self.evaluations, event.step)
        self.evaluations.append(event)

    def _apply_sample(self, event: Sampled) -> None:
        """Add an answer in the order of steps and prompts: the step that is kept may be asked after later ones.

        Where the same was asked before, by an earlier worker, what that one had got to it and to later prompts goes.
        """
        place = bisect.bisect_left(self.samples, _place_of(event), key=_place_of)
        if place < len(self.samples) and _place_of(self.samples[place]) == _place_of(event):
            del self.samples[place:]
        self.samples.insert(place, event)


def _place_of(sample: Sampled) -> tuple[int, int]:
    return sample.step, sample.number


def _checks_of_rest(check: Evaluated) -> float:
    """Return as many checks of the part as scoring the rest takes."""
    return max(0, check.of - check.part) / check.part if check.part > 0 else 0.0


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


def died_twice(view: RunView) -> bool:
    """Tell whether a lost run ended at the very step at which the worker before had ended."""
    return bool(view.deaths) and view.deaths[-1] == view.step
