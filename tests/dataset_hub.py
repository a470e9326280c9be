"""A Hub of data sets on 127.0.0.1 that may be hostile: it lists what it likes, sends more than it said, or dawdles."""

import http.server
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.models.hub import Hub
from tests.local_server import serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class DatasetHub(http.server.ThreadingHTTPServer):
    """Serves the `files` of one data set, me/set.

    `listed` are sizes that it says besides; `redirects` sends whoever wants a file elsewhere; `seconds` is how long it
    waits between the bytes of a listing. `asked` are the paths that were asked for, `tokens` what came along with them.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.files: dict[str, bytes] = {}
        self.listed: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.seconds = 0.0
        self.asked: list[str] = []
        self.tokens: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def hub(self) -> Hub:
        return Hub(endpoint=self.address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away in the middle is what the tests are about."""


class _Answers(http.server.BaseHTTPRequestHandler):
    server: DatasetHub

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        self.server.tokens.append(self.headers.get("Authorization", ""))
        if path.startswith("/api/datasets/me/set"):
            sizes = {name: len(body) for name, body in self.server.files.items()} | self.server.listed
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            about = {"id": "me/set", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
            self._send(200, json.dumps(about).encode(), slowly=True)
        elif path == "/":
            self._send(200, b"")
        else:
            name = path.removeprefix(f"/datasets/me/set/resolve/{COMMIT}/")
            if name in self.server.redirects:
                self._send(302, b"", location=self.server.redirects[name])
            elif name in self.server.files:
                self._send(200, self.server.files[name])
            else:
                self._send(404, b"", error="EntryNotFound")

    def _send(self, status: int, body: bytes, *, location: str = "", error: str = "", slowly: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{len(body)}-1"')
        if location:
            self.send_header("Location", location)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "HEAD":
            return
        if not (slowly and self.server.seconds):
            self.wfile.write(body)
            return
        for place in range(len(body)):
            time.sleep(self.server.seconds)
            self.wfile.write(body[place : place + 1])
            self.wfile.flush()


@contextmanager
def dataset_hub(files: dict[str, bytes | str]) -> Iterator[DatasetHub]:
    """Serve a data set with these files."""
    with serving(DatasetHub()) as server:
        server.files = {name: body.encode() if isinstance(body, str) else body for name, body in files.items()}
        yield server


def card(*, path: str, split: str = "train", config: str = "default") -> str:
    """Write a card that names the files of one configuration."""
    described = {"configs": [{"config_name": config, "data_files": [{"split": split, "path": path}]}]}
    return f"---\n{json.dumps(described)}\n---\n# A data set\n"
