"""Which runs wait for the accelerator, in which order, and which one has it: one small file that all servers share.

<home>/queue.json    {"waiting": [...], "working": [...], "stuck": [...]}
<home>/queue.lock    held while the file is read and written again, and while a run is started from it
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studio import codec
from studio.errors import RunError, TooMany
from studio.files import disk_trouble, write_whole
from studio.limits import Limits, raised_by
from studio.logs import logged
from studio.runs import lock
from studio.visitors import NOBODY, visitor

_MOST_BYTES = 16 * 2**20
IN_USE = "Another program is using the queue of runs."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """The ids of the runs that wait, the next one first, and of those that were started and may still be at work. Those
    `stuck` wait, and could not be started when they were tried last.
    """

    waiting: tuple[str, ...] = ()
    working: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


class _Room:
    """How many more runs each place takes; every place is asked once."""

    def __init__(self, room: Callable[[str], int], taken: Counter[str]) -> None:
        self._of = room
        self._taken = taken
        self._most: dict[str, int] = {}

    def has(self, place: str) -> bool:
        if place not in self._most:
            self._most[place] = self._of(place)
        return self._taken[place] < self._most[place]


class Queue:
    """The queue of one data folder. Every method raises RunError when the folder cannot be written."""

    def __init__(self, home: Path) -> None:
        self._path = home / "queue.json"
        self._lock = home / "queue.lock"

    def line(self) -> Line:
        """Return who waits and who works. A file that cannot be read counts as empty."""
        return self._read() or Line()

    def whole_line(self) -> Line:
        """Return the same, and keep a file that cannot be read under another name."""
        found = self._read()
        if found is None:
            with self._changing():
                pass
        return found or Line()

    def add(self, *ids: str, ahead_of: Callable[[str], bool] = lambda id: False) -> None:
        """Put runs at the end, or ahead of the first that waits of which `ahead_of` is true; those that wait already
        stay where they are.
        """
        with self._changing() as change:
            line = self.line()
            if new := tuple(id for id in ids if id not in line.waiting):
                place = next((place for place, id in enumerate(line.waiting) if ahead_of(id)), len(line.waiting))
                change(replace(line, waiting=(*line.waiting[:place], *new, *line.waiting[place:])))

    def remove(self, *ids: str) -> bool:
        """Take runs out of the line, and say whether one was waiting."""
        with self._changing() as change:
            line = self.line()
            left = tuple(each for each in line.waiting if each not in ids)
            if left != line.waiting:
                change(replace(line, waiting=left))
                return True
        return False

    def move(self, id: str, places: int) -> None:
        """Move a waiting run: -1 is one place towards its turn. Does nothing when it does not wait."""
        with self._changing() as change:
            line = self.line()
            if id in line.waiting:
                others = [each for each in line.waiting if each != id]
                place = max(0, line.waiting.index(id) + places)
                change(replace(line, waiting=(*others[:place], id, *others[place:])))

    def start_next(
        self,
        *,
        may_wait: Callable[[str], bool],
        is_at_work: Callable[[str], bool],
        start: Callable[[str], bool],
        place_of: Callable[[str], str] = lambda id: "",
        room: Callable[[str], int] = lambda place: 1,
        only: str | None = None,
        fits: Callable[[str, tuple[str, ...]], bool] = lambda id, working: True,
    ) -> str | None:
        """Start the run whose turn it is, unless as many are at work as its place has `room` for; return its id.

        `place_of` says where a run trains; with `only` none is started elsewhere. `fits` says whether one may be at
        work beside those that are. `start` says whether a run could be started; those that cannot be stay and do not
        hold up the others. The run is at work before it leaves the line, so that nobody sees it nowhere. Those that may
        not wait any more leave.
        """
        seen = self._read()
        if seen is not None and not seen.waiting:
            return None
        with self._changing() as change:
            line = self.line()
            if gone := {id for id in line.waiting if not may_wait(id)}:
                line = replace(line, waiting=tuple(id for id in line.waiting if id not in gone))
                change(line)
            working = tuple(id for id in line.working if is_at_work(id))
            left = _Room(room, Counter(map(place_of, working)))
            tried: list[str] = []
            for id in line.waiting:
                place = place_of(id)
                if only in (None, place) and left.has(place) and fits(id, working):
                    if start(id):
                        waiting = tuple(each for each in line.waiting if each != id)
                        change(Line(waiting, (*working, id), _and(line.stuck, tried)))
                        return id
                    tried.append(id)
            if not set(tried) <= set(line.stuck):
                with logged(log, "What could not be started could not be written down", RunError):
                    change(replace(line, stuck=_and(line.stuck, tried)))
        return None

    @contextmanager
    def _changing(self) -> Iterator[Callable[[Line], None]]:
        with logged(log, "The folder of the queue could not be made", OSError):
            self._lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.in_turn(self._lock, busy=IN_USE):
            if self._read() is None:
                self._set_aside()
            yield self._write

    def _read(self) -> Line | None:
        """Read the file; None where it is there and cannot be read."""
        try:
            return codec.read(Line, self._path, most_bytes=_MOST_BYTES)
        except FileNotFoundError:
            return Line()
        except (OSError, codec.Damaged):
            log.debug("The queue cannot be read", exc_info=True)
            return None

    def _set_aside(self) -> None:
        """Keep what cannot be read under another name: the queue goes on from empty, and the runs are drafts again."""
        target = self._path.with_name(f"queue.damaged-{time.time_ns()}.json")
        with disk_trouble("The queue of the runs is damaged and", target):
            self._path.rename(target)
        log.warning("The queue of the runs was damaged. It is kept as %s, and the queue is empty now.", target)

    def _write(self, line: Line) -> None:
        line = replace(line, stuck=tuple(id for id in line.stuck if id in line.waiting))
        with disk_trouble("The queue of the runs", self._path):
            write_whole(self._path, codec.dumps(line))


def _and(ids: tuple[str, ...], more: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ids, *more)))


_HINT = "Wait until one has trained, or remove one from the queue."
_FEWER = "Start fewer at once, or remove some from the queue."


class QueuePlaces:
    """The places of one queue. Who queued a run is known until the studio ends; the bound in all holds beyond that."""

    def __init__(
        self, limits: Limits, waiting: Callable[[], tuple[str, ...]], *, of_all: Callable[[], int] | None = None
    ) -> None:
        """`waiting` returns the ids of the runs that wait. Where that is the queue of one account, whoever queued one,
        `of_all` counts those of all accounts.
        """
        self._limits = limits
        self._of_all = of_all
        self._waiting = waiting
        self._guard = threading.Lock()
        self._taking: Counter[str] = Counter()
        self._queued_by: dict[str, str] = {}

    @contextmanager
    def taking(self, count: int = 1) -> Iterator[None]:
        """Hold places while runs are written and put in the queue. Raises TooMany when there are not so many."""
        who = visitor()
        with self._guard:
            self._require(who, count)
            self._taking[who] += count
        try:
            yield
        finally:
            with self._guard:
                self._taking[who] -= count

    def remember(self, id: str) -> None:
        """Keep in mind who queued a run."""
        with self._guard:
            self._queued_by[id] = visitor()

    def _require(self, who: str, count: int) -> None:
        waiting = self._waiting()
        # What is being written is not in the queue yet.
        self._queued_by = {id: by for id, by in self._queued_by.items() if id in waiting or self._taking[by]}
        in_all = self._of_all() if self._of_all else len(waiting)
        in_all += self._taking.total()
        if in_all + count > self._limits.runs_waiting:
            most = self._limits.runs_waiting
            full, raised = f"The queue is full: {most:,} runs wait.", raised_by("runs_waiting")
            if in_all >= most:
                raise TooMany(full, f"{_HINT} {raised}")
            raise TooMany(
                f"The queue has no room for {count:,} runs: {in_all:,} wait in it, and it takes {most:,}.",
                f"{_FEWER} {raised}",
            )
        mine = len(waiting) if self._of_all else sum(self._queued_by.get(id) == who for id in waiting)
        mine += self._taking[who]
        most = self._limits.runs_waiting_each
        if (who != NOBODY or self._of_all) and mine + count > most:
            more = "" if count == 1 else f"; these would be {count:,} more"
            raise TooMany(
                f"{mine:,} of your runs wait in the queue, and one visitor may have {most:,}{more}.",
                f"{_HINT if mine >= most else _FEWER} {raised_by('runs_waiting_each')}",
            )
