"""Runs from their start to their end: the queue, the workers, stopping, resuming, and why one was lost.

Everything may be asked at any moment, by any number of servers on one data folder: the queue's lock and the run's own
decide, never what this process remembers.
"""

import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import DATA_FOLDER_HINT, RunError
from studio.events import Failed, Finished
from studio.files import write_whole
from studio.logs import logged
from studio.runs import lock, lost
from studio.runs.diagnosis import Diagnosis
from studio.runs.event_log import last_event
from studio.runs.fair_queue import FairQueue, Waiting
from studio.runs.following import Following
from studio.runs.headlines import headline
from studio.runs.launcher import Worker, kill_group, request_stop
from studio.runs.queue import Line, Queue
from studio.runs.store import DISCARD, GIVE_WAY, KEEP, RunFolder, RunStore
from studio.runs.time_left import run_seconds_left, seconds_left
from studio.runs.turns import time_left
from studio.runs.view import ENDED, RunView, Status, died_twice, status
from studio.wording import counted

_LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 300.0
"""How long a worker may take to stop. It ends the micro-batch that it is at and saves; on a slow machine with a large
model that takes minutes, and killing it earlier would throw the last steps away."""


GIVE_WAY_GRACE_SECONDS = 3600.0
"""How long one may take that gives way: nobody wants it to end, and what it has not saved would be lost."""


LET_GO_SECONDS = 15.0
"""How long a worker may take to end what it has at work elsewhere, when nothing of it is wanted."""


NEARLY_DONE_SECONDS = 60.0
"""A run that will be done so soon is waited for: to stop it and to load its model again takes as long."""

_GAVE_WAY = "It lets other runs go first, and goes on by itself."


@dataclass(frozen=True)
class RunState:
    """A run at one moment. `view` is a copy that does not change; `diagnosis` is there when the run was lost.

    `place` is its place among the runs `of_all` that wait, 1 for the next, and `own_place` that among the ones of this
    data folder, which can be moved; 0 when it does not wait.
    """

    run: RunFolder
    view: RunView
    status: Status
    headline: str
    seconds_left: float | None
    diagnosis: Diagnosis | None
    place: int = 0
    of_all: int = 0
    own_place: int = 0

    @property
    def can_resume(self) -> bool:
        """Whether the run can be put in the queue: it never started, or ended before it was done. A blend never can."""
        return not self.run.is_blend and self.status in ("draft", "stopped", "failed", "lost")


class Scheduler:
    """All that makes runs go and stop in one data folder."""

    def __init__(
        self,
        runs: RunStore,
        home: Path,
        *,
        launch: Callable[[RunFolder], Worker],
        clock: Callable[[], float],
        make_room: Callable[[], None],
        started: Callable[[RunFolder], object] = lambda run: None,
        everybody: FairQueue | None = None,
        room: Callable[[str], int] = lambda place: 1,
        let_go: Callable[[RunFolder], object] = lambda run: None,
    ) -> None:
        """`launch` starts the worker of a run. `make_room` is called before that, to free the accelerator; `started`
        once it was. `everybody` is the line of all accounts, where others have it too. `room` says how many runs the
        place of a name takes at once; this machine has none. `let_go` is told of a run that is to end and has no
        worker, or none that could end what it has elsewhere.
        """
        self._let_go_of = let_go
        self._room = room
        self._runs = runs
        self._home = home
        self._launch = launch
        self._clock = clock
        self._make_room = make_room
        self._started = started
        self.queue = Queue(home)
        self._everybody = everybody or FairQueue(home, room=room)
        self._guard = threading.Lock()
        self._followings: dict[str, Following] = {}
        self._workers: dict[str, Worker] = {}
        self._ending: dict[tuple[str, int | None], float] = {}
        self._trouble: dict[str, RunError] = {}
        self.nearly_done_seconds = NEARLY_DONE_SECONDS

    def enqueue(self, *ids: str) -> None:
        """Let runs train when their turn comes: those that never did, or ended before they were done, which go on
        from their newest checkpoint. One that does not give way to others comes before those that do.

        Raises RunError for any other, and queues none then.
        """
        new = [id for id in ids if self._may_be_queued(id)]
        for id in new:  # before they are queued: one that failed as it was to give way would leave again
            self._forget_giving_way(self._runs.get(id))
        self._add(*(id for id in new if not self._gives_way(id)))
        self.queue.add(*(id for id in new if self._gives_way(id)))
        for id in new:
            self._note_trouble(id, None)
        self._everybody.look_again()
        self.tick()

    def _add(self, *ids: str) -> None:
        """Put runs behind the ordinary ones of their places, and before those there that give way."""
        for place, some in itertools.groupby(sorted(ids, key=self.place_of), key=self.place_of):
            self.queue.add(*some, ahead_of=functools.partial(self._gives_way_at, place))

    def _gives_way_at(self, place: str, id: str) -> bool:
        return self.place_of(id) == place and self._gives_way(id)

    def _forget_giving_way(self, run: RunFolder) -> None:
        """Take away the request to give way of a run that a person has taken out of the queue and queues again."""
        with logged(log, "A request to give way could not be deleted", OSError):
            if run.stop_request.exists() and run.stop_wanted == GIVE_WAY and not run.is_alive():
                run.stop_request.unlink(missing_ok=True)

    def _may_be_queued(self, id: str) -> bool:
        """Tell whether a run is neither at work nor in the queue. Raises RunError for one that cannot be trained."""
        state = self.view(id)
        if state.status == "finished":
            raise RunError(
                f"The run '{state.run.name}' is finished.", "Start a new run that continues from its adapter."
            )
        if state.run.is_blend:
            raise RunError(f"'{state.run.name}' is a blend, which is not trained.", "Blend its parents again.")
        if state.status == "damaged":
            raise RunError(
                f"The run '{state.run.name}' is damaged, so how it ended is not known.",
                "Duplicate it to train with its settings again, or delete it.",
            )
        return state.status in ENDED or state.status == "draft"

    def _gives_way(self, id: str) -> bool:
        return self._everybody.gives_way(Waiting(self._home, id))

    def _note_trouble(self, id: str, error: RunError | None) -> None:
        """Remember why a run could not be started, or forget it."""
        if error is None:
            self._trouble.pop(id, None)
        else:
            self._trouble[id] = error
        self._everybody.note_trouble(Waiting(self._home, id), is_stuck=error is not None)

    def trouble(self, id: str) -> RunError | None:
        """Return why a run that waits could not be started when its turn came; None when it did not come yet."""
        return self._trouble.get(id)

    def waiting(self) -> tuple[str, ...]:
        """Return the ids of the runs that wait for their turn, the next one first."""
        return self.queue.line().waiting

    def next_up(self) -> str:
        """Say which run trains, or is about to, and for how long still: "the run otter, about 3 min"; else nothing.

        One that could not be started when its turn came holds nobody up. A run of another account is not named.
        """
        line = self.queue.line()
        working = self._working(line)
        if working is not None:
            return self._told(working)
        ready = next((id for id in line.waiting if id not in self._trouble and not self.place_of(id)), None)
        if ready is None and self._everybody.is_shared:
            other = self._everybody.at_work() or next(iter(self._everybody.order()), None)
            return "" if other is None or other.home == self._home else self._told_of(other)
        return "" if ready is None else self._told(ready)

    def place_of(self, id: str) -> str:
        """Say where a run trains: the name of a place, empty for this machine."""
        return self._everybody.place_of(Waiting(self._home, id))

    def _working(self, line: Line, place: str = "") -> str | None:
        """Return the first run that is at work at a place; None where none is."""
        return next((id for id in line.working if self.place_of(id) == place and self._is_at_work(id)), None)

    def _told(self, id: str) -> str:
        with logged(log, "A run in the queue cannot be read", RunError, level=logging.INFO):
            run = self._runs.get(id)
            left = run_seconds_left(self._following(run).view(), self._clock()) if run.is_alive() else None
            return f"the run {run.name}" + ("" if left is None else f", {time_left(left)}")
        return ""

    def _told_of(self, other: Waiting) -> str:
        """Say for how long the run of another account has the accelerator, and nothing else of it."""
        left = None
        with logged(log, "A run of another account cannot be read", OSError, level=logging.INFO):
            events = RunFolder(other.home / "runs" / other.id).events_path
            left = run_seconds_left(Following(events).view(), self._clock())
        return "somebody else's run" + ("" if left is None else f", {time_left(left)}")

    def _before(self, id: str, waiting: Sequence[str]) -> str:
        """Say what a run in the queue waits for."""
        place = self.place_of(id)
        most, run = self._everybody.most_each, Waiting(self._home, id)
        if most is not None and not self._everybody.fits(run, self._everybody.held(self._home, place)):
            nodes = counted(most, "node")
            return f"It waits for your other runs at {place}: one person may have {nodes} there at once."
        if self._everybody.is_shared:
            return f"It waits for room at {place}." if place else self._before_all(id, waiting)
        line = self.queue.line()
        working = self._working(line, place)
        before = dict.fromkeys([*line.working, *waiting[: waiting.index(id)]])
        ahead = sum(self.place_of(each) == place for each in before if each in waiting or self._is_at_work(each))
        if working is None or ahead < self._room(place):
            return ""
        more = f" and {counted(ahead - 1, 'other run')}" if ahead > 1 else ""
        return f"It waits for {self._told(working)}{more}."

    def _before_all(self, id: str, waiting: Sequence[str]) -> str:
        """Say what a run waits for where others have the same line, without naming what is theirs."""
        working = self._everybody.at_work()
        first = "" if working is None else self._told(working.id) if self._is_own(working) else self._told_of(working)
        before = self._everybody.order()[: self._place(id, waiting) - 1]
        others = sum(not self._is_own(each) for each in before)
        more = counted(len(before), "other run") if before else ""
        more += f", {others:,} of them somebody else's" if others else ""
        return f"It waits for {' and '.join(filter(None, (first, more)))}." if first or more else ""

    def _is_own(self, run: Waiting) -> bool:
        return run.home == self._home

    def _place(self, id: str, waiting: Sequence[str]) -> int:
        """Return the place of a run in the line of everybody, 1 for the next."""
        own = waiting.index(id) + 1
        if not self._everybody.is_shared:
            return own
        for fresh in (False, True):
            order = self._everybody.order(fresh=fresh)
            if Waiting(self._home, id) in order:
                return order.index(Waiting(self._home, id)) + 1
        return own

    def _count(self, waiting: Sequence[str]) -> int:
        return len(self._everybody.order()) if self._everybody.is_shared else len(waiting)

    def places(self, waiting: Sequence[str]) -> dict[str, int]:
        """Return the places of these runs, which wait, in the line of everybody."""
        return {id: self._place(id, waiting) for id in waiting}

    def tick(self) -> str | None:
        """Start the run whose turn it is, if nothing is at work; return its id. Raises RunError for the queue alone."""
        line = self.queue.whole_line()
        self._go_on_asking(line.working)
        waiting = line.waiting
        if not waiting:
            return None
        places, started = tuple(dict.fromkeys(map(self.place_of, waiting))), None
        if self._everybody.is_shared:
            for place in places:
                with self._everybody.turn(self._home, place) as is_ours:
                    started = (self._start_next(place) if is_ours else None) or started
            self._everybody.look_again()
        else:
            started = self._start_next()
        for place in () if self._everybody.is_looked_after else places:
            in_the_way = self._everybody.in_the_way(place, home=self._home)
            if in_the_way is not None and self._is_own(in_the_way):
                self.give_way(in_the_way.id)
        return started

    def give_way(self, id: str) -> None:
        """Ask a run at work to save its work and let others go first: it waits in the queue then, and goes on later.

        One that is nearly done is left alone. Raises RunError when there is no such run.
        """
        run = self._runs.get(id)
        left = run_seconds_left(self._following(run).view(), self._clock())
        if not run.is_alive() or run.stop_request.exists() or (left is not None and left < self.nearly_done_seconds):
            return
        # In this order: a server that dies in between has a run in its queue that is at work, and takes it out again.
        self._add(id)
        if not self._write_first_request(run, GIVE_WAY):
            if run.stop_wanted != GIVE_WAY:  # a person was faster
                self._leave_queue(run)
            return
        self.see_to_the_end(id)

    def see_to_the_end(self, id: str) -> None:
        """Have a run end that is asked to: whoever asked it may be gone. Raises RunError when there is no such run."""
        run = self._runs.get(id)
        if run.stop_request.exists() and run.is_alive():
            gives_way = run.stop_wanted == GIVE_WAY
            self._see_to_the_end(run, GIVE_WAY_GRACE_SECONDS if gives_way else STOP_GRACE_SECONDS)

    def _go_on_asking(self, working: Iterable[str]) -> None:
        for id in working:
            with logged(log, "A run that was at work cannot be read", RunError):
                self.see_to_the_end(id)

    def _start_next(self, only: str | None = None) -> str | None:
        return self.queue.start_next(
            may_wait=self._may_wait,
            is_at_work=self._is_at_work,
            start=self._start,
            place_of=self.place_of,
            room=self._room,
            only=only,
            fits=self._fits,
        )

    def _fits(self, id: str, working: Iterable[str]) -> bool:
        """Tell whether a run may be at work beside those of this data folder at its place."""
        place = self.place_of(id)
        beside = [Waiting(self._home, each) for each in working if self.place_of(each) == place]
        return self._everybody.fits(Waiting(self._home, id), self._everybody.nodes_held(beside)[self._home])

    def stop(self, id: str, *, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Ask a run to save its work and end; one that has not after `grace_seconds` is killed. Returns at once.

        A run that waits for its turn leaves the queue. Does nothing when the run is not at work. Raises RunError when
        there is no such run.
        """
        run = self._runs.get(id)
        self._leave_queue(run)
        if not run.is_alive():
            self._let_go_of(run)
            return
        self._write_request(run, KEEP)
        self._stay_out(run)
        self._see_to_the_end(run, grace_seconds)

    def _stay_out(self, run: RunFolder) -> None:
        """Take a run out of the queue that was put there to give way as a person stopped it."""
        if run.id in self.waiting():
            self._leave_queue(run)

    def _leave_queue(self, run: RunFolder) -> None:
        """Take a run out of the queue. Raises RunError when that cannot be written, unless the run is at work."""
        try:
            self.queue.remove(run.id)
        except RunError:
            if not run.is_alive():
                raise

    def _see_to_the_end(self, run: RunFolder, grace_seconds: float) -> None:
        life, deadline = (run.id, lock.holder(run.lock_path)), time.monotonic() + grace_seconds
        with self._guard:
            if life in self._ending:
                self._ending[life] = min(deadline, self._ending[life])
                return
            self._ending[life] = deadline
        asked = self._ask_to_stop(run)
        arguments = (run, life, asked)
        threading.Thread(target=self._end, args=arguments, name=f"stop-{run.id}", daemon=True).start()

    def discard(self, id: str) -> None:
        """End a run at once, whatever it does, and move it to the trash. Raises RunError."""
        self._runs.require_allowed()
        run = self._runs.get(id)
        self._leave_queue(run)
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        if run.is_alive():
            self._write_request(run, DISCARD)
            self._stay_out(run)
            self._let_go(run)
        while run.is_alive() and time.monotonic() < deadline:
            self._kill(run)
            time.sleep(_LOOK_SECONDS)
        self.delete(id)

    def _let_go(self, run: RunFolder) -> None:
        """Let the worker of a run that trains elsewhere end its job there, which would go on without it."""
        deadline = time.monotonic() + LET_GO_SECONDS
        if self.place_of(run.id) and self._ask_to_stop(run):
            while run.is_alive() and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)

    def delete(self, id: str) -> None:
        """Move a run to the trash. Raises RunError when it is unknown or at work."""
        self._runs.require_allowed()
        run = self._runs.find(id)
        if not run.is_alive():
            self._let_go_of(run)
        self._runs.delete(id)
        with logged(log, "A deleted run could not be taken out of the queue", RunError, level=logging.INFO):
            self.queue.remove(id)
        with self._guard:
            self._followings.pop(id, None)
            self._workers.pop(id, None)

    def recover(self, resting: Container[str] = ()) -> tuple[str, ...]:
        """Put the runs back to work that were lost with the server, and return their ids; call it when one starts.

        Not those that ended while a server was there to say so, that a person asked to end, that died twice at the
        same step, or that were lost long ago. `resting` are those known to have ended, or never to have begun, and of
        which nothing is asked: they are passed over.
        """
        found = []
        waiting = self.waiting()
        for run in self._runs.folders(but=resting):
            try:
                if run.stop_request.exists():
                    self._go_on_ending(run)
                if self._take_up(run, waiting):
                    found.append(run.id)
            except Exception:  # one bad run must not keep the page from coming up, nor the others from going on
                log.exception("The run %s was not taken up again.", run.id)
        return tuple(found)

    def _take_up(self, run: RunFolder, waiting: Sequence[str]) -> bool:
        """Queue a run if it was lost with the server; say whether it was queued."""
        if run.id in waiting or not lost.was_lost_alone(run, self._clock()):
            return False
        state = self.view(run.id)
        if state.status != "lost" or died_twice(state.view):
            return False
        try:
            if self._gives_way(run.id):
                self._add(run.id)
            else:
                self.queue.add(run.id, ahead_of=lambda id: True)
            self._everybody.give_back(self._home)
        except RunError as error:  # on a full disk it stays lost
            log.warning("The run %s was lost and cannot be queued: %s", run.id, error, exc_info=True)
            return False
        return True

    def _go_on_ending(self, run: RunFolder) -> None:
        """Take up the request to end a run that a server did not live to see fulfilled."""
        if run.stop_wanted == DISCARD:
            with logged(log, "A run could not be discarded and stays", RunError, level=logging.INFO):
                self.discard(run.id)
        else:
            self.see_to_the_end(run.id)

    def view(self, id: str) -> RunState:
        """Return what a run is at, having read only what its worker said since the last call.

        Raises RunError when there is no such run.
        """
        run = self._runs.get(id)
        # In this order: a run that starts or ends in between must not look as if it had never been, or was lost.
        waiting = self.waiting()
        alive, stop_asked = run.is_alive(), run.stop_request.exists()
        holder = lock.holder(run.lock_path) if alive else None
        view = self._following(run).view()
        silent = holder is not None and (view.started is None or view.started.process_id != holder)
        now = self._clock()
        state = status(
            view,
            alive=alive,
            silent=silent,
            queued=id in waiting and not _is_over(run, view.failed or view.finished),
            launched=run.was_launched,
            stop_asked=stop_asked,
        )
        diagnosis = lost.diagnosis_of(run, view, self._workers.get(id)) if state == "lost" else None
        reason = "" if diagnosis is None else f"{diagnosis.message} {diagnosis.hint}"
        if state == "queued":
            reason = self._before(id, waiting)
        if state in ("queued", "stopping") and stop_asked and run.stop_wanted == GIVE_WAY:
            reason = f"{_GAVE_WAY} {reason}".strip()
        if state == "queued" and id in self._trouble:
            reason = f"It could not be started: {self._trouble[id]}"
        return RunState(
            run=run,
            view=view,
            status=state,
            headline=headline(view, state, now, reason=reason),
            seconds_left=seconds_left(view, now),
            diagnosis=diagnosis,
            place=self._place(id, waiting) if state == "queued" else 0,
            of_all=self._count(waiting) if state == "queued" else 0,
            own_place=waiting.index(id) + 1 if state == "queued" else 0,
        )

    def _start(self, id: str) -> bool:
        """Start the worker of a run whose turn it is."""
        try:
            run = self._runs.get(id)
            if run.is_alive():
                return run.stop_wanted != GIVE_WAY  # somebody else did, unless it is about to leave
            run.stop_request.unlink(missing_ok=True)
            if not self.place_of(id):
                self._make_room()
            worker = self._launch(run)
            run.lost_path.unlink(missing_ok=True)
        except RunError as error:
            self._note_trouble(id, error)
            return False
        except OSError as error:
            said = f"The folder of the run cannot be written: {error.strerror or error}."
            self._note_trouble(id, RunError(said, DATA_FOLDER_HINT))
            return run.is_alive()
        self._note_trouble(id, None)
        with self._guard:
            self._workers[id] = worker
        self._started(run)
        return True

    def _may_wait(self, id: str) -> bool:
        """Tell whether a run is there, not done, and whole enough to go on.

        One is in the line for all that whose server died, or met a full disk, when it had just started it.
        """
        try:
            run = self._runs.get(id)
        except RunError as error:
            log.warning("The run '%s' leaves the queue: %s", id[:80], error, exc_info=True)
            return False
        if run.is_blend or _is_over(run, last_event(run.events_path)):
            return False
        if self._following(run).view().doubtful and not run.is_alive():
            log.warning("The run %s leaves the queue: its events are damaged.", id)
            return False
        return True

    def _is_at_work(self, id: str) -> bool:
        try:
            return self._runs.get(id).is_alive()
        except RunError:
            return False

    def _write_request(self, run: RunFolder, stop_wanted: str) -> None:
        with logged(log, "The request to stop could not be written", OSError, level=logging.INFO):
            write_whole(run.stop_request, stop_wanted)

    def _write_first_request(self, run: RunFolder, stop_wanted: str) -> bool:
        """Write a request to stop, unless there is one; say whether there was none."""
        with logged(log, "The request to stop could not be written", OSError, level=logging.INFO):
            try:
                with run.stop_request.open("x", encoding="utf-8") as file:
                    file.write(f"{stop_wanted}\n")
            except FileExistsError:
                return False
        return True

    def _ask_to_stop(self, run: RunFolder) -> bool:
        """Ask the worker to stop, once it has said `Started`: before that it does not listen, and would just die."""
        started = self._following(run).view().started
        if started is None or started.process_id != lock.holder(run.lock_path):
            return False
        request_stop(started.process_id)
        return True

    def _end(self, run: RunFolder, life: tuple[str, int | None], asked: bool) -> None:
        """See a run that shall stop to its end; leave it alone once it was started again."""
        worker = life[1]
        try:
            while run.is_alive() and time.monotonic() < self._ending[life]:
                time.sleep(_LOOK_SECONDS)
                holder = lock.holder(run.lock_path)
                worker = holder if worker is None else worker
                if holder not in (None, worker):
                    return
                asked = asked or self._ask_to_stop(run)
            if lock.holder(run.lock_path) == worker:
                self._kill(run)
                self._let_go_of(run)
            with logged(log, "A run that is over could not be taken out of the queue", RunError, level=logging.INFO):
                if run.id in self.waiting() and not run.is_alive() and _is_over(run, last_event(run.events_path)):
                    self.queue.remove(run.id)
        finally:
            with self._guard:
                self._ending.pop(life, None)

    def _kill(self, run: RunFolder) -> None:
        """End the worker of a run and all that it started, if it is at work."""
        process_id = lock.holder(run.lock_path)
        if process_id is not None:
            kill_group(process_id)

    def _following(self, run: RunFolder) -> Following:
        with self._guard:
            return self._followings.setdefault(run.id, Following(run.events_path))


def _is_over(run: RunFolder, last: object) -> bool:
    """Tell whether a run was done or failed, by its last event, though it waits: it was to give way, and did not."""
    if isinstance(last, Finished):
        return last.status == "finished"
    return isinstance(last, Failed) and run.stop_wanted == GIVE_WAY
