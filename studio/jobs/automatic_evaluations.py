"""The evaluations that nobody asks for: of each run that finishes, on the rows that it holds out.

A run that is to be evaluated has a file that says so, so that it happens even when the server that started the run is
gone by then. What a person asked for comes first: while that file is there, an evaluation gives way to a run that
waits and to an export, and goes on after it from where it was.
"""

import logging
import math
import threading
from collections.abc import Callable, Container
from pathlib import Path

from studio.errors import RunError, TooMany
from studio.events import Failed, Finished
from studio.files import at_older_name, read_bytes, write_whole
from studio.jobs.evaluation_report import AT_THE_END
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Evaluate
from studio.logs import logged
from studio.runs.event_log import last_event
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings

log = logging.getLogger(__name__)

_MOST_TRIES = 2
"""An evaluation that takes the whole machine down is not tried for ever."""


class AutomaticEvaluations:
    """Starts the evaluations that nobody asked for, and has them give way to what a person asked for."""

    def __init__(self, runs: RunStore, *, jobs: Jobs, settings: Settings, comes_first: Callable[[], str]) -> None:
        """`settings` say whether there are any, `comes_first` what is at work or about to be; empty for nothing."""
        self._runs = runs
        self._jobs = jobs
        self._settings = settings
        self._comes_first = comes_first
        self._guard = threading.Lock()
        self._expected: set[str] = set()
        self._begun: set[str] = set()

    @property
    def is_expecting(self) -> bool:
        """Whether runs are still to be evaluated."""
        with self._guard:
            return bool(self._expected)

    def expect(self, run: RunFolder) -> None:
        """Remember that a run which was just started is to be evaluated when it ends, where it holds rows out."""
        if self._settings.evaluate and holds_out(run):
            with logged(log, "The request for an evaluation could not be written", OSError, level=logging.INFO):
                write_whole(request_path(run), "0")
            with self._guard:
                self._expected.add(run.id)

    def recover(self, resting: Container[str] = ()) -> None:
        """Remember what an earlier server expected, but of runs of which nothing is asked; call it when one starts."""
        if self._settings.evaluate:
            found = {run.id for run in self._runs.folders(but=resting) if request_path(run).exists()}
            with self._guard:
                self._expected |= found

    def tick(self) -> None:
        """Start the evaluations of the runs that have finished: to be called about once a second.

        While a run or an export is at work or waits for its turn, none is started.
        """
        with self._guard:
            expected = tuple(self._expected)
        for id in expected:
            try:
                run = self._runs.get(id)
                if not run.is_alive():
                    self._begin(run)
            except RunError as error:  # it was deleted, or is damaged
                log.info("The run %s is not evaluated: %s", id, error, exc_info=True)
                self._forget(id)
            except Exception:  # one bad run must not hold up the others
                log.exception("The run %s is not evaluated.", id)
                self._forget(id)

    def give_way(self) -> None:
        """Ask the evaluations that nobody asked for to end, as other work is about to begin; they go on after it.

        Those that other studios on this data folder have started are asked too.
        """
        for run in self._runs.folders():
            if request_path(run).exists():
                with logged(log, "An evaluation could not be asked to give way", RunError, level=logging.INFO):
                    self._jobs.cancel(Evaluate(run.path, AT_THE_END))

    def _begin(self, run: RunFolder) -> None:
        """Start the evaluation of a run that nobody is at, if it finished with something to evaluate."""
        last = last_event(run.events_path)
        if last is None or not isinstance(last, Finished | Failed):
            if not run.is_alive() and not run.was_launched:
                self._forget(run.id)
            return  # it was lost, or waits: it may go on
        if not request_path(run).exists():  # it is evaluated by now, or was called off
            self._forget(run.id)
            return
        usable = isinstance(last, Finished) and last.status == "finished" and run.result is not None and holds_out(run)
        state = self._jobs.state(Evaluate(run.path, AT_THE_END))
        if state.working:
            return
        if not usable or _noted(run)[0] >= _MOST_TRIES:
            self.call_off(run)
        elif state.failed is not None and run.id in self._begun:  # its worker was killed: a later studio may try again
            self._forget(run.id)
        elif not self._comes_first():
            self._start(run)

    def _start(self, run: RunFolder) -> None:
        """Start the evaluation of a run, or expect it still where there is no room for it now."""
        try:
            self._jobs.start(Evaluate(run.path, AT_THE_END, own_tasks=self._settings.allows_own_tasks))
        except TooMany as error:
            log.info("The run %s is evaluated later: %s", run.id, error, exc_info=True)
        except RunError as error:  # it can be asked for
            log.warning("The run %s is not evaluated: %s", run.id, error, exc_info=True)
            self._forget(run.id)
        else:
            with self._guard:
                self._begun.add(run.id)

    def call_off(self, run: RunFolder) -> None:
        """Let a run not be evaluated without being asked; one that is under way gives way to nothing any more."""
        self._forget(run.id)
        with logged(log, "The request for an evaluation could not be deleted", OSError, level=logging.INFO):
            request_path(run).unlink(missing_ok=True)

    def _forget(self, id: str) -> None:
        with self._guard:
            self._expected.discard(id)
            self._begun.discard(id)


def holds_out(run: RunFolder) -> bool:
    """Tell whether a run has rows to be evaluated on."""
    with logged(log, "The held-out examples cannot be read", OSError):
        return run.validation_path.stat().st_size > 0
    return False


def request_path(run: RunFolder) -> Path:
    """Return the file that is there while a run shall be evaluated; it holds how often that was begun."""
    return at_older_name(run.path / "evaluation.request", "evaluation.wish")


def note_try(run: RunFolder) -> None:
    """Count that the evaluation of a run is begun, where nobody asked for it. Raises OSError."""
    if request_path(run).exists():
        tries, seconds = _noted(run)
        write_whole(request_path(run), f"{tries + 1} {seconds}")


def note_giving_way(run: RunFolder, seconds: float) -> None:
    """Count no try for an evaluation that was stopped and is still to be made, and note for how many seconds it has
    worked by now. Raises OSError.
    """
    if request_path(run).exists():
        write_whole(request_path(run), f"0 {seconds}")


def seconds_before(run: RunFolder) -> float:
    """Return for how many seconds an evaluation that gave way has worked before."""
    return _noted(run)[1]


def _noted(run: RunFolder) -> tuple[int, float]:
    """Return the tries that were begun, and the seconds of work before; without the latter in an older file."""
    with logged(log, "The request for an evaluation cannot be read", OSError, ValueError):
        tries, *seconds = (read_bytes(request_path(run), most_bytes=100) or b"0").split()
        worked = float(seconds[0]) if seconds else 0.0
        return int(tries), worked if 0 <= worked < math.inf else 0.0
    return 0, 0.0
