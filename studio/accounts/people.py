"""The accounts of a studio, kept on disk: who there is, what each may do, and how each is known.

<home>/accounts/people/<id>.json         an account, always written whole
<home>/accounts/bin/people/<id>.json     one that was removed, until it is deleted for good
<home>/accounts/<id>/                    what the account made, see `studio.homes`
<home>/accounts/bin/<id>/                the same of one that was removed
<home>/accounts/people.lock              held while accounts are changed

The record decides: where a server was killed in the middle, `recover` puts each folder where its record is.
"""

import contextlib
import itertools
import logging
import re
import shutil
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from studio.accounts import secrets
from studio.accounts.links import Links
from studio.errors import ConfigError, RunError, TooMany
from studio.files import disk_trouble, move_to_free_name
from studio.homes import ACCOUNT_ID, ACCOUNTS, API_KEY, PEOPLE, account_home
from studio.keeping import KeptFiles
from studio.logs import logged
from studio.runs import lock

OWNER, MEMBER, GUEST = "owner", "member", "guest"
ROLES = (OWNER, MEMBER, GUEST)
"""An owner makes and removes accounts, a member uses the studio, a guest looks and compares."""

CODE_SECONDS = 7 * 24 * 3600.0
"""So long a one-time code opens the door."""

TO_TRASH, FOR_GOOD = "trash", "nowhere"
"""Where an account goes that is being removed."""

LONGEST_NAME = 64
MOST_PEOPLE = 2000

_NAME = re.compile(r"[^\W_][\w.@+-]*")
_GOING = ".going-"
"""So begins the name of the record of an account that was deleted for good. It stays for a while."""

_LATE_SECONDS = 3600.0
"""So long what was still at work for a deleted account may write into its folder: that is deleted as well."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """One account. Times are in seconds since the epoch.

    `id` never changes, `name` is what its person signs in with. `is_first` is the owner whose things are the studio's
    own data folder, as they were before there were accounts. `password` and `code` are hashes, empty where there is
    none. `serial` grows with each new password or code, and ends the sessions of before. `leaving` is `TO_TRASH` or
    `FOR_GOOD` while the account is being removed: it may do nothing then, and its password still is what it was. `hub`
    is the id of its person on the Hugging Face Hub, who signs in there; `visits` is true for one that a visitor without
    an account was given for a while.
    """

    id: str = ""
    name: str = ""
    role: str = MEMBER
    is_first: bool = False
    password: str = ""
    code: str = ""
    code_until: float = 0.0
    serial: int = 0
    leaving: str = ""
    hub: str = ""
    visits: bool = False
    seen: float = 0.0
    created: float = 0.0
    changed: float = 0.0
    revision: int = 0

    @property
    def is_owner(self) -> bool:
        """Whether it may make and remove accounts."""
        return self.role == OWNER


class People:
    """The accounts of one studio, for any number of threads and processes."""

    def __init__(self, home: Path, *, clock: Callable[[], float] = time.time) -> None:
        """`home` is the studio's own data folder."""
        self._home = home
        self._folder = home / ACCOUNTS
        self._clock = clock
        self._kept = KeptFiles(self._folder, PEOPLE, Account, noun="account", clock=clock)
        self._guard = threading.RLock()

    def all(self) -> tuple[Account, ...]:
        """List the accounts by name."""
        return tuple(sorted(self._kept.all(), key=lambda each: each.name.casefold()))

    def first(self) -> Account:
        """Return the owner's account, whose folder is the studio's own. Raises RunError when it cannot be read."""
        for account in self._kept.all():
            if account.is_first:
                return account
        raise RunError(
            f"The first owner's account is not in {self._folder / PEOPLE}, or its file is damaged.",
            "Put the file back from a copy. To do without accounts, start the studio with STUDIO_ACCOUNTS=0.",
        )

    def removed(self) -> tuple[Account, ...]:
        """List the accounts that were removed, the last one first."""
        return self._kept.binned()

    def find(self, id: str) -> Account | None:
        """Return the account with an id; None where there is none, or it cannot be read."""
        if not ACCOUNT_ID.fullmatch(id):
            return None
        with logged(log, "An account is not there, or cannot be read", RunError):
            return self._kept.get(id)
        return None

    def named(self, name: str) -> Account | None:
        """Return the account with a name, in whatever case it is written; None where there is none."""
        wanted = plain_name(name)
        return next((each for each in self._kept.all() if plain_name(each.name) == wanted), None)

    def get(self, name: str) -> Account:
        """Return the account with a name. Raises RunError when there is none."""
        account = self.named(name)
        if account is None:
            raise RunError(f"There is no account named '{name[:LONGEST_NAME]}'.", "Choose one that there is.")
        return account

    def home_of(self, account: Account) -> Path:
        """Return the data folder of an account."""
        return self._home if account.is_first else account_home(self._home, account.id)

    def add(self, name: str, role: str = "") -> tuple[Account, str]:
        """Make an account, and return it with the one-time code for its first sign-in.

        The first one is the owner's, and has the studio's own data folder. Raises ConfigError for a name that is none
        or is taken and for an unknown role, RunError when the disk does not take it.
        """
        name = _checked_name(name)
        with self._changing():
            self._require_readable()
            people = self._kept.all()
            if any(plain_name(each.name) == plain_name(name) for each in people):
                raise ConfigError(f"There is an account named '{name}' already.", "Choose another name.")
            self._require_room(people)
            is_first = not any(each.is_first for each in (*people, *self._kept.binned()))
            role = _checked_role(role or (OWNER if is_first else MEMBER))
            if is_first and role != OWNER:
                raise ConfigError("The first account is the owner's.", f"Add '{name}' without a role, then the others.")
            return self._with_code(Account(name=name, role=role, is_first=is_first))

    def from_hub(self, id: str, name: str, *, author: str = "", role: str = MEMBER) -> Account:
        """Return the account of somebody whom the Hub names, and make one with a role at their first sign-in.

        `id` is what the Hub knows them by for good. `author` is the name on the Hub of who the studio belongs to: the
        first owner's account is theirs, and belongs to their id from then on, whoever has that name later. Where they
        had signed in before the studio was told, their account of then stays without them. Raises
        RunError for somebody whose account was removed, and ConfigError when there are too many.
        """
        is_author = bool(author) and name.isascii() and name.casefold() == author.casefold()
        with self._changing():
            self._require_readable()
            people = self._kept.all()
            found = next((each for each in people if each.hub == id), None)
            if (found is not None and found.leaving) or any(each.hub == id for each in self._kept.binned()):
                raise RunError("Your account here was removed.", "Ask the owner of this studio.")
            first = next((each for each in people if each.is_first and not each.hub), None)
            if is_author and first is not None:
                if found is not None:
                    self._part_from_hub(found, [each for each in people if each.id != found.id])
                    people = self._kept.all()
                found = first
            if found is None:
                self._require_room(people)
                found = Account(role=_checked_role(role))
            others = {plain_name(each.name) for each in people if each.id != found.id}
            return self._kept.save(replace(found, hub=id, name=_free_name(name, id, others), seen=self._clock()))

    def _part_from_hub(self, account: Account, others: Collection[Account]) -> None:
        """Take an account from its person on the Hub, who has another one from now on; its sessions end."""
        name = _free_name(
            f"{account.name[: LONGEST_NAME - 16]}-before", account.id, {plain_name(each.name) for each in others}
        )
        self._kept.save(replace(account, hub="", name=name, serial=account.serial + 1))

    def add_visitor(self, *, most: int) -> Account:
        """Make the account of a visitor without one, as a guest. Raises TooMany when there are so many already."""
        with self._changing():
            self._require_readable()
            people = self._kept.all()
            self._require_room(people)
            if sum(each.visits for each in people) >= most:
                raise TooMany(f"{most:,} visitors look around already.", "Try again later, or sign in.")
            others = {plain_name(each.name) for each in people}
            name = next(name for name in map("visitor-{}".format, itertools.count(1)) if plain_name(name) not in others)
            return self._kept.save(Account(name=name, role=GUEST, visits=True, seen=self._clock()))

    def reset(self, id: str) -> tuple[Account, str]:
        """Forget the password of an account and its key for programs, end its sessions, and return it with a new
        one-time code.

        Raises RunError when there is no such account, or the disk does not take it.
        """
        with self._changing():
            account = self._kept.get(id)
            self._forget_key(account)
            return self._with_code(account)

    def choose_password(self, id: str, password: str) -> Account:
        """Set the password of an account; its code is used up, and sessions of before end, as does its key for programs
        where there was another password.

        Raises ConfigError for a password that is too easy, RunError as `reset` does.
        """
        account = self._kept.get(id)
        secrets.check_password(password, account.name)
        hashed = secrets.hash_password(password)
        if account.password:
            self._forget_key(account)
        return self._change(
            id,
            lambda now: replace(
                now, password=hashed, code="", code_until=0.0, serial=now.serial + 1, seen=self._clock()
            ),
        )

    def give_role(self, id: str, role: str) -> Account:
        """Give an account another role. Raises ConfigError for an unknown one, RunError for that of the first owner."""
        _checked_role(role)
        if self._kept.get(id).is_first and role != OWNER:
            raise RunError("The first owner stays one: the studio's own folder is theirs.", "Leave the role as it is.")
        return self._change(id, lambda now: replace(now, role=role, visits=False))

    def note_seen(self, id: str) -> None:
        """Remember that an account signed in just now."""
        with logged(log, "When an account was seen last could not be written", RunError, level=logging.INFO):
            self._change(id, lambda now: replace(now, seen=self._clock()))

    @property
    def bin(self) -> Path:
        """Where removed accounts lie until they are deleted for good."""
        return self._folder / "bin"

    def require_removable(self, account: Account) -> None:
        """Raise RunError for the first owner."""
        if account.is_first:
            raise RunError(
                f"'{account.name}' is the first owner, whose things are the studio's own folder.",
                "It cannot be removed. To do without accounts, start the studio with STUDIO_ACCOUNTS=0.",
            )

    def begin_removal(self, id: str, *, how: str = TO_TRASH) -> Account:
        """Let an account do nothing any more, by whichever way it asks. Raises RunError for the first owner, and for
        one that is being removed already.
        """
        with self._changing():
            account = self._kept.get(id)
            self.require_removable(account)
            if account.leaving:
                raise RunError(
                    f"'{account.name}' is being removed already.",
                    "If it is still there in a minute, start the studio again: that finishes the removal.",
                )
            return self._kept.save(replace(account, leaving=how))

    def call_off_removal(self, id: str) -> None:
        """Let an account be as it was before its removal began. Raises RunError when the disk does not take it."""
        self._change(id, lambda now: replace(now, leaving=""))

    def _forget_key(self, account: Account) -> None:
        with disk_trouble("The key for programs", self._folder):
            (self.home_of(account) / API_KEY).unlink(missing_ok=True)

    def remove(self, id: str) -> Account:
        """Put an account and all that it made into the bin: nobody can sign in with it any more.

        What it has at work must have been ended before. Raises RunError for the first owner.
        """
        with self._changing():
            account = self._kept.get(id)
            self.require_removable(account)
            if not account.leaving:
                self._kept.save(replace(account, leaving=TO_TRASH))
            self._forget_key(account)
            self._kept.delete(id)
            self._settle(id, is_removed=True)
            return account

    def restore(self, id: str) -> Account:
        """Take an account back out of the bin with all that it made. Its password and its code are forgotten.

        Raises RunError when it is not there, ConfigError when its name is taken by now.
        """
        with self._changing():
            account = next((each for each in self._kept.binned() if each.id == id), None)
            if account is None:
                raise RunError("This account is no longer there.", "Choose another one from the list.")
            if any(plain_name(each.name) == plain_name(account.name) for each in self._kept.all()):
                raise ConfigError(f"There is an account named '{account.name}' by now.", "Rename or remove that one.")
            if (self._folder / id).is_dir() and (self._folder / "bin" / id).is_dir():
                # A page that was open wrote once more: that is kept beside the rest.
                with disk_trouble("What the account made", self.bin):
                    move_to_free_name(self._folder / id, self.bin, f"{id}-aside")
            self._settle(id, is_removed=False)
            back = self._kept.restore(id)
            return self._kept.save(
                replace(back, leaving="", visits=False, password="", code="", code_until=0.0, serial=back.serial + 1)
            )

    def delete(self, id: str) -> None:
        """Delete a removed account for good, and all that it made. Raises RunError when it is not in the bin."""
        with self._changing(), disk_trouble("The account", self._folder):
            if not any(each.id == id for each in self._kept.binned()):
                raise RunError("This account is no longer there.", "Choose another one from the list.")
            # From here on it is gone: what a kill leaves of it goes when the studio starts again.
            going = (self.bin / PEOPLE / f"{id}.json").rename(self._folder / f"{_GOING}{id}.json")
            going.touch()
        self._sweep(late_seconds=_LATE_SECONDS)

    def recover(self) -> None:
        """Put the folder of each account where its record is, and finish what was being deleted; call it at the start.

        A folder without a record is left: an account that cannot be read must not lose what it made.
        """
        with self._changing():
            for account in self._kept.binned():
                if not (self._folder / PEOPLE / f"{account.id}.json").exists():
                    self._settle(account.id, is_removed=True)
            for account in self._kept.all():
                if not account.is_first:
                    self._settle(account.id, is_removed=False)
        self._sweep(late_seconds=0.0)

    def _require_readable(self) -> None:
        """Raise RunError where an account cannot be read: it may be the owner's, who would get the studio again."""
        if damaged := self._kept.damaged():
            raise RunError(
                f"An account cannot be read: {damaged[0]} in {self._folder / PEOPLE} is damaged.",
                "Put the file back from a copy, or move it away, then add the account.",
            )

    def _require_room(self, people: Collection[Account]) -> None:
        if len(people) >= MOST_PEOPLE:
            raise ConfigError(f"There are {len(people):,} accounts, which is as many as may be.", "Remove some.")

    def _settle(self, id: str, *, is_removed: bool) -> None:
        """Move what an account made to where it belongs."""
        here, binned = self._folder / id, self._folder / "bin" / id
        source, target = (here, binned) if is_removed else (binned, here)
        if source.is_dir() and not target.exists():
            with disk_trouble("What the account made", target.parent):
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)

    def _sweep(self, *, late_seconds: float) -> None:
        """Delete all that was made by accounts that are deleted, and what says that they are after `late_seconds`."""
        going = {record.stem.removeprefix(_GOING): record for record in self._folder.glob(f"{_GOING}*.json")}
        Links(self._home).forget(going)
        for id, record in going.items():
            if ACCOUNT_ID.fullmatch(id):
                aside = self.bin.glob(f"{id}-aside*")
                for folder in (self.bin / id, *aside, self._folder / id, self._home / "uploads" / id):
                    shutil.rmtree(folder, ignore_errors=True)
                    if folder.exists():  # it is tried again when the studio starts next
                        log.warning("A folder of a deleted account could not be deleted: %s", folder)
                        break
                else:
                    with disk_trouble("The account", self._folder), contextlib.suppress(FileNotFoundError):
                        if time.time() - record.stat().st_mtime >= late_seconds:
                            record.unlink()
                with disk_trouble("The account", self._folder):
                    (self._folder / "usage" / f"{id}.json").unlink(missing_ok=True)

    def _with_code(self, account: Account) -> tuple[Account, str]:
        code = secrets.new_code()
        hashed, until = secrets.hash_code(code), self._clock() + CODE_SECONDS
        serial = account.serial + 1
        account = replace(account, visits=False, password="", code=hashed, code_until=until, serial=serial)
        return self._kept.save(account), code

    def _change(self, id: str, make: Callable[[Account], Account]) -> Account:
        with self._changing():
            return self._kept.change(id, make)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Change accounts alone, of all threads and processes. Raises RunError when another does for too long."""
        with self._guard:
            with disk_trouble("The accounts", self._folder):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with lock.in_turn(self._folder / "people.lock", busy="Another program is changing the accounts."):
                yield


def plain_name(name: str) -> str:
    """Return a name as it is compared."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFKC", name.strip())
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise ConfigError(
            f"'{name[:LONGEST_NAME]}' cannot be the name of an account.",
            f"Take up to {LONGEST_NAME} letters, digits and . _ @ + - and begin with a letter or a digit.",
        )
    return name


def _free_name(name: str, id: str, taken: Collection[str]) -> str:
    """Return the name that somebody has on the Hub, or one like it where another account has that."""
    name = unicodedata.normalize("NFKC", name.strip())[: LONGEST_NAME - 8]
    name = name if _NAME.fullmatch(name) else f"hub-{id[:16]}"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if plain_name(each) not in taken)


def _checked_role(role: str) -> str:
    if role not in ROLES:
        raise ConfigError(f"'{role[:40]}' is not a role.", f"There are: {', '.join(ROLES)}.")
    return role
