"""Things in a folder, each a file or a folder of its own, and the bin that a thing goes to before it is gone.

A `Shelf` lists what can be read, names what cannot, moves things to the bin and back, and gives a folder to write a new
one in. What lies on it, and in which sentences a person hears of it, is its owner's.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from studio import codec
from studio.errors import StudioError
from studio.files import move_to_free_name
from studio.logs import logged

log = logging.getLogger(__name__)

_WRITING = ".new-"
"""How the names of folders begin that are still being written: the dot keeps them from being taken for things."""

Thing = TypeVar("Thing")


def file_stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes with a file: when it was written, its number on the disk, its size. Raises OSError."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size


class Shelf(Generic[Thing]):
    """The things in a folder, each with a name of its own, and those in the bin. It locks nothing."""

    def __init__(
        self,
        folder: Path,
        bin: Path,
        *,
        names: re.Pattern[str],
        read: Callable[[Path], Thing],
        stamp: Callable[[Path], object] = file_stamp,
        suffix: str = "",
        apart: frozenset[str] = frozenset(),
    ) -> None:
        """`read` reads a thing, and raises OSError, Damaged or StudioError; it is read again once `stamp` differs.

        Things are folders whose names fit `names`, or with a `suffix` files that end in it. `apart` names what lies in
        the bin and is not of this shelf.
        """
        self.folder = folder
        self.bin = bin
        self._pattern = names
        self._read = read
        self._stamp = stamp
        self._suffix = suffix
        self._apart = apart
        self._known: dict[bool, dict[str, tuple[object, Thing]]] = {False: {}, True: {}}

    def path(self, name: str, *, binned: bool = False) -> Path:
        """Say where a thing lies, or would."""
        return (self.bin if binned else self.folder) / f"{name}{self._suffix}"

    def names(self, *, binned: bool = False) -> list[str]:
        """Name the things, damaged ones included. Raises OSError when the folder cannot be read."""
        try:
            with os.scandir(self.bin if binned else self.folder) as entries:
                return [entry.name.removesuffix(self._suffix) for entry in entries if self._is_one(entry, binned)]
        except FileNotFoundError:
            return []

    def _is_one(self, entry: os.DirEntry[str], binned: bool) -> bool:
        if self._suffix:
            return entry.name.endswith(self._suffix)
        is_named = self._pattern.fullmatch(entry.name) is not None and not (binned and entry.name in self._apart)
        return is_named and entry.is_dir()

    def has(self, name: str, *, binned: bool = False) -> bool:
        """Say whether there is a thing of this name, which may be damaged."""
        if not self._pattern.fullmatch(name) or (binned and name in self._apart):
            return False
        path = self.path(name, binned=binned)
        return path.is_file() if self._suffix else path.is_dir()

    def read(self, name: str, *, binned: bool = False) -> Thing:
        """Read a thing, from memory while it is the same on disk. Raises OSError, Damaged or StudioError."""
        path, known = self.path(name, binned=binned), self._known[binned]
        stamp, before = self._stamp(path), known.get(name)
        if before is None or before[0] != stamp:
            before = known[name] = (stamp, self._read(path))
        return before[1]

    def forget(self, name: str) -> None:
        """Read a thing again when it is next asked for."""
        self._known[False].pop(name, None)

    def all(self, *, binned: bool = False) -> dict[str, Thing]:
        """Read all things that can be read, by name. Raises OSError when the folder cannot be read."""
        found: dict[str, Thing] = {}
        for name in self.names(binned=binned):
            try:
                found[name] = self.read(name, binned=binned)
            except (OSError, codec.Damaged, StudioError) as error:
                log.debug("%s is left out: %s", self.path(name, binned=binned), error, exc_info=True)
        for gone in set(self._known[binned]) - found.keys():
            self._known[binned].pop(gone, None)
        return found

    def damaged(self, *, binned: bool = False) -> tuple[str, ...]:
        """Name the things that cannot be read. Raises OSError when the folder cannot be read."""
        readable = self.all(binned=binned)
        return tuple(sorted(name for name in self.names(binned=binned) if name not in readable))

    def delete(self, name: str) -> Path:
        """Move a thing to the bin, where nothing is overwritten, and return its path there. Raises OSError."""
        self.bin.mkdir(parents=True, exist_ok=True)
        self.forget(name)
        return move_to_free_name(self.path(name), self.bin, name, suffix=self._suffix)

    def restore(self, name: str) -> Path:
        """Move a thing back out of the bin, where nothing is overwritten, and return its path. Raises OSError."""
        return self.place(self.path(name, binned=True), name)

    def place(self, path: Path, name: str) -> Path:
        """Move what is whole among the things, under this name or that with a number. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return move_to_free_name(path, self.folder, name, suffix=self._suffix)

    def empty_bin(self) -> int:
        """Delete all that is in the bin for good; return how many things that were. Raises OSError."""
        count = len(self.names(binned=True))
        for path in self.bin.iterdir() if self.bin.is_dir() else ():
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            elif path.name not in self._apart:
                shutil.rmtree(path)
        return count

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a folder on the same disk that is gone afterwards. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=_WRITING) as temporary:
            # Held while this process lives: what a killed one leaves behind can be told by it, and goes.
            with (Path(temporary) / "lock").open("w") as held:
                fcntl.flock(held, fcntl.LOCK_EX)
                yield Path(temporary)

    def _sweep(self) -> None:
        """Remove the folders in which a process that was killed had been writing."""
        for prefix in (_WRITING, ".adding-"):  # an older studio added data sets under the second
            for folder in self.folder.glob(f"{prefix}*"):
                with logged(log, "A folder is being written to", OSError), (folder / "lock").open("r+") as held:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
