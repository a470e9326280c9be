"""What of a data folder is mirrored, and what belongs together: a group is in the mirror whole, or as it was before.

A group is a run, a data set, a conversation: whatever is named in one of the folders below, in the data folder or in
that of an account in it. What is being written, what can be made again and what is secret is left out; nothing is
mirrored that is not named here. The record of an account is mirrored without its password and its code.
"""

import errno
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from studio import codec
from studio.events import LAST_TIME
from studio.files import hash_file, open_plain
from studio.homes import ACCOUNT_ID, ACCOUNTS, PEOPLE

log = logging.getLogger(__name__)

FOLDERS = ("datasets", "base-models", "conversations", "sheets", "votes", "runs", "bin")
FILES = ("queue.json",)
_SHELVES = frozenset({"datasets/.bin", "bin/conversations", "bin/sheets"})
"""Folders inside those above in which each thing is a group of its own."""

_OF_ALL = ("people", "shared", "usage")
"""Folders beside those of the accounts in which each file is a group: who there is, what is shared, what was used."""

_RECORD = re.compile(rf"{ACCOUNTS}/(?:bin/)?{PEOPLE}/{ACCOUNT_ID.pattern}\.json")
_SECRET = frozenset({"password", "code", "code_until"})
"""What of the record of an account stays here."""

PLACES = (*FOLDERS, ACCOUNTS, *(f"{ACCOUNTS}/{folder}" for folder in (*_OF_ALL, "bin", f"bin/{PEOPLE}")))
"""What may lie on a disk of its own, beside the folders of the accounts and those in them."""

TABLE = "manifest.json"
CONTENTS = "contents"
"""Where a mirror has its table, and the folder of all contents."""

OWN = ".mirror"
"""The mirror's own folder in the data folder."""

_CHECKPOINTS = "checkpoints"
_LEFT_OUT = frozenset({"exports", "tokens"})
_NOT_KEPT = (".lock", ".tmp", ".old")
GROWING = (".jsonl", ".log")
"""What is written line by line; of these a beginning is mirrored that ends with a line."""

_PIECE_BYTES = 2**20
_MOST_RECORD_BYTES = 100_000
_TURNS = "turns.json"
_NAME = re.compile(r"[^/\0\ud800-\udfff]{1,255}")
_DEEPEST = 12
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Kept:
    """One file of a group, by its path from the data folder; `changed` is in seconds since the epoch."""

    path: str
    size: int
    sha256: str
    changed: float


@dataclass(frozen=True)
class Group:
    """What belongs together, named by its path from the data folder."""

    name: str
    files: tuple[Kept, ...]


def is_group(name: str) -> bool:
    """Tell whether a path from the data folder is that of a group, and so lies inside it."""
    home, inside = home_in(name)
    if home == f"{ACCOUNTS}/":
        return _is_of_all(inside)
    if inside in FILES:
        return True
    folder, _, last = inside.rpartition("/")
    return (folder in FOLDERS or folder in _SHELVES) and _is_name(last) and inside not in _SHELVES


def home_in(name: str) -> tuple[str, str]:
    """Split the name of a group into the folder of its account, empty for the data folder's own, and the rest."""
    parts = name.split("/")
    if parts[0] != ACCOUNTS:
        return "", name
    for count in (2, 3):
        if len(parts) > count and ACCOUNT_ID.fullmatch(parts[count - 1]) and parts[1 : count - 1] in ([], ["bin"]):
            return "/".join(parts[:count]) + "/", "/".join(parts[count:])
    return f"{ACCOUNTS}/", "/".join(parts[1:])


def _is_of_all(name: str) -> bool:
    """Tell whether a path in the folder of the accounts is that of a file which is none of theirs."""
    folder, _, last = name.rpartition("/")
    if name == _TURNS:
        return True
    if folder in (PEOPLE, f"bin/{PEOPLE}"):  # only what is named so is mirrored without its secrets
        return _RECORD.fullmatch(f"{ACCOUNTS}/{name}") is not None
    return folder in _OF_ALL and _is_name(last) and last.endswith(".json")


def turn_to_come_back(name: str) -> int:
    """Say when a group comes back: after all that it names."""
    home, inside = home_in(name)
    if home == f"{ACCOUNTS}/":
        return 3 if PEOPLE in inside.split("/") else 2
    return 1 if inside in FILES else 0


def is_of_group(kept: Kept, group: str) -> bool:
    """Tell whether a file is one that a group of this name may hold: what comes from a mirror is not trusted."""
    if kept.size < 0 or not 0 <= kept.changed <= LAST_TIME or not _SHA256.fullmatch(kept.sha256):
        return False
    if kept.path == group:
        return True
    inside = kept.path.removeprefix(f"{group}/")
    parts = inside.split("/")
    return inside != kept.path and len(parts) <= _DEEPEST and all(map(_is_kept, parts))


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not name.startswith(".")


def _is_kept(name: str) -> bool:
    return _is_name(name) and not name.endswith(_NOT_KEPT) and name not in _LEFT_OUT


def group_names(home: Path) -> Iterator[str]:
    """Name the groups that a data folder has. Raises OSError when a folder cannot be read."""
    yield from _groups_in(home, "")
    if not _is_folder(home / ACCOUNTS):
        return
    if _is_file(home / ACCOUNTS / _TURNS):
        yield f"{ACCOUNTS}/{_TURNS}"
    has_bin = _is_folder(home / ACCOUNTS / "bin")
    for folder in (*_OF_ALL, *([f"bin/{PEOPLE}"] if has_bin else [])):
        for name in _names(home / ACCOUNTS / folder):
            if _is_of_all(f"{folder}/{name}"):
                yield f"{ACCOUNTS}/{folder}/{name}"
    for folder in (ACCOUNTS, *([f"{ACCOUNTS}/bin"] if has_bin else [])):
        for name in _names(home / folder):
            if ACCOUNT_ID.fullmatch(name) and _is_folder(home / folder / name):
                yield from _groups_in(home, f"{folder}/{name}/")


def _groups_in(home: Path, inside: str) -> Iterator[str]:
    """Name the groups in one folder that is laid out as a data folder, the data folder itself or an account's."""
    for name in FILES:
        if _is_file(home / inside / name):
            yield f"{inside}{name}"
    for folder in (*FOLDERS, *sorted(_SHELVES)):
        if "/" in folder and not _is_folder((home / inside / folder).parent):  # the data folder itself may be a link
            continue
        for name in _names(home / inside / folder):
            if is_group(f"{inside}{folder}/{name}") and not name.endswith(_NOT_KEPT):
                yield f"{inside}{folder}/{name}"


@dataclass(frozen=True)
class Place:
    """Which folder of the disk one of the folders above is, so that another in its place can be told."""

    device: int
    inode: int
    is_of_its_own: bool
    """Whether it lies on another disk than the data folder."""


def place_of(home: Path, folder: str) -> Place | None:
    """Look where a folder of the data folder is; None for none, or a link. Raises OSError when it cannot be looked."""
    try:
        found, around = (home / folder).lstat(), home.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return None
    return Place(found.st_dev, found.st_ino, found.st_dev != around.st_dev)


def places_of_accounts(names: Iterable[str]) -> tuple[str, ...]:
    """Name the folders of all accounts whose records are among these groups; each comes before those in it."""
    records = filter(_RECORD.fullmatch, names)
    homes = [record.removesuffix(".json").replace(f"/{PEOPLE}/", "/") for record in records]
    return tuple(place for home in homes for place in (home, *(f"{home}/{folder}" for folder in FOLDERS)))


def account_of(name: str) -> str:
    """Say which account a group is of, its record too; empty where it is of none."""
    home, inside = home_in(name)
    id = PurePosixPath(inside).stem if home == f"{ACCOUNTS}/" else PurePosixPath(home).name
    return id if ACCOUNT_ID.fullmatch(id) else ""


class Reader:
    """Reads the groups of a data folder, and of each file only what has changed since it was read last.

    What is new is put aside under its hash, so that it stays as it was read while it is sent.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._aside = home / OWN / "aside"
        self._known: dict[str, tuple[tuple[int, int, int], Kept]] = {}
        shutil.rmtree(self._aside, ignore_errors=True)

    def read(self, name: str) -> Group | None:
        """Read a group; None where it went, or a part of it, while it was read. Raises OSError for other trouble.

        First the checkpoints of a run, then what its worker said, then the rest: so what was said never speaks of a
        result that is not there.
        """
        try:
            files = tuple(self._read(path) for path in sorted(self._paths(name), key=_turn))
        except (FileNotFoundError, NotADirectoryError):
            log.debug("%s changed while it was read", name, exc_info=True)
            return None
        return Group(name, files) if files else None

    def aside(self, kept: Kept) -> Path:
        """Say where the content of a file lies that was read by this reader and not let go."""
        return self._aside / kept.sha256

    def take_aside(self, kept: Kept) -> Path:
        """Put a file's content aside again that is not there any more. Raises OSError when it has changed."""
        target = self.aside(kept)
        if not target.exists():
            self._known.pop(kept.path, None)
            if self._read(kept.path).sha256 != kept.sha256:
                raise FileNotFoundError(kept.path)
        return target

    def let_go(self) -> None:
        """Delete what was put aside, and forget what is there no more."""
        shutil.rmtree(self._aside, ignore_errors=True)
        self._known = {path: known for path, known in self._known.items() if os.path.exists(self._home / path)}

    def _paths(self, name: str) -> Iterator[str]:
        top = self._home / name
        if not _is_folder(top):
            if _is_file(top):
                yield name
            return
        # The checkpoints are listed before anything else is: one that comes later waits for the next time.
        yield from self._below(PurePosixPath(name) / _CHECKPOINTS, _DEEPEST - 1)
        for found in self._below(PurePosixPath(name), _DEEPEST):
            if not found.startswith(f"{name}/{_CHECKPOINTS}/"):
                yield found

    def _below(self, folder: PurePosixPath, levels: int) -> Iterator[str]:
        if not levels:
            log.warning("'%s' lies too deep to be mirrored", folder)
            return
        for name in _names(self._home / folder):
            path = folder / name
            if not _is_kept(name):
                continue
            mode = (self._home / path).lstat().st_mode
            if stat.S_ISDIR(mode):
                yield from self._below(path, levels - 1)
            elif stat.S_ISREG(mode):
                yield path.as_posix()

    def _read(self, path: str) -> Kept:
        source = self._home / path
        found = source.stat()
        stamp = found.st_mtime_ns, found.st_ino, found.st_size
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        self._aside.mkdir(parents=True, exist_ok=True)
        temporary = self._aside / "reading"
        temporary.unlink(missing_ok=True)
        if path.endswith(GROWING):
            _copy_lines(source, temporary, found.st_size)
        elif _RECORD.fullmatch(path):
            _copy_record(source, temporary)
        else:
            _link(source, temporary)
        digest = hash_file(temporary)
        kept = Kept(path, temporary.stat().st_size, digest, min(max(0.0, found.st_mtime), LAST_TIME))
        os.replace(temporary, self._aside / digest)
        temporary.unlink(missing_ok=True)  # a link to the same file is left where it is
        self._known[path] = stamp, kept
        return kept


def _turn(path: str) -> int:
    if f"/{_CHECKPOINTS}/" in path:
        return 0
    return 1 if path.endswith(GROWING) else 2


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder)) if _is_folder(folder) else []
    except FileNotFoundError:
        return []


def _is_folder(path: Path) -> bool:
    """Tell whether a path is a folder. A link to one is none: what it points to may be anybody's."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _link(source: Path, target: Path) -> None:
    """Keep a file that is written whole as it is now: it may be replaced or deleted, and is never changed."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        log.debug("The disk of %s has no links", source, exc_info=True)
        shutil.copyfile(source, target)


def _copy_record(source: Path, target: Path) -> None:
    """Copy the record of an account without what opens it. Raises OSError for one that cannot be read."""
    try:
        record = codec.parse_file(source, most_bytes=_MOST_RECORD_BYTES)
    except codec.Damaged as error:
        raise OSError(errno.EIO, "its record is damaged") from error
    if not isinstance(record, dict):
        raise OSError(errno.EIO, "its record is damaged")
    target.write_text(codec.dumps({name: record[name] for name in sorted(record.keys() - _SECRET)}), encoding="utf-8")


def _copy_lines(source: Path, target: Path, size: int) -> None:
    """Copy the whole lines among the first `size` bytes."""
    with open_plain(source) as file, target.open("wb") as copy:
        left, end, place = size, 0, 0
        while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
            copy.write(piece)
            if b"\n" in piece:
                end = place + piece.rfind(b"\n") + 1
            place += len(piece)
            left -= len(piece)
        copy.truncate(end)
