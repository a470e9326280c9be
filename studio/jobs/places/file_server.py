"""`python -m studio.jobs.places.file_server`: serves the files of a place on the head of a cluster, to one studio.

For a cluster that shares no folder with the studio. Only names that stay inside its folder are taken, and only from
whoever has the key.
"""

import errno
import hmac
import json
import logging
import os
import re
import shutil
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from studio.jobs.places.protocol import STORED_NAME
from studio.logs import log_to_stderr, logged

KEPT_FREE_BYTES = 2**30
"""So much of the disk stays free."""

IDLE_SECONDS = 60.0
_PIECE_BYTES = 2**20
_LENGTH = re.compile(r"[0-9]{1,15}")

log = logging.getLogger(__name__)


class FileServer(ThreadingHTTPServer):
    """Serves one folder. `daemon_threads` let the process end while somebody is still being answered."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], folder: Path, key: str, *, kept_free: int = KEPT_FREE_BYTES) -> None:
        super().__init__(address, _Handler)
        self.folder = folder
        self.key = key
        self.kept_free = kept_free

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what a connection met that was cut off, and go on."""
        log.info("A connection ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    routes: ClassVar[str] = "/files/"

    def do_GET(self) -> None:
        if (path := self._asked()) is None:
            return
        self._send(path, with_content=True)

    def do_HEAD(self) -> None:
        if (path := self._asked()) is None:
            return
        self._send(path, with_content=False)

    def do_PUT(self) -> None:
        if (path := self._asked()) is None:
            return
        length = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            return self._say(HTTPStatus.LENGTH_REQUIRED, "the length of the file is missing")
        if int(length) + self.server.kept_free > shutil.disk_usage(self.server.folder).free:
            return self._say(HTTPStatus.INSUFFICIENT_STORAGE, "the disk is full")
        try:
            self._take(path, int(length))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            status = HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.SERVICE_UNAVAILABLE
            return self._say(status, error.strerror or "the file could not be written")
        self._say(HTTPStatus.OK, "")

    def do_DELETE(self) -> None:
        if (path := self._asked()) is None:
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with logged(log, "A file could not be deleted", OSError):
                path.unlink(missing_ok=True)
        self._say(HTTPStatus.OK, "")

    def _asked(self) -> Path | None:
        """Return the file that is asked for; None where that is answered already."""
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self.server.key.encode()):
            self._say(HTTPStatus.UNAUTHORIZED, "the key is another one")
        elif self.path == "/alive":
            self._say(HTTPStatus.OK, "")
        else:
            name = self.path.removeprefix(self.routes)
            if self.path.startswith(self.routes) and STORED_NAME.fullmatch(name) and ".." not in name:
                return self.server.folder / name
            self._say(HTTPStatus.BAD_REQUEST, "this is no name of a file")
        return None

    def _send(self, path: Path, *, with_content: bool) -> None:
        try:
            file = path.open("rb") if path.is_file() and not path.is_symlink() else None
        except OSError:
            log.info("A file cannot be read", exc_info=True)
            file = None
        if file is None:
            return self._say(HTTPStatus.NOT_FOUND, "there is no such file", with_content=with_content)
        with file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            if with_content:
                shutil.copyfileobj(file, self.wfile, _PIECE_BYTES)

    def _take(self, path: Path, length: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:200]}.{time.monotonic_ns()}.tmp")
        try:
            with temporary.open("xb") as file:
                left = length
                while left:
                    piece = self.rfile.read(min(_PIECE_BYTES, left))
                    if not piece:
                        raise OSError(errno.EPIPE, "the file came only in part")
                    file.write(piece)
                    left -= len(piece)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _say(self, status: HTTPStatus, error: str, *, with_content: bool = True) -> None:
        content = json.dumps({"error": error} if error else {}).encode()
        if status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            self.close_connection = True  # what was sent with the request may not have been read
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        log.debug(format, *arguments)


def main(environment: dict[str, str]) -> int:
    """Serve until the process is ended. The environment says where, what, and to whom."""
    log_to_stderr(environment)
    folder = Path(environment["STUDIO_FILES_FOLDER"]).expanduser()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The head of the cluster, as its nodes know it. On one machine alone, nobody else is answered.
    head = environment.get("RAY_ADDRESS", "").rpartition(":")[0]
    host = "127.0.0.1" if head == "127.0.0.1" else ""
    server = FileServer((host, int(environment["STUDIO_FILES_PORT"])), folder, environment["STUDIO_FILES_KEY"])
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
