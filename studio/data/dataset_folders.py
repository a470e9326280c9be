"""Where the data sets lie on disk: reading, listing, moving and writing their folders.

    <home>/datasets/<id>/dataset.json      the `Dataset`
                         examples.jsonl    one `Example` a line, with its index
                         problems.jsonl    every row that was left out
                         source/           the files as they were brought; versions of one family share them on disk
    <home>/datasets/.bin/<id>/             what was deleted, until it is put back

A folder is written under another name and renamed, so one that is listed is whole. Knows nothing of how a data set is
made.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.data.changes import Change
from studio.data.inspection import Inspection
from studio.errors import DataError
from studio.events import LAST_TIME
from studio.logs import logged

log = logging.getLogger(__name__)

_ADDING = ".adding-"
_LONGEST_NAME = 200
_ID = re.compile(r"(?=.{1,255}\Z)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Dataset:
    """One version of a data set. `created` is in seconds since the epoch.

    `family` is the id of the first version and `parent` that of the one that this was made from. `changes` are what
    was asked for, from the source on, with their counts; `sha256` is that of the examples.
    """

    id: str
    name: str
    inspection: Inspection
    created: float
    family: str = ""
    version: int = 1
    parent: str = ""
    changes: tuple[Change, ...] = ()
    sha256: str = ""

    @property
    def root(self) -> str:
        """The id that all versions of this data set share."""
        return self.family or self.id


class DatasetFolders:
    """The folders of all data sets below `path`, the deleted ones included."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / ".bin"
        self._known: dict[Path, tuple[tuple[int, int, int], Dataset]] = {}

    def read(self, id: str, *, binned: bool = False) -> Dataset | None:
        """Read a data set's document; None when there is none with this id, or it is not whole."""
        return self._read((self.bin if binned else self.path) / id) if _ID.fullmatch(id) else None

    def listed(self, *, binned: bool = False) -> tuple[Dataset, ...]:
        """List the data sets, newest first. A damaged folder is passed over.

        Raises DataError when the data folder cannot be read.
        """
        found = [each for each in self._everything(binned=binned).values() if each is not None]
        return tuple(sorted(found, key=lambda each: (each.created, each.version, each.id), reverse=True))

    def damaged(self, *, binned: bool = False) -> tuple[str, ...]:
        """Name the folders that are passed over. Raises DataError when the data folder cannot be read."""
        return tuple(sorted(id for id, dataset in self._everything(binned=binned).items() if dataset is None))

    def _everything(self, *, binned: bool) -> dict[str, Dataset | None]:
        """Read every folder, by its id; None for a damaged one."""
        folder = self.bin if binned else self.path
        try:
            ids = [each.name for each in folder.iterdir() if _ID.fullmatch(each.name)]
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DataError(
                f"The data sets in {folder} cannot be read: {error.strerror or error}.",
                "Correct the permissions of the data folder.",
            ) from error
        return {id: self._read(folder / id) for id in ids}

    def source(self, id: str) -> tuple[Path, ...]:
        """List the files that a data set was made from, in their order."""
        folder = self.path / id / "source"
        several = sorted((each for each in folder.glob("[0-9]*") if each.is_dir()), key=lambda each: int(each.name))
        return tuple(file for each in several for file in each.iterdir()) or tuple(folder.iterdir())

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a folder on the same disk that is gone afterwards. Raises DataError when the disk does not take it."""
        with self._disk_trouble():
            self.path.mkdir(parents=True, exist_ok=True)
            self._sweep()
            # The dot keeps a folder that is still being written from being an id.
            with tempfile.TemporaryDirectory(dir=self.path, prefix=_ADDING) as temporary:
                # Held while this process lives: what a killed one leaves behind can be told by it, and goes.
                with (Path(temporary) / "lock").open("w") as held:
                    fcntl.flock(held, fcntl.LOCK_EX)
                    yield Path(temporary)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other processes and threads from adding, moving and renaming. Raises DataError as `workspace`."""
        with self._disk_trouble():
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / ".lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def write(self, folder: Path, dataset: Dataset) -> None:
        """Write a data set's document into a folder, whole or not at all."""
        temporary = folder / "dataset.json.partial"
        temporary.write_text(codec.dumps(dataset) + "\n", encoding="utf-8")
        temporary.replace(folder / "dataset.json")

    def place(self, folder: Path, id: str) -> None:
        """Give a folder that is complete its place; what is damaged there makes room."""
        final = self.path / id
        if final.exists():
            shutil.rmtree(final)
        folder.rename(final)

    def move(self, id: str, *, to_bin: bool) -> None:
        """Move a data set to the bin or back."""
        start, end = (self.path, self.bin) if to_bin else (self.bin, self.path)
        end.mkdir(parents=True, exist_ok=True)
        if (end / id).exists():
            shutil.rmtree(end / id)  # The same content lies here: the id is made from it.
        (start / id).rename(end / id)

    def discard(self, id: str) -> None:
        """Move a damaged folder to the bin, beside what may lie there under its id."""
        self.bin.mkdir(parents=True, exist_ok=True)
        taken = (self.bin / id).exists()
        (self.path / id).rename(self.bin / (f"{id[:200].rstrip('-')}-{secrets.token_hex(4)}" if taken else id))

    def _sweep(self) -> None:
        """Remove the folders in which a process that was killed had been writing."""
        for folder in self.path.glob(f"{_ADDING}*"):
            with (
                logged(log, "A folder is being written to", OSError),
                (folder / "lock").open("w") as held,
            ):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)

    def _read(self, folder: Path) -> Dataset | None:
        """Read a document, from memory while it is the same on disk."""
        document = folder / "dataset.json"
        try:
            found = document.stat()
            if not (folder / "examples.jsonl").is_file():
                return None
            state = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = self._known.get(document)
            if known is None or known[0] != state:
                known = (state, self._checked(folder.name, codec.read(Dataset, document)))
                self._known[document] = known
            return known[1]
        except (OSError, codec.Damaged) as error:
            log.debug("The data set in %s is left out: %s", folder, error, exc_info=True)
            return None

    @staticmethod
    def _checked(id: str, dataset: Dataset) -> Dataset:
        """Return a document that can belong to its folder. Raises Damaged for any other."""
        if dataset.id != id or not (0 <= dataset.created <= LAST_TIME):
            raise codec.Damaged("the document is that of another data set, or of no time that can be shown")
        return dataset

    @contextlib.contextmanager
    def _disk_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DataError(
                    "The data set was not stored: the disk is full.", f"Free some space on the disk of {self.path}."
                ) from error
            raise DataError(
                f"The data set was not stored: {self.path} cannot be written ({error.strerror or error}).",
                "Correct the permissions of the data folder, or set STUDIO_HOME to another one.",
            ) from error


def take_file(file: Path, target: Path, *, ours: bool) -> None:
    """Keep a file at another place: as a copy, or where it is `ours` and stays so, as a link that costs nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if ours:
        with logged(log, "A file cannot be linked and is copied", OSError):
            os.link(file, target)
            return
    shutil.copyfile(file, target)


def one_line(name: str) -> str:
    """Make a name fit to be kept and shown: one line of printable characters, not too long."""
    printable = "".join(letter if letter.isprintable() else " " for letter in name[: 4 * _LONGEST_NAME])
    text = printable.encode("utf-8", "replace").decode()
    return " ".join(text.split())[:_LONGEST_NAME].strip()
