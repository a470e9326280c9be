"""Runs from their first wish to their end: the queue, the workers, stopping, resuming, and why one was lost.

Everything may be asked at any moment, by any number of servers on one data folder: the queue's lock and the run's own
decide, never what this process remembers. Knows nothing of pages, terminals or models.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.errors import RunError
from studio.events import Failed, Finished
from studio.runs import kernel, lock
from studio.runs.diagnosis import Diagnosis, Witness, diagnose
from studio.runs.event_log import last_event
from studio.runs.jobs import Following
from studio.runs.launcher import Launch, Worker, kill_group, request_stop
from studio.runs.queue import Queue
from studio.runs.store import RunFolder, RunStore
from studio.runs.view import ENDED, RunView, Status, died_twice, headline, seconds_left, status

_LOOK_SECONDS = 0.1

STOP_GRACE_SECONDS = 300.0
"""How long a worker may take to stop. It ends the micro-batch that it is at and saves; on a slow machine with a large
model that takes minutes, and killing it earlier would throw the last steps away."""

RECOVERED_SECONDS = 7 * 24 * 3600.0
"""A run that was lost longer ago than this is not taken up again unasked."""

KEEP = "keep"
DISCARD = "discard"


@dataclass(frozen=True)
class RunState:
    """A run at one moment. `view` is a copy that does not change; `diagnosis` is there when the run was lost.

    `place` is its place in the queue, 1 for the next; 0 when it does not wait.
    """

    run: RunFolder
    view: RunView
    status: Status
    headline: str
    seconds_left: float | None
    diagnosis: Diagnosis | None
    place: int = 0

    @property
    def can_resume(self) -> bool:
        """Whether the run can be put in the queue: it never started, or ended before it was done."""
        return self.status in ("draft", "stopped", "failed", "lost")


class Conductor:
    """All that makes runs go and stop in one data folder."""

    def __init__(
        self, runs: RunStore, home: Path, *, launch: Launch, clock: Callable[[], float], make_room: Callable[[], None]
    ) -> None:
        """`make_room` is called before a worker is started, to free the accelerator."""
        self._runs = runs
        self._home = home
        self._launch = launch
        self._clock = clock
        self._make_room = make_room
        self.queue = Queue(home)
        self._guard = threading.Lock()
        self._followings: dict[str, Following] = {}
        self._workers: dict[str, Worker] = {}
        self._ending: set[str] = set()
        self._trouble: dict[str, RunError] = {}

    def enqueue(self, id: str, *, first: bool = False) -> None:
        """Let a run train when its turn comes: one that never did, or one that ended before it was done, which goes on
        from its newest checkpoint. Raises RunError for any other.
        """
        state = self.view(id)
        if state.status == "finished":
            raise RunError(f"The run '{state.run.name}' is finished.", "Start a new run that goes on from its adapter.")
        if state.status in ENDED or state.status == "draft":
            self.queue.add(id, first=first)
        self.tend()

    def trouble(self, id: str) -> RunError | None:
        """Return why a run that waits could not be started when its turn came; None when it did not come yet."""
        return self._trouble.get(id)

    def cancel(self, id: str) -> None:
        """Take a run out of the queue; it stays what it was before. Does nothing when it does not wait."""
        self.queue.remove(id)

    def tend(self) -> str | None:
        """Start the run whose turn it is, if nothing is at work; return its id. Raises RunError for the queue alone."""
        return self.queue.start_next(is_at_work=self._is_at_work, start=self._start)

    def stop(self, id: str, *, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Ask a run to save its work and end; one that has not after `grace_seconds` is killed. Returns at once.

        A run that waits for its turn leaves the queue. Does nothing when the run is not at work. Raises RunError when
        there is no such run.
        """
        run = self._runs.get(id)
        self.queue.remove(id)
        with self._guard:
            if id in self._ending or not run.is_alive():
                return
            self._ending.add(id)
        self._wish(run, KEEP)
        asked = self._ask_to_stop(run)
        threading.Thread(target=self._end, args=(run, asked, grace_seconds), name=f"stop-{id}", daemon=True).start()

    def discard(self, id: str) -> None:
        """End a run at once, whatever it does, and put it into the bin. Raises RunError."""
        run = self._runs.get(id)
        self.queue.remove(id)
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        if run.is_alive():
            self._wish(run, DISCARD)
        while run.is_alive() and time.monotonic() < deadline:
            self._kill(run)
            time.sleep(_LOOK_SECONDS)
        self.delete(id)

    def delete(self, id: str) -> None:
        """Put a run into the bin. Raises RunError when it is unknown or at work."""
        self._runs.delete(id)
        self.queue.remove(id)
        with self._guard:
            self._followings.pop(id, None)
            self._workers.pop(id, None)

    def recover(self) -> tuple[str, ...]:
        """Put the runs back to work that were lost with the server, and return their ids; call it when one starts.

        Not those that ended while a server was there to say so, that a person wished to end, that died twice at the
        same step, or that were lost long ago.
        """
        found = []
        waiting = self.queue.line().waiting
        for run in reversed(self._runs.all()):
            if not self._was_lost_alone(run) or run.id in waiting:
                continue
            state = self.view(run.id)
            if state.status == "lost" and not died_twice(state.view):
                run.lost_path.unlink(missing_ok=True)
                self.queue.add(run.id, first=True)
                found.append(run.id)
        return tuple(found)

    def view(self, id: str) -> RunState:
        """Return what a run is at, having read only what its worker said since the last call.

        Raises RunError when there is no such run.
        """
        run = self._runs.get(id)
        # In this order: a run that starts or ends in between must not look as if it had never been, or was lost.
        waiting = self.queue.line().waiting
        alive, stop_asked = run.is_alive(), run.stop_wish.exists()
        holder = lock.holder(run.lock_path) if alive else None
        view = self._following(run).view()
        silent = holder is not None and (view.started is None or view.started.process_id != holder)
        now = self._clock()
        state = status(
            view, alive=alive, silent=silent, queued=id in waiting, launched=run.was_launched, stop_asked=stop_asked
        )
        diagnosis = self._diagnosis(run, view) if state == "lost" else None
        reason = "" if diagnosis is None else f"{diagnosis.message} {diagnosis.hint}"
        if state == "queued" and id in self._trouble:
            reason = f"It could not be started: {self._trouble[id]}"
        return RunState(
            run=run,
            view=view,
            status=state,
            headline=headline(view, state, now, reason=reason),
            seconds_left=seconds_left(view, now),
            diagnosis=diagnosis,
            place=waiting.index(id) + 1 if state == "queued" else 0,
        )

    def _start(self, id: str) -> bool:
        """Start the worker of a run whose turn it is."""
        try:
            run = self._runs.get(id)
            if run.is_alive():
                return True  # somebody else did
            run.stop_wish.unlink(missing_ok=True)
            run.lost_path.unlink(missing_ok=True)
            self._make_room()
            worker = self._launch(["train", str(run.path)], log_path=run.log_path, lock_path=run.lock_path)
        except RunError as error:
            self._trouble[id] = error
            return False
        with self._guard:
            self._trouble.pop(id, None)
            self._workers[id] = worker
        return True

    def _is_at_work(self, id: str) -> bool:
        try:
            return self._runs.get(id).is_alive()
        except RunError:
            return False

    def _was_lost_alone(self, run: RunFolder) -> bool:
        """Tell whether a run went silent while no server was there to see it. Cheap: reads the end of its events."""
        if run.stop_wish.exists() or run.lost_path.exists() or not run.was_launched or run.is_alive():
            return False
        if isinstance(last_event(run.events_path), Finished | Failed):
            return False
        with suppress(OSError):
            return self._clock() - run.log_path.stat().st_mtime < RECOVERED_SECONDS
        return False

    def _wish(self, run: RunFolder, wish: str) -> None:
        with suppress(OSError):  # on a full disk it is stopped all the same
            run.stop_wish.write_text(wish, encoding="utf-8")

    def _ask_to_stop(self, run: RunFolder) -> bool:
        """Ask the worker to stop, once it has said `Started`: before that it does not listen, and would just die."""
        started = self._following(run).view().started
        if started is None or started.process_id != lock.holder(run.lock_path):
            return False
        request_stop(started.process_id)
        return True

    def _end(self, run: RunFolder, asked: bool, grace_seconds: float) -> None:
        """See a run that shall stop to its end."""
        deadline = time.monotonic() + grace_seconds
        try:
            while run.is_alive() and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
                asked = asked or self._ask_to_stop(run)
            self._kill(run)
        finally:
            with self._guard:
                self._ending.discard(run.id)

    def _kill(self, run: RunFolder) -> None:
        """End the worker of a run and all that it started, if it is at work."""
        process_id = lock.holder(run.lock_path)
        if process_id is not None:
            kill_group(process_id)

    def _diagnosis(self, run: RunFolder, view: RunView) -> Diagnosis:
        """Say why a run was lost, and write it down: its exit code is known to this server alone, and not for long."""
        with suppress(OSError, ValueError, TypeError):
            return codec.from_plain(Diagnosis, json.loads(run.lost_path.read_text(encoding="utf-8")))
        worker, started = self._workers.get(run.id), view.started
        kills = kernel.memory_kills()
        restarted = started is not None and started.boot != "" and kernel.boot() not in ("", started.boot)
        counted = started is not None and started.memory_kills >= 0 and kills >= 0 and not restarted
        found = diagnose(
            run.log_tail(),
            Witness(
                exit_code=None if worker is None else worker.exit_code(),
                restarted=restarted,
                memory_kills=kills - started.memory_kills if counted and started is not None else 0,
            ),
        )
        with suppress(OSError):
            run.lost_path.write_text(codec.dumps(found) + "\n", encoding="utf-8")
        return found

    def _following(self, run: RunFolder) -> Following:
        with self._guard:
            return self._followings.setdefault(run.id, Following(run.events_path))
