"""How far a worker is, as the page sees it: its events as they come, and the state of the jobs beside training.

Every look reads only what was written since the last one. Knows nothing of what the jobs do.
"""

import copy
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from studio.codec import LARGEST
from studio.errors import RunError
from studio.events import STEP_MARK, Failed, Finished, Loading, decode_steps
from studio.runs import lock
from studio.runs.diagnosis import diagnose_lost
from studio.runs.event_log import decoded, read_lines
from studio.runs.launcher import JobPaths, Launch, Worker, read_tail
from studio.runs.view import RunView

_AT_ONCE = 2000
"""So many lines are decoded at once: more take memory and no less time."""

_LARGEST_GAP = 1000
"""Numbers of events follow one another. One far beyond them is damaged, and must not hide all that come after it."""

log = logging.getLogger(__name__)


class Following:
    """Keeps up with one file of events for any number of threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._view = RunView()
        self._shown = RunView()
        self._guard = threading.Lock()
        self._trouble = ""

    def view(self) -> RunView:
        """Return the fold of all that was written until now: a copy that does not change any more.

        A line that cannot be read, and a file that cannot be, make the view `doubtful`.
        """
        with self._guard:
            try:
                self._read_on()
            except RunError as error:
                if error.message != self._trouble:
                    log.warning("%s", error)
                self._trouble = error.message
                return replace(self._shown, doubtful=True, trouble=error.message)
            return self._shown

    def _read_on(self) -> None:
        """Take in what was written since the last look. Raises RunError when the file cannot be read."""
        changed = False
        while True:
            lines, self._offset = read_lines(self._path, self._offset)
            if not lines:
                break
            changed = True
            for are_steps, group in groupby(lines, key=lambda line: STEP_MARK in line):
                _fold(self._view, list(group), are_steps=are_steps)
        if changed:
            self._shown = _copied(self._view)


@dataclass(frozen=True)
class JobState:
    """What a job is at. `lock_held` is also true while another job that shares the lock is at work, and while the job
    waits for its turn.

    `saved` is the path that the job said last to have written, and `noted` its last remark.
    """

    working: bool
    lock_held: bool
    loading: Loading | None
    finished: Finished | None
    failed: Failed | None
    saved: str = ""
    noted: str = ""


class Job:
    """One job beside training, which may be started several times, one after the other."""

    def __init__(self, paths: JobPaths) -> None:
        self._paths = paths
        self._following = Following(paths.events)
        self._worker: Worker | None = None
        self._seq_at_start = -1
        self._seq_at_death = -1

    def start(self, arguments: Sequence[str], launch: Launch) -> None:
        """Start its worker. Raises RunError when the lock is held or the worker cannot be started."""
        seq = self._following.view().last_seq
        self._worker = launch(arguments, log_path=self._paths.log, lock_path=self._paths.lock)
        self._seq_at_start, self._seq_at_death = seq, -1

    def state(self) -> JobState:
        """Look how far the job is."""
        place = None if self._worker is None else self._worker.place
        if place is not None and (waits_for := place.look()):
            return JobState(True, True, Loading(waits_for), None, None)
        if place is not None and place.trouble is not None:
            return JobState(False, False, None, None, Failed("start", place.trouble.message, place.trouble.hint))
        # In this order: a job that ends in between must not look as if it had died.
        held = lock.is_held(self._paths.lock)
        view = self._following.view()
        silent = view.last_seq == self._seq_at_start
        unfinished = silent or (view.started is not None and view.ended_at is None)
        if unfinished and not held:
            self._seq_at_death = view.last_seq
        if not unfinished:
            return JobState(False, held, None, view.finished, view.failed, view.saved[-1].path if view.saved else "")
        # The lock alone does not say that this job lives: another one may hold it by now.
        if self._seq_at_death == view.last_seq:
            return JobState(False, held, None, None, self._death())
        noted = view.notes[-1].text if view.notes and not silent else ""
        return JobState(True, held, None if silent else view.loading, None, None, noted=noted)

    def process_id(self) -> int | None:
        """Return the process that does the job, or did it last; None when none is known."""
        started = self._following.view().started
        if started is not None and self._following.view().last_seq != self._seq_at_start:
            return started.process_id
        if self._worker is None or self._worker.process_id is None:
            return lock.holder(self._paths.lock)
        return self._worker.process_id

    def withdraw(self) -> bool:
        """Leave the line where the job waits in one, and say whether it did."""
        place = None if self._worker is None else self._worker.place
        if place is None or not place.leave():
            return False
        self._worker, self._seq_at_start = None, -1
        return True

    def _death(self) -> Failed:
        exit_code = None if self._worker is None else self._worker.exit_code()
        found = diagnose_lost(read_tail(self._paths.log), exit_code=exit_code)
        return Failed(found.cause, f"The work ended before it was done. {found.message}", found.hint)


def _copied(view: RunView) -> RunView:
    shown = copy.copy(view)
    for name, value in vars(view).items():
        if isinstance(value, list):
            setattr(shown, name, value.copy())
    shown.steps = view.steps.until_now()
    return shown


def _fold(view: RunView, lines: Sequence[bytes], *, are_steps: bool) -> None:
    """Take lines in: steps many at once, where they are what they seem to be."""
    for start in range(0, len(lines), _AT_ONCE):
        some = lines[start : start + _AT_ONCE]
        if not (are_steps and _fold_steps(view, some)):
            for record in map(decoded, some):
                if record is None or record.seq > view.last_seq + _LARGEST_GAP:
                    view.pass_over()
                else:
                    view.apply(record)


def _fold_steps(view: RunView, lines: Sequence[bytes]) -> bool:
    """Take the lines of steps in at once, or say that they have to be looked at one by one."""
    with suppress(ValueError, TypeError, LookupError, OverflowError):  # each line is then looked at alone
        rows = np.array(decode_steps(lines))
        if rows.dtype.kind in "if" and rows.ndim == 2 and bool((np.abs(rows) <= LARGEST).all()):
            return view.apply_steps(rows.astype(np.float64))
    return False
