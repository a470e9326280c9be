"""The one place that decides whether a worker may start now, waits for others, or is refused.

What works is told by its lock, never by what this process remembers of it, so a worker that dies frees its place. Knows
nothing of what the workers do; training has a queue of its own and is not counted here.
"""

import logging
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from studio.errors import RunError, TooMany
from studio.jobs.tasks import SHARES, Share, Task
from studio.limits import Limits, raised_by
from studio.runs import lock
from studio.runs.launcher import Launch, Worker
from studio.runs.memory_watch import free_memory_bytes
from studio.visitors import NOBODY, visitor
from studio.wording import size

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Room:
    """What is free on this machine."""

    memory_gib: float
    disk_gib: float


def measure_room(home: Path) -> Room:
    """Look how much memory is free, and how much of the disk that holds the data folder."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    return Room(free_memory_bytes() / 2**30, shutil.disk_usage(there).free / 2**30)


class WorkerPool(Protocol):
    """What a studio asks of a pool, its own or its part of one that several studios share."""

    def launch(self, task: Task, /) -> Worker: ...

    def tick(self) -> None: ...

    def is_busy(self) -> bool: ...

    def is_at(self, share: Share) -> bool: ...

    def recover(self) -> None: ...

    def require_disk(self) -> None: ...


class Ticket:
    """One worker's place: in the line at first perhaps, and at work later. Made by `Pool` alone.

    `task` is None for what an earlier studio left at work.
    """

    def __init__(self, pool: "Pool", share: Share, lock_path: Path, *, who: str = NOBODY, task: Task | None) -> None:
        self.share = share
        self.lock_path = lock_path
        self.who = who
        self.task = task
        self.worker: Worker | None = None
        self.trouble: RunError | None = None
        self._pool = pool

    def look(self) -> str:
        """Say what the worker waits for; empty once it was started or cannot be. Starts it when its turn has come."""
        return self._pool.look(self)

    def leave(self) -> bool:
        """Leave the line, and say whether this one was in it."""
        return self._pool.leave(self)

    def exit_code(self) -> int | None:
        """Return how the worker ended; None while it waits or works."""
        return None if self.worker is None else self.worker.exit_code()


class Pool:
    """All workers of one data folder beside training and chat."""

    def __init__(
        self, home: Path, limits: Limits, *, launch: Launch, room: Callable[[Path], Room] = measure_room
    ) -> None:
        self._home = home
        self._limits = limits
        self._launch = launch
        self._room = room
        self._guard = threading.Lock()
        self._at_work: list[Ticket] = []
        self._waiting: list[Ticket] = []

    def launch(self, task: Task) -> Worker:
        """Start a worker, or let it wait in line where none may start now.

        A task that is done only once is left alone where its lock file is there: this studio or another started it.
        Raises TooMany, beside what `launch` raises, where the line is full too.
        """
        share = task.share
        if share is None:
            return self._launch(task)
        ticket = Ticket(self, share, task.paths.lock, who=visitor(), task=task)
        self.require_disk()
        with self._guard:
            self._start_waiting()
            self._refuse_visitor(ticket.who)
            hindrance = self._hindrance(share, before=self._waiting)
            if not hindrance:
                return self._begin(ticket, task)
            if self._count(self._waiting, share) >= self._bound(share, "waiting"):
                raise self._full(share, hindrance)
            self._waiting.append(ticket)
        return Worker(process_id=None, exit_code=ticket.exit_code, place=ticket)

    def tick(self) -> None:
        """Start what waits, as far as there is room: to be called about once a second."""
        with self._guard:
            self._start_waiting()

    def is_busy(self, who: str | None = None) -> bool:
        """Tell whether a worker is at work or waits, of one visitor where `who` is given."""
        with self._guard:
            self._start_waiting()
            return any(who is None or ticket.who == who for ticket in (*self._at_work, *self._waiting))

    def is_at(self, share: Share) -> bool:
        """Tell whether work of a kind is done, or waits in line."""
        with self._guard:
            self._start_waiting()
            return bool(self._count(self._at_work, share) or self._count(self._waiting, share))

    def recover(self, home: Path | None = None, who: str = NOBODY) -> None:
        """Count the workers that a studio before this one has left at work; call it when one starts.

        `home` is the data folder of an account, and `who` that account, where several share this pool.
        """
        with self._guard:
            known = {ticket.lock_path for ticket in self._at_work}
            for share in SHARES:
                paths = (home or self._home).glob(share.locks) if share.locks else ()
                held = (path for path in paths if path not in known and lock.is_held(path))
                self._at_work += [Ticket(self, share, path, who=who, task=None) for path in held]

    def require_disk(self) -> None:
        """Raise TooMany where the disk has so little room that nothing new is taken."""
        found, kept = self._room(self._home).disk_gib, self._limits.free_disk_gib
        if found < kept:
            raise TooMany(
                f"Nothing new is taken: {size(found * 2**30)} of the disk are free, and {size(kept * 2**30)} have to "
                "stay free.",
                f"Delete what you no longer need and empty the Trash. {raised_by('free_disk_gib')}",
            )

    def look(self, ticket: Ticket) -> str:
        """Say what a ticket waits for; empty when it does not."""
        with self._guard:
            self._start_waiting()
            if ticket not in self._waiting:
                return ""
            return self._hindrance(ticket.share, before=self._waiting[: self._waiting.index(ticket)])

    def leave(self, ticket: Ticket) -> bool:
        """Take a ticket out of the line, and say whether it was there."""
        with self._guard:
            waits = ticket in self._waiting
            if waits:
                self._waiting.remove(ticket)
            return waits

    def _begin(self, ticket: Ticket, task: Task) -> Worker:
        begun = task.once and ticket.lock_path.exists()
        ticket.worker = Worker(process_id=None, exit_code=lambda: None) if begun else self._launch(task)
        self._at_work.append(ticket)
        return ticket.worker

    def _start_waiting(self) -> None:
        self._at_work = [ticket for ticket in self._at_work if lock.is_held(ticket.lock_path)]
        still: list[Ticket] = []
        for ticket in self._waiting:
            if ticket.task is None or self._hindrance(ticket.share, before=still):
                still.append(ticket)
                continue
            try:
                self._begin(ticket, ticket.task)
            except RunError as error:
                log.warning("What waited could not be started (%s): %s", ticket.share.name, error, exc_info=True)
                ticket.trouble = error
        self._waiting = still

    def _hindrance(self, share: Share, *, before: Sequence[Ticket]) -> str:
        """Say why a worker may not start now; empty when it may. `before` are those in line before it."""
        others = self._count(before, share)
        at_work = self._count(self._at_work, share)
        if others or at_work >= self._bound(share, "at_once"):
            return f"Waiting for {at_work + others:,} other {share.noun}"
        if len(self._at_work) >= self._limits.workers_at_once:
            return f"Waiting for other work: {len(self._at_work):,} workers are busy"
        if self._room(self._home).memory_gib < self._limits.free_memory_gib:
            return f"Waiting for memory: {size(self._limits.free_memory_gib * 2**30)} of it have to be free"
        return ""

    def _refuse_visitor(self, who: str) -> None:
        mine = Counter(each.who for each in (*self._at_work, *self._waiting))[who]
        most = self._limits.workers_each
        if who != NOBODY and mine >= most:
            raise TooMany(
                f"{mine:,} of your jobs are at work or waiting, and one visitor may have {most:,}.",
                f"Wait until one is done, or cancel one. {raised_by('workers_each')}",
            )

    def _full(self, share: Share, hindrance: str) -> TooMany:
        waiting = self._bound(share, "waiting")
        name = f"{share.name}_{'waiting' if waiting else 'at_once'}"
        line = f"{hindrance}, and no more than {waiting:,} may wait." if waiting else f"{hindrance}, which cannot wait."
        return TooMany(f"This was not started. {line}", f"Try again when one is done. {raised_by(name)}")

    def _bound(self, share: Share, what: str) -> int:
        return int(getattr(self._limits, f"{share.name}_{what}"))

    def _count(self, tickets: Sequence[Ticket], share: Share) -> int:
        return sum(each.share == share for each in tickets)
