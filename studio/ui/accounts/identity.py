"""Who sends a request: by the cookie of a session, the key of a program, or what a trusted proxy says."""

import hashlib
import logging
import threading
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from studio.accounts.people import Account, People
from studio.accounts.secrets import hash_token
from studio.accounts.sessions import CHOOSING_SECONDS, SESSION_SECONDS, Sessions
from studio.errors import RunError
from studio.openai_api.keys import ApiKey
from studio.openai_api.shapes import is_api
from studio.settings import Settings

_LONGEST_KEY = 200

log = logging.getLogger(__name__)


class Identity:
    """Tells who asks, for any number of threads."""

    def __init__(self, settings: Settings, people: People, sessions: Sessions) -> None:
        self._settings = settings
        self._people = people
        self._sessions = sessions
        # Two studios on one machine share its cookies, whatever their ports are.
        own = hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]
        self.cookie = f"studio-session-{own}"
        self._keys = _Keys(people)

    def of(self, scope: Scope) -> Account | None:
        """Return the account that a request comes from; None for nobody's. Raises RunError for one that a proxy names
        and that is not there.
        """
        if is_api(scope["path"]):
            scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            return self._keys.account_of(given.strip()) if scheme.lower() == "bearer" else None
        if (name := self._proxied(scope)) is not None:
            account = self._people.named(name)
            if account is None or account.leaving:
                raise RunError(
                    f"The studio has no account for '{name[:80]}'.", "Ask its owner to add one, then reload the page."
                )
            return account
        return self._sessions.account_of(self.token(scope))

    def choosing(self, scope: Scope) -> Account | None:
        """Return the account that has given its one-time code and is to choose a password."""
        return self._sessions.account_of(self.token(scope), is_choosing=True)

    def token(self, scope: Scope) -> str:
        """Return the token of the session that a request carries; empty for none."""
        return HTTPConnection(scope).cookies.get(self.cookie, "")

    def cookie_for(self, scope: Scope, token: str, *, is_choosing: bool = False) -> str:
        """Write the cookie that begins a session in a browser, or ends it where the token is empty."""
        seconds = (CHOOSING_SECONDS if is_choosing else SESSION_SECONDS) if token else 0
        parts = [f"{self.cookie}={token}", "Path=/", f"Max-Age={int(seconds)}", "HttpOnly"]
        if (
            self._settings.where == "space"
        ):  # the Hub shows it in a frame; where a request comes from is looked at apart
            return "; ".join([*parts, "SameSite=None", "secure", "partitioned"])
        return "; ".join([*parts, "SameSite=Lax", *(["secure"] if self._is_encrypted(scope) else [])])

    @property
    def comes_by_proxy(self) -> bool:
        """Whether a proxy says who asks, so that nobody signs in or out here."""
        return bool(self._settings.proxy_header)

    def _proxied(self, scope: Scope) -> str | None:
        """Return the name that a trusted proxy gives; None where none does."""
        header, client = self._settings.proxy_header, scope.get("client")
        if not header or client is None or client[0] not in self._settings.proxy_addresses:
            return None
        given = Headers(scope=scope).getlist(header)
        return given[0].strip() if len(given) == 1 and given[0].strip() else None

    def _is_encrypted(self, scope: Scope) -> bool:
        said = Headers(scope=scope).get("x-forwarded-proto", "").split(",")[0].strip().lower()
        is_https = self._settings.root_path.startswith("https://") or self._settings.where == "space"
        return is_https or "https" in (said, scope.get("scheme", ""))


class _Keys:
    """The keys of all accounts by their hashes. A key that was renewed is found when it is asked for next."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._guard = threading.Lock()
        self._ids: dict[str, str] = {}

    def account_of(self, key: str) -> Account | None:
        """Return whose key this is; None where nobody has it."""
        if not key or len(key) > _LONGEST_KEY:
            return None
        hashed = hash_token(key)
        with self._guard:
            known = self._ids.get(hashed)
        for account in self._candidates(known):
            if account.leaving:
                continue
            kept = ApiKey(self._people.home_of(account))
            if kept.is_there and kept.is_right(key):
                with self._guard:
                    self._ids = {each: id for each, id in self._ids.items() if id != account.id} | {hashed: account.id}
                return account
        return None

    def _candidates(self, known: str | None) -> Iterable[Account]:
        account = self._people.find(known) if known else None
        return [account] if account is not None else self._people.all()
