"""The run folders: creating, listing, opening and deleting them.

A run folder is written under a temporary name and renamed, so a run that is listed is whole.
"""

import contextlib
import dataclasses
import itertools
import logging
import os
import random
import re
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from studio import codec
from studio.config import RunConfig, check, modernised
from studio.data.example_files import ExampleFile, write_examples
from studio.data.examples import Example
from studio.errors import RunError
from studio.events import LAST_TIME
from studio.files import at_older_name, disk_trouble, open_plain, read_bytes, write_whole
from studio.limits import MOST_NAME
from studio.logs import logged
from studio.runs import lock
from studio.runs.names import memorable_name, slug
from studio.shelf import Shelf

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
"""What the name of a folder can hold: 255 bytes."""

_LONGEST_TAIL_BYTES = 256 * 1024

_CHECKPOINT = re.compile(r"step-(\d+)")
STEP = re.compile(r"[0-9]{1,12}")
"""The step of a checkpoint, as the key of a model names it."""

ADAPTER = "adapter"
MODEL = "model"
"""Where in its folder a run keeps what it learned: an adapter, or a whole model."""

BINNED_APART = frozenset({"conversations", "sheets"})
"""What else is in the bin, in folders of its own. Emptying the bin of the runs leaves it."""

KEEP = "keep"
DISCARD = "discard"
GIVE_WAY = "give-way"
"""What is asked of a run that shall end: by a person, or so that it lets others go first and goes on afterwards."""

REQUEST_ENDINGS = (".request", ".wish")
"""How the files in the folder of a run end that ask for something; the second of an older studio."""

GROUP_ID = re.compile(r"[0-9a-f]{16}")
_TRIED = re.compile(r"[a-z_]{1,40}")
_MOST_TRIED = 10

MOST_NOTE = 4000
"""So many letters of a note are kept."""

_MOST_LISTED = 5
"""So many runs are named in a sentence."""

_MOST_SMALL_BYTES = 2**20

Plain = TypeVar("Plain")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunGroup:
    """The runs that one was started together with: they have the same `id`.

    `name` is what a person calls them. `tried` are the settings in which they differ, and `DATA_TRIED` where their data
    do. A run that `gives_way` lets those go first that do not. By `seed` all of them hold examples out and choose what
    they are evaluated on; None for a group of an older studio.
    """

    id: str
    name: str = ""
    tried: tuple[str, ...] = ()
    gives_way: bool = False
    seed: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the studio can have written it: it may come from outside."""
        named = len(self.name) <= MOST_NAME and self.name.isprintable()
        tried = len(self.tried) <= _MOST_TRIED and all(map(_TRIED.fullmatch, self.tried))
        return GROUP_ID.fullmatch(self.id) is not None and named and tried


DATA_TRIED = "dataset"


@dataclass(frozen=True)
class RunOrigin:
    """Where a run comes from. `created` is in seconds since the epoch, `model_name` is what the person chose.

    `group` is None for a run that was started alone.
    """

    dataset_id: str
    dataset_name: str
    dataset_sha256: str
    created: float
    model_name: str
    group: RunGroup | None = None


@dataclass(frozen=True)
class About:
    """What a person says of a run, at any time: another name, and a note."""

    name: str = ""
    note: str = ""


def is_whole_model(folder: Path) -> bool:
    """Tell whether a run's result is a whole model, which needs no base."""
    return (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file()


@dataclass(frozen=True)
class RunFolder:
    """One run on disk, and where its parts lie. `config` and `origin` are read once, on first use."""

    path: Path

    @property
    def id(self) -> str:
        """The run's name in commands and links: the name of its folder."""
        return self.path.name

    @cached_property
    def config(self) -> RunConfig:
        """What the run was started with. Raises RunError when it cannot be read."""
        return _read(RunConfig, self.path / "config.json", modernised)

    @cached_property
    def origin(self) -> RunOrigin:
        """Where the run comes from. Raises RunError when it cannot be read."""
        found = _read(RunOrigin, self.path / "origin.json")
        if not 0 <= found.created <= LAST_TIME or (found.group is not None and not found.group.is_sound):
            raise _damaged_run(self.path / "origin.json")
        return found

    @property
    def drawn_by(self) -> int:
        """The seed by which its examples are held out and asked: that of its group. Raises RunError."""
        group = self.origin.group
        return self.config.seed if group is None or group.seed is None else group.seed

    @property
    def about(self) -> About:
        """What the person says of the run now; nothing where that cannot be read."""
        try:
            return codec.read(About, self.path / "about.json", most_bytes=_MOST_SMALL_BYTES)
        except FileNotFoundError:
            return About()
        except (OSError, codec.Damaged) as error:
            log.debug("The name and note of %s were not read: %s", self.id, error, exc_info=True)
            return About()

    @property
    def name(self) -> str:
        """The name that the person knows the run by."""
        try:
            return self.about.name or self.config.name or self.id
        except RunError:
            log.debug("The name of a run cannot be read", exc_info=True)
            return self.id

    @property
    def train_path(self) -> Path:
        """The examples that are learned."""
        return self.path / "train.jsonl"

    @property
    def validation_path(self) -> Path:
        """The examples that are held out; an empty file when there are none."""
        return self.path / "val.jsonl"

    @property
    def events_path(self) -> Path:
        """What the worker said."""
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """What the worker and its libraries printed."""
        return self.path / "worker.log"

    @property
    def lock_path(self) -> Path:
        """Held for as long as a worker trains this run."""
        return self.path / "run.lock"

    @property
    def result(self) -> Path | None:
        """The folder of what the run learned, or of the newest checkpoint while it is at work; None without either.

        It holds an adapter, or a whole model where all of it was trained: `is_whole_model` tells them apart.
        """
        newest_first = [self.checkpoint(step) for step in reversed(self.checkpoint_steps)]
        for folder in (self.path / ADAPTER, self.path / MODEL, *newest_first):
            if (folder / "adapter_config.json").is_file() or is_whole_model(folder):
                return folder
        return None

    @property
    def checkpoint_steps(self) -> tuple[int, ...]:
        """The steps of which there is a checkpoint, in ascending order."""
        try:
            names = os.listdir(self.path / "checkpoints")
        except OSError:
            return ()
        return tuple(sorted(int(found[1]) for name in names if (found := _CHECKPOINT.fullmatch(name))))

    def checkpoint(self, step: int) -> Path:
        """The folder of the checkpoint of a step."""
        return self.path / "checkpoints" / f"step-{step}"

    @property
    def parents_path(self) -> Path:
        """Which runs were blended into this one, and how; a run that was trained has no such file."""
        return self.path / "parents.json"

    @property
    def is_blend(self) -> bool:
        """Whether this was blended from other runs, and so is never trained."""
        return self.parents_path.exists()

    @property
    def was_launched(self) -> bool:
        """Whether a worker was ever started for this run, here or on the machine that it came from."""
        return self.log_path.exists() or self.events_path.exists()

    @property
    def stop_request(self) -> Path:
        """A file that is there while a person wants the run to end, or wanted it to when it ended."""
        return at_older_name(self.path / "stop.request", "stop.wish")

    @property
    def stop_wanted(self) -> str:
        """What is asked of a run that shall end: `KEEP`, `DISCARD` or `GIVE_WAY`; empty when nobody wants it to."""
        with logged(log, "The request to stop cannot be read", OSError, ValueError):
            found = read_bytes(self.stop_request, most_bytes=_MOST_SMALL_BYTES)
            return KEEP if found is None else found.decode("utf-8").strip() or KEEP
        return ""

    @property
    def lost_path(self) -> Path:
        """Why the run was lost, written down by whoever saw it first."""
        return self.path / "lost.json"

    @property
    def exports(self) -> Path:
        """The folder of the exports, with their events, logs and lock."""
        return self.path / "exports"

    @property
    def published(self) -> Path:
        """The folder of what was published on the Hub: the cards, and where to."""
        return self.path / "published"

    def check(self) -> None:
        """Raise RunError where the settings or the origin of the run cannot be read, naming the file."""
        _ = self.config, self.origin

    def is_alive(self) -> bool:
        """Say whether a worker trains this run now. For `view.status`, ask before reading the events."""
        return lock.is_held(self.lock_path)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the worker's log, the empty string when there is none."""
        try:
            with open_plain(self.log_path) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_TAIL_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
        last = text.rstrip().split("\n")[-lines:]
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in last)


class RunStore:
    """All runs of one data folder."""

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = time.time,
        *,
        rng: random.Random | None = None,
        allow: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep runs in `<home>/runs`. `rng` decides the names of runs that were given none. `allow` raises RunError
        where whoever asks may make and change none.
        """
        self._allow = allow
        # What is whole stays so: of ten thousand runs none is read twice.
        self._shelf = Shelf(
            home / "runs", home / "bin", names=_ID, read=_open, stamp=lambda path: None, apart=BINNED_APART
        )
        self._clock = clock
        self._rng = rng or random.Random()

    def require_allowed(self) -> None:
        """Raise RunError where whoever asks may make and change no run."""
        self._allow()

    def create(
        self,
        config: RunConfig,
        *,
        dataset_id: str,
        dataset_name: str,
        dataset_sha256: str,
        train: Iterable[Example],
        validation: Iterable[Example],
        group: RunGroup | None = None,
    ) -> RunFolder:
        """Write the folder of a new run; a run without a name gets one.

        Raises RunError when the disk does not take it; nothing half-written is left then.
        """
        created = self._clock()
        taken = {id.split("-", 2)[-1] for id in self.ids()}  # a name made up ends that of its folder
        name = config.name.strip() or memorable_name(self._rng, taken)
        config = dataclasses.replace(config, name=name)
        origin = RunOrigin(dataset_id, dataset_name, dataset_sha256, created, config.model, group)
        with self.new_folder() as folder:
            write_settings(folder, config, origin)
            write_examples(folder.train_path, train)
            write_examples(folder.validation_path, validation)
            return self.take_in(folder)

    @contextlib.contextmanager
    def new_folder(self) -> Iterator[RunFolder]:
        """Give the folder of a run to be, which is gone afterwards unless it was taken in. Raises RunError."""
        self.require_allowed()
        with disk_trouble("The run", self.folder), self._shelf.workspace() as workspace:
            folder = RunFolder(workspace / "run")
            folder.exports.mkdir(parents=True)
            yield folder

    def all(self) -> tuple[RunFolder, ...]:
        """List the runs, newest first. A folder that cannot be read as a run is left out: `damaged` lists those."""
        return _newest_first(self._listed().values())

    def ids(self) -> list[str]:
        """Name all runs in order, damaged ones too. Reads nothing in them: cheap for very many."""
        with logged(log, "The folder of the runs cannot be listed", OSError):
            return sorted(self._shelf.names())
        return []

    def folders(self, *, but: Container[str] = ()) -> Iterator[RunFolder]:
        """Give the folders of all runs, as `ids` names them, without those of some."""
        return (RunFolder(self._shelf.path(id)) for id in self.ids() if id not in but)

    def damaged(self) -> tuple[RunFolder, ...]:
        """List the folders that cannot be read as a run."""
        return tuple(RunFolder(self._shelf.path(id)) for id in self._shelf.damaged())

    def has(self, id: str) -> bool:
        """Say whether there is a run of this id, which may be damaged."""
        return self._shelf.has(id)

    def get(self, id: str) -> RunFolder:
        """Open one run. Raises RunError when there is none of that name, or its folder is damaged."""
        run = self.find(id)
        run.check()
        return run

    def find(self, id: str) -> RunFolder:
        """Return the folder of a run, which may be damaged. Raises RunError when there is none of that name."""
        if not self.has(id):
            raise RunError(f"There is no run '{id[:80]}'.", "Choose one from the list of runs.")
        return RunFolder(self._shelf.path(id))

    def named(self, name: str) -> RunFolder:
        """Open the run that a person names, by its folder or by the name that they gave it.

        Raises RunError when there is none, when several have that name, or when its folder is damaged.
        """
        if self.has(name):
            return self.get(name)
        found = self.with_name(name)
        if len(found) > 1:
            folders = ", ".join(run.id for run in found[:_MOST_LISTED])
            raise RunError(
                f"{len(found):,} runs have the name '{name[:80]}'.", f"Give the name of its folder instead: {folders}."
            )
        if not found:
            newest = ", ".join(f"'{run.name}'" for run in self.all()[:_MOST_LISTED])
            raise RunError(f"There is no run '{name[:80]}'.", f"The newest runs: {newest}." if newest else "")
        return found[0]

    def with_name(self, name: str) -> tuple[RunFolder, ...]:
        """List the runs to which a person gave this name, newest first; large and small letters are the same."""
        wanted = _compared(name)
        return tuple(run for run in self.all() if _compared(run.name) == wanted)

    def describe(self, id: str, *, name: str | None = None, note: str | None = None) -> RunFolder:
        """Give a run another name or note. Raises RunError for an unknown run, and when the disk does not take it."""
        self.require_allowed()
        run = self.get(id)
        about = run.about
        about = About(
            name=about.name if name is None else name.strip()[:MOST_NAME],
            note=about.note if note is None else note.strip()[:MOST_NOTE],
        )
        with disk_trouble("The run", run.path):
            write_whole(run.path / "about.json", codec.dumps(about))
        return run

    def change(self, id: str, config: RunConfig) -> RunFolder:
        """Give a run that never started other settings. Raises RunError when it did, or the disk does not take it."""
        self.require_allowed()
        run = self.get(id)
        with _unworked(run):
            if run.was_launched:
                raise RunError(f"The run '{run.name}' has started already.", "Start a new one from its settings.")
            with disk_trouble("The run", run.path):
                write_whole(run.path / "config.json", codec.dumps(dataclasses.replace(config, name=run.config.name)))
        self._shelf.forget(id)
        return self.get(id)

    def move(self, id: str, place: str, *, nodes: int = 1) -> RunFolder:
        """Let a run that is not at work train at another place from now on; empty is this machine. Raises RunError and
        ConfigError.
        """
        self.require_allowed()
        run = self.get(id)
        moved = dataclasses.replace(run.config, place=place, nodes=nodes)
        check(moved)
        with _unworked(run), disk_trouble("The run", run.path):
            write_whole(run.path / "config.json", codec.dumps(moved))
        self._shelf.forget(id)
        return self.get(id)

    def duplicate(self, id: str) -> RunFolder:
        """Make a new run with the settings and the data of another. Raises RunError."""
        run = self.get(id)
        return self.create(
            dataclasses.replace(run.config, name=""),
            dataset_id=run.origin.dataset_id,
            dataset_name=run.origin.dataset_name,
            dataset_sha256=run.origin.dataset_sha256,
            train=ExampleFile(run.train_path),
            validation=ExampleFile(run.validation_path),
        )

    def delete(self, id: str) -> None:
        """Put a run into the bin with all its files. Raises RunError when it is at work, unknown or cannot be moved."""
        self.require_allowed()
        run = self.find(id)
        with _unworked(run):
            if any(map(lock.is_held, run.published.glob("*.lock"))):
                raise RunError(
                    f"The run '{run.name}' is still at work: it is being published.", "Wait until that is done."
                )
            if any(map(lock.is_held, run.exports.glob("*.lock"))):
                raise RunError(
                    f"The run '{run.name}' is still at work: it is being exported.", "Wait until that is done."
                )
            with disk_trouble("The run", self._shelf.bin):
                self._shelf.delete(id)

    def binned(self) -> tuple[RunFolder, ...]:
        """List the runs in the bin, newest first, and behind them the folders that cannot be read as a run."""
        whole = self._listed(binned=True)
        damaged = [RunFolder(self._shelf.path(id, binned=True)) for id in self._shelf.damaged(binned=True)]
        return (*_newest_first(whole.values()), *damaged)

    def restore(self, id: str) -> RunFolder:
        """Take a run back out of the bin. Raises RunError when it is not there."""
        self.require_allowed()
        if not self._shelf.has(id, binned=True):
            raise RunError(f"There is no run '{id[:80]}' in the Trash.", "Choose one from its list.")
        run = RunFolder(self._shelf.path(id, binned=True))
        with disk_trouble("The run", self.folder):
            if run.stop_wanted:
                write_whole(run.stop_request, KEEP)
            return RunFolder(self._shelf.restore(id))

    def empty_bin(self) -> int:
        """Delete all runs that are in the bin for good, and return how many that were. Raises RunError."""
        self.require_allowed()
        with disk_trouble("The Trash", self._shelf.bin):
            return self._shelf.empty_bin()

    def free_name(self, name: str) -> str:
        """Return a name that no run has: "shop", or "shop (2)" where there is a shop already."""
        taken = {_compared(run.name) for run in self.all()}
        numbered = (f"{name[: MOST_NAME - 8]} ({number})" for number in itertools.count(2))
        return next(each for each in itertools.chain([name], numbered) if _compared(each) not in taken)

    def take_in(self, run: RunFolder) -> RunFolder:
        """Move the folder of a whole run, such as `new_folder` gave, among the runs. Raises RunError."""
        self.require_allowed()
        run.check()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(run.origin.created))
        with disk_trouble("The run", self.folder):
            return RunFolder(self._shelf.place(run.path, f"{stamp}-{slug(run.name)}"))

    @property
    def folder(self) -> Path:
        """Where the runs lie; may not exist yet."""
        return self._shelf.folder

    def _listed(self, *, binned: bool = False) -> dict[str, RunFolder]:
        try:
            return self._shelf.all(binned=binned)
        except OSError:
            log.debug("The folder of the runs cannot be listed", exc_info=True)
            return {}


def write_settings(run: RunFolder, config: RunConfig, origin: RunOrigin) -> None:
    """Write the settings and the origin of a new run. Raises OSError."""
    write_whole(run.path / "config.json", codec.dumps(config))
    write_whole(run.path / "origin.json", codec.dumps(origin))


def _compared(name: str) -> str:
    return " ".join(name.split()).casefold()


def _open(path: Path) -> RunFolder:
    run = RunFolder(path)
    run.check()
    return run


def _newest_first(runs: Iterable[RunFolder]) -> tuple[RunFolder, ...]:
    return tuple(sorted(runs, key=lambda run: (run.origin.created, run.id), reverse=True))


@contextlib.contextmanager
def _unworked(run: RunFolder) -> Iterator[None]:
    """Keep every worker off a run for a moment. Raises RunError when one is at it."""
    descriptor = lock.acquire(run.lock_path)
    if descriptor is None:
        raise RunError(f"The run '{run.name}' is still at work.", "Stop it first.")
    try:
        yield
    finally:
        os.close(descriptor)


def _read(kind: type[Plain], path: Path, modernise: Callable[[Any], Any] = lambda document: document) -> Plain:
    try:
        document = codec.parse_file(path, most_bytes=_MOST_SMALL_BYTES)
        if not isinstance(document, dict):
            raise codec.Damaged("not an object")
        return codec.from_plain(kind, modernise(document))
    except (OSError, codec.Damaged) as error:
        raise _damaged_run(path) from error


def _damaged_run(path: Path) -> RunError:
    return RunError(
        f"The run '{path.parent.name}' cannot be read: {path.name} is missing or damaged.",
        "Its other files are untouched; delete the run if you no longer need them.",
    )
