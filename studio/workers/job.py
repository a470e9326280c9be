"""The frame around every job: its event log, the request to stop, and how an error is reported.

This is the only place in a worker that catches any exception at all.
"""

import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from studio.errors import NotConnected, OthersLost, StudioError, is_out_of_memory
from studio.events import Event, Failed, Finished, Loading, Noted, Started
from studio.models.starter import Stopped
from studio.runs import lock, lost
from studio.runs.event_log import EventLog
from studio.runs.turns import Holder, Turn, write_holder
from studio.workers.ranks import NOT_CONNECTED, OTHERS_LOST, nodes

WAIT_SECONDS = 0.5
TELL_SECONDS = 10.0
"""So often one that waits looks for what: a time that is left need not be exact to the second."""

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Job:
    """What a job may use: `emit` for events, `should_stop` for the person's request to stop."""

    def __init__(self, emit: Callable[..., object], *, follows_another: bool = False) -> None:
        """`follows_another` says whether an earlier worker was at the same job."""
        self._emit = emit
        self.follows_another = follows_another
        self._stop = threading.Event()

    def emit(self, event: Event) -> None:
        """Write an event to the job's log."""
        self._emit(event)

    def pass_on(self, event: Event, *, at: float, there: str) -> None:
        """Write an event to the job's log that happened in another place, where it has the number `there`."""
        self._emit(event, at=at, there=there)

    def should_stop(self) -> bool:
        """Tell whether the job has been asked to stop."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        """Remember the request to stop; the job reads it between its steps."""
        self._stop.set()

    def report(self, what: str, done: int, total: int) -> None:
        """Pass on the progress of a download, in bytes."""
        self.emit(Loading(what=what, done=done, total=total, unit="bytes"))

    @contextmanager
    def holding(self, path: Path, *, waiting: str, holder: Holder | None = None) -> Iterator[None]:
        """Hold the lock at `path`, waiting while another process has it. Raises Stopped when asked to stop.

        While it waits it says for what, where that is known, else `waiting`. `holder` is what others are told then.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        turn, told, next_look = Turn(path, home=holder.home if holder else ""), "", 0.0
        while (descriptor := lock.acquire(path)) is None:
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + TELL_SECONDS
                found = turn.waits_for()
                said = f"Waiting for {found.what}" if found.what else waiting
                if said != told:
                    self.emit(Loading(what=said, waits_for=found.kind))
                told = said
            if self._stop.wait(WAIT_SECONDS):
                raise Stopped
        try:
            lock.name_self(descriptor)
            self.hold(path, holder)
            yield
        finally:
            os.close(descriptor)

    def hold(self, path: Path, holder: Holder | None) -> None:
        """Tell those who wait for a lock that this process holds what it holds it for."""
        if holder is not None:
            write_holder(path, replace(holder, process_id=os.getpid()))


def run_job(
    name: str,
    events: Path,
    work: Callable[[Job], Finished | Failed],
    *,
    ended: Callable[[Event], object] = lambda event: None,
) -> int:
    """Do the work between `Started` and `Finished` or `Failed`, and return the exit status of the process.

    `ended` is told the last event.
    """
    log = EventLog(events, clock=time.time)
    job = Job(log.emit, follows_another=log.seq > 0)
    signal.signal(signal.SIGTERM, lambda number, frame: job.ask_to_stop())
    log.emit(Started(process_id=os.getpid(), job=name, boot=lost.boot(), memory_kills=lost.memory_kills()))
    last: Event
    try:
        last = work(job)
    except Stopped:
        last = Finished(status="stopped", summary="Stopped before it began; there was nothing to keep.", seconds=0.0)
    except Exception as error:
        with suppress(OSError):  # the log may lie on a disk that is full
            traceback.print_exc(file=sys.stderr)
        if isinstance(error, OthersLost) and nodes() > 1:  # the run goes on elsewhere, so this is not its end
            return _note_loss(error, log)
        last = failure(error)
    log.emit(last)
    ended(last)
    return 1 if isinstance(last, Failed) else 0


def help_job(work: Callable[[Job], Finished], events: Path | None = None) -> int:
    """Do the work of a process that helps another one, which writes the events; return the exit status.

    What is no fault of another process is written to `events`, where that is no file of another one.
    """
    job = Job(lambda event: None)
    signal.signal(signal.SIGTERM, lambda number, frame: job.ask_to_stop())
    try:
        work(job)
        return 0
    except OthersLost as error:
        traceback.print_exc(file=sys.stderr)
        return _note_loss(error, None if events is None else EventLog(events, clock=time.time))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        if events is not None:
            EventLog(events, clock=time.time).emit(failure(error))
        return 1


def _note_loss(error: OthersLost, log: EventLog | None) -> int:
    """Write down what was met when the processes on other nodes were lost, and return the exit status that says so."""
    if log is not None:
        log.emit(Noted("warning", error.message))
    return NOT_CONNECTED if isinstance(error, NotConnected) else OTHERS_LOST


def failure(error: Exception) -> Failed:
    """Turn an exception into the sentence that the page shows, with its trace kept for the log."""
    detail = "".join(traceback.format_exception(error))[-8000:]
    numbers = set(_error_numbers(error))
    if numbers & _DISK_FULL or "No space left on device" in str(error):
        return Failed(
            cause="disk_full",
            message="The disk is full, so the run could not write its files.",
            hint="Free some space in the data folder and start again. What was saved before can still be used.",
            detail=detail,
        )
    if isinstance(error, StudioError):
        cause = {"Diverged": "diverged", "OutOfMemory": "out_of_memory"}.get(type(error).__name__, "bad_input")
        return Failed(cause=cause, message=error.message, hint=error.hint, detail=detail)
    if is_out_of_memory(error):
        return Failed(
            cause="out_of_memory",
            message="The memory of this machine was not enough for this run.",
            hint="Shorten the longest example, choose QLoRA, or choose a smaller base model.",
            detail=detail,
        )
    if numbers & _READ_ONLY:
        return Failed(
            cause="read_only",
            message="A file or folder that the run needs cannot be used: its permissions do not allow it.",
            hint="Correct the permissions of the data folder and start again. What was saved before can still be used.",
            detail=detail,
        )
    return Failed(
        cause="bug",
        message=f"The studio met an error that it does not know ({type(error).__name__}).",
        hint="The log below has the details. Please report them.",
        detail=detail,
    )


def _error_numbers(error: BaseException | None) -> Iterator[int]:
    """Yield the system's numbers of an error and of what it was raised from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            yield error.errno
        error = error.__cause__
