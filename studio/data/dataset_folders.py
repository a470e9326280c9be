"""Where the data sets lie on disk: reading, listing, moving and writing their folders.

    <home>/datasets/<id>/dataset.json      the `Dataset`
                         examples.jsonl    one `Example` a line, with its index
                         problems.jsonl    every row that was left out
                         source/           the files as they were brought; versions of one family share them on disk
    <home>/datasets/.bin/<id>/             what was deleted, until it is put back

A folder is written under another name and renamed, so one that is listed is whole.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.data.inspection import Inspection
from studio.data.reading_choices import Change
from studio.errors import DataError
from studio.events import LAST_TIME
from studio.files import disk_trouble, take_place, write_whole
from studio.logs import logged
from studio.shelf import Shelf, file_stamp

log = logging.getLogger(__name__)

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
        self.shelf = Shelf(path, path / ".bin", names=_ID, read=_read, stamp=_stamp)

    def read(self, id: str, *, binned: bool = False) -> Dataset | None:
        """Read a data set's document; None when there is none with this id, or it is not whole."""
        if not self.shelf.has(id, binned=binned):
            return None
        try:
            return self.shelf.read(id, binned=binned)
        except (OSError, codec.Damaged) as error:
            log.debug("The data set %s is left out: %s", id, error)
            return None

    def listed(self, *, binned: bool = False) -> tuple[Dataset, ...]:
        """List the data sets, newest first. A damaged folder is passed over.

        Raises DataError when the data folder cannot be read.
        """
        with self._reading():
            found = self.shelf.all(binned=binned).values()
        return tuple(sorted(found, key=lambda each: (each.created, each.version, each.id), reverse=True))

    @property
    def is_empty(self) -> bool:
        """Whether none can be read. Raises DataError when the data folder cannot be read."""
        with self._reading():
            return all(self.read(id) is None for id in self.shelf.names())

    def damaged(self) -> tuple[str, ...]:
        """Name the folders that are passed over. Raises DataError when the data folder cannot be read."""
        with self._reading():
            return self.shelf.damaged()

    def source(self, id: str) -> tuple[Path, ...]:
        """List the files that a data set was made from, in their order."""
        folder = self.shelf.path(id) / "source"
        several = sorted((each for each in folder.glob("[0-9]*") if each.is_dir()), key=lambda each: int(each.name))
        return tuple(file for each in several for file in each.iterdir()) or tuple(folder.iterdir())

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a folder on the same disk that is gone afterwards. Raises DataError when the disk does not take it."""
        with self._writing(), self.shelf.workspace() as workspace:
            yield workspace

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other processes and threads from adding, moving and renaming. Raises DataError as `workspace`."""
        with self._writing():
            self.shelf.folder.mkdir(parents=True, exist_ok=True)
            with (self.shelf.folder / ".lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def move(self, id: str, *, to_bin: bool) -> None:
        """Move a data set to the bin or back. What lies there under its id has the same content and makes room."""
        target = self.shelf.path(id, binned=to_bin)
        target.parent.mkdir(parents=True, exist_ok=True)
        take_place(self.shelf.path(id, binned=not to_bin), target)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"The data sets in {self.shelf.folder} cannot be read: {error.strerror or error}.",
                "Correct the permissions of the data folder.",
            ) from error

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return disk_trouble("The data set", self.shelf.folder, DataError)


def _stamp(folder: Path) -> object:
    (folder / "examples.jsonl").stat()
    return file_stamp(folder / "dataset.json")


def _read(folder: Path) -> Dataset:
    """Read the document of a folder. Raises OSError, and Damaged where it cannot belong there."""
    dataset = codec.read(Dataset, folder / "dataset.json")
    if dataset.id != folder.name or not (0 <= dataset.created <= LAST_TIME):
        raise codec.Damaged("the document is that of another data set, or of no time that can be shown")
    return dataset


def write_document(folder: Path, dataset: Dataset) -> None:
    """Write a data set's document into a folder, whole or not at all. Raises OSError."""
    write_whole(folder / "dataset.json", codec.dumps(dataset))


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
