"""Links by which a run or a comparison can be looked at without an account: read-only, and revoked whenever its person
wants.

<home>/accounts/shared/<hash>.json    a link; the token itself is known to those who have it
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from studio import codec
from studio.accounts.secrets import hash_token, is_token, new_token
from studio.codec import OLDER_NAME
from studio.errors import RunError
from studio.files import disk_trouble, write_whole
from studio.homes import ACCOUNTS
from studio.logs import logged

if TYPE_CHECKING:
    from studio.accounts.people import Account

RUN, CONVERSATION, SHEET = KINDS = ("run", "conversation", "sheet")
"""What can be shared."""

MOST_EACH = 50
"""Links of one account."""

_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Link:
    """Something that an account has shared, by its id and kind. `created` is in seconds since the epoch."""

    account: str
    id: str = field(metadata={OLDER_NAME: "run"})
    created: float
    kind: str = RUN


class Links:
    """The links of one studio, for any number of threads. `home` is the studio's own data folder."""

    def __init__(self, home: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = home / ACCOUNTS / "shared"
        self._clock = clock
        self._guard = threading.Lock()

    def share(self, account: "Account", id: str, *, kind: str = RUN) -> str:
        """Make a link to one of the `KINDS` and return its token, which nobody can look up later.

        Raises RunError when there are too many, or the disk does not take it.
        """
        token = new_token()
        with self._guard, disk_trouble("The link", self._folder):
            if len(self.of(account)) >= MOST_EACH:
                raise RunError(f"{MOST_EACH} links are there already.", "Revoke one that nobody needs any more.")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path(hash_token(token)), codec.dumps(Link(account.id, id, self._clock(), kind)))
        return token

    def find(self, token: str) -> Link | None:
        """Return what a link leads to; None for one that was revoked or never was."""
        return self._read(self._path(hash_token(token))) if is_token(token) else None

    def of(self, account: "Account") -> dict[str, Link]:
        """List the links of an account by what names them, the newest first."""
        found = {path.stem: self._read(path) for path in self._folder.glob("*.json")}
        own = [(name, link) for name, link in found.items() if link is not None and link.account == account.id]
        return dict(sorted(own, key=lambda each: -each[1].created))

    def revoke(self, account: "Account", name: str) -> None:
        """Let a link of an account lead nowhere any more. Raises RunError where it is not theirs."""
        with self._guard, disk_trouble("The link", self._folder):
            if not _HASH.fullmatch(name) or name not in self.of(account):
                raise RunError("This link is no longer there.", "Reload the page.")
            self._path(name).unlink(missing_ok=True)

    def forget(self, accounts: Collection[str]) -> None:
        """Delete all links of accounts that are gone, by their ids. Raises RunError when the disk does not take it."""
        with self._guard, disk_trouble("The link", self._folder):
            for path in self._folder.glob("*.json") if accounts else ():
                link = self._read(path)
                if link is not None and link.account in accounts:
                    path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> Link | None:
        with logged(log, "A link is not there, or cannot be read", OSError, codec.Damaged):
            return codec.read(Link, path, most_bytes=_MOST_BYTES)
        return None
