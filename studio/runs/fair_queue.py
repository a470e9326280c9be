"""The queues of all accounts as one line: whose run is next, so that nobody's tenth run comes before another's first.

Each account has a queue of its own, in its own order. The accounts take turns: the one that was served longest ago is
next. Each place where runs train is a line of its own. Without accounts there is one queue, and no turns are written.

A run of a group may give way to those that do not: it waits behind them, of whichever account, and one at work is asked
to stop where it holds one of them up. It goes on when they are done. What cannot be started waits behind all others,
and is tried again later.

<home>/accounts/turns.json      which account was served when, by a number that grows
<home>/accounts/turns.lock      held while it is decided whose turn it is, and while that run is started
<home>/accounts/serving.lock    held by the server that looks after the runs of all accounts
"""

import heapq
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.errors import RunError
from studio.files import disk_trouble, write_whole
from studio.homes import ACCOUNTS, all_homes, has_accounts, shared_home
from studio.logs import logged
from studio.runs import lock
from studio.runs.queue import IN_USE, Line, Queue
from studio.runs.store import RunFolder

_MOST_BYTES = 4 * 2**20
_FRESH_SECONDS = 1.0

RETRY_SECONDS = 60.0
"""So long a run that could not be started lets all others pass before it takes its turn again."""

_ORDINARY, _BEHIND, _STUCK = range(3)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """A run that waits for its turn, and the data folder that it lies in."""

    home: Path
    id: str


@dataclass(frozen=True)
class _Turn:
    """A run in the line: at which place it trains, whether it waits as an ordinary one, behind those, or behind all,
    and whether it could not be started when any process tried it last.
    """

    run: Waiting
    place: str
    rank: int
    is_stuck: bool


@dataclass(frozen=True)
class _Served:
    account: str
    number: int


@dataclass(frozen=True)
class _Turns:
    served: tuple[_Served, ...] = ()


class FairQueue:
    """The line of all runs of a studio, for any number of threads. `clock` counts seconds."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        room: Callable[[str], int] = lambda place: 1,
        most_each: int | None = None,
    ) -> None:
        """`home` is the data folder of any account of the studio. `room` says how many runs a place takes at once,
        `most_each` how many of one account may be at work at a place beside this machine; None for any number. A run
        on several nodes there counts as so many, and one on more than that as all.
        """
        self._shared = shared_home(home)
        self._room = room
        self.most_each = most_each
        self._places: dict[Waiting, tuple[int, str, int]] = {}
        self._giving_way: dict[Waiting, bool] = {}
        self._stuck: dict[Waiting, float] = {}
        self._closed: dict[Path, float] = {}
        self._folder = self._shared / ACCOUNTS
        self._clock = clock
        self._guard = threading.Lock()
        self._seen_at = float("-inf")
        self._seen: tuple[_Turn, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether there are accounts that take turns."""
        return has_accounts(self._shared)

    @property
    def is_looked_after(self) -> bool:
        """Whether a server looks after the runs of all accounts, and so who is in the way of whom."""
        return self.is_shared and self._is_served()

    def order(self, *, fresh: bool = False) -> tuple[Waiting, ...]:
        """List the runs that wait, of all accounts, in the order of their turns; at most a second old."""
        return tuple(each.run for each in self._turns(fresh=fresh))

    def _turns(self, *, fresh: bool = False) -> tuple[_Turn, ...]:
        with self._guard:
            if fresh or self._clock() - self._seen_at >= _FRESH_SECONDS:
                self._seen, self._seen_at = self._merged(), self._clock()
            return self._seen

    def look_again(self) -> None:
        """Read the line afresh when it is asked for next: it has changed."""
        with self._guard:
            self._seen_at = float("-inf")

    def place_of(self, run: Waiting) -> str:
        """Say where a run trains: the name of a place, empty for this machine and where it cannot be read."""
        return self._place_and_nodes(run)[0]

    def _place_and_nodes(self, run: Waiting) -> tuple[str, int]:
        if not (self._shared / "places").is_dir():
            return "", 1
        folder = RunFolder(run.home / "runs" / Path(run.id).name)
        try:
            changed = (folder.path / "config.json").stat().st_mtime_ns
            known = self._places.get(run)
            if known is None or known[0] != changed:
                known = self._places[run] = (changed, folder.config.place, folder.config.nodes)
            return known[1:]
        except (OSError, RunError):
            log.debug("Where a run trains cannot be read", exc_info=True)
            return "", 1

    def gives_way(self, run: Waiting) -> bool:
        """Tell whether a run lets others go first: one of a group, where its person left it so."""
        if run not in self._giving_way:
            try:
                group = RunFolder(run.home / "runs" / Path(run.id).name).origin.group
            except RunError:
                log.debug("Whether a run gives way cannot be read", exc_info=True)
                return True  # it holds nobody up
            self._giving_way[run] = group is not None and group.gives_way
        return self._giving_way[run]

    def note_trouble(self, run: Waiting, *, is_stuck: bool) -> None:
        """Take note of a run that could not be started when its turn came: nothing is stopped for it."""
        with self._guard:
            self._stuck.pop(run, None)
            if is_stuck:
                self._stuck[run] = self._clock()

    def note_closed(self, home: Path, *, is_closed: bool) -> None:
        """Take note of an account whose studio could not be opened when its turn came, as of a run that is stuck."""
        with self._guard:
            self._closed.pop(home, None)
            if is_closed:
                self._closed[home] = self._clock()

    def in_the_way(self, place: str = "", *, home: Path | None = None) -> Waiting | None:
        """Return the run at work at a place that is to give way to one that waits for it; None where there is none.

        One for each that waits, those counted that are about to stop; and only where the one that waits really starts
        then. `home` is the account that asks: a queue that nobody looks after stops nothing for it.
        """
        working = list(self._working(place))
        if not any(map(self.gives_way, working)):
            return None
        sees_all = self._sees_all(home)
        ready = [each.run for each in self._turns_of(home, place) if self._is_ready(each)]
        leaving = self._leaving(working)
        staying = [run for run in working if run not in leaving]
        free, held = self._room(place) - len(staying), self.nodes_held(staying)
        # The one that was started last has the least to take up again.
        givers = [run for run in reversed(staying) if self.gives_way(run) and (sees_all or run.home == home)]
        for each in ready:
            if not self.fits(each, held[each.home]):
                able = [run for run in givers if run.home == each.home]
                left = held[each.home] - self.nodes_held(able).total()
                if able and free + len(able) > 0 and self.fits(each, left):
                    return able[0]
            elif free <= 0:
                return givers[0] if free + len(givers) > 0 else None
            else:
                free -= 1
                held += self.nodes_held([each])
        return None

    def _is_ready(self, turn: _Turn) -> bool:
        return turn.rank == _ORDINARY and not turn.is_stuck

    def leaving(self, place: str = "") -> tuple[Waiting, ...]:
        """List the runs at work at a place that are asked to stop."""
        return tuple(self._leaving(self._working(place)))

    def _leaving(self, working: Iterable[Waiting]) -> list[Waiting]:
        return [run for run in working if RunFolder(run.home / "runs" / run.id).stop_request.exists()]

    def _turns_of(self, home: Path | None, place: str) -> list[_Turn]:
        """List who waits for a place as an account sees it: those of others only where a server looks after them."""
        waiting = [each for each in self._turns(fresh=True) if each.place == place]
        return waiting if self._sees_all(home) else [each for each in waiting if each.run.home == home]

    def _sees_all(self, home: Path | None) -> bool:
        return home is None or not self.is_shared or self._is_served()

    def held(self, home: Path, place: str) -> int:
        """Count the runs of an account that are at work at a place, one on several nodes as so many."""
        return self.nodes_held(self._working(place))[home]

    def nodes_held(self, runs: Iterable[Waiting]) -> Counter[Path]:
        """Count the nodes that runs have, by their data folders."""
        held: Counter[Path] = Counter()
        for run in runs:
            held[run.home] += self._place_and_nodes(run)[1]
        return held

    def fits(self, run: Waiting, held: int) -> bool:
        """Tell whether a run may be at work at its place for its account, which holds so much there."""
        place, nodes = self._place_and_nodes(run)
        if not place or self.most_each is None:
            return True
        return held + min(nodes, max(1, self.most_each)) <= self.most_each

    def places(self) -> tuple[str, ...]:
        """List the places for which runs wait, this machine as an empty name."""
        return tuple(dict.fromkeys(each.place for each in self._turns()))

    def next_home(self, place: str = "") -> Path | None:
        """Return the data folder whose run is next at a place; None where none waits or there is no room."""
        return self._next_home(place, None)

    def _next_home(self, place: str, home: Path | None) -> Path | None:
        """Return whose turn it is at a place, as the account `home` sees it."""
        waiting = self._turns_of(home, place)
        if not waiting:
            return None
        working = list(self._working(place))
        if len(working) >= self._room(place):
            return None
        held = self.nodes_held(working)
        return next((each.run.home for each in waiting if self.fits(each.run, held[each.run.home])), None)

    def at_work(self) -> Waiting | None:
        """Return the run that has the accelerator of this machine, of whichever account; None where none has."""
        return next(self._working(""), None)

    def all_at_work(self) -> dict[Waiting, str]:
        """List the runs at work, of all accounts, each with its place: the empty name for this machine."""
        return {run: self.place_of(run) for run in self._working(None)}

    def _working(self, place: str | None) -> Iterator[Waiting]:
        """Give the runs at work at a place; without one, everywhere."""
        for home in all_homes(self._shared):
            for id in Queue(home).line().working:
                run = Waiting(home, id)
                if lock.is_held(home / "runs" / Path(id).name / "run.lock") and place in (None, self.place_of(run)):
                    yield run

    @contextmanager
    def turn(self, home: Path, place: str = "") -> Iterator[bool]:
        """Hold everybody's turn at a place, and tell whether it is that of an account. What is started then counts.

        A queue that nobody looks after waits for its server, and does not hold up who trains without one. Raises
        RunError when the folder of the accounts cannot be written.
        """
        if not self.is_shared:
            yield True
            return
        with self._held():
            is_ours = self._next_home(place, home) == home
            yield is_ours
            if is_ours:
                # Also where no run of it could be started: those of others are not held up.
                self._count_as_served(home)

    def pass_by(self, home: Path, place: str = "") -> None:
        """Let others come next at a place where an account did not take its turn: what it met must not hold them up.

        Raises RunError.
        """
        others = (each for each in self._turns() if each.run.home != home and each.place == place)
        if self.next_home(place) == home and any(others):
            with self._held():
                self._count_as_served(home)

    def give_back(self, home: Path) -> None:
        """Let an account be next again whose run was lost with the server. Raises RunError."""
        if self.is_shared:
            with self._held():
                self._write_served(home, number=0)

    def serving(self) -> int:
        """Say that this process looks after the runs of all accounts, until the file that is returned is closed.

        Raises RunError when another one does.
        """
        self._make_folder()
        descriptor = lock.acquire(self._folder / "serving.lock")
        if descriptor is None:
            raise RunError(
                "Another studio serves the accounts of this data folder.", "Use that one, or end it and start again."
            )
        return descriptor

    def _is_served(self) -> bool:
        return lock.is_held(self._folder / "serving.lock")

    def _merged(self) -> tuple[_Turn, ...]:
        """Take one run of each account after the other, those first that were served longest ago; and those that give
        way only when no other waits, and those that are stuck last of all.
        """
        served, order = self._served(), []
        lines = {home: self._ranked(home) for home in all_homes(self._shared)}
        last = max(served.values(), default=0)
        for rank in (_ORDINARY, _BEHIND, _STUCK):
            some = {home: [each for each in line if each.rank == rank] for home, line in lines.items()}
            # Of accounts that were never served, the one whose first run is the oldest: the ids begin with the time.
            heap = [(served.get(_key(home), 0), line[0].run.id, str(home), 0) for home, line in some.items() if line]
            heapq.heapify(heap)
            while heap:
                _, _, name, at = heapq.heappop(heap)
                home, last = Path(name), last + 1
                served[_key(home)] = last
                order.append(some[home][at])
                if at + 1 < len(some[home]):
                    heapq.heappush(heap, (last, some[home][at + 1].run.id, name, at + 1))
        return tuple(order)

    def _ranked(self, home: Path) -> list[_Turn]:
        """Return the line of an account. What a person has put behind one of the same place that gives way waits as
        that does.
        """
        found, behind, line = [], set(), self._line(home)
        for id in line.waiting:
            run = Waiting(home, id)
            place = self.place_of(run)
            if place not in behind and self.gives_way(run):
                behind.add(place)
            rank = _STUCK if self._is_resting(run) else _BEHIND if place in behind else _ORDINARY
            is_stuck = id in line.stuck or run in self._stuck or home in self._closed
            found.append(_Turn(run, place, rank, is_stuck))
        return found

    def _is_resting(self, run: Waiting) -> bool:
        """Tell whether a run was tried, and not long ago."""
        tried = max(self._stuck.get(run, float("-inf")), self._closed.get(run.home, float("-inf")))
        return self._clock() - tried < RETRY_SECONDS

    def _line(self, home: Path) -> Line:
        return Queue(home).line()

    def _served(self) -> dict[str, int]:
        try:
            found = codec.read(_Turns, self._folder / "turns.json", most_bytes=_MOST_BYTES)
        except FileNotFoundError:
            return {}
        except (OSError, codec.Damaged):
            log.warning("Whose turn it is cannot be read: everybody begins again", exc_info=True)
            return {}
        return {each.account: each.number for each in found.served}

    def _count_as_served(self, home: Path) -> None:
        self._write_served(home, number=max(self._served().values(), default=0) + 1)

    def _write_served(self, home: Path, *, number: int) -> None:
        served = self._served() | {_key(home): number}
        there = {_key(each) for each in all_homes(self._shared)}
        turns = _Turns(tuple(_Served(account, at) for account, at in sorted(served.items()) if account in there))
        with disk_trouble("Whose turn it is", self._folder):
            write_whole(self._folder / "turns.json", codec.dumps(turns))

    def _make_folder(self) -> None:
        with logged(log, "The folder of the accounts could not be made", OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._make_folder()
        with lock.in_turn(self._folder / "turns.lock", busy=IN_USE):
            yield


def _key(home: Path) -> str:
    """Name an account in the file: the first owner, whose folder is the studio's own, has no id there."""
    return home.name if shared_home(home) != home else ""
