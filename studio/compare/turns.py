"""Whose turn it is with the chat worker: one question alone, or any number of answers from one base together.

Everybody waits in one line. Who may answer together with those at work joins them as soon as nobody waits in front, so
a question alone comes after those that were there before it, and before those that come later.
"""

import threading
from collections import deque

from studio.compare.chat_protocol import Open


class Turns:
    """The line in front of one worker."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[Turn] = deque()
        self._at_work: set[Turn] = set()

    def line_up(self, *, together: Open | None = None) -> "Turn":
        """Wait for a turn: alone, or together with all who ask the same base. It must be left in the end."""
        turn = Turn(self, together)
        with self._changed:
            self._line.append(turn)
        return turn

    @property
    def is_taken(self) -> bool:
        """Whether it is somebody's turn."""
        with self._changed:
            return bool(self._at_work)

    def _wait(self, turn: "Turn", seconds: float) -> bool:
        with self._changed:
            if not self._changed.wait_for(lambda: self._may_begin(turn), seconds):
                return False
            self._line.popleft()
            self._at_work.add(turn)
            self._changed.notify_all()
            return True

    def _may_begin(self, turn: "Turn") -> bool:
        if self._line[0] is not turn:
            return False
        return all(turn.together is not None and other.together == turn.together for other in self._at_work)

    def _leave(self, turn: "Turn") -> None:
        with self._changed:
            self._at_work.discard(turn)
            if turn in self._line:
                self._line.remove(turn)
            self._changed.notify_all()


class Turn:
    """One place in the line, and then the turn itself. `together` is the base that is asked, None for alone."""

    def __init__(self, turns: Turns, together: Open | None) -> None:
        self.together = together
        self._turns = turns

    def wait(self, seconds: float) -> bool:
        """Wait until it is one's turn, at most so long; say whether it is."""
        return self._turns._wait(self, seconds)

    def leave(self) -> None:
        """Give the turn up, or the place in the line."""
        self._turns._leave(self)
