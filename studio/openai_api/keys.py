"""The key of the address: made when it is first asked for, and kept where only its owner reads it.

<home>/api-key    the key, one line, readable by nobody else
"""

import hmac
import os
import re
import secrets
import threading
from pathlib import Path

from studio.files import disk_trouble, read_bytes
from studio.homes import API_KEY

_PREFIX = "sk-studio-"
_KEY = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_MOST_BYTES = 1000


def is_key(text: str) -> bool:
    """Tell whether a text could be a key."""
    return _KEY.fullmatch(text) is not None


class ApiKey:
    """The key of one data folder, for any number of threads. It is never logged."""

    def __init__(self, home: Path) -> None:
        self._path = home / API_KEY
        self._guard = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether a key was made."""
        return bool(self.kept)

    @property
    def kept(self) -> str:
        """The key; empty where none was made."""
        with self._guard:
            return self._kept()

    def read(self) -> str:
        """Return the key; a new one where there is none, or the file holds something else. Raises RunError."""
        with self._guard:
            return self._kept() or self._write(first=True)

    def renew(self) -> str:
        """Make a new key; the one before opens nothing any more. Raises RunError when the disk does not take it."""
        with self._guard:
            return self._write(first=False)

    def is_right(self, given: str) -> bool:
        """Tell whether this is the key; where none was made, none is. A wrong one takes as long as the right one."""
        with self._guard:
            kept = self._kept()
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), kept.encode()) and bool(kept)

    def _kept(self) -> str:
        try:
            found = (read_bytes(self._path, most_bytes=_MOST_BYTES) or b"").decode("ascii", "replace").strip()
            if os.stat(self._path).st_mode & 0o077:
                os.chmod(self._path, 0o600)
        except OSError:  # there is none yet, or it cannot be read: then a new one is written, or that says why not
            return ""
        return found if _KEY.fullmatch(found) else ""

    def _write(self, *, first: bool) -> str:
        """Write a new key; the `first` one only where nobody else did meanwhile. Returns the one that holds."""
        key = _PREFIX + secrets.token_urlsafe(32)
        temporary = self._path.with_name(f".{API_KEY}.{secrets.token_hex(4)}.tmp")
        with disk_trouble("The key for other programs", self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(key + "\n")
                file.flush()
                os.fsync(file.fileno())
            if first and (kept := self._kept()):
                temporary.unlink()
                return kept
            os.replace(temporary, self._path)
        return key
