"""All runs at a glance: what a table says of each, so that ten thousand of them cost a look no more than ten do.

What is known of a run that rests is worked out once and kept in memory for as long as its folder stays as it is; only
the runs that wait or work are looked at each time. Whoever looks shares what another has just seen.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio.errors import RunError
from studio.events import LAST_TIME
from studio.logs import logged
from studio.runs import kept_summaries, summary
from studio.runs.kept_summaries import Stamp
from studio.runs.scheduler import RunState
from studio.runs.store import RunFolder, RunStore
from studio.runs.summary import Summary
from studio.runs.view import Status

_REST_SECONDS = 1.0
"""A folder that rests is not looked at more often than this; those that wait or work are, at every look."""

_FIRST_SECONDS = 0.25
_SETTINGS_SECONDS = 1.0
"""A look reads so long in the folders of runs that it never saw, and then so long their settings alone. Of the others
it knows what their names say, and they are read beside it."""

_AT_ONCE = 10
_BREATH_SECONDS = 0.005
"""After so many runs the reader beside the page rests so long: a page that opens meanwhile goes first."""

_WORTH_KEEPING = 200
"""After so many runs were read beside the page, what is known is kept for the next studio."""

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


@dataclass(frozen=True)
class _Known:
    """What was seen of a run, and what its folder looked like just before."""

    stamp: Stamp
    summary: Summary


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
        self._known: dict[str, _Known] = {}
        self._home = runs.folder.parent
        self._has_read_kept = False
        self._restless: set[str] = set()
        self._changed = False
        self._snapshot = Snapshot()
        self._seen: tuple[int, tuple[str, ...]] = (0, ())
        self._searched_at = float("-inf")
        self._search_pause = 0.0
        self._reader: threading.Thread | None = None

    def look(self, *, fresh: bool = False) -> Snapshot:
        """Return the runs as they are now. `fresh` is for who has just changed one that rests."""
        with self._turn:
            now, waiting = self._clock(), self._waiting()
            seen = (_changed(self._runs.folder), waiting)
            if fresh or seen != self._seen or now - self._searched_at >= self._search_pause:
                self._search(waiting)
                self._seen, self._searched_at = seen, self._clock()
                # Looking for changes takes a fiftieth of the time, unless that lets a change wait too long.
                pause = (self._searched_at - now) / _SHARE_OF_TIME
                self._search_pause = min(max(_REST_SECONDS, pause), _MOST_REST_SECONDS)
            self._look_at_restless(waiting)
            return self._publish()

    def read(self, ids: Sequence[str]) -> tuple[Summary, ...]:
        """Return these runs with all that is known of them, reading what was not read yet; those gone are left out."""
        with self._turn:
            for id in ids:
                known = self._known.get(id)
                if known is not None and known.summary.status is None:
                    self._settle(RunFolder(self._folder(id)), self._waiting())
            self._publish()
            return tuple(self._known[id].summary for id in ids if id in self._known)

    def resting(self) -> frozenset[str]:
        """Name the runs that are known to have ended, or never to have begun."""
        return frozenset(run.id for run in self.look().runs if run.status in _RESTING)

    def read_all(self) -> Snapshot:
        """Wait until every run was read."""
        self.look()
        while (reader := self._reader) is not None:
            reader.join()
        return self.look()

    def _search(self, waiting: tuple[str, ...]) -> None:
        """Find the folders that are new, changed or gone."""
        kept = {} if self._has_read_kept else kept_summaries.read(self._home)
        self._has_read_kept = True
        began = self._clock()
        ids, folder = self._runs.ids(), str(self._runs.folder)
        for id in ids:
            known = self._known.get(id)
            if known is None and id in kept and kept[id][0] == _stamp(f"{folder}/{id}"):
                self._remember(_Known(*kept[id]))
            elif known is None and (spent := self._clock() - began) > _FIRST_SECONDS:
                read = _by_settings if spent <= _FIRST_SECONDS + _SETTINGS_SECONDS else summary.of_name
                self._remember(_Known((0, 0, 0), read(RunFolder(self._folder(id)))))
            elif known is None or (known.summary.status is not None and _stamp(f"{folder}/{id}") != known.stamp):
                self._settle(RunFolder(self._folder(id)), waiting)
        for gone in self._known.keys() - set(ids):
            self._forget(gone)
        if self._reader is None and any(known.summary.status is None for known in self._known.values()):
            self._reader = threading.Thread(target=self._read_rest, name="run-summaries", daemon=True)
            self._reader.start()

    def _keep(self) -> None:
        """Keep what is known of the runs that rest: what another looks like depends on who is at it."""
        with self._turn:
            known = {id: (each.stamp, each.summary) for id, each in self._known.items()}
        sure = (time.time() - _COARSE_SECONDS) * 1e9
        rests = {
            id: (stamp, known_summary)
            for id, (stamp, known_summary) in known.items()
            if known_summary.status in _RESTING and 0 < stamp[0] < sure and stamp[1] < sure
        }
        kept_summaries.write(self._home, rests)

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
        self._remember(_Known(stamp, found))

    def _remember(self, known: _Known) -> None:
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

    def _read_rest(self) -> None:
        """Read what no look has read yet, letting the page in between."""
        try:
            with self._turn:
                unread = [id for id in self._known if self._is_unread(id)]
            for place in range(0, len(unread), _AT_ONCE):
                with self._turn:
                    waiting = self._waiting()
                    for id in unread[place : place + _AT_ONCE]:
                        if self._is_unread(id):
                            self._settle(RunFolder(self._folder(id)), waiting)
                time.sleep(_BREATH_SECONDS)
            if len(unread) >= _WORTH_KEEPING:
                self._keep()
        except Exception:  # a disk that is away for a moment, most likely: the next search begins again
            log.exception("The runs that were not read yet cannot be read.")
        finally:
            with self._turn:
                self._reader = None
                self._publish()

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
