"""What an account may do, and how much: asked by its studio before anything is made or taken away.

Who looks and compares only, a guest, is refused here, whatever the page shows or hides. The rule: guests open samples,
ask models, and keep and delete what they asked and how they judged it; they end what is at work or waits for them. Of
data, runs and what is made of runs they make, change, take away and share nothing, their own or not.
`tests/accounts/test_rights.py` holds the rule against all that a studio can do.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.accounts.people import GUEST, People
from studio.config import STARTER
from studio.errors import RunError
from studio.jobs.pool import Pool
from studio.jobs.tasks import Calibrate, PrepareModel, Share, Task
from studio.runs.launcher import Task as Launched
from studio.runs.launcher import Worker
from studio.visitors import NOBODY, visiting

GUESTS_LOOK = "You are a guest here: guests look and compare, and make or change nothing."
GUESTS_HINT = "Ask the owner of this studio for an account that may train."


@dataclass(frozen=True)
class Rights:
    """The rights of one account as they are now: its role may change while its page is open."""

    id: str
    people: People

    @property
    def is_guest(self) -> bool:
        """Whether it only looks and compares; so does one that is being removed, or was just now."""
        account = self.people.find(self.id)
        return account is None or account.role == GUEST or bool(account.leaving)

    def require_member(self) -> None:
        """Raise RunError for a guest."""
        if self.is_guest:
            raise RunError(GUESTS_LOOK, GUESTS_HINT)

    def require_may_launch(self, task: Launched) -> None:
        """Raise RunError where the account may not have this work done. This machine is measured for everybody."""
        is_for_all = isinstance(task, Calibrate) or (isinstance(task, PrepareModel) and task.name == STARTER)
        if not is_for_all:
            self.require_member()


class AccountPool:
    """An account's part of the pool that all share."""

    def __init__(self, pool: Pool, rights: Rights, home: Path, require_room: Callable[[], None]) -> None:
        """`require_room` raises TooMany where the account has used up its share of the disk."""
        self._pool = pool
        self._rights = rights
        self._home = home
        self._require_room = require_room

    def launch(self, task: Task, /) -> Worker:
        """Start a worker for the account, or let it wait in line. Raises RunError as the pool and the rights do."""
        self._rights.require_may_launch(task)
        with visiting(self._rights.id):
            return self._pool.launch(task)

    def tick(self) -> None:
        """Start what waits, as far as there is room."""
        self._pool.tick()

    def is_busy(self) -> bool:
        """Tell whether a worker of the account is at work or waits, or one that works for everybody."""
        return self._pool.is_busy(self._rights.id) or self._pool.is_busy(NOBODY)

    def is_at(self, share: Share) -> bool:
        """Tell whether work of a kind is done for anybody, or waits in line."""
        return self._pool.is_at(share)

    def recover(self) -> None:
        """Count the workers that an earlier studio has left at work for the account."""
        self._pool.recover(self._home, self._rights.id)

    def require_disk(self) -> None:
        """Raise TooMany where the disk has too little room, or the account has used up its share."""
        self._pool.require_disk()
        self._require_room()


class Measured:
    """A figure that takes a while to find, and is found again once it is older than so many seconds."""

    def __init__(self, find: Callable[[], float], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._find = find
        self._seconds = seconds
        self._clock = clock
        self._guard = threading.Lock()
        self._at = float("-inf")
        self._found = 0.0

    def read(self) -> float:
        """Return the figure."""
        with self._guard:
            if self._clock() - self._at >= self._seconds:
                self._found, self._at = self._find(), self._clock()
            return self._found
