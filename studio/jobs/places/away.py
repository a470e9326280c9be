"""What the folder of a run knows of its work at another place: enough to find the job there again.

<run>/away.json    written before the job is submitted, so that whoever takes the run up later never starts it twice
"""

import logging
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from studio import codec
from studio.errors import RunError
from studio.files import disk_trouble, write_whole

_MOST_BYTES = 2**16
_KEY = re.compile(r"[a-z0-9]{1,40}-[0-9a-f]{16}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Away:
    """Where a run is away to. `key` names it there, `attempt` counts its jobs, the first is 1.

    `is_open` says that the end of that job was not brought home yet. `deaths` counts the jobs that ended without a word
    since the run got further than step `step`.
    """

    place: str
    key: str
    attempt: int = 0
    is_open: bool = False
    deaths: int = 0
    step: int = -1
    spent_usd: float = 0.0
    """What its jobs that ended have cost, where the place is paid for by time."""
    price_per_hour: float = 0.0
    seconds: int = 0
    """The price of the open job, and how long it may last."""
    owner: str = ""
    """Who pays for the open job."""
    elsewhere_usd: tuple[tuple[str, float], ...] = ()
    """What the run has cost at other paid places, by their names."""

    @property
    def is_paid(self) -> bool:
        """Whether the open job, if there is one, costs money as long as it lasts."""
        return self.is_open and self.attempt > 0 and self.seconds > 0

    @property
    def most_usd(self) -> float:
        """What all of its jobs cost at most, the open one included."""
        return self.spent_usd + (self.seconds / 3600 * self.price_per_hour if self.is_open else 0.0)

    @property
    def job(self) -> str:
        """The name of the job at the place."""
        return f"lora-studio-{self.key}-{self.attempt}"


def new_away(place: str, before: Away | None = None) -> Away:
    """Return what a run begins with that goes to a place, where it was away to another one `before`.

    What it has cost at a place counts there for good.
    """
    costs = {} if before is None else dict(before.elsewhere_usd) | {before.place: before.most_usd}
    spent = costs.pop(place, 0.0)
    others = tuple((name, usd) for name, usd in costs.items() if usd)
    return Away(place, f"run-{secrets.token_hex(8)}", spent_usd=spent, elsewhere_usd=others)


def read_away(run: Path) -> Away | None:
    """Read what a run's folder knows; None where it was never away. Raises RunError where that is damaged."""
    path = run / "away.json"
    try:
        found = codec.read(Away, path, most_bytes=_MOST_BYTES)
        if not _KEY.fullmatch(found.key) or not 0 <= found.attempt < 10**6:
            raise codec.Damaged("it names no job")
        return found
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        raise RunError(
            f"Where the run was trained before cannot be read: {path} is damaged.",
            "Delete that file to begin a new job at the place, from the newest checkpoint here.",
        ) from error


def forget_job(run: Path) -> None:
    """Follow the job of a run no more: when it goes to that place again, it begins another one. Raises RunError."""
    try:
        found = read_away(run)
    except RunError:
        log.warning("Where a run was trained before cannot be read", exc_info=True)
        (run / "away.json").unlink(missing_ok=True)
        return
    if found is not None and found.is_open:
        write_away(run, replace(found, is_open=False, spent_usd=found.most_usd))


def write_away(run: Path, away: Away) -> None:
    """Write down where a run is away to. Raises RunError."""
    with disk_trouble("Where the run trains", run):
        write_whole(run / "away.json", codec.dumps(away))
