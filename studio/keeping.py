"""What is kept in the data folder: a thing is a file or a folder of its own, and goes to the bin before it is gone.

`Shelf` lists things, moves them to the bin and back, and names those that cannot be read. `KeptFiles` is a shelf of
values that the studio writes itself:

    <home>/<folder>/<id>.json            one of them, always written whole
    <home>/bin/<folder>/<id>.json        one that was deleted, until the bin is emptied
"""

import contextlib
import fcntl
import functools
import logging
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from studio import codec
from studio.errors import RunError, StudioError
from studio.events import LAST_TIME
from studio.files import disk_trouble, move_to_free_name, write_whole
from studio.limits import MOST_NAME

log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
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
                log.debug("%s is left out: %s", self.path(name, binned=binned), error)
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
                with contextlib.suppress(OSError), (folder / "lock").open("r+") as held:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)


class _Kept(Protocol):
    """What every kept value says of itself. Times are in seconds since the epoch; `revision` counts the writes."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def created(self) -> float: ...
    @property
    def changed(self) -> float: ...
    @property
    def revision(self) -> int: ...


Kept = TypeVar("Kept", bound=_Kept)


class KeptFiles(Generic[Kept]):
    """The values of one kind in a data folder, for any number of threads."""

    def __init__(
        self,
        home: Path,
        folder: str,
        kind: type[Kept],
        *,
        noun: str,
        clock: Callable[[], float] = time.time,
        require_room: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep values of `kind` in `<home>/<folder>`; `noun` is what a sentence calls one of them.

        `require_room` is asked before a new one is written, and raises StudioError where there is too little.
        """
        read = functools.partial(_read_kept, kind)
        self._shelf = Shelf(home / folder, home / "bin" / folder, names=_ID, read=read, suffix=".json")
        self._noun = noun
        self._clock = clock
        self._require_room = require_room
        self._guard = threading.RLock()

    def all(self) -> tuple[Kept, ...]:
        """List what is kept, the one that was changed last first. A file that cannot be read is left out."""
        with self._guard, self._trouble():
            return tuple(sorted(self._shelf.all().values(), key=lambda kept: kept.changed, reverse=True))

    def binned(self) -> tuple[Kept, ...]:
        """List what is in the bin, the one that was deleted last first. A file that cannot be read is left out."""
        with self._guard, self._trouble():
            found = self._shelf.all(binned=True).values()
            return tuple(sorted(found, key=lambda kept: (self._binned_at(kept.id), kept.changed), reverse=True))

    def damaged(self) -> tuple[str, ...]:
        """Name the files that cannot be read. They are left as they are."""
        with self._guard, self._trouble():
            return tuple(self._shelf.path(name).name for name in self._shelf.damaged())

    def discard(self, file_name: str) -> None:
        """Put a damaged file into the bin, beside what may lie there under its name. Raises RunError for any other."""
        with self._guard, self._trouble():
            if file_name not in self.damaged():
                raise RunError(f"There is no damaged {self._noun} '{file_name[:80]}'.", "Reload the page.")
            self._shelf.delete(file_name.removesuffix(".json"))

    def get(self, id: str) -> Kept:
        """Open one. Raises RunError when there is none with this id, or it is damaged."""
        if not _ID.fullmatch(id):
            raise RunError(f"There is no {self._noun} '{id[:40]}'.", "Choose one from the list.")
        try:
            with self._guard:
                return self._shelf.read(id)
        except FileNotFoundError as error:
            raise self._gone() from error
        except (OSError, codec.Damaged) as error:
            raise self._damaged(id) from error

    def save(self, kept: Kept) -> Kept:
        """Write one and return it as it was written: with an id where it had none, and the time.

        Where somebody else wrote it since it was read, nothing of theirs is lost: this one is kept beside it as a new
        one. Raises RunError when the disk does not take it, and what `require_room` raises.
        """
        if not kept.id:
            self._require_room()
        with self._guard:
            now = self._clock()
            if not kept.id or self._revision(kept.id) != kept.revision:
                kept = replace(kept, id=_new_id(now), created=now, revision=0)
            kept = replace(kept, changed=now, revision=kept.revision + 1, name=kept.name.strip()[:MOST_NAME])
            with self._trouble():
                self._shelf.folder.mkdir(parents=True, exist_ok=True)
                write_whole(self._shelf.path(kept.id), codec.dumps(kept))
            return kept

    def rename(self, id: str, name: str) -> Kept:
        """Give one another name. Raises RunError when there is none with this id, or the name is empty."""
        if not name.strip():
            raise RunError(f"A {self._noun} needs a name.", "Write one.")
        return self.change(id, lambda kept: replace(kept, name=" ".join(name.split())))

    def change(self, id: str, make: Callable[[Kept], Kept]) -> Kept:
        """Write what `make` makes of one as it is now. Raises RunError as `get` and `save` do."""
        with self._guard:
            return self.save(make(self.get(id)))

    def delete(self, id: str) -> None:
        """Put one into the bin. Raises RunError when there is none with this id."""
        with self._guard:
            path = self._move(id, to_bin=True)
            with contextlib.suppress(OSError):  # the time by which the bin is sorted
                os.utime(path, (now := self._clock(), now))

    def restore(self, id: str) -> Kept:
        """Take one back out of the bin and return it: with another id where its own was taken meanwhile.

        Raises RunError when it is not there, or damaged.
        """
        with self._guard:
            return self.get(self._move(id, to_bin=False).stem)

    def empty_bin(self) -> int:
        """Delete all that is in the bin for good; return how many that were, damaged files included.

        Raises RunError when the disk does not let them go.
        """
        with self._guard, disk_trouble("The bin", self._shelf.bin):
            return self._shelf.empty_bin()

    def in_bin(self) -> int:
        """Count the files in the bin, damaged ones included."""
        with self._trouble():
            return len(self._shelf.names(binned=True))

    def _move(self, id: str, *, to_bin: bool) -> Path:
        """Move one to the bin or back, and return its file there. Where its id is taken there, it gets another."""
        source, target = self._shelf.path(id, binned=not to_bin), self._shelf.path(id, binned=to_bin)
        with self._trouble():
            if not self._shelf.has(id, binned=not to_bin):
                raise self._gone()
            if not target.exists():
                return self._shelf.delete(id) if to_bin else self._shelf.restore(id)
            try:
                kept = self._shelf.read(id, binned=not to_bin)
            except codec.Damaged as error:
                raise self._damaged(id) from error
            kept = replace(kept, id=_new_id(self._clock()))
            target = self._shelf.path(kept.id, binned=to_bin)
            write_whole(target, codec.dumps(kept))
            source.unlink()
            return target

    def _binned_at(self, id: str) -> int:
        with contextlib.suppress(FileNotFoundError):  # it was put back just now
            return self._shelf.path(id, binned=True).stat().st_mtime_ns
        return 0

    def _gone(self) -> RunError:
        return RunError(f"This {self._noun} is no longer there.", "Choose another one from the list.")

    def _damaged(self, id: str) -> RunError:
        return RunError(f"This {self._noun} cannot be read: {id}.json is damaged.", "Its file was left.")

    def _revision(self, id: str) -> int:
        with contextlib.suppress(RunError):
            return self.get(id).revision
        return -1

    def _trouble(self) -> contextlib.AbstractContextManager[None]:
        return disk_trouble(f"The {self._noun}", self._shelf.folder)


def _new_id(now: float) -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(3)}"


def _read_kept(kind: type[Kept], path: Path) -> Kept:
    kept = codec.read(kind, path)
    if kept.id != path.stem or not _ID.fullmatch(kept.id):
        raise codec.Damaged("the file has the name of another")
    if not (0 <= kept.created <= LAST_TIME and 0 <= kept.changed <= LAST_TIME):
        raise codec.Damaged("it is of no time that can be shown")
    return kept
