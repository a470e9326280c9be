"""Who sends a request: by the cookie of a session, the key of a program, or what a trusted proxy says."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from studio.accounts.hub_sign_in import BEGUN_SECONDS
from studio.accounts.people import Account, People
from studio.accounts.secrets import hash_token
from studio.accounts.sessions import CHOOSING_SECONDS, SESSION_SECONDS, Sessions
from studio.errors import RunError, TooMany
from studio.openai_api.keys import ApiKey, is_key
from studio.openai_api.shapes import is_api
from studio.settings import Settings
from studio.ui.serving.login import Tries
from studio.visitors import visitor_at

KEYS_OF_AN_ADDRESS = 15
KEYS_IN_ALL = 60
"""How often in a minute a key that is not known has all keys read again: one of an account may be new."""

log = logging.getLogger(__name__)


class Identity:
    """Tells who asks, for any number of threads."""

    def __init__(
        self,
        settings: Settings,
        people: People,
        sessions: Sessions,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` counts seconds."""
        self._settings = settings
        self._people = people
        self._sessions = sessions
        # Two studios on one machine share its cookies, whatever their ports are.
        own = hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]
        self.cookie = f"studio-session-{own}"
        self.to_hub = "__Host-studio-to-hub"
        """The cookie of a browser that has gone to the Hub to sign in. By its name, no other address can set it."""
        self._keys = _Keys(people, Tries(clock, each=KEYS_OF_AN_ADDRESS, in_all=KEYS_IN_ALL))

    def of(self, scope: Scope) -> Account | None:
        """Return the account that a request comes from; None for nobody's. Raises RunError for one that a proxy names
        and that is not there, TooMany where too many keys were tried.
        """
        if is_api(scope["path"]):
            scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            address = visitor_at((scope.get("client") or (None,))[0])
            return self._keys.account_of(given.strip(), address) if scheme.lower() == "bearer" else None
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

    def cookie_to_hub(self, kept: str) -> str:
        """Write the cookie of a browser that goes to the Hub to sign in, or end it where nothing is kept.

        It goes along when the Hub sends the browser back, as no other request of another site.
        """
        seconds = int(BEGUN_SECONDS) if kept else 0
        return f"{self.to_hub}={kept}; Path=/; Max-Age={seconds}; HttpOnly; secure; SameSite=Lax"

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
    """The keys of all accounts by their hashes. They are read again when somebody shows one that is not known."""

    def __init__(self, people: People, tries: Tries) -> None:
        self._people = people
        self._tries = tries
        self._guard = threading.Lock()
        self._ids: dict[str, str] = {}

    def account_of(self, key: str, address: str) -> Account | None:
        """Return whose key this is; None where nobody has it. Raises TooMany where an address has tried too many."""
        if not is_key(key):
            return None
        if (account := self._known(key)) is not None:
            return account
        with self._guard:
            if seconds := self._tries.begin(address):
                raise TooMany(f"Too many wrong keys. Try again in {int(seconds) + 1} seconds.")
        kept = {each.id: ApiKey(self._people.home_of(each)).kept for each in self._people.all()}
        self._ids = {hash_token(each): id for id, each in kept.items() if each}
        if (account := self._known(key)) is not None:
            with self._guard:
                self._tries.forgive(address)
        return account

    def _known(self, key: str) -> Account | None:
        """Return whose key this is, as far as keys were read, and it still is the key of that account."""
        id = self._ids.get(hash_token(key))
        account = self._people.find(id) if id else None
        if account is None or account.leaving or not ApiKey(self._people.home_of(account)).is_right(key):
            return None
        return account
