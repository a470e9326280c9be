"""Signing in with the Hugging Face Hub in a Space: who a visitor is, as the Hub says it.

The code flow of OpenID Connect, with PKCE. What is to be compared when the visitor comes back is kept in their browser
alone, so strangers who begin without end fill no memory here. The Hub's own answer is read over TLS from the Hub, and
of it nothing is kept but the visitor's id and name: the access token is thrown away.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from studio import codec
from studio.accounts.secrets import is_token, new_token
from studio.errors import RunError
from studio.settings import HubApp

BEGUN_SECONDS = 600.0
"""So long a visitor may take on the pages of the Hub."""

PATIENCE_SECONDS = 10.0
_KNOWN_SECONDS = 3600.0
_SKEW_SECONDS = 120.0
_MOST_BYTES = 64 * 1024
_CODE = re.compile(r"[\x21-\x7e]{1,2000}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubPerson:
    """Somebody as the Hub knows them: `id` never changes there, the name may."""

    id: str
    name: str


@dataclass(frozen=True)
class Begun:
    """Where a visitor goes to sign in, and what their browser keeps meanwhile."""

    address: str
    kept: str


class HubSignIn:
    """Asks the Hub who a visitor is, for any number of threads. `clock` tells the time in seconds since the epoch."""

    def __init__(
        self,
        app: HubApp,
        *,
        clock: Callable[[], float] = time.time,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._app = app
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._guard = threading.Lock()
        self._known: tuple[float, dict[str, str]] = (float("-inf"), {})
        self.returns_to = f"{app.address}/login/callback"

    def begin(self) -> Begun:
        """Begin a sign-in. Raises RunError when the Hub cannot be asked."""
        state, nonce, verifier = new_token(), new_token(), new_token()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._app.id,
            "redirect_uri": self.returns_to,
            "scope": self._app.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        kept = f"{state}.{nonce}.{verifier}.{int(self._clock())}"
        with self._in_words():
            return Begun(f"{self._endpoints()['authorization_endpoint']}?{urlencode(asked)}", kept)

    def finish(self, given: Mapping[str, str], kept: str) -> HubPerson:
        """Return who came back from the Hub with `given` in the address. Raises RunError when nobody did."""
        nonce, verifier = self._check_begun(given, kept)
        if given.get("error"):
            raise RunError("You did not sign in on Hugging Face.", "Try again.")
        with self._in_words():
            return self._person(given.get("code", ""), nonce=nonce, verifier=verifier)

    def _person(self, code: str, *, nonce: str, verifier: str) -> HubPerson:
        """Ask the Hub for whom it has granted a code. Raises ValueError for a strange answer, and HTTPError."""
        if not _CODE.fullmatch(code):
            raise ValueError("it sent you back without a code")
        endpoints = self._endpoints()
        granted = self._ask(
            "POST",
            endpoints["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.returns_to,
                "client_id": self._app.id,
                "code_verifier": verifier,
            },
            auth=(self._app.id, self._app.secret),
        )
        token = granted.get("access_token")
        if not isinstance(token, str) or not _CODE.fullmatch(token):
            raise ValueError("it granted nothing")
        said = self._claims(granted.get("id_token"), nonce)
        shown = {b"authorization": b"Bearer " + token.encode()}
        person = self._ask("GET", endpoints["userinfo_endpoint"], headers=shown)
        if person.get("sub") != said["sub"]:
            raise ValueError("it named two people")
        name = person.get("preferred_username")
        return HubPerson(said["sub"], name if isinstance(name, str) else "")

    def _check_begun(self, given: Mapping[str, str], kept: str) -> tuple[str, str]:
        """Return nonce and verifier of a sign-in that this browser has begun. Raises RunError."""
        parts = kept.split(".")
        is_whole = len(parts) == 4 and all(map(is_token, parts[:3])) and parts[3].isascii() and parts[3].isdecimal()
        if not is_whole or not hmac.compare_digest(parts[0].encode(), given.get("state", "").encode()):
            raise RunError(
                "This sign-in was not begun in this browser, or its cookie is gone.",
                "Begin again on the page of the studio. If that happens again, let this page keep cookies.",
            )
        if not -_SKEW_SECONDS <= self._clock() - int(parts[3][:12]) <= BEGUN_SECONDS:
            raise RunError("This sign-in has taken too long.", "Begin again.")
        return parts[1], parts[2]

    def _claims(self, id_token: object, nonce: str) -> dict[str, str]:
        """Read who an ID token is about. Its signature need not be checked: it comes from the Hub itself, over TLS."""
        parts = id_token.split(".") if isinstance(id_token, str) else []
        if len(parts) != 3:
            raise ValueError("it sent no ID token")
        try:
            said = codec.parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), most_bytes=_MOST_BYTES)
        except (binascii.Error, ValueError) as error:
            raise ValueError("its ID token cannot be read") from error
        if not isinstance(said, dict):
            raise ValueError("its ID token cannot be read")
        audience = said.get("aud")
        until, id = said.get("exp"), said.get("sub")
        if said.get("iss") != self._app.provider or self._app.id not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise ValueError("its ID token is for another program")
        if not isinstance(until, int | float) or until < self._clock() - _SKEW_SECONDS:
            raise ValueError("its ID token has ended")
        if not hmac.compare_digest(str(said.get("nonce", "")).encode(), nonce.encode()):
            raise ValueError("its ID token is of another sign-in")
        if not isinstance(id, str) or not _ID.fullmatch(id):
            raise ValueError("it did not say who you are")
        return {"sub": id}

    def _endpoints(self) -> dict[str, str]:
        """Return the addresses that the Hub names; they must be its own."""
        with self._guard:
            at, known = self._known
        if self._clock() - at < _KNOWN_SECONDS:
            return known
        said = self._ask("GET", f"{self._app.provider}/.well-known/openid-configuration")
        found = {name: str(said.get(name, "")) for name in _ENDPOINTS}
        if said.get("issuer") != self._app.provider or any(
            not address.startswith(f"{self._app.provider}/") for address in found.values()
        ):
            raise ValueError("it names addresses of others")
        with self._guard:
            self._known = self._clock(), found
        return found

    def _ask(self, method: str, address: str, **sent: Any) -> dict[str, Any]:
        """Ask the Hub, and return the object that it answers. Raises ValueError for whatever else that is."""
        content, ends = b"", time.monotonic() + self._patience_seconds
        with (
            httpx.Client(timeout=self._patience_seconds, follow_redirects=False) as client,
            client.stream(method, address, **sent) as answer,
        ):
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > _MOST_BYTES or time.monotonic() > ends:
                    raise ValueError("its answer does not end")
        if answer.status_code != 200:
            raise ValueError(f"it answered with the status {answer.status_code}")
        said = codec.parse(content, most_bytes=_MOST_BYTES)
        if not isinstance(said, dict):
            raise ValueError("its answer cannot be read")
        return said

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn what the Hub does inside the block into a RunError. What was strange of it is told to the log alone."""
        try:
            yield
        except httpx.HTTPError as error:
            raise RunError("Hugging Face cannot be reached to ask who you are.", "Try again in a moment.") from error
        except ValueError as error:
            log.warning("A sign-in with the Hub: %s", error, exc_info=True)
            raise RunError(
                "Hugging Face did not say who you are.",
                "Begin again. If that happens again, tell the owner of this studio: its log says what is wrong.",
            ) from error
