"""So many chat workers at once: each holds a model in memory, and several accounts have one each.

Accounts wait for room in one line, each with one place in it however much it asks. Who is in the room and asks again
goes to the end of the line, so that nobody's second question comes before another's first. The one that was asked
longest ago leaves for the next in line, as soon as nothing of it is being answered.
"""

import logging
import threading
import time
from typing import Protocol

log = logging.getLogger(__name__)


class Occupant(Protocol):
    """A chat client, as the room sees it."""

    @property
    def is_running(self) -> bool: ...

    def leave(self) -> None: ...


class ChatRoom:
    """The room for the chat workers of all accounts, for any number of threads."""

    def __init__(self, most: int, *, within: "ChatRoom | None" = None) -> None:
        """`most` workers may be up at once, at least one. Whoever has room here then waits for room `within` another:
        so all who share this one have `most` places in that line.
        """
        self._most = max(1, most)
        self.within = within
        self._changed = threading.Condition()
        self._line: dict[Occupant, set[Place]] = {}
        # Whose worker may be up, the one that was asked longest ago first, with what of it is being answered. What
        # still waits is not counted: two that wait for each other would keep everybody out.
        self._inside: dict[Occupant, set[Place]] = {}
        self._leaving: set[Occupant] = set()
        """Whose worker is being ended, which takes a while and is not waited for under the lock."""

    def line_up(self, client: Occupant) -> "Place":
        """Wait for room for a client's worker. The place must be left in the end."""
        place = Place(self, client)
        with self._changed:
            self._line.setdefault(client, set()).add(place)
        return place

    def _wait(self, place: "Place", seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_inside(place) or self._idle() is not None, ends - time.monotonic()
                )
                if self._is_inside(place) or (idle := self._idle()) is None:
                    return place in self._inside.get(place.client, ())
                del self._inside[idle]
                self._leaving.add(idle)
            self._end(idle)

    def _end(self, idle: Occupant) -> None:
        """Have one leave that was taken out of the room; its place is free when it has."""
        try:
            idle.leave()
        except Exception:  # those who wait have nothing to do with it
            log.exception("A chat worker that makes room for another could not be ended.")
        with self._changed:
            self._leaving.discard(idle)
            self._changed.notify_all()

    def _is_inside(self, place: "Place") -> bool:
        """Tell whether a place has room, and let the first in line in where there is some."""
        while self._line and self._has_room(client := next(iter(self._line))):
            # All that it has asked by now: it is answered together, by one worker.
            answering = self._inside.pop(client, set()) | self._line.pop(client)
            self._inside[client] = answering
            self._changed.notify_all()
        return place in self._inside.get(place.client, ())

    def _has_room(self, client: Occupant) -> bool:
        self._inside = {each: places for each, places in self._inside.items() if places or each.is_running}
        return client not in self._leaving and len(self._others(client)) + len(self._leaving) < self._most

    def _idle(self) -> Occupant | None:
        """Return who is to leave for the first in line; None where nobody can, or enough are leaving already."""
        others = self._others(next(iter(self._line))) if self._line else []
        return next((each for each in others if not self._inside[each]), None) if len(others) >= self._most else None

    def _others(self, client: Occupant) -> list[Occupant]:
        return [each for each in self._inside if each is not client]

    def _leave(self, place: "Place") -> None:
        with self._changed:
            for those in (self._line, self._inside):
                those.get(place.client, set()).discard(place)
            if not self._line.get(place.client, True):
                del self._line[place.client]
            self._changed.notify_all()


class Place:
    """One question's place in the line, and then in the room."""

    def __init__(self, room: ChatRoom, client: Occupant) -> None:
        self.client = client
        self._room = room
        self._within: Place | None = None

    def wait(self, seconds: float) -> bool:
        """Wait until there is room, at most so long; say whether there is."""
        until = time.monotonic() + seconds
        if not self._room._wait(self, seconds):
            return False
        if self._room.within is None:
            return True
        self._within = self._within or self._room.within.line_up(self.client)
        return self._within.wait(max(0.0, until - time.monotonic()))

    def leave(self) -> None:
        """Give the place up."""
        if self._within is not None:
            self._within.leave()
        self._room._leave(self)
