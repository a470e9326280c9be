"""The files of a place from both sides: a folder that all machines see, or files that a cluster serves over HTTP."""

import errno
import http.client
import json
import logging
import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

from studio.errors import NoAnswer, RunError, StorageFull
from studio.files import open_plain, read_bytes
from studio.jobs.places.protocol import STORED_NAME
from studio.logs import logged

TIMEOUT_SECONDS = 30.0
_PIECE_BYTES = 2**20
_FULL = (errno.ENOSPC, errno.EDQUOT)

log = logging.getLogger(__name__)


def checked(name: str) -> str:
    """Return a name in a storage. Raises RunError for one that could lead elsewhere."""
    if not STORED_NAME.fullmatch(name) or ".." in name:
        raise RunError(f"'{name[:80]}' is no name of a file of a place.")
    return name


class FolderStorage:
    """A shared folder. What is written appears whole, by a rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path | None:
        return self.folder / checked(name)

    def has(self, name: str) -> bool:
        with self._trouble():
            return (self.folder / checked(name)).is_file()

    def read(self, name: str, *, most_bytes: int) -> bytes | None:
        with self._trouble():
            try:
                content = read_bytes(self.folder / checked(name), most_bytes=most_bytes)
            except (FileNotFoundError, NotADirectoryError):
                return None
        if content is None:
            raise too_large(name)
        return content

    def write(self, name: str, content: bytes) -> None:
        with self._trouble(), self._whole(name) as file:
            file.write(content)

    def send(self, name: str, source: Path) -> None:
        with open_plain(source) as original, self._trouble(), self._whole(name) as file:
            shutil.copyfileobj(original, file, _PIECE_BYTES)

    def fetch(self, name: str, target: Path, *, size: int) -> bool:
        with self._trouble():
            try:
                original = open_plain(self.folder / checked(name))
            except (FileNotFoundError, NotADirectoryError):
                return False

        def read(count: int) -> bytes:
            with self._trouble():
                return original.read(count)

        with original, target.open("wb") as file:
            _copy(read, file, name=name, size=size)
        return True

    def delete(self, name: str) -> None:
        path = self.folder / checked(name)
        with self._trouble():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def _whole(self, name: str) -> Iterator[IO[bytes]]:
        path = self.folder / checked(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with logged(log, "A temporary file could not be deleted", OSError):
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            if not self.folder.is_dir():
                raise NoAnswer(
                    f"The shared folder {self.folder} is not there.", "Check that it is mounted on this machine."
                )
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull(
                    f"The disk of the shared folder {self.folder} is full.", "Free some space on it."
                ) from error
            raise NoAnswer(
                f"The shared folder {self.folder} cannot be used: {error.strerror or error}.",
                "Check that it is mounted and can be written.",
            ) from error


class HttpStorage:
    """Files that a cluster serves, see `file_server`, to whoever knows the key."""

    def __init__(self, address: str, key: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.address = address.rstrip("/")
        self._key = key
        self._timeout = timeout_seconds

    def path(self, name: str) -> Path | None:
        return None

    def answers(self) -> bool:
        """Say whether somebody serves files there. Raises RunError where another key is asked for."""
        try:
            with self._asked("GET", "/alive"):
                return True
        except NoAnswer:
            log.debug("Nobody serves files at %s", self.address, exc_info=True)
            return False

    def has(self, name: str) -> bool:
        with self._asked("HEAD", _route(name)) as answer:
            return answer.status == 200

    def read(self, name: str, *, most_bytes: int) -> bytes | None:
        with self._asked("GET", _route(name)) as answer:
            if answer.status == 404:
                return None
            content = self._reader(answer)(most_bytes + 1)
        if len(content) > most_bytes:
            raise too_large(name)
        return content

    def write(self, name: str, content: bytes) -> None:
        with self._asked("PUT", _route(name), content):
            return

    def send(self, name: str, source: Path) -> None:
        with open_plain(source) as file, self._asked("PUT", _route(name), file):
            return

    def fetch(self, name: str, target: Path, *, size: int) -> bool:
        with self._asked("GET", _route(name)) as answer:
            if answer.status == 404:
                return False
            with target.open("wb") as file:
                _copy(self._reader(answer), file, name=name, size=size)
        return True

    def delete(self, name: str) -> None:
        with self._asked("DELETE", _route(name)):
            return

    @contextmanager
    def _asked(
        self, method: str, route: str, body: bytes | IO[bytes] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Authorization": self._key}
        if body is not None:
            length = len(body) if isinstance(body, bytes) else os.fstat(body.fileno()).st_size
            headers["Content-Length"] = str(length)
        connection = self._connection()
        try:
            with self._connected():
                answer = self._answer(connection, method, urlsplit(self.address).path + route, body, headers)
            yield answer
        finally:
            connection.close()

    def _answer(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        route: str,
        body: bytes | IO[bytes] | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, route, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            log.debug("A file was refused before all of it was sent", exc_info=True)
        answer = connection.getresponse()
        if answer.status not in (200, 404):
            raise self._refused(answer)
        return answer

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(
                f"The files of the place at {self.address} cannot be reached: {error or type(error).__name__}.",
                "Check that the cluster runs and that this address leads to its head.",
            ) from error

    def _reader(self, answer: http.client.HTTPResponse) -> Callable[[int], bytes]:
        def read(count: int) -> bytes:
            with self._connected():
                return answer.read(count)

        return read

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.address)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, parts.port, timeout=self._timeout, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout)

    def _refused(self, answer: http.client.HTTPResponse) -> RunError:
        said = ""
        with logged(log, "An answer without a sentence", ValueError, LookupError, TypeError):
            said = str(json.loads(answer.read(10_000))["error"])[:300]
        if answer.status == 401:
            return RunError(
                f"The files at {self.address} are served for another studio, which has another key.",
                "Choose another port for the files of this place (--files-address).",
            )
        if answer.status == 507:
            return StorageFull("The disk of the place is full.", "Free some space on the head of the cluster.")
        if answer.status >= 500:
            return NoAnswer(f"The files of the place at {self.address} cannot be used now: {said or answer.status}.")
        return RunError(f"The place at {self.address} refused a file: {said or answer.status}.")


def _route(name: str) -> str:
    return f"/files/{quote(checked(name))}"


def _copy(read: Callable[[int], bytes], target: IO[bytes], *, name: str, size: int) -> None:
    left = size
    while piece := read(min(_PIECE_BYTES, left + 1)):
        left -= len(piece)
        if left < 0:
            raise RunError(f"A file of the place is larger than was said ({name[-40:]}), and was not taken.")
        target.write(piece)
    if left:
        raise NoAnswer(f"A file of the place came only in part ({name[-40:]}).")


def too_large(name: str) -> RunError:
    """Return what is said of a file that is larger than it can be."""
    return RunError(f"A file of the place is larger than it can be ({name[-40:]}), and was not taken.")
