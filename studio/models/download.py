"""Downloads one file over HTTP, resuming where a broken download stopped, and checks its pinned hash.

Bytes are collected in `NAME.part` beside the target, which survives a crash; the target appears only when the hash is
right.
"""

import http.client
import os
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.errors import ModelError
from studio.files import hash_file

Report = Callable[[str, int, int], None]
"""Told what is on its way, the bytes done and the bytes in total (0 where the end is not known)."""

CHUNK_BYTES = 64 * 1024
SILENCE_SECONDS = 20.0
"""How long a connection may stay silent before it counts as broken."""

ATTEMPTS = 3
"""How many connections in a row may break without bringing anything new."""

REPORT_EVERY_SECONDS = 0.25


class Stopped(Exception):
    """The caller asked to stop. What was fetched so far is kept for the next time."""


class Unreachable(ModelError):
    """Nothing came from the address of the file."""


@dataclass(frozen=True)
class Listener:
    """What a download reports to: its progress, whether to go on, and a pause before connecting again."""

    report: Report
    should_stop: Callable[[], bool]
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class DownloadProgress:
    """The bytes of one download, perhaps of several files in several threads, passed on to its listener.

    The listener hears of them at most four times a second and from one thread at a time.
    """

    def __init__(self, what: str, *, total: int, listener: Listener, done: int = 0) -> None:
        self.done = done
        self.total = total
        self._what = what
        self._listener = listener
        self._lock = threading.Lock()
        self._told = listener.clock()
        listener.report(what, done, total)

    def advance(self, count: int) -> None:
        """Add `count` bytes. Raises Stopped when the listener asks for it."""
        if self._listener.should_stop():
            raise Stopped(self._what)
        with self._lock:
            self.done += count
            now = self._listener.clock()
            if now - self._told >= REPORT_EVERY_SECONDS or self.done == self.total:
                self._told = now
                self._listener.report(self._what, self.done, self.total)


def download_file(url: str, target: Path, *, what: str, sha256: str, listener: Listener) -> Path:
    """Download `url` to `target` unless it is there, and return `target`. `what` is told to the listener.

    Raises Stopped, Unreachable when nothing comes, and ModelError when the connection breaks for good, the disk does
    not take the file, or the file is twice not the one with the pinned hash.
    """
    if target.exists():
        return target
    part = target.with_name(target.name + ".part")
    with storing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        _fill(url, part, what=what, listener=listener)
        with storing(part):
            if hash_file(part) == sha256:
                os.replace(part, target)
                return target
            part.unlink()
    raise ModelError(
        f"{target.name} arrived damaged twice: it is not the file with the expected checksum.",
        "Something between this machine and the internet changes downloads. Try again on another network.",
    )


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the disk into a ModelError that names `path`. Only file operations belong in the block."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Free some space or correct the permissions, then try again: what was downloaded so far is kept.",
        ) from error


def certificates(environment: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """Build the TLS settings, trusting the bundle that pip, requests or OpenSSL were told to trust.

    Raises ssl.SSLError when that bundle holds no certificate.
    """
    variables = os.environ if environment is None else environment
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        bundle = variables.get(name)
        if bundle and Path(bundle).is_file():
            return ssl.create_default_context(cafile=bundle)
        if bundle and Path(bundle).is_dir():
            return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context()


def answers(address: str, *, seconds: float) -> bool:
    """Tell whether anything answers at `address`. Takes no longer than `seconds`, name look-up included."""
    replies: queue.SimpleQueue[bool] = queue.SimpleQueue()
    # A thread of its own: looking up a name knows no time limit, and may take half a minute on a broken network.
    threading.Thread(target=lambda: replies.put(_knock(address, seconds)), daemon=True).start()
    try:
        return replies.get(timeout=seconds)
    except queue.Empty:
        return False


def _knock(address: str, seconds: float) -> bool:
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "lora-studio"})
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=certificates()):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, http.client.HTTPException) as error:
        # A certificate that is not trusted here may be trusted by another program, which brings its own list.
        return isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)


def _fill(url: str, part: Path, *, what: str, listener: Listener) -> None:
    """Receive until `part` is whole, connecting again as long as connections bring something."""
    failures = 0
    while True:
        before = _size(part)
        try:
            return _receive(url, part, what=what, listener=listener)
        except (OSError, http.client.HTTPException) as error:
            code = error.code if isinstance(error, urllib.error.HTTPError) else 0
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if code == 416:  # the server has nothing to add: the hash will tell whether the file is right
                return
            failures = 0 if _size(part) > before else failures + 1
            if failures >= ATTEMPTS or not _size(part) or 400 <= code < 500:
                raise _broken(part, error) from error
        if listener.should_stop():
            raise Stopped(what)
        listener.pause(1.0)


def _receive(url: str, part: Path, *, what: str, listener: Listener) -> None:
    """Append what is still missing over one connection. Raises OSError or HTTPException when it breaks."""
    start = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": "lora-studio", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=SILENCE_SECONDS, context=certificates()) as response:
        if response.status != 206:
            start = 0  # the server sends the whole file again
        length = int(response.headers.get("Content-Length") or 0)
        progress = DownloadProgress(what, total=start + length if length else 0, listener=listener, done=start)
        with storing(part):
            file = part.open("ab" if start else "wb")
        with file:
            while chunk := response.read(CHUNK_BYTES):
                with storing(part):
                    file.write(chunk)
                progress.advance(len(chunk))
    if progress.done < progress.total:
        raise ConnectionError(f"the connection closed at {progress.done} of {progress.total} bytes")


def _broken(part: Path, error: Exception) -> ModelError:
    reason = getattr(error, "reason", None) or error
    found = str(getattr(reason, "strerror", None) or reason).rstrip(".")
    if not _size(part):
        return Unreachable(f"{part.stem} cannot be downloaded: {found}.", "Check the network and try again.")
    return ModelError(
        f"The download of {part.stem} stopped after {_size(part) / 1e6:.1f} MB: {found}.",
        "Check the network and try again: the download continues where it stopped.",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
