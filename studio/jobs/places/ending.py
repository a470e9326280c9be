"""Jobs that are paid for by time and shall end: written down until the Hugging Face Hub says that they are over.

<home>/ending-jobs/<job>.json    one job, without a token: whoever has one that fits ends it, a worker or the studio

A job is written down before it is asked to end. Nobody else may be left who knows of it: its run can be deleted, its
place forgotten, and the process that followed it killed.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from studio import codec
from studio.errors import RunError
from studio.files import disk_trouble, write_whole
from studio.jobs.places.away import Away, read_away
from studio.logs import logged

FOLDER = "ending-jobs"

SETTLE_SECONDS = 180.0
"""A job that the Hub does not know counts as over only so long after it was asked for: an answer can be lost."""

ASK_SECONDS = 30.0
"""So often the Hub is asked to end what is still written down."""

_MOST_BYTES = 2**14
_JOB = re.compile(r"lora-studio-[a-z0-9]{1,40}-[0-9a-f]{16}-[0-9]{1,7}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """A job that shall end. `owner` pays for it, `until` is when the Hub ends it by itself if it began by now."""

    job: str
    place: str
    owner: str
    asked: float
    until: float


class Hub(Protocol):
    """What is asked of the Hub, by one token. Raises RunError, also where the token is not that of who pays."""

    def end(self, owner: str, job: str) -> bool | None:
        """End a job and say whether it is over; None where the Hub has no record of it."""
        ...


class EndingJobs:
    """The jobs of one data folder that shall end."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def all(self) -> tuple[Ending, ...]:
        """List the jobs that are not known to be over."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            with logged(log, "A job that shall end cannot be read", OSError, codec.Damaged, level=logging.WARNING):
                one = codec.read(Ending, path, most_bytes=_MOST_BYTES)
                if one.job == path.stem and _JOB.fullmatch(one.job):
                    found.append(one)
        return tuple(found)

    def add(self, away: Away) -> Ending | None:
        """Write down that the open job of a run shall end; None where it is not paid for, or over. Raises RunError."""
        if not away.is_paid:
            return None
        now = time.time()
        return self.keep(Ending(away.job, away.place, away.owner, now, now + away.seconds))

    def keep(self, ending: Ending) -> Ending:
        """Write a job down unless it is. Raises RunError."""
        path = self._path(ending.job)
        if not path.exists():
            with disk_trouble("A job that shall end", self._folder.parent):
                self._folder.mkdir(exist_ok=True)
                write_whole(path, codec.dumps(ending))
        return ending

    def add_run(self, run: Path) -> None:
        """Do that for the run in a folder, wherever it was trained. What cannot be read or written is logged."""
        with logged(log, "That a job shall end was not written down", RunError, OSError, level=logging.WARNING):
            away = read_away(run)
            if away is not None:
                self.add(away)

    def remove(self, job: str) -> None:
        """Forget a job: it is over, or is followed again."""
        if _JOB.fullmatch(job):
            self._path(job).unlink(missing_ok=True)

    def has(self, job: str) -> bool:
        """Tell whether a job is to end."""
        return self._path(job).exists()

    def end(self, ending: Ending, hub: Hub) -> bool:
        """Ask the Hub to end a job, and say whether it is over; then it is forgotten. Raises RunError."""
        if not self.has(ending.job):
            return False  # its run is followed again
        is_over = hub.end(ending.owner, ending.job)
        if is_over is None:
            is_over = time.time() - ending.asked > SETTLE_SECONDS
        if is_over:
            self.remove(ending.job)
        return is_over

    def _path(self, job: str) -> Path:
        return self._folder / f"{job}.json"


def add_all(home: Path, jobs: EndingJobs) -> None:
    """Write down the jobs of all runs in a data folder, which is about to go."""
    for path in sorted((home / "runs").glob("*/away.json")):
        jobs.add_run(path.parent)
    for ending in EndingJobs(home).all():
        with logged(log, "That a job shall end was not written down", RunError, level=logging.WARNING):
            jobs.keep(ending)


class Ender:
    """Ends what is written down, with the tokens that the studio knows, beside whatever else it does."""

    def __init__(self, open_hub: Callable[[str], Hub]) -> None:
        self._open_hub = open_hub
        self._next: dict[Path, float] = {}
        self._thread: threading.Thread | None = None

    def tick(self, home: Path, tokens: Sequence[str], *, now: bool = False) -> None:
        """Ask the Hub, at most now and then, to end the jobs of a data folder. Returns at once."""
        if self._thread is not None and self._thread.is_alive():
            return
        if not now and time.monotonic() < self._next.get(home, 0.0):
            return
        self._next[home] = time.monotonic() + ASK_SECONDS
        jobs = EndingJobs(home)
        found = jobs.all() if any(tokens) else ()
        if found:
            self._thread = threading.Thread(target=self._end, args=(jobs, found, tokens), name="end-jobs", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until what was asked for is answered."""
        if self._thread is not None:
            self._thread.join()

    def _end(self, jobs: EndingJobs, found: Iterable[Ending], tokens: Sequence[str]) -> None:
        try:
            for ending in found:
                for token in filter(None, tokens):
                    with logged(log, f"The job {ending.job} is not known to be over", RunError, level=logging.WARNING):
                        if jobs.end(ending, self._open_hub(token)):
                            break
        except Exception:  # the studio goes on, and tries again
            log.exception("Jobs that shall end could not be looked after.")
