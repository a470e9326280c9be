"""Who is signed in: sessions on disk, which outlive a restart and have an end.

<home>/accounts/sessions/<hash>.json    a session; the token itself is known to the browser alone
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.accounts.people import Account, People
from studio.accounts.secrets import hash_token, is_code, is_password, is_token, new_token
from studio.errors import RunError
from studio.files import disk_trouble, write_whole
from studio.homes import ACCOUNTS
from studio.logs import logged

SESSION_SECONDS = 14 * 24 * 3600.0
"""So long somebody who signed in stays signed in."""

CHOOSING_SECONDS = 15 * 60.0
"""So long a password may be chosen after a one-time code was given."""

MOST_EACH = 20
"""Sessions of one account; the oldest goes."""

_MOST_BYTES = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """One sign-in. `serial` is that of the account at the time. `is_choosing` opens nothing but the choice of a
    password. Times are in seconds since the epoch.
    """

    account: str
    serial: int
    began: float
    until: float
    is_choosing: bool = False


class Sessions:
    """The sessions of one studio, for any number of threads. `home` is the studio's own data folder."""

    def __init__(self, home: Path, people: People, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = home / ACCOUNTS / "sessions"
        self._people = people
        self._clock = clock
        self._guard = threading.Lock()

    def begin(self, account: Account, *, is_choosing: bool = False) -> str:
        """Begin a session and return its token. Raises RunError when the disk does not take it."""
        now, token = self._clock(), new_token()
        until = now + (CHOOSING_SECONDS if is_choosing else SESSION_SECONDS)
        session = Session(account.id, account.serial, now, until, is_choosing)
        with self._guard, disk_trouble("The sign-in", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep(account.id)
            write_whole(self._path(token), codec.dumps(session))
        return token

    def account_of(self, token: str, *, is_choosing: bool = False) -> Account | None:
        """Return whose session a token is; None for one that ended or never was, or of the other kind."""
        session = self._read(self._path(token)) if is_token(token) else None
        if session is None or session.is_choosing != is_choosing:
            return None
        return self._holder(session)

    def end(self, token: str) -> None:
        """End a session; nothing where there is none. Raises RunError when the disk does not let it go."""
        if is_token(token):
            with self._guard, disk_trouble("The sign-out", self._folder):
                self._path(token).unlink(missing_ok=True)

    def count(self, id: str) -> int:
        """Count the sessions of an account."""
        return sum(session.account == id and self._holder(session) is not None for _, session in self._all())

    def _holder(self, session: Session) -> Account | None:
        """Return whose a session is; None for one that ended."""
        if not session.began - 60 <= self._clock() < session.until:
            return None
        account = self._people.find(session.account)
        if account is None or account.leaving or account.serial != session.serial:
            return None
        return account

    def _sweep(self, id: str) -> None:
        """Remove the sessions that ended, and the oldest of an account that has many."""
        found = self._all()
        ended = {path for path, session in found if self._holder(session) is None}
        mine = sorted((session.began, path) for path, session in found if session.account == id and path not in ended)
        for path in (*ended, *(path for _, path in mine[: len(mine) - MOST_EACH + 1] if len(mine) >= MOST_EACH)):
            with logged(log, "A session that ended could not be deleted", OSError):
                path.unlink(missing_ok=True)

    def _all(self) -> list[tuple[Path, Session]]:
        found = [(path, self._read(path)) for path in self._folder.glob("*.json")]
        return [(path, session) for path, session in found if session is not None]

    def _read(self, path: Path) -> Session | None:
        with logged(log, "A session is not there, or cannot be read", OSError, codec.Damaged):
            return codec.read(Session, path, most_bytes=_MOST_BYTES)
        return None

    def _path(self, token: str) -> Path:
        return self._folder / f"{hash_token(token)}.json"


class SignIn:
    """What somebody gave to be let in, held against what is kept."""

    def __init__(self, people: People, sessions: Sessions, *, clock: Callable[[], float] = time.time) -> None:
        self._people = people
        self._sessions = sessions
        self._clock = clock

    def token_for(self, name: str, secret: str) -> tuple[str, bool]:
        """Return the token of a new session, and whether a password must be chosen first.

        The secret is a password or a one-time code. Both are compared whoever is named, so that the time does not tell
        who there is. Raises RunError with one sentence for whatever is wrong.
        """
        account = self._people.named(name[:200])
        account = None if account is not None and account.leaving else account
        knows_password = is_password(secret, account.password if account else "")
        knows_code = is_code(secret[:200], account.code if account else "")
        if account is not None and knows_password:
            self._people.note_seen(account.id)
            return self._sessions.begin(account), False
        if account is not None and knows_code and self._clock() < account.code_until:
            return self._sessions.begin(account, is_choosing=True), True
        raise RunError(
            "This name and password do not belong together.",
            "Check both. A one-time code is good for one sign-in within seven days: ask the owner for another one.",
        )
