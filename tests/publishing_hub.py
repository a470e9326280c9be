"""A Hub on 127.0.0.1 to which a model can be published, as huggingface_hub speaks to it: also one that refuses.

Spaces are repositories whose names begin with "spaces/", with secrets, variables and hardware.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.local_server import serving

TOKEN = "hf_" + "secretsecret" * 2
READ_ONLY = "hf_" + "readonlyread" * 2
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
ATTRIBUTES = b"*.safetensors filter=lfs\n"


@dataclass
class Repository:
    """The files by name: their content, and whether they are large."""

    private: bool
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": ATTRIBUTES})
    large: set[str] = field(default_factory=set)
    card: dict[str, Any] = field(default_factory=dict)
    commits: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = ""


class PublishingHub(http.server.ThreadingHTTPServer):
    """Keeps `repositories` by name, and large files by their sha256, also those that no commit has yet.

    `refusals` are statuses by a part of a path; `headers` go with them. `hold` are parts of paths of which the answer
    waits for `go_on`; `holding` says that one does. `drops` counts the connections that are still to break off.
    `anybody` may read without a token.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.refusals: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.hold = ""
        self.holding, self.go_on = threading.Event(), threading.Event()
        self.drops = 0
        self.anybody = False
        self.part_bytes = 4096
        self.received: list[tuple[str, int]] = []
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sent(self) -> int:
        """Count the bytes of large files that came."""
        return sum(count for _, count in self.received)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away in the middle is what the tests are about."""


class _Answers(http.server.BaseHTTPRequestHandler):
    server: PublishingHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send(200, b"")

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PUT(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        server, path = self.server, self.path.partition("?")[0]
        server.asked.append(f"{self.command} {path}")
        if server.hold and server.hold in path:
            server.holding.set()
            server.go_on.wait(30)
        for part, status in server.refusals.items():
            if part in path:
                return self._json(status, {"error": "no"}, server.headers)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if path.startswith(("/large/", "/part/", "/whole/")):
            return self._large(path, body)
        if token not in (TOKEN, READ_ONLY) and not server.anybody:
            return self._json(401, {"error": "no"}, {"X-Error-Message": "Invalid credentials in Authorization header"})
        if path == "/api/whoami-v2":
            role = "write" if token == TOKEN else "read"
            orgs = [{"name": "ours", "roleInOrg": "admin"}, {"name": "theirs", "roleInOrg": "read"}]
            who = {"type": "user", "name": "me", "orgs": orgs, "auth": {"accessToken": {"role": role}}}
            return self._json(200, who)
        if path == "/api/validate-yaml":
            return self._json(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        path = re.sub("^/api/(models/|(?=spaces/))", "/", path)
        found = re.fullmatch(r"/((?:spaces/)?[\w.-]+/[\w.-]+?)((?:\.git)?/.*)?", path)
        repository = server.repositories.get(found[1]) if found else None
        if found is None or repository is None:
            return self._json(404, {"error": "no"}, {"X-Error-Code": "RepoNotFound"})
        return self._repository(found[1], repository, found[2] or "", body)

    def _create(self, asked: dict[str, Any]) -> None:
        name, is_space = f"{asked.get('organization') or 'me'}/{asked['name']}", asked.get("type") == "space"
        if (f"spaces/{name}" if is_space else name) in self.server.repositories:
            return self._json(409, {"error": "You already created this model repo"})
        private = asked.get("visibility") == "private" or asked.get("private") is True
        repository = self.server.repositories[f"spaces/{name}" if is_space else name] = Repository(private)
        if is_space:
            repository.hardware = asked.get("hardware") or ""
            repository.secrets |= {each["key"]: each["value"] for each in asked.get("secrets", ())}
            repository.variables |= {each["key"]: each["value"] for each in asked.get("variables", ())}
        place = f"spaces/{name}" if is_space else name
        return self._json(200, {"url": f"{self.server.address}/{place}", "id": name, "name": name})

    def _repository(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        if rest in ("/secrets", "/variables", "/hardware"):
            return self._setting(repository, rest, body)
        if rest == "":
            about = {
                "id": name.removeprefix("spaces/"),
                "sha": COMMIT,
                "private": repository.private,
                "siblings": [],
                "tags": [],
            }
            return self._json(200, about | ({"cardData": repository.card} if repository.card else {}))
        if rest.startswith("/tree/"):
            return self._json(200, [_listed(repository, each) for each in repository.files])
        if rest.startswith("/preupload/"):
            return self._json(200, {"files": [_mode(each) for each in json.loads(body)["files"]]})
        if rest == ".git/info/lfs/objects/batch":
            return self._json(200, {"objects": [self._action(each) for each in json.loads(body)["objects"]]})
        if rest.startswith("/commit/"):
            return self._commit(name, repository, body)
        return self._json(404, {"error": "no"})

    def _setting(self, repository: Repository, rest: str, body: bytes) -> None:
        if rest == "/hardware":
            repository.hardware = json.loads(body)["flavor"]
            return self._json(200, {"stage": "BUILDING", "hardware": {"requested": repository.hardware}})
        kept = repository.secrets if rest == "/secrets" else repository.variables
        if self.command == "POST":
            asked = json.loads(body)
            kept[asked["key"]] = asked["value"]
        # The Hub tells the names of secrets, never their values.
        told = {key: {"key": key, "value": value} for key, value in kept.items()}
        if rest == "/secrets":
            told = {key: {"key": key} for key in kept}
        return self._json(200, told)

    def _action(self, asked: dict[str, Any]) -> dict[str, Any]:
        oid, size, server = asked["oid"], asked["size"], self.server
        if oid in server.large:
            return {"oid": oid, "size": size}
        upload: dict[str, Any] = {"href": f"{server.address}/large/{oid}"}
        if size > server.part_bytes:
            parts = range(1, 1 + -(-size // server.part_bytes))
            header = {str(n).zfill(5): f"{server.address}/part/{oid}/{n}" for n in parts}
            upload = {
                "href": f"{server.address}/whole/{oid}",
                "header": {"chunk_size": str(server.part_bytes)} | header,
            }
        return {"oid": oid, "size": size, "actions": {"upload": upload}}

    def _large(self, path: str, body: bytes) -> None:
        server = self.server
        _, kind, oid, *rest = path.split("/")
        if self.command == "PUT":
            if server.drops:
                server.drops -= 1
                self.close_connection = True
                return self.connection.close()
            server.received.append((oid, len(body)))
        if kind == "part":
            server.parts.setdefault(oid, {})[int(rest[0])] = body
            return self._json(200, {}, {"ETag": f'"{rest[0]}"'})
        whole = body
        if kind == "whole":
            whole = b"".join(server.parts[oid][each["partNumber"]] for each in json.loads(body)["parts"])
        if hashlib.sha256(whole).hexdigest() != oid:
            return self._json(400, {"error": "another sha256"})
        server.large[oid] = whole
        return self._json(200, {})

    def _commit(self, name: str, repository: Repository, body: bytes) -> None:
        for line in body.splitlines():
            said = json.loads(line)
            value = said["value"]
            if said["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
                repository.large.discard(value["path"])
            elif said["key"] == "lfsFile":
                if value["oid"] not in self.server.large:
                    return self._json(400, {"error": "an object that is not there"})
                repository.files[value["path"]] = self.server.large[value["oid"]]
                repository.large.add(value["path"])
            elif said["key"] == "deletedFile":
                del repository.files[value["path"]]
        repository.commits += 1
        return self._json(200, {"commitUrl": f"{self.server.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

    def _json(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(document).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _mode(asked: dict[str, Any]) -> dict[str, Any]:
    is_large = asked["path"].endswith((".safetensors", ".gguf"))
    return {"path": asked["path"], "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False, "oid": None}


def _listed(repository: Repository, name: str) -> dict[str, Any]:
    content = repository.files[name]
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    found: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": blob}
    if name in repository.large:
        found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return found


@contextmanager
def publishing_hub() -> Iterator[PublishingHub]:
    """Serve a Hub on which there is nothing yet."""
    with serving(PublishingHub()) as server:
        try:
            yield server
        finally:
            server.go_on.set()
