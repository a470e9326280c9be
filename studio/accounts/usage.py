"""What an account has used of its share: disk, and the training and the words of today.

<home>/accounts/usage/<id>.json    what was used on the last day on which something was
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from studio import codec
from studio.errors import TooMany
from studio.files import write_whole
from studio.homes import ACCOUNTS, shared_home
from studio.limits import Limits, raised_by
from studio.logs import logged
from studio.wording import brief_duration, duration, size

_SIZE_SECONDS = 30.0
"""So old may be what was found on the disk."""

_WRITE_SECONDS = 15.0
"""So much may be forgotten when the studio is killed."""

_MOST_BYTES = 10_000
SHARED = ("accounts", "models", "base-models", "uploads", ".mirror")
"""Folders in the first owner's data folder that are not theirs alone."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Day:
    """What was used on one day: seconds of training, and tokens of answers."""

    day: str = ""
    train_seconds: float = 0.0
    tokens: int = 0


class Usage:
    """What one account uses, for any number of threads. `clock` tells the time in seconds since the epoch."""

    def __init__(
        self,
        limits: Limits,
        home: Path,
        id: str,
        *,
        all_visitors: "Usage | None" = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`all_visitors` is given for a visitor without an account: they have one share of the tokens together, because
        each may come again as another.
        """
        self._all_visitors = all_visitors
        self.limits = limits
        self._home = home
        self._path = shared_home(home) / ACCOUNTS / "usage" / f"{id}.json"
        self._clock = clock
        self._guard = threading.Lock()
        self._day: Day | None = None
        self._written_at = float("-inf")
        self._disk_bytes = 0
        self._looked_at = float("-inf")

    def disk_bytes(self, *, fresh: bool = False) -> int:
        """Return how much of the disk the account's folder takes; it may be half a minute old."""
        with self._guard:
            now = self._clock()
            if fresh or now - self._looked_at >= _SIZE_SECONDS:
                self._disk_bytes, self._looked_at = folder_bytes(self._home, but=SHARED), now
            return self._disk_bytes

    def today(self) -> Day:
        """Return what was used today."""
        with self._guard:
            today = self._today()
        if self._all_visitors is None:
            return today
        return replace(today, tokens=self._all_visitors.today().tokens)

    def trained(self, seconds: float) -> None:
        """Count so many seconds of training."""
        with self._guard:
            today = self._today()
            self._keep(replace(today, train_seconds=today.train_seconds + seconds))

    def answered(self, tokens: int) -> None:
        """Count so many tokens of answers."""
        if self._all_visitors is not None:
            self._all_visitors.answered(tokens)
            return
        with self._guard:
            today = self._today()
            self._keep(replace(today, tokens=today.tokens + tokens))

    def sentence(self) -> str:
        """Say what is used of the shares: "1.2 GB of 20 GB · 12 min of 4 h of training today"."""
        today, most = self.today(), self.limits.account_run_minutes * 60
        disk = f"{size(self.disk_bytes())} of {size(self.limits.account_disk_gib * 2**30)} of the disk"
        trained = brief_duration(today.train_seconds)
        return (
            f"{disk} · {trained} of {brief_duration(most)} of training today · {today.tokens:,} of "
            f"{self.limits.account_tokens:,} tokens of answers today"
        )

    def require_disk(self) -> None:
        """Raise TooMany where the account has used up its share of the disk."""
        most = self.limits.account_disk_gib * 2**30
        if self.disk_bytes() >= most and self.disk_bytes(fresh=True) >= most:
            raise TooMany(
                f"Your {size(most)} of the disk are used up: {size(self.disk_bytes())} are taken.",
                f"Delete what you no longer need and empty the Trash. {raised_by('account_disk_gib')}",
            )

    @property
    def has_trained_enough(self) -> bool:
        """Whether the runs of the account have trained as long as they may today."""
        return self.today().train_seconds >= self.limits.account_run_minutes * 60

    def require_time(self) -> None:
        """Raise TooMany where the runs of the account have trained as long as they may today."""
        if self.has_trained_enough:
            raise TooMany(
                f"Your runs have trained for {duration(self.today().train_seconds)} today, and "
                f"{duration(self.limits.account_run_minutes * 60)} a day are your share.",
                f"Start it tomorrow. {raised_by('account_run_minutes')}",
            )

    def require_tokens(self) -> None:
        """Raise TooMany where the models have written as much for the account as they may today."""
        most, used = self.limits.account_tokens, self.today().tokens
        if self._all_visitors is not None and used >= most:
            raise TooMany(
                f"The models have written {used:,} tokens for visitors today, and {most:,} are the share of them all.",
                f"Ask again tomorrow, or sign in. {raised_by('account_tokens')}",
            )
        if used >= most:
            raise TooMany(
                f"The models have written {used:,} tokens for you today, and {most:,} are your share.",
                f"Ask again tomorrow. {raised_by('account_tokens')}",
            )

    def _today(self) -> Day:
        day = time.strftime("%Y-%m-%d", time.localtime(self._clock()))
        if self._day is None:
            self._day = self._read()
        if self._day.day != day:
            self._day = Day(day)
        return self._day

    def _read(self) -> Day:
        with logged(log, "What an account has used cannot be read", OSError, codec.Damaged):
            return codec.read(Day, self._path, most_bytes=_MOST_BYTES)
        return Day()

    def _keep(self, day: Day) -> None:
        self._day = day
        if self._clock() - self._written_at < _WRITE_SECONDS:
            return
        with logged(log, "What an account has used cannot be written", OSError, level=logging.WARNING):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, codec.dumps(day))
            self._written_at = self._clock()


def folder_bytes(folder: Path, *, but: tuple[str, ...] = ()) -> int:
    """Add up what the files in a folder take, without the folders in it that are named."""
    total = 0
    left = [str(folder)]
    while left:
        here = left.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not (here == str(folder) and entry.name in but):
                            left.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # it went meanwhile
            log.debug("A folder is not counted: %s", here, exc_info=True)
    return total
