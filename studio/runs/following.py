"""Follows the events of a worker as they are written: every look reads only what came since the last one."""

import copy
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from studio.codec import LARGEST
from studio.errors import RunError
from studio.events import STEP_MARK, decode_steps
from studio.runs.event_log import decoded, read_lines
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
                    log.warning("%s", error, exc_info=True)
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
