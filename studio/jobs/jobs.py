"""The jobs beside training: each is a task that a worker does, which may be started again, and has a state."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from studio.errors import RunError, TooMany
from studio.events import Failed, Loading
from studio.jobs.tasks import Task
from studio.runs import lock
from studio.runs.diagnosis import diagnose_lost
from studio.runs.following import Following
from studio.runs.launcher import JobPaths, Worker, read_tail, request_stop
from studio.runs.view import RunView

_LOOK_SECONDS = 0.05

Result = TypeVar("Result")
Other = TypeVar("Other")
LaunchTask = Callable[[Task], Worker]


@dataclass(frozen=True)
class JobState(Generic[Result]):
    """How far a job is: "none" (it never began), "working", "ready", "stopped" or "failed". Some kinds know others:
    "waiting" for something else first, "absent" or "nothing" where there is nothing to do.

    `done` of `total` (0 when unknown) are in `unit`. `result` is there when it is ready, and may be an earlier one.
    `remark` is the last remark of one that works; `cancelled` says that it was asked to end. `waits_for` is the kind of
    work that has the accelerator, for one that waits for that.
    """

    status: str
    sentence: str
    result: Result | None = None
    failed: Failed | None = None
    done: int = 0
    total: int = 0
    unit: str = ""
    remark: str = ""
    cancelled: bool = False
    waits_for: str = ""

    @property
    def working(self) -> bool:
        """Whether it is at work, or in line for that."""
        return self.status == "working"

    @property
    def ready(self) -> bool:
        """Whether it is done, with a result."""
        return self.status == "ready"

    def giving(self, result: Other | None, *, sentence: str = "") -> "JobState[Other]":
        """Return the same with another result, and where it is given another sentence."""
        at = (self.failed, self.done, self.total, self.unit, self.remark, self.cancelled, self.waits_for)
        return JobState(self.status, sentence or self.sentence, result, *at)


class Job:
    """One job, which may be started several times, one after the other."""

    def __init__(self, paths: JobPaths) -> None:
        self._paths = paths
        self._following = Following(paths.events)
        self._worker: Worker | None = None
        self._cancelled = False
        self._seq_at_start = -1
        self._seq_at_death = -1

    def start(self, task: Task, launch: LaunchTask) -> None:
        """Start its worker. Raises RunError when the lock is held or the worker cannot be started."""
        seq = self._following.view().last_seq
        self._worker = launch(task)
        self._cancelled = False
        self._seq_at_start, self._seq_at_death = seq, -1

    def state(self, *, starting: str) -> JobState[str]:
        """Look how far the job is. The result is the path that it said last to have written."""
        place = None if self._worker is None else self._worker.place
        if place is not None and (waits_for := place.look()):
            return JobState("working", waits_for)
        if place is not None and place.trouble is not None:
            return _failed(Failed("start", place.trouble.message, place.trouble.hint))
        # In this order: a job that ends in between must not look as if it had died.
        held = lock.is_held(self._paths.lock)
        view = self._following.view()
        silent = view.last_seq == self._seq_at_start
        unfinished = silent or (view.started is not None and view.ended_at is None)
        if unfinished and not held:
            self._seq_at_death = view.last_seq
        if not unfinished:
            return self._ended(view)
        # The lock alone does not say that this job lives: another one may hold it by now.
        if self._seq_at_death == view.last_seq:
            return self._stopped() if self._cancelled else _failed(self._death())
        at = Loading(starting) if silent or view.loading is None else view.loading
        remark = view.notes[-1].text if view.notes and not silent else ""
        far = (at.done, at.total, at.unit, remark, self._cancelled, at.waits_for)
        return JobState("working", at.what, None, None, *far)

    def is_held(self) -> bool:
        """Say whether the job waits in line, or its lock is held: perhaps by another job that shares it."""
        place = None if self._worker is None else self._worker.place
        return bool(place is not None and place.look()) or lock.is_held(self._paths.lock)

    def cancel(self) -> bool:
        """Leave the line, or ask the worker to end; say whether the job was in line and so never began."""
        place = None if self._worker is None else self._worker.place
        if place is not None and place.leave():
            self._worker, self._cancelled, self._seq_at_start = None, True, -1
            return True
        process_id = self._process_id()
        # The number of a process that has ended may be that of another by now; the lock says that this one lives.
        if process_id is not None and lock.is_held(self._paths.lock):
            self._cancelled = True
            request_stop(process_id)
        return False

    def _process_id(self) -> int | None:
        """Return the process that does the job, or did it last; None when none is known."""
        view = self._following.view()
        if view.started is not None and view.last_seq != self._seq_at_start:
            return view.started.process_id
        if self._worker is None or self._worker.process_id is None:
            return lock.holder(self._paths.lock)
        return self._worker.process_id

    def _ended(self, view: RunView) -> JobState[str]:
        if view.failed is not None:
            return _failed(view.failed)
        if view.finished is None:
            return self._stopped() if self._cancelled else JobState("none", "")
        status = "stopped" if view.finished.status == "stopped" else "ready"
        return JobState(status, view.finished.summary, view.saved[-1].path if view.saved else "")

    def _stopped(self) -> JobState[str]:
        return JobState("stopped", "It was stopped.", cancelled=True)

    def _death(self) -> Failed:
        exit_code = None if self._worker is None else self._worker.exit_code()
        found = diagnose_lost(read_tail(self._paths.log), exit_code=exit_code)
        return Failed(found.cause, f"The work ended before it was done. {found.message}", found.hint)


class Jobs:
    """All jobs of one data folder. A job is known by its task: where its files are tells what became of it."""

    def __init__(self, launch: LaunchTask) -> None:
        self._launch = launch
        self._guard = threading.Lock()
        self._jobs: dict[Path, Job] = {}
        self._begun: set[Path] = set()

    def start(self, task: Task) -> None:
        """Start a task. Raises RunError when it is at work or cannot be started, TooMany where there is no room."""
        job = self._job(task)
        job.start(task, self._launch)
        with self._guard:
            self._jobs[task.paths.events] = job
            self._begun.add(task.paths.events)

    def start_once(self, task: Task, *, retry: bool = False) -> None:
        """Start a task that is not at work and that was not tried since these jobs were opened.

        What finds no room is not tried, nor with `retry` what cannot be started. Raises what `start` does.
        """
        events = task.paths.events
        if self.is_held(task):
            return
        with self._guard:
            if events in self._begun:
                return
            self._begun.add(events)
        try:
            self.start(task)
        except RunError as error:
            if retry or isinstance(error, TooMany):
                with self._guard:
                    self._begun.discard(events)
            raise

    def state(self, task: Task, *, starting: str = "Starting.") -> JobState[str]:
        """Say how far a task is; `starting` is the sentence while its worker has said nothing yet."""
        return self._job(task).state(starting=starting)

    def is_held(self, task: Task) -> bool:
        """Say whether a task is at work or in line, or another one holds its lock."""
        return self._job(task).is_held()

    def cancel(self, task: Task) -> None:
        """Ask a task to end, or take it out of the line. Does nothing when it has ended."""
        if self._job(task).cancel() and task.once:
            task.paths.lock.touch()  # no later studio shall take it for one that waits

    def wait(self, task: Task) -> JobState[str]:
        """Wait for a task to end, and return its state."""
        while (state := self.state(task)).working:
            time.sleep(_LOOK_SECONDS)
        return state

    def _job(self, task: Task) -> Job:
        """Return the job of a task. One that never began is not remembered: anybody can invent a name."""
        paths = task.paths
        with self._guard:
            job = self._jobs.get(paths.events) or Job(paths)
            if paths.events.exists():
                self._jobs[paths.events] = job
            return job


def _failed(failed: Failed) -> JobState[str]:
    return JobState("failed", failed.message, failed=failed)
