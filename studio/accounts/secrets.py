"""Passwords and one-time codes: how they are made, kept and compared.

A password is kept as a hash by Argon2id, so that whoever reads the file cannot use it. A code or the token of a session
is 128 random bits or more, which nobody guesses, so a plain hash is enough.
"""

import functools
import hashlib
import hmac
import re
import secrets
import threading
from typing import TYPE_CHECKING

from studio.errors import ConfigError

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 200

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters of a code: none that is easily taken for another."""

_GROUPS, _GROUP = 5, 5
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_HASHES_AT_ONCE = 2
"""Each takes 64 MiB and a tenth of a second: so many strangers cannot fill the memory."""

_room = threading.BoundedSemaphore(_HASHES_AT_ONCE)
if TYPE_CHECKING:
    from argon2 import PasswordHasher


@functools.cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # only where there are accounts

    return PasswordHasher()


@functools.cache
def _nobodys() -> str:
    """Return a hash that no password has: whoever gives a name that is not there waits as long as whoever errs."""
    return _hasher().hash(secrets.token_urlsafe(32))


def check_password(password: str, name: str) -> None:
    """Raise ConfigError for a password that is too short or too long, or says the name."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ConfigError(
            f"This password has {len(password):,} characters.",
            f"Choose one of {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}: four words that do not belong together do well.",
        )
    if name.casefold() in password.casefold() and len(password) < len(name) + SHORTEST_PASSWORD:
        raise ConfigError("This password is the name with little around it, which is easy to guess.", "Choose another.")


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    with _room:
        return _hasher().hash(password)


def is_password(given: str, kept: str) -> bool:
    """Tell whether a password is the one that was kept; nothing kept takes as long as a wrong one."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    with _room:
        try:
            return _hasher().verify(kept or _nobodys(), given[:LONGEST_PASSWORD]) and bool(kept)
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False


def new_code() -> str:
    """Make a code for one sign-in, in groups that a person can read out: "K7QFM-..."."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def new_token() -> str:
    """Make the token of a session or a link."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Tell whether a text could be a token, and so the name of a file."""
    return _TOKEN.fullmatch(text) is not None


def hash_code(code: str) -> str:
    """Return what is kept of a code, however it was typed."""
    plain = "".join(letter for letter in code.upper() if letter in _LETTERS)
    return hash_token(plain)


def hash_token(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_code(given: str, kept: str) -> bool:
    """Tell whether a code is the one that was kept; no code is where none was."""
    return hmac.compare_digest(hash_code(given), kept or "-" * 64) and bool(kept)
