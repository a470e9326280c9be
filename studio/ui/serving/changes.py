"""Tells open pages when there may be something new to see, so that they ask for nothing while nothing changes.

A page holds one stream of events. It gets a line when a file of the data folder has changed, and one every second while
something is at work. All pages share one look at the studio. The first line names the server: a page that is told
another name after a loss knows that its server was started again.
"""

import asyncio
import logging
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from studio.homes import ACCOUNTS
from studio.studio import Studio
from studio.ui.kit.clocks import CHANGES_ADDRESS
from studio.ui.kit.drawn import AGAIN_SECONDS

LOOK_SECONDS = 1.0
PAGES_AT_FULL_PACE = 25
"""With twice as many, each is told half as often, and all together ask as much as before."""

SLOWEST = 8
ALIVE_SECONDS = 20.0
"""So often a stream says that it is there, so that one whose page is gone is noticed."""

_DEEPEST = 3
_SHARE_OF_TIME = 0.05
"""Looking for changes takes no more of the time than this, however many folders there are."""

_ENDING_SECONDS = AGAIN_SECONDS + 1.0
"""What was drawn last is sent once more: so long after a change a page is still told."""

log = logging.getLogger(__name__)


class FolderStamps:
    """When the folders of a data folder were last changed, down to `_DEEPEST`; files are replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._of_others = str(folder / ACCOUNTS)
        self._known: dict[str, tuple[int, tuple[str, ...]]] = {}

    def look(self) -> int:
        """Return a number that is another one when a folder has changed."""
        known: dict[str, tuple[int, tuple[str, ...]]] = {}
        level: tuple[str, ...] = (self._folder,)
        for depth in range(_DEEPEST + 1):
            following: list[str] = []
            for path in level:
                try:
                    changed = os.stat(path).st_mtime_ns
                    before = self._known.get(path)
                    inside = before[1] if before is not None and before[0] == changed else _folders_in(path)
                    inside = inside if depth else tuple(each for each in inside if each != self._of_others)
                except OSError:  # it went meanwhile, which its parent shows
                    continue
                known[path] = changed, inside if depth < _DEEPEST else ()
                following += known[path][1]
            level = tuple(following)
        self._known = known
        return hash(tuple(known.items()))


def _folders_in(path: str) -> tuple[str, ...]:
    with os.scandir(path) as entries:
        return tuple(sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False)))


class Changes:
    """What is new in a studio, for any number of pages. `is_looking` tells whether a network is being asked."""

    def __init__(
        self, studio: Studio, *, is_looking: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._studio = studio
        self._is_looking = is_looking
        self._clock = clock
        self._stamps = FolderStamps(studio.settings.home)
        self._guard = threading.Lock()
        self._seen: object = None
        self._next_look = float("-inf")
        self._changed_at = float("-inf")
        self._number = 0
        self._pages = 0
        self._server = secrets.token_hex(8)

    def number(self) -> int:
        """Return a number that has grown when there may be something new to see."""
        with self._guard:
            began = self._clock()
            if began < self._next_look:
                return self._number
            runs = self._studio.summaries.look()
            at_work = any(run.is_at_work for run in runs.runs) or self._studio.pool.is_busy() or self._is_looking()
            seen = runs.number, self._stamps.look(), self._studio.chat.made_room, at_work, self._mirrored()
            now = self._clock()
            if at_work or seen != self._seen:
                self._changed_at = now
            if now - self._changed_at < _ENDING_SECONDS:
                self._number += 1
            self._seen = seen
            self._next_look = began + max(LOOK_SECONDS * 0.9, (now - began) / _SHARE_OF_TIME)
            return self._number

    def _mirrored(self) -> object:
        """Return what changes with what the page says of the mirror; how old it is counts in minutes."""
        if self._studio.mirror is None:
            return None
        state = self._studio.mirror.state
        age = (self._studio.clock() - state.kept_at) // 60
        return state.phase, state.done, state.trouble, state.kept_at > 0, age

    @property
    def pause(self) -> float:
        """Seconds between two looks of one page."""
        return LOOK_SECONDS * max(1, min(SLOWEST, -(-self._pages // PAGES_AT_FULL_PACE)))

    def route(self) -> Route:
        """Return the route of the streams, to be mounted beside the page."""

        async def follow(_request: object) -> StreamingResponse:
            return StreamingResponse(
                self._lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
            )

        return Route(f"/{CHANGES_ADDRESS}", follow, methods=["GET"])

    async def _lines(self) -> AsyncIterator[str]:
        self._pages += 1
        try:
            told, said_at = await self._look(), self._clock()
            yield f"event: server\ndata: {self._server}\n\n"
            while True:
                await asyncio.sleep(self.pause)
                number = await self._look()
                if number != told:
                    told, said_at = number, self._clock()
                    yield f"data: {number}\n\n"
                elif self._clock() - said_at >= ALIVE_SECONDS:
                    said_at = self._clock()
                    yield ": here\n\n"
        finally:
            self._pages -= 1

    async def _look(self) -> int:
        try:
            return await run_in_threadpool(self.number)
        except Exception:  # the stream of a page must not end for what one look met
            log.exception("The page cannot be told what is new.")
            return self._number
