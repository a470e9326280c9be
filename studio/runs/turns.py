"""Who has the accelerator, and for how long still: what those who wait for it are told.

<home>/accelerator.lock    held with flock by the worker that computes
<home>/accelerator.json    what that worker does, written by it when it takes the lock
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.files import write_whole
from studio.homes import has_accounts
from studio.logs import logged
from studio.runs import lock
from studio.runs.following import Following
from studio.runs.time_left import run_seconds_left
from studio.wording import between

_MOST_BYTES = 10_000
_LONGEST_NAME = 120
EVALUATION = "evaluation"
"""The kind of work that a person can stop without losing anything: what waits for it says so."""

_SPREAD = 0.25
"""By this share of itself a time that is left may be wrong either way."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """What has the accelerator: `what` in words, such as "the run otter", and its `kind` where that matters.

    `events` is the file of its events, where they tell how far it is; `until` is when it will be done by its own
    estimate, in seconds since the epoch. Both may be unknown. `home` is the data folder that it works for, empty where
    that is everybody: those of other accounts are not told what it is.
    """

    what: str
    process_id: int = 0
    events: str = ""
    until: float | None = None
    kind: str = ""
    home: str = ""


@dataclass(frozen=True)
class Awaited:
    """What is waited for: who has the accelerator and for how long, in words, and what kind of work that is.

    Both are empty when nobody is known.
    """

    what: str = ""
    kind: str = ""


def write_holder(lock_path: Path, holder: Holder) -> None:
    """Write down who holds a lock; whoever cannot read it says less."""
    with logged(log, "Who has the accelerator could not be written", OSError):
        write_whole(_path(lock_path), codec.dumps(holder))


def read_holder(lock_path: Path) -> Holder | None:
    """Return who holds a lock; None where it is free, or its holder is not known."""
    process_id = lock.holder(lock_path)
    if process_id is None:
        return None
    try:
        found = codec.read(Holder, _path(lock_path), most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged):
        log.debug("Who has the accelerator cannot be read", exc_info=True)
        return None
    return found if found.process_id == process_id else None  # else it was left by one before


class Turn:
    """Says what is waited for, again and again; of the holder's events only the new ones are read."""

    def __init__(self, lock_path: Path, *, home: str = "", clock: Callable[[], float] = time.time) -> None:
        """`home` is the data folder of the one who waits, as in `Holder`; empty for what is done for everybody."""
        self._lock_path = lock_path
        self._home = home
        self._clock = clock
        self._followings: dict[str, Following] = {}

    def waits_for(self) -> Awaited:
        """Say who has the accelerator and for how long: "the run otter, about 3 min"."""
        holder = read_holder(self._lock_path)
        if holder is None:
            return Awaited()
        left = self._seconds_left(holder)
        is_foreign = holder.home not in ("", self._home) and (self._home or has_accounts(self._lock_path.parent))
        what = "work of somebody else" if is_foreign else holder.what[:_LONGEST_NAME]
        return Awaited(what if left is None else f"{what}, {time_left(left)}", "" if is_foreign else holder.kind)

    def _seconds_left(self, holder: Holder) -> float | None:
        now = self._clock()
        if holder.until is not None:
            return holder.until - now if holder.until > now else None  # it takes longer than it thought
        path = Path(holder.events)
        home = self._lock_path.parent.resolve()
        if not holder.events or not path.resolve().is_relative_to(home):
            return None
        return run_seconds_left(self._followings.setdefault(holder.events, Following(path)).view(), now)


def time_left(seconds: float) -> str:
    """Put the time that is left in words, as exactly as it is known: "about 3 min", "3 to 5 min"."""
    return between(seconds * (1 - _SPREAD), seconds * (1 + _SPREAD))


def _path(lock_path: Path) -> Path:
    return lock_path.with_suffix(".json")
