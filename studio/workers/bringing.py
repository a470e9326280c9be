"""Takes in what a run has made at another place: first files, held against their hashes, then events that name them.

Nothing that comes from there is believed: which files there are, how large they are, and what stands in them is checked
as for a run from a stranger.
"""

import json
import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.events import (
    THERE,
    Event,
    Failed,
    Finished,
    Forecasted,
    Loaded,
    Prepared,
    Record,
    SpeedUps,
    Spent,
    Started,
    Unknown,
)
from studio.files import delete_folder, hash_file, whole_file, whole_folder
from studio.jobs.places.protocol import SHA256, Report, Storage, StoredFile
from studio.models.elsewhere import NAMES_OF_MODELS
from studio.runs import archive_paths
from studio.runs.archive_checks import check_made
from studio.runs.event_log import decoded, lines_with, read_events
from studio.runs.store import RunFolder
from studio.wording import size
from studio.workers.checkpoints import NEWEST_KEPT
from studio.workers.evaluation_home import take_evaluation
from studio.workers.job import Job

KEPT_FREE_BYTES = 2**28
"""So much of the disk here stays free."""

MOST_FILES = 2_000
MOST_PIECES = 5_000_000
"""A job that says something new every half second says no more in a month."""

_MOST_PIECE_BYTES = 64 * 2**20
_MOST_LOG_BYTES = 2**21
_MOST_LOGGED_BYTES = 32 * 2**20
_LARGEST_CLOCK_ERROR = 3.0
_MARK = re.compile(rb'"there":"([0-9]{1,6})/([0-9]{1,15})"')
_AGAIN = (Loaded, SpeedUps, Prepared, Forecasted)
"""What a worker says once at its beginning, and whoever follows the run has to know."""

log = logging.getLogger(__name__)


class Bringing:
    """Brings the work of one job home. `here` is the base model as it is called on this machine.

    `leaves_off` is asked before each piece, and says whether nothing of the rest is wanted any more.
    """

    def __init__(
        self,
        job: Job,
        run: RunFolder,
        storage: Storage,
        *,
        attempt: int,
        part: str,
        here: str,
        leaves_off: Callable[[], bool] = lambda: False,
    ) -> None:
        self._job = job
        self._run = run
        self._storage = storage
        self._attempt = attempt
        self._part = part
        self._here = here
        self._leaves_off = leaves_off
        self._events, self._logs, self._logged = 0, 0, 0
        self._files: dict[str, str] = {}
        self._seq = last_number(run.events_path, attempt)
        self._time = _last_time(run.events_path)
        self._offset: float | None = None
        self._evaluation: frozenset[str] = frozenset()
        self.last: Finished | Failed | None = None
        """The end of the run, once it was told."""
        self.has_evaluation = False

    @property
    def is_attached(self) -> bool:
        """Whether an earlier worker here has brought a part of this job home already."""
        return self._seq > 0

    def say_again(self) -> None:
        """Tell once more what the job said at its beginning, for those who follow the run from here on."""
        records, _ = read_events(self._run.events_path)
        said = {type(each.event): each.event for each in records if isinstance(each.event, _AGAIN)}
        for kind in _AGAIN:
            if kind in said:
                self._job.emit(said[kind])

    def take_in(self, report: Report) -> None:
        """Bring home what a report names that is not here.

        Raises Gone where it was deleted there meanwhile, and RunError for a report that no job writes.
        """
        if max(report.events, report.logs) > MOST_PIECES:
            raise RunError(
                f"The place says that it sent {max(report.events, report.logs):,} pieces, and no run says so much.",
                "Check who else can write to the storage of the place.",
            )
        if self._offset is None:
            ahead = time.time() - report.now
            self._offset = ahead if abs(ahead) > _LARGEST_CLOCK_ERROR else 0.0
        all_files = _checked(report.files)
        files = [each for each in all_files if not archive_paths.is_evaluated(each.path)]
        if {each.path: each.sha256 for each in files} != self._files:
            self._take_files(files)
        self._take_events(report.events)
        self._take_log(report.logs)
        self._drop_old(files)
        self._take_evaluation([each for each in all_files if each not in files])

    def _take_files(self, files: Sequence[StoredFile]) -> None:
        folders: dict[str, list[StoredFile]] = {}
        for each in files:
            folder, _, _ = each.path.rpartition("/")
            folders.setdefault(folder, []).append(each)
        new = [folder for folder, inside in folders.items() if any(self._is_new(each) for each in inside)]
        self._require_room(sum(each.size for folder in new for each in folders[folder]))
        for folder in sorted(new, key=lambda folder: not folder.startswith("checkpoints/")):
            if folder:
                with whole_folder(self._run.path / folder) as temporary:
                    for each in folders[folder]:
                        self._bring(each, temporary / each.path.rpartition("/")[2])
                    check_made(temporary, folder)
                    self._name_base(temporary)
            else:
                for each in filter(self._is_new, folders[folder]):
                    with whole_file(self._run.path / each.path) as temporary:
                        self._bring(each, temporary)
        self._files = {each.path: each.sha256 for each in files}

    def _take_evaluation(self, files: Sequence[StoredFile]) -> None:
        """Bring the evaluation home. Without it, the run is what it is."""
        hashes = frozenset(each.sha256 for each in files)
        if not files or hashes == self._evaluation:
            return
        try:
            self.has_evaluation = take_evaluation(self._run, self._storage, files)
        except NoAnswer:
            raise
        except RunError as error:
            log.warning("The evaluation that the place made was not taken: %s", error, exc_info=True)
        self._evaluation = hashes

    def _is_new(self, file: StoredFile) -> bool:
        if self._files.get(file.path) == file.sha256:
            return False
        path = self._run.path / file.path
        try:
            if path.suffix == ".json":  # it names models as this machine does, so it is not what the place has
                return True
            return path.stat().st_size != file.size or hash_file(path) != file.sha256
        except OSError:
            log.debug("A file is not here yet", exc_info=True)
            return True

    def _bring(self, file: StoredFile, target: Path) -> None:
        if not self._storage.fetch(file.at, target, size=file.size):
            raise Gone
        if hash_file(target) != file.sha256:
            raise RunError(
                f"The file {file.path} came damaged from the place, and was not taken.",
                "Resume the run; it goes on from its newest checkpoint.",
            )

    def _name_base(self, folder: Path) -> None:
        """Call the base model in settings by its name here, where the place named a folder of its own."""
        for path in folder.glob("*.json"):
            document = codec.parse_file(path)
            if not isinstance(document, dict):
                continue
            named = {key for key in NAMES_OF_MODELS if str(document.get(key) or "").startswith("/")}
            if named:
                told = document | dict.fromkeys(named, self._here)
                path.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def _require_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._run.path).free
        if needed + KEPT_FREE_BYTES > free:
            raise OSError(28, f"{size(needed)} come home, and the disk has {size(free)}")

    def _take_events(self, count: int) -> None:
        while self._events < count and not self._leaves_off():
            number = self._events + 1
            content = self._storage.read(f"{self._part}/events-{number}", most_bytes=_MOST_PIECE_BYTES)
            for line in (content or b"").split(b"\n"):  # a piece that is gone was taken in before
                self._take_line(line)
            self._events = number
            # Whoever takes this job up after a kill of this worker must hear of the run's end again.
            if content is not None and self.last is None:
                self._storage.delete(f"{self._part}/events-{number}")

    def _take_line(self, line: bytes) -> None:
        record = decoded(line) if line else None
        if record is None or record.seq <= self._seq:
            return
        event = archive_paths.shortened(record).event
        if isinstance(event, Finished | Failed):
            self.last = event
        elif not isinstance(event, Started | Spent | Unknown):
            self._pass_on(event, record)
        self._seq = record.seq

    def _pass_on(self, event: Event, record: Record) -> None:
        at = max(self._time, record.time + (self._offset or 0.0))
        self._job.pass_on(event, at=at, there=f"{self._attempt}/{record.seq}")
        self._time = at

    def _take_log(self, count: int) -> None:
        """Print what the worker there printed: what is printed here is the log of the run."""
        while self._logs < count and not self._leaves_off():
            number = self._logs + 1
            content = self._storage.read(f"{self._part}/log-{number}", most_bytes=_MOST_LOG_BYTES)
            self._logs = number
            if content is not None:
                if self._logged < _MOST_LOGGED_BYTES:
                    sys.stdout.buffer.write(content)
                    sys.stdout.flush()
                self._logged += len(content)
                self._storage.delete(f"{self._part}/log-{number}")

    def _drop_old(self, files: Sequence[StoredFile]) -> None:
        """Delete the checkpoints that the place has deleted, but never the last two."""
        there = {int(each.path.split("/")[1].removeprefix("step-")) for each in files if each.path.startswith("checkp")}
        for step in self._run.checkpoint_steps[:-NEWEST_KEPT]:
            if there and step not in there:
                delete_folder(self._run.checkpoint(step))


class Gone(Exception):
    """A file of a report is not there any more: a newer report names others."""


def last_number(events: Path, attempt: int) -> int:
    """Return the number of the last event that was taken in of an attempt; 0 before the first. Raises RunError."""
    for line in reversed(lines_with(events, f'"{THERE}":"'.encode())):
        found = _MARK.search(line)
        if found is not None:
            return int(found[2]) if int(found[1]) == attempt else 0
    return 0


def _last_time(events: Path) -> float:
    records, _ = read_events(events)
    return records[-1].time if records else 0.0


def _checked(files: Sequence[StoredFile]) -> tuple[StoredFile, ...]:
    """Return the files of a report. Raises RunError where one is none that a run can have."""
    names = {each.path for each in files}
    strange = next((each for each in files if not _can_be(each)), None)
    if strange is not None or len(names) != len(files) or len(files) > MOST_FILES:
        named = "" if strange is None else f" ({strange.path[:80]!r})"
        raise RunError(
            f"The place sent files that no run has{named}, and nothing of them was taken.",
            "Check who else can write to the storage of the place.",
        )
    return tuple(files)


def _can_be(file: StoredFile) -> bool:
    made = archive_paths.is_made(file.path) or archive_paths.is_evaluated(file.path)
    return made and SHA256.fullmatch(file.sha256) is not None and file.size >= 0
