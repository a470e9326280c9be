"""Keeps a mirror as the data folder is, and brings the data folder back on an empty disk.

<home>/.mirror/home.json     which mirror this folder is kept in, and whether all of it was brought back
               aside/        what is being sent
               back/         what is being brought back

A folder that was not brought back whole is never mirrored: what is missing on the disk would be deleted there.
"""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from studio import codec
from studio.errors import MirrorError
from studio.files import disk_trouble, hash_file, open_plain, write_whole
from studio.homes import ACCOUNTS, PEOPLE
from studio.mirror.bucket import Store
from studio.mirror.contents import (
    GROWING,
    OWN,
    PLACES,
    Group,
    Kept,
    Place,
    Reader,
    account_of,
    group_names,
    home_in,
    place_of,
    places_of_accounts,
    turn_to_come_back,
)
from studio.mirror.manifest import Manifest, read_manifest, write_manifest
from studio.mirror.state import BRINGING_BACK, COPYING
from studio.wording import size

AT_ONCE_BYTES = 64 * 2**20
AT_ONCE_FILES = 200
"""So much is sent or fetched before the next look; a larger file goes alone."""

GONE_SECONDS = 600.0
GONE_LOOKS = 3
"""What vanished from the folder is deleted from the mirror when it was gone for so long, in so many looks: a disk that
was lost for a moment asks for no deletion."""

MOST_GROUPS_EACH = 10_000
MOST_TABLE_BYTES_EACH = 8 * 2**20
"""So much of the table is for one account: one that fills it must not stop the mirror of all."""

SPARE_BYTES = 2**30
_MOST_TABLE_BYTES = 64 * 2**20
_MOST_TRIES = 5
"""So often a copy begins again because an older studio wrote meanwhile: by then that one knows that it is to stop."""

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class TakenOver(MirrorError):
    """A newer studio keeps its data in this mirror now."""


class _Overwritten(Exception):
    """The table was not what it was thought to be. What is there is known now."""


@dataclass(frozen=True)
class _Home:
    """What a data folder knows of its mirror. `name` is one that no other folder has, `generation` as in `Manifest`.

    `apart` are the folders in it that lay on a disk of their own.
    """

    target: str
    name: str
    is_whole: bool
    generation: int = 0
    apart: tuple[str, ...] = ()


Tell = Callable[[str, int, int], None]
"""Hears what is done, and how many bytes of how many are through."""


class Mirror:
    """The mirror of one data folder. `target` names it in sentences."""

    def __init__(
        self,
        home: Path,
        store: Store,
        *,
        target: str,
        tell: Tell = lambda what, done, total: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home = home
        self._store = store
        self._target = target
        self._tell = tell
        self._clock = clock
        self._reader = Reader(home)
        self._table: Manifest | None = None
        self._version = ""
        self._there: set[str] | None = None
        self._unread: dict[str, str] = {}
        self._gone: dict[str, tuple[float, int]] = {}
        """Since when a group is gone, and in how many looks it was."""
        self._places: dict[str, Place] = {}
        self._too_much: dict[str, int] = {}
        """How many groups of an account were left as they were in the mirror because they are too many."""
        self._lost: set[str] = set()
        """Folders that are not where they were."""
        self._links: tuple[str, ...] = ()
        """Folders in whose place a link lies."""

    @property
    def is_ready(self) -> bool:
        """Whether the folder is whole, so that it may be mirrored."""
        return self._table is not None

    @property
    def trouble(self) -> MirrorError | None:
        """What the last copy left as it was in the mirror because it cannot be read, or is not where it was."""
        for folder in sorted(self._links):
            return MirrorError(
                f"'{folder}' in the data folder is a link to another place, so what is in it is not copied.",
                "Put the folder itself there, or mount its disk there. In the mirror it is as it was before.",
            )
        for folder in sorted(self._lost):
            return MirrorError(
                f"The folder '{folder}' in the data folder is not the one that was copied: what was in it is gone.",
                "Bring its disk back. In the mirror it is as it was before; everything else is copied.",
            )
        for home, count in sorted(self._too_much.items()):
            return MirrorError(
                f"'{home}' in the data folder holds more than is copied of one account: {count:,} things are left out.",
                "Delete there what is no longer needed. Everything else is copied.",
            )
        if not self._unread:
            return None
        name, reason = next(iter(self._unread.items()))
        more = len(self._unread) - 1
        return MirrorError(
            f"'{name}' and {more} more cannot be read: {reason}." if more else f"'{name}' cannot be read: {reason}.",
            "In the mirror it is as it was before; everything else is copied.",
        )

    def bring_back(self) -> None:
        """Bring back what the mirror has and the folder has not; nothing that is there is changed. May be repeated.

        Raises MirrorError, and TakenOver where this folder was mirrored there before and a newer one has been since.
        """
        self._store.prepare()
        with disk_trouble("The mirror", self._home, MirrorError):
            (self._home / OWN).mkdir(parents=True, exist_ok=True)
        kept = self._read_home()
        if kept is None or kept.target != self._target:
            kept = _Home(self._target, secrets.token_hex(16), is_whole=False)
            self._write_home(kept)
        table, version = self._fetch_table()
        if kept.is_whole and table is not None and _is_newer(table, kept):
            raise self._taken_over()
        if table is not None and not (kept.is_whole and table.writer == kept.name):
            self._bring_groups_back(table, table.groups)
        if not kept.is_whole:
            generation = table.generation + 1 if table is not None else 1
            self._write_home(replace(kept, is_whole=True, generation=generation))
        self._table, self._version = table or Manifest(), version

    def copy(self) -> bool:
        """Make the mirror as the folder is now; say whether anything had changed.

        Raises MirrorError; what was sent by then is not sent again. Call `bring_back` before.
        """
        kept = self._read_home()
        if self._table is None or kept is None or not kept.is_whole or kept.target != self._target:
            self._table = None
            raise MirrorError(
                f"The data folder {self._home} was emptied while the studio ran, so it is not copied any more.",
                "Nothing in the mirror was changed: everything comes back from there.",
            )
        try:
            return self._copy_in_tries(kept)
        except OSError as error:
            raise MirrorError(
                f"The data folder cannot be copied: {error.strerror or error}.", "Nothing in the mirror was deleted."
            ) from error
        finally:
            self._reader.let_go()

    def _copy_in_tries(self, kept: _Home) -> bool:
        for _ in range(_MOST_TRIES):
            try:
                return self._copy(kept)
            except _Overwritten:
                log.info("The table in %s was another; the copy begins again", self._target, exc_info=True)
        raise MirrorError(f"What {self._target} holds changes all the time.", "It is tried again.")

    def _copy(self, kept: _Home) -> bool:
        assert self._table is not None
        takes_over = self._table.writer != kept.name
        if takes_over and self._version:
            # Said before all is read, which may take minutes: the studio before this one stops when it sees it.
            self._write_table(self._table.groups, kept, written=self._table.written)
        before = {group.name: group for group in self._table.groups}
        now = self._look(before, kept)
        if now == before and self._table.writer == kept.name:
            return takes_over
        self._ensure_known(kept)
        if self._there is None:
            self._there = self._store.contents()
        table = {name: group for name, group in before.items() if name in now}
        changed = [group for name, group in now.items() if before.get(name) != group]
        self._send(table, changed, kept)
        unused = self._there - self._table.contents().keys()
        if unused:
            self._ensure_known(kept)
            self._store.delete(unused)
            self._there -= unused
        return True

    def _look(self, before: dict[str, Group], home: _Home) -> dict[str, Group]:
        """Read all groups. What cannot be read, or changes meanwhile, is as it was before."""
        unread, self._unread = self._unread, {}
        now: dict[str, Group] = {}
        for name in group_names(self._home):
            try:
                group = self._reader.read(name) or (before.get(name) if (self._home / name).exists() else None)
            except OSError as error:
                log.log(logging.DEBUG if name in unread else logging.WARNING, "%s: %s", name, error, exc_info=True)
                self._unread[name] = error.strerror or str(error)
                group = before.get(name)
            if group is not None:
                now[name] = group
        self._keep_lost(before, now, home)
        self._keep_vanished(before, now)
        self._leave_out_too_much(before, now)
        return now

    def _leave_out_too_much(self, before: dict[str, Group], now: dict[str, Group]) -> None:
        """Have what is new or grown of an account be as it was before where the account has its part of the table."""
        known, self._too_much = self._too_much, {}
        held: dict[str, tuple[int, int]] = {}
        news = []
        for name, group in now.items():
            home = home_in(name)[0]
            if home in ("", f"{ACCOUNTS}/"):
                continue
            if group != before.get(name):
                news.append((home, group))
            if name in before:
                groups, taken = held.get(home, (0, 0))
                held[home] = groups + 1, taken + _table_bytes(before[name])
        for home, group in news:
            old = before.get(group.name)
            groups, taken = held.get(home, (0, 0))
            more = _table_bytes(group) - (_table_bytes(old) if old is not None else 0)
            groups += old is None
            if (old is None and groups > MOST_GROUPS_EACH) or (more > 0 and taken + more > MOST_TABLE_BYTES_EACH):
                self._too_much[home[:-1]] = self._too_much.get(home[:-1], 0) + 1
                if old is None:
                    del now[group.name]
                else:
                    now[group.name] = old
            else:
                held[home] = groups, taken + more
        for home in self._too_much.keys() - known.keys():
            log.warning("%s holds more than is copied of one account", home)

    def _keep_lost(self, before: dict[str, Group], now: dict[str, Group], home: _Home) -> None:
        """Have all that is missing of a folder stay that is not the one it was: its disk is lost, or it was moved.

        Nobody asked for a deletion by that, however long it lasts.
        """
        known, self._lost, links = self._lost, set(), set()
        apart = set(home.apart)
        gone = [name for name in before if name not in now]

        def keep(folder: str) -> None:
            around = folder.rpartition("/")[0]
            if around in links or around in self._lost:
                return  # with all that is in it
            if (self._home / folder).is_symlink():
                links.add(folder)
            place, was = place_of(self._home, folder), self._places.get(folder)
            missing = [name for name in gone if name.startswith(f"{folder}/")]
            is_another = place is None or (was or place) != place or (folder in apart and not place.is_of_its_own)
            if missing and is_another:
                self._lost.add(folder)
                now.update((name, before[name]) for name in missing)
                if folder not in known:
                    log.warning("%s is not where it was; %s of it stay in %s", folder, len(missing), self._target)
            elif place is not None:
                self._places[folder] = place
                (apart.add if place.is_of_its_own else apart.discard)(folder)

        for folder in PLACES:
            keep(folder)
        # An account without a record was deleted, or moved: its folder is not lost.
        of_accounts = places_of_accounts(tuple(now))
        for folder in of_accounts:
            keep(folder)
        self._links = tuple(links)
        there = {*PLACES, *of_accounts}
        self._places = {folder: place for folder, place in self._places.items() if folder in there}
        apart &= there
        if apart != set(home.apart):
            self._write_home(replace(home, apart=tuple(sorted(apart))))

    def _keep_vanished(self, before: dict[str, Group], now: dict[str, Group]) -> None:
        """Have what vanished stay for a while, unless something new has its name: that was moved, as to the Trash.

        What was of an account that was deleted for good, and a link that was revoked, goes at once: a studio that wakes
        from the mirror must not have them again.
        """
        moved = {_last(name) for name in now.keys() - before.keys()}
        gone = [name for name in before if name not in now and _last(name) not in moved]
        seen, self._gone = self._gone, {}
        knows_people = any(name.startswith(f"{ACCOUNTS}/{PEOPLE}/") for name in now)
        for name in gone:
            since, looks = seen.get(name, (self._clock(), 0))
            self._gone[name] = since, looks + 1
            waits = self._clock() - since < GONE_SECONDS or looks + 1 < GONE_LOOKS
            if waits and not (knows_people and self._is_of_nobody(name)):
                now[name] = before[name]
            if not looks:
                log.info("%s is gone; if it stays so, it is deleted from the mirror", name)

    def _is_of_nobody(self, name: str) -> bool:
        """Tell whether what vanished is a link, or of an account that has no record here any more."""
        id, people = account_of(name), f"{PEOPLE}/{account_of(name)}.json"
        records = (self._home / ACCOUNTS / people, self._home / ACCOUNTS / "bin" / people)
        return name.startswith(f"{ACCOUNTS}/shared/") or (bool(id) and not any(map(os.path.lexists, records)))

    def _send(self, table: dict[str, Group], changed: Iterable[Group], home: _Home) -> None:
        """Send what is new of the changed groups, those with little first, and a table after every batch of them."""
        ordered = sorted(changed, key=lambda group: sum(kept.size for kept in self._missing([group])))
        total, done = sum(kept.size for kept in self._missing(ordered)), 0
        for groups in _batches(ordered, lambda group: sum(kept.size for kept in self._missing([group]))):
            whole = [group for group in groups if self._put_aside(group)]
            for files in _batches(self._missing(whole), lambda kept: kept.size):
                self._tell(COPYING, done, total)
                self._put(files)
                done += sum(kept.size for kept in files)
            table.update((group.name, group) for group in whole)
            self._write_table(table.values(), home)
        if not ordered:
            self._write_table(table.values(), home)

    def _missing(self, groups: Iterable[Group]) -> list[Kept]:
        found = {kept.sha256: kept for group in groups for kept in group.files if kept.size}
        return [kept for sha256, kept in found.items() if sha256 not in (self._there or ())]

    def _put_aside(self, group: Group) -> bool:
        """Have all that is to be sent of a group lie there unchanged; where it has changed, its turn is the next."""
        try:
            for kept in self._missing([group]):
                self._reader.take_aside(kept)
        except FileNotFoundError:
            log.debug("%s changed before it was sent", group.name, exc_info=True)
            return False
        except OSError as error:
            log.warning("%s: %s", group.name, error, exc_info=True)
            self._unread[group.name] = error.strerror or str(error)
            return False
        return True

    def _put(self, files: Sequence[Kept]) -> None:
        assert self._there is not None
        try:
            self._store.put({kept.sha256: self._reader.aside(kept) for kept in files})
        except BaseException:
            self._there = None  # whether it arrived is looked up
            raise
        self._there.update(kept.sha256 for kept in files)

    def _write_table(self, groups: Iterable[Group], home: _Home, *, written: float | None = None) -> None:
        at = self._clock() if written is None else written
        table = Manifest(home.name, at, tuple(sorted(groups, key=lambda group: group.name)), home.generation)
        if self._table is not None:
            table = replace(table, strange=self._table.strange)
        content = write_manifest(table)
        self._ensure_readable(content)
        self._ensure_known(home)
        path = self._home / OWN / "table.json"
        path.write_bytes(content)
        self._store.put_table(path)
        self._table, self._version = table, self._store.version()

    def _ensure_readable(self, content: bytes) -> None:
        try:
            read_manifest(content)
        except codec.Damaged as error:
            raise MirrorError(
                f"A table of all that is in the data folder could not be read again: {error}.",
                f"What {self._target} held before is still there. Delete what you do not need here.",
            ) from error

    def _ensure_known(self, home: _Home) -> None:
        """Raises _Overwritten where the table is another than was known, and TakenOver where a newer studio wrote it.

        What an older studio added to it is brought back first: a Space that restarts may write beside its follower.
        """
        if self._store.version() == self._version:
            return
        table, version = self._fetch_table()  # what was written may have arrived though nobody heard
        if table is not None and _is_newer(table, home):
            self._table = None
            raise self._taken_over()
        if table is not None and table.writer != home.name:
            known = set(self._table.groups) if self._table is not None else set()
            self._bring_groups_back(table, [group for group in table.groups if group not in known])
        self._table, self._version, self._there = table or Manifest(), version, None
        raise _Overwritten

    def _taken_over(self) -> TakenOver:
        return TakenOver(
            f"Another studio keeps its data in {self._target} now, so this one has stopped to copy there.",
            "Give each studio a bucket of its own. To go on here with what is kept there, empty the data folder.",
        )

    def _fetch_table(self) -> tuple[Manifest | None, str]:
        path = self._home / OWN / "table.json"
        path.unlink(missing_ok=True)
        version = self._store.version()
        if not self._store.table(path):
            return None, ""
        try:
            with open_plain(path) as file:
                table = read_manifest(file.read(_MOST_TABLE_BYTES))
        except codec.Damaged as error:
            raise MirrorError(
                f"The table of what {self._target} holds cannot be read: {error}.",
                "Nothing there was changed. Name another bucket to start new.",
            ) from error
        for group in table.strange:
            log.warning("The mirror names strange files in %r, which stay there", group.name[:80])
        return table, version

    def _bring_groups_back(self, table: Manifest, wanted: Iterable[Group]) -> None:
        missing = [group for group in wanted if not (self._home / group.name).exists()]
        groups = sorted(missing, key=lambda group: turn_to_come_back(group.name))
        total = sum(Manifest(groups=tuple(groups)).contents().values())
        self._ensure_room(total)
        back, done = self._home / OWN / "back", 0
        age = max(0.0, self._clock() - table.written)
        with disk_trouble("What comes back", self._home, MirrorError):
            for batch in _batches(groups, lambda group: sum(kept.size for kept in group.files)):
                shutil.rmtree(back, ignore_errors=True)
                back.mkdir()
                contents = {kept.sha256: kept for group in batch for kept in group.files if kept.size}
                for files in _batches(contents.values(), lambda kept: kept.size):
                    self._tell(BRINGING_BACK, min(done, total), total)
                    self._fetch(files, back)
                    done += sum(kept.size for kept in files)
                for group in batch:
                    self._place(group, back, age=age)
            shutil.rmtree(back, ignore_errors=True)

    def _fetch(self, files: Sequence[Kept], back: Path) -> None:
        self._store.fetch({kept.sha256: back / kept.sha256 for kept in files})
        for kept in files:
            if hash_file(back / kept.sha256) != kept.sha256:
                raise MirrorError(f"'{kept.path}' in {self._target} is not what was kept there.", "It is tried again.")

    def _place(self, group: Group, back: Path, *, age: float) -> None:
        """Build a group beside its place, and move it there whole."""
        built = back / "built"
        for kept in group.files:
            path = built / kept.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if not kept.size:
                path.touch()
            elif kept.path.endswith(GROWING):
                shutil.copyfile(back / kept.sha256, path)  # others of the same content must not grow with it
            else:
                os.link(back / kept.sha256, path)
            # How long a log is silent tells whether its run was at work: sleep does not count.
            changed = kept.changed + (age if kept.path.endswith(".log") else 0.0)
            os.utime(path, (changed, changed))
        source, target = built / group.name, self._home / group.name
        if target.parent.name == "runs":
            (source / "exports").mkdir(exist_ok=True)
        if group.name.startswith(f"{ACCOUNTS}/"):
            (self._home / ACCOUNTS).mkdir(mode=0o700, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.rename(source, target)

    def _ensure_room(self, total: int) -> None:
        free = shutil.disk_usage(self._home).free
        if total + SPARE_BYTES > free:
            raise MirrorError(
                f"{size(total)} are kept in {self._target}, and the disk of the data folder has {size(free)} free.",
                "Give it more room. Nothing in the mirror was changed.",
            )

    def _read_home(self) -> _Home | None:
        try:
            return codec.read(_Home, self._home / OWN / "home.json")
        except (OSError, codec.Damaged):
            log.debug("The data folder does not know its mirror", exc_info=True)
            return None

    def _write_home(self, kept: _Home) -> None:
        with disk_trouble("The mirror", self._home, MirrorError):
            write_whole(self._home / OWN / "home.json", codec.dumps(kept))


def was_brought_back(home: Path, target: str) -> bool:
    """Tell whether a data folder has had all that a mirror of this name holds."""
    try:
        kept = codec.read(_Home, home / OWN / "home.json")
    except (OSError, codec.Damaged):
        log.debug("The data folder does not know its mirror", exc_info=True)
        return False
    return kept.is_whole and kept.target == target


def _is_newer(table: Manifest, home: _Home) -> bool:
    """Tell whether a data folder that took the mirror over later wrote a table; of two at once, one is the later."""
    return table.writer != home.name and (table.generation, table.writer) > (home.generation, home.name)


def _table_bytes(group: Group) -> int:
    """Estimate how much of a table a group takes."""
    return 40 + len(group.name.encode()) + sum(160 + len(kept.path.encode()) for kept in group.files)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _batches(items: Iterable[Item], bytes_of: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Cut a sequence into pieces of at most so many bytes and items; what is larger is alone."""
    batch: list[Item] = []
    held = 0
    for item in items:
        if batch and (held + bytes_of(item) > AT_ONCE_BYTES or len(batch) >= AT_ONCE_FILES):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += bytes_of(item)
    if batch:
        yield batch
