"""So many chat workers at once: each holds a model in memory, and several accounts have one each.

The one that was asked longest ago leaves for another that is asked now, unless it is just answering.
"""

import threading
from typing import Protocol


class Occupant(Protocol):
    """A chat client, as the room sees it."""

    @property
    def is_running(self) -> bool: ...

    @property
    def is_answering(self) -> bool: ...

    def leave(self) -> None: ...


class ChatRoom:
    """The room for the chat workers of all accounts, for any number of threads."""

    def __init__(self, most: int) -> None:
        """`most` workers may be up at once, at least one."""
        self._most = max(1, most)
        self._guard = threading.Lock()
        self._asked: list[Occupant] = []

    def enter(self, client: Occupant) -> bool:
        """Let a client have a worker, which it is about to ask; False where all others are answering."""
        with self._guard:
            others = [each for each in self._asked if each is not client and (each.is_running or each.is_answering)]
            while len(others) >= self._most:
                idle = next((each for each in others if not each.is_answering), None)
                if idle is None:
                    self._asked = others
                    return False
                idle.leave()
                others.remove(idle)
            self._asked = [*others, client]
            return True
