"""The jobs beside training, as the page sees them: each is a worker that may be started again, and has a state."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.events import Failed, Finished, Loading
from studio.runs import lock
from studio.runs.diagnosis import diagnose_lost
from studio.runs.following import Following
from studio.runs.launcher import JobPaths, Launch, Worker, read_tail


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
