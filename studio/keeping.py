"""Values of one kind, each in a file of its own: found again, named, thrown into the bin and taken back out of it.

    <home>/<folder>/<id>.json            one of them, always written whole
    <home>/bin/<folder>/<id>.json        one that was deleted, until the bin is emptied

Knows nothing of what is kept.
"""

import contextlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from studio import codec
from studio.errors import DATA_FOLDER_HINT, RunError
from studio.events import LAST_TIME
from studio.files import write_whole
from studio.limits import MOST_NAME
from studio.logs import logged

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

_Stamp = tuple[int, int]
"""When a file was written, in nanoseconds, and its number on the disk."""


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
        self._folder = home / folder
        self._bin = home / "bin" / folder
        self._kind = kind
        self._noun = noun
        self._clock = clock
        self._require_room = require_room
        self._guard = threading.RLock()
        self._known: dict[str, tuple[_Stamp, Kept]] = {}
        self._known_in_bin: dict[str, tuple[_Stamp, Kept]] = {}

    def all(self) -> tuple[Kept, ...]:
        """List what is kept, the one that was changed last first. A file that cannot be read is left out."""
        with self._guard:
            found = self._known = self._readable(self._folder, self._known)
            return tuple(sorted((kept for _, kept in found.values()), key=lambda kept: kept.changed, reverse=True))

    def binned(self) -> tuple[Kept, ...]:
        """List what is in the bin, the one that was deleted last first. A file that cannot be read is left out."""
        with self._guard:
            found = self._known_in_bin = self._readable(self._bin, self._known_in_bin)
            newest_first = sorted(found.values(), key=lambda each: (each[0][0], each[1].changed), reverse=True)
            return tuple(kept for _, kept in newest_first)

    def damaged(self) -> tuple[str, ...]:
        """Name the files that cannot be read. They are left as they are."""
        with self._guard:
            readable = {kept.id for kept in self.all()}
            return tuple(sorted(path.name for path in self._folder.glob("*.json") if path.stem not in readable))

    def discard(self, file_name: str) -> None:
        """Put a damaged file into the bin, beside what may lie there under its name. Raises RunError for any other."""
        with self._guard, self._sentence_for_disk_trouble():
            if file_name not in self.damaged():
                raise RunError(f"There is no damaged {self._noun} '{file_name[:80]}'.", "Reload the page.")
            self._bin.mkdir(parents=True, exist_ok=True)
            taken = (self._bin / file_name).exists()
            target = f"{Path(file_name).stem}-{secrets.token_hex(3)}.json" if taken else file_name
            (self._folder / file_name).replace(self._bin / target)

    def get(self, id: str) -> Kept:
        """Open one. Raises RunError when there is none with this id, or it is damaged."""
        path = self._path(id)
        try:
            with self._guard:
                self._known[id] = self._look(path, self._known)
                return self._known[id][1]
        except FileNotFoundError as error:
            raise self._gone() from error
        except (OSError, codec.Damaged) as error:
            raise self._damaged(path) from error

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
                kept = replace(kept, id=self._new_id(now), created=now, revision=0)
            kept = replace(kept, changed=now, revision=kept.revision + 1, name=kept.name.strip()[:MOST_NAME])
            with self._sentence_for_disk_trouble():
                self._folder.mkdir(parents=True, exist_ok=True)
                write_whole(self._path(kept.id), codec.dumps(kept))
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
            path = self._move(self._folder, self._bin, id)
            with logged(log, "The time of deletion could not be set", OSError):
                os.utime(path, (now := self._clock(), now))

    def restore(self, id: str) -> Kept:
        """Take one back out of the bin and return it: with another id where its own was taken meanwhile.

        Raises RunError when it is not there, or damaged.
        """
        with self._guard:
            return self.get(self._move(self._bin, self._folder, id).stem)

    def empty_bin(self) -> int:
        """Delete all that is in the bin for good; return how many that were, damaged files included.

        Raises RunError when the disk does not let them go.
        """
        with self._guard:
            files = list(self._bin.glob("*.json"))
            try:
                for path in files:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise RunError(
                    f"The bin {self._bin} cannot be emptied: {error.strerror or error}.",
                    "Correct the permissions of the data folder.",
                ) from error
            return len(files)

    def in_bin(self) -> int:
        """Count the files in the bin, damaged ones included."""
        return sum(1 for _ in self._bin.glob("*.json"))

    def _move(self, source: Path, target: Path, id: str) -> Path:
        """Move one to another folder, where nothing is overwritten, and return its file there."""
        path = source / self._path(id).name
        with self._sentence_for_disk_trouble():
            if not path.is_file():
                raise self._gone()
            target.mkdir(parents=True, exist_ok=True)
            if not (target / path.name).exists():
                return path.replace(target / path.name)
            try:
                kept = self._look(path, {})[1]
            except codec.Damaged as error:
                raise self._damaged(path) from error
            kept = replace(kept, id=self._new_id(self._clock()))
            write_whole(target / f"{kept.id}.json", codec.dumps(kept))
            path.unlink()
            return target / f"{kept.id}.json"

    def _readable(self, folder: Path, known: dict[str, tuple[_Stamp, Kept]]) -> dict[str, tuple[_Stamp, Kept]]:
        """Read the files of a folder, by their ids, but for those that are damaged."""
        found: dict[str, tuple[_Stamp, Kept]] = {}
        for path in folder.glob("*.json"):
            try:
                found[path.stem] = self._look(path, known)
            except (OSError, codec.Damaged) as error:
                log.debug("%s is left out: %s", path, error, exc_info=True)
        return found

    def _look(self, path: Path, known: dict[str, tuple[_Stamp, Kept]]) -> tuple[_Stamp, Kept]:
        """Read a file unless it is as it is known. Raises OSError or Damaged."""
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        before = known.get(path.stem)
        if before is not None and before[0] == stamp:
            return before
        kept = codec.read(self._kind, path)
        if kept.id != path.stem or not _ID.fullmatch(kept.id):
            raise codec.Damaged("the file has the name of another")
        if not (0 <= kept.created <= LAST_TIME and 0 <= kept.changed <= LAST_TIME):
            raise codec.Damaged("it is of no time that can be shown")
        return stamp, kept

    def _gone(self) -> RunError:
        return RunError(f"This {self._noun} is no longer there.", "Choose another one from the list.")

    def _damaged(self, path: Path) -> RunError:
        return RunError(f"This {self._noun} cannot be read: {path.name} is damaged.", "Its file was left.")

    def _revision(self, id: str) -> int:
        with logged(log, "What is there cannot be read and counts as no revision", RunError):
            return self.get(id).revision
        return -1

    def _new_id(self, now: float) -> str:
        return f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(3)}"

    def _path(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise RunError(f"There is no {self._noun} '{id[:40]}'.", "Choose one from the list.")
        return self._folder / f"{id}.json"

    @contextlib.contextmanager
    def _sentence_for_disk_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"The {self._noun} cannot be written to {self._folder}: {error.strerror or error}.",
                DATA_FOLDER_HINT,
            ) from error
