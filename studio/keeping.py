"""Values of one kind, each in a file of its own: found again, named, put into the bin and taken back out of it.

<home>/<folder>/<id>.json            one of them, always written whole
<home>/bin/<folder>/<id>.json        one that was deleted, until the bin is emptied
"""

import contextlib
import functools
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from studio import codec
from studio.errors import RunError
from studio.events import LAST_TIME
from studio.files import disk_trouble, write_whole
from studio.limits import MOST_NAME
from studio.logs import logged
from studio.shelf import Shelf

log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


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
            with logged(log, "The time by which the bin is sorted could not be set", OSError):
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
        with logged(log, "What was in the bin was put back just now", FileNotFoundError):
            return self._shelf.path(id, binned=True).stat().st_mtime_ns
        return 0

    def _gone(self) -> RunError:
        return RunError(f"This {self._noun} is no longer there.", "Choose another one from the list.")

    def _damaged(self, id: str) -> RunError:
        return RunError(f"This {self._noun} cannot be read: {id}.json is damaged.", "Its file was left.")

    def _revision(self, id: str) -> int:
        with logged(log, "What is there cannot be read and counts as no revision", RunError):
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
