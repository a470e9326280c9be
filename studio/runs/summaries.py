"""All runs at a glance: what a table says of each, so that ten thousand of them cost a look no more than ten do.

What is known of a run that rests is worked out once and kept in memory for as long as its folder stays as it is; only
the runs that wait or work are looked at each time. Whoever looks shares what another has just seen. Where there are so
many that this takes long, it is done by a thread beside the page, and a look says what is known by then.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio.codec import MOST_BYTES
from studio.errors import RunError
from studio.events import LAST_TIME
from studio.files import read_bytes
from studio.logs import logged
from studio.runs import kept_summaries, summary
from studio.runs.kept_summaries import Known, Stamp
from studio.runs.scheduler import RunState
from studio.runs.store import REQUEST_ENDINGS, RunFolder, RunStore
from studio.runs.summary import Summary
from studio.runs.view import Status

_REST_SECONDS = 1.0
"""A folder that rests is not looked at more often than this; those that wait or work are, at every look."""

_FIRST_SECONDS = 0.25
_SETTINGS_SECONDS = 0.25
"""A look reads so long in the folders of runs that it never saw, and then so long their settings alone. Of the others
it knows what their names say, and they are read beside it. So is what has changed, where to find that takes longer."""

_AT_ONCE = 10
_BREATH_SECONDS = 0.005
"""After so many runs the reader beside the page rests so long: a page that opens meanwhile goes first."""

_WORTH_KEEPING = 200
_KEPT_AGAIN = 20_000
"""After so many runs were read beside the page, what is known is kept for the next studio; and again after so many."""

_BREATH_FOLDERS = 500

_SHARE_OF_TIME = 0.02
_MOST_REST_SECONDS = 10.0
"""What another server or a person with a file manager changed is seen no later, however slow the disk was before."""

_RESTING: frozenset[Status] = frozenset({"draft", "stopped", "finished", "failed"})

_YOUNG_SECONDS = 0.1
"""A folder that was changed so lately may have been changed again without looking any different."""

_COARSE_SECONDS = 3.0
"""What was changed so lately is not kept for another studio: some file systems tell only every other second apart."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """All runs at one moment, the newest first. `number` grows with each that differs from the one before.

    `unread` is how many of them are known by their settings alone so far.
    """

    number: int = 0
    runs: tuple[Summary, ...] = ()
    unread: int = 0


class Summaries:
    """The runs of one data folder, for any number of threads. `waiting`, `view` and `places` are the scheduler's."""

    def __init__(
        self,
        runs: RunStore,
        *,
        waiting: Callable[[], tuple[str, ...]],
        view: Callable[[str], RunState],
        places: Callable[[Sequence[str]], Mapping[str, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._waiting = waiting
        self._view = view
        self._places = places or _in_order
        self._clock = clock
        self._turn = threading.RLock()
        self._known: dict[str, Known] = {}
        self._kept: Iterator[Sequence[Known]] = iter(())
        self._has_read_kept = threading.Event()
        self._restless: set[str] = set()
        self._changed = False
        self._snapshot = Snapshot()
        self._listed: int | None = None
        self._sought: dict[str, int | None] = {}
        self._waited: tuple[str, ...] = ()
        self._searched_at = float("-inf")
        self._search_seconds = 0.0
        self._is_search_wanted = False
        self._unkept = 0
        self._reader: threading.Thread | None = None

    def look(self, *, fresh: bool = False) -> Snapshot:
        """Return the runs as they are now. `fresh` is for who has just changed one that rests."""
        with self._turn:
            waiting = self._waiting()
            if self._listed is None:
                self._look_first(waiting)
            elif fresh or (self._is_due(waiting) and self._search_seconds <= _FIRST_SECONDS):
                self._search(waiting)
            else:
                if self._is_due(waiting):
                    self._is_search_wanted = True
                    self._read_beside()
                if _changed(self._runs.folder) != self._listed:
                    self._read_some(self._list(), waiting)
            self._waited = waiting
            self._look_at_restless(waiting)
            return self._publish()

    def read(self, ids: Sequence[str]) -> tuple[Summary, ...]:
        """Return these runs with all that is known of them, reading what was not read yet; those gone are left out."""
        with self._turn:
            for id in ids:
                if self._is_unread(id):
                    self._settle(RunFolder(self._folder(id)), self._waiting())
            self._publish()
            return tuple(self._known[id].summary for id in ids if id in self._known)

    def of_group(self, group: str, *, fresh: bool = False) -> tuple[Summary, ...]:
        """Return all runs of a group with all that is known of them, the oldest first; also those nobody has read yet.

        Of each that is unread it is looked first whether the group is named where its origin stands, and for the same
        group only once.
        """
        if not group:
            return ()
        self.look(fresh=fresh)
        with self._turn:
            listed = self._listed
            is_new = self._sought.get(group) != listed
            unread = [id for id in self._known if self._is_unread(id)] if is_new else []
        self.read([id for id in unread if _names(self._folder(id), group)])
        with self._turn:
            self._sought = {group: listed}
            found = [each.summary for each in self._known.values() if each.summary.group == group]
        return tuple(sorted(found, key=lambda run: (run.created, run.id)))

    def read_newest(self, wanted: Callable[[Summary], bool], *, most: int, seconds: float) -> bool:
        """Read the newest runs until so many are as wanted, or all are read; say whether that was done in the time."""
        until, found = self._clock() + seconds, 0
        runs = self.look().runs
        for place in range(0, len(runs), _AT_ONCE):
            if found >= most:
                return True
            block = runs[place : place + _AT_ONCE]
            if any(self._is_unread(run.id) for run in block) and self._clock() > until:
                return False
            found += sum(map(wanted, self.read([run.id for run in block])))
        return True

    def resting(self) -> frozenset[str]:
        """Name the runs that are known to have ended, or never to have begun, and of which nothing is asked.

        Waits for what an earlier studio has kept of them, not for those that have to be read.
        """
        self.look(fresh=True)
        self._has_read_kept.wait()
        with self._turn:
            known = tuple(self._known.values())
        return frozenset(each.summary.id for each in known if each.summary.status in _RESTING and not each.is_asked)

    def read_all(self) -> Snapshot:
        """Wait until every run was read."""
        self.look()
        while (reader := self._reader) is not None:
            reader.join()
        return self.look()

    def _is_due(self, waiting: tuple[str, ...]) -> bool:
        """Tell whether to look for changes, which takes a fiftieth of the time, unless one would wait too long then."""
        pause = min(max(_REST_SECONDS, self._search_seconds / _SHARE_OF_TIME), _MOST_REST_SECONDS)
        return waiting != self._waited or self._clock() - self._searched_at >= pause

    def _look_first(self, waiting: tuple[str, ...]) -> None:
        """Name all runs, and read for a moment what is kept of them, then in their folders."""
        began = self._clock()
        new = self._list()
        self._kept = kept_summaries.read(self._runs.folder.parent)
        for block in self._kept:
            self._take(block)
            if self._clock() - began > _FIRST_SECONDS:
                break
        else:
            self._has_read_kept.set()
        self._read_some(new, waiting)
        self._note_search(began)

    def _list(self) -> list[str]:
        """Find the folders that are new or gone; return those that are new, the newest first."""
        self._listed = _changed(self._runs.folder)
        ids = self._runs.ids()
        new = [id for id in reversed(ids) if id not in self._known]
        for gone in self._known.keys() - set(ids):
            self._forget(gone)
        for id in new:
            self._remember(_unread(summary.of_name(id)))
        return new

    def _take(self, kept: Iterable[Known]) -> None:
        """Believe what is kept of runs that are not known otherwise, and look as they did then."""
        folder = str(self._runs.folder)
        for each in kept:
            id = each.summary.id
            if self._is_unread(id) and each.stamp == _stamp(f"{folder}/{id}"):
                self._remember(each)

    def _read_some(self, ids: Iterable[str], waiting: tuple[str, ...]) -> None:
        """Read runs for a moment, and have those that are left read beside the page."""
        began = self._clock()
        for id in filter(self._is_unread, ids if self._has_read_kept.is_set() else ()):
            spent = self._clock() - began
            if spent > _FIRST_SECONDS + _SETTINGS_SECONDS:
                break
            if spent <= _FIRST_SECONDS:
                self._settle(RunFolder(self._folder(id)), waiting)
            else:
                self._remember(_unread(_by_settings(RunFolder(self._folder(id)))))
        self._read_beside()

    def _search(self, waiting: tuple[str, ...]) -> None:
        """Find the folders that are new, changed or gone."""
        began = self._clock()
        new = self._list()
        for id in self._find_changed():
            self._settle(RunFolder(self._folder(id)), waiting)
        self._read_some(new, waiting)
        self._note_search(began)

    def _search_beside(self) -> None:
        """Do the same and let the page in between."""
        began = self._clock()
        self._is_search_wanted = False
        with self._turn:
            self._list()
        changed = self._find_changed(breath=_BREATH_SECONDS)
        with self._turn:
            waiting = self._waiting()
            for id in filter(self._known.__contains__, changed):
                self._settle(RunFolder(self._folder(id)), waiting)
            self._note_search(began)

    def _find_changed(self, *, breath: float = 0.0) -> list[str]:
        """Name the runs that were read and look otherwise now. With a `breath` others can look meanwhile."""
        with self._turn:
            stamps = [(id, each.stamp) for id, each in self._known.items() if each.summary.status is not None]
        folder, changed = str(self._runs.folder), []
        for count, (id, stamp) in enumerate(stamps, start=1):
            if _stamp(f"{folder}/{id}") != stamp:
                changed.append(id)
            if breath and count % _BREATH_FOLDERS == 0:
                time.sleep(breath)
        return changed

    def _note_search(self, began: float) -> None:
        self._searched_at = self._clock()
        self._search_seconds = self._searched_at - began

    def _keep(self) -> None:
        """Keep what is known of the runs that rest: what another looks like depends on who is at it."""
        with self._turn:
            known = dict(self._known)
        sure = (time.time() - _COARSE_SECONDS) * 1e9
        rests = {
            id: each
            for id, each in known.items()
            if each.summary.status in _RESTING and 0 < each.stamp[0] < sure and each.stamp[1] < sure
        }
        kept_summaries.write(self._runs.folder.parent, rests)
        self._unkept = 0

    def _look_at_restless(self, waiting: tuple[str, ...]) -> None:
        for id, place in self._places(waiting).items():
            known = self._known.get(id)
            if known is not None and (known.summary.place != place or known.stamp != _stamp(self._folder(id))):
                self._settle(RunFolder(self._folder(id)), waiting)
        for id in self._restless.difference(waiting):
            self._settle(RunFolder(self._folder(id)), waiting)

    def _folder(self, id: str) -> Path:
        return self._runs.folder / id

    def _settle(self, run: RunFolder, waiting: tuple[str, ...]) -> None:
        """Read a run and remember it; one that is gone meanwhile is forgotten."""
        stamp = _stamp(run.path)
        is_asked = _is_asked(run.path)
        try:
            # In this order, as the scheduler does: a run that starts or ends in between is seen again.
            alive = run.is_alive()
            if alive or run.id in waiting:
                state = self._view(run.id)
                found = summary.of_view(state.run, state.view, state.status, place=state.place)
            else:
                found = summary.of_rest(run)
        except RunError as error:
            if not os.path.isdir(run.path):  # or cannot be reached now: the next search finds it again
                self._forget(run.id)
                return
            found = _of_damaged(run, str(error))
        except Exception:  # one bad run must not take the list with it
            log.exception("The run %s cannot be summed up.", run.id)
            found = _of_damaged(run, "Its folder holds something that the studio did not write; the log says what.")
        self._remember(Known(stamp, is_asked, found))

    def _remember(self, known: Known) -> None:
        id, before = known.summary.id, self._known.get(known.summary.id)
        self._known[id] = known
        self._changed |= before is None or before.summary != known.summary
        if known.summary.status == "queued" or known.summary.is_at_work:
            self._restless.add(id)
        else:
            self._restless.discard(id)

    def _forget(self, id: str) -> None:
        self._known.pop(id, None)
        self._restless.discard(id)
        self._changed = True

    def _read_beside(self) -> None:
        """Have a thread do what is left to do: read what is kept, look for changes, read the runs that are unread."""
        is_left = self._is_search_wanted or any(map(self._is_unread, self._known))
        if not is_left:
            self._has_read_kept.set()
        elif self._reader is None:
            self._reader = threading.Thread(target=self._read_rest, name="run-summaries", daemon=True)
            self._reader.start()

    def _read_rest(self) -> None:
        """Do what no look has done yet, letting the page in between."""
        try:
            for block in self._kept:
                with self._turn:
                    self._take(block)
                time.sleep(_BREATH_SECONDS)
            self._has_read_kept.set()
            while self._is_search_wanted or self._read_unread():
                if self._is_search_wanted:
                    self._search_beside()
        except Exception:  # a disk that is away for a moment, most likely: the next search begins again
            log.exception("The runs that were not read yet cannot be read.")
        finally:
            self._has_read_kept.set()
            with self._turn:
                self._reader = None
                self._publish()

    def _read_unread(self) -> bool:
        """Read the runs that are unread, until a search is wanted; say whether there is more to do."""
        with self._turn:
            unread = [id for id in self._known if self._is_unread(id)]
        for place in range(0, len(unread), _AT_ONCE):
            if self._is_search_wanted:
                return True
            with self._turn:
                waiting = self._waiting()
                for id in filter(self._is_unread, unread[place : place + _AT_ONCE]):
                    self._settle(RunFolder(self._folder(id)), waiting)
                    self._unkept += 1
            if self._unkept >= _KEPT_AGAIN:
                self._keep()
            time.sleep(_BREATH_SECONDS)
        if self._unkept >= _WORTH_KEEPING:
            self._keep()
        return bool(unread)

    def _is_unread(self, id: str) -> bool:
        known = self._known.get(id)
        return known is not None and known.summary.status is None

    def _publish(self) -> Snapshot:
        if self._changed:
            summaries = (known.summary for known in self._known.values())
            runs = tuple(sorted(summaries, key=lambda run: (not run.trouble, run.created, run.id), reverse=True))
            unread = sum(run.status is None for run in runs)
            self._snapshot = Snapshot(self._snapshot.number + 1, runs, unread)
            self._changed = False
        return self._snapshot


def _in_order(waiting: Sequence[str]) -> Mapping[str, int]:
    return {id: place for place, id in enumerate(waiting, start=1)}


def _unread(found: Summary) -> Known:
    return Known((0, 0, 0), False, found)


def _names(folder: Path, group: str) -> bool:
    with logged(log, "Where a run comes from cannot be read", OSError, level=logging.INFO):
        return group.encode() in (read_bytes(folder / "origin.json", most_bytes=MOST_BYTES) or b"")
    return False


def _is_asked(folder: Path) -> bool:
    with suppress(OSError):
        return any(name.endswith(REQUEST_ENDINGS) for name in os.listdir(folder))
    return False


def _by_settings(run: RunFolder) -> Summary:
    try:
        return summary.of_settings(run, run.name)
    except RunError as error:
        log.debug("A run is listed as damaged", exc_info=True)
        return _of_damaged(run, str(error))


def _of_damaged(run: RunFolder, trouble: str) -> Summary:
    created = 0.0
    with logged(log, "The age of a damaged run cannot be read", OSError):
        created = min(max(0.0, run.path.stat().st_mtime), LAST_TIME)
    return summary.of_damaged(run.id, run.name, trouble, created=created)


def _changed(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _stamp(folder: Path | str) -> Stamp:
    """Tell one look of a folder from another: what lies in it, and how much its worker has said."""
    changed, said, size = 0, 0, 0
    with suppress(OSError):
        path = str(folder)
        changed = os.stat(path).st_mtime_ns
        events = os.stat(path + "/events.jsonl")
        said, size = events.st_mtime_ns, events.st_size
    # What comes from the future was written before the clock was set back, and is no younger than the rest.
    young = 0 <= time.time() - max(changed, said) / 1e9 < _YOUNG_SECONDS
    return (-1, time.monotonic_ns(), size) if young else (changed, said, size)
