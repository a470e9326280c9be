"""The run folders: creating, listing, opening and deleting them.

A run folder is written under a temporary name and renamed, so a run that is listed is whole. Knows nothing of how a
worker is started and of what the events mean.
"""

import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from studio import codec
from studio.config import RunConfig, modernised
from studio.data.example_files import write_examples
from studio.data.examples import Example
from studio.errors import RunError
from studio.runs import lock
from studio.runs.names import memorable_name, slug

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_TAIL_BYTES = 256 * 1024

ADAPTER = "adapter"
MODEL = "model"
"""Where in its folder a run keeps what it learned: an adapter, or a whole model."""

Plain = TypeVar("Plain")


@dataclass(frozen=True)
class RunOrigin:
    """Where a run comes from. `created` is in seconds since the epoch, `model_name` is what the person chose."""

    dataset_id: str
    dataset_name: str
    dataset_sha256: str
    created: float
    model_name: str


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
        return _read(RunOrigin, self.path / "origin.json")

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
        checkpoints = [path for path in self.path.glob("checkpoints/step-*") if path.name[5:].isdecimal()]
        newest_first = sorted(checkpoints, key=lambda path: int(path.name[5:]), reverse=True)
        for folder in (self.path / ADAPTER, self.path / MODEL, *newest_first):
            if (folder / "adapter_config.json").is_file() or is_whole_model(folder):
                return folder
        return None

    @property
    def exports(self) -> Path:
        """The folder of the exports, with their events, logs and lock."""
        return self.path / "exports"

    def is_alive(self) -> bool:
        """Say whether a worker trains this run now. For `view.status`, ask before reading the events."""
        return lock.is_held(self.lock_path)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the worker's log, the empty string when there is none."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_TAIL_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
        last = text.rstrip().split("\n")[-lines:]
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in last)


class RunStore:
    """All runs of one data folder."""

    def __init__(
        self, home: Path, clock: Callable[[], float] = time.time, *, chance: random.Random | None = None
    ) -> None:
        """Keep runs in `<home>/runs`. `chance` decides the names of runs that were given none."""
        self._folder = home / "runs"
        self._clock = clock
        self._chance = chance or random.Random()

    def create(
        self,
        config: RunConfig,
        *,
        dataset_id: str,
        dataset_name: str,
        dataset_sha256: str,
        train: Iterable[Example],
        validation: Iterable[Example],
    ) -> RunFolder:
        """Write the folder of a new run; a run without a name gets one.

        Raises RunError when the disk does not take it; nothing half-written is left then.
        """
        created = self._clock()
        taken = {run.config.name for run in self.all()}
        config = dataclasses.replace(config, name=config.name.strip() or memorable_name(self._chance, taken))
        origin = RunOrigin(dataset_id, dataset_name, dataset_sha256, created, config.model)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(created))
        with _sentence_for_disk_trouble(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self._folder, prefix=".new-"))
            try:
                new = RunFolder(temporary)
                (temporary / "config.json").write_text(codec.dumps(config) + "\n", encoding="utf-8")
                (temporary / "origin.json").write_text(codec.dumps(origin) + "\n", encoding="utf-8")
                write_examples(new.train_path, train)
                write_examples(new.validation_path, validation)
                new.exports.mkdir()
                temporary.chmod(0o755)
                return RunFolder(_rename_to_free_name(temporary, f"{stamp}-{slug(config.name)}"))
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def all(self) -> tuple[RunFolder, ...]:
        """List the runs, newest first. A folder that cannot be read as a run is left out."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return ()
        runs = [RunFolder(self._folder / name) for name in names if _ID.fullmatch(name)]
        whole = [run for run in runs if _is_whole(run)]
        return tuple(sorted(whole, key=lambda run: (run.origin.created, run.id), reverse=True))

    def get(self, id: str) -> RunFolder:
        """Open one run. Raises RunError when there is none of that name, or its folder is damaged."""
        run = RunFolder(self._folder / id)
        if not _ID.fullmatch(id) or not run.path.is_dir():
            raise RunError(f"There is no run '{id}'.", "Choose one from the list of runs.")
        _ = run.config, run.origin
        return run

    def delete(self, id: str) -> None:
        """Delete one run with its results. Raises RunError when it is at work, unknown, or cannot be deleted."""
        run = self.get(id)
        descriptor = lock.acquire(run.lock_path)
        try:
            if descriptor is None or any(map(lock.is_held, run.exports.glob("*.lock"))):
                raise RunError(f"The run '{run.config.name}' is still at work.", "Stop it first, then delete it.")
            gone = run.path.with_name(f".deleted-{run.id}")
            with _sentence_for_disk_trouble(self._folder):
                os.rename(run.path, gone)
                shutil.rmtree(gone)
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _read(kind: type[Plain], path: Path, modernise: Callable[[Any], Any] = lambda document: document) -> Plain:
    try:
        return codec.from_plain(kind, modernise(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"The run '{path.parent.name}' cannot be read: {path.name} is missing or damaged.",
            "Its other files are untouched; delete the folder if you no longer need them.",
        ) from error


def _is_whole(run: RunFolder) -> bool:
    try:
        _ = run.config, run.origin
    except RunError:
        return False
    return True


def _rename_to_free_name(folder: Path, name: str) -> Path:
    number = 1
    while True:
        target = folder.with_name(name if number == 1 else f"{name}-{number}")
        if not target.exists():
            return folder.rename(target)
        number += 1


@contextlib.contextmanager
def _sentence_for_disk_trouble(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"The folder of the runs, {folder}, cannot be written: {error.strerror or error}.",
            "Free some space or correct its permissions, or set STUDIO_HOME to another folder.",
        ) from error
