"""A Hub on 127.0.0.1 with storage buckets, as huggingface_hub speaks to it: also one that fails, is slow or cuts off.

The contents go through hf_xet, which keeps them in a folder here: the address of the storage that this Hub names begins
with local://. Only one process can have that folder open at a time.
"""

import http.server
import json
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.local_server import serving

TOKEN = "hf_" + "bucketsecret" * 2


@dataclass
class File:
    """A file of a bucket, as its content's name in the storage."""

    xet_hash: str
    size: int


@dataclass
class StoredBucket:
    """The files of a bucket by their names."""

    private: bool = True
    files: dict[str, File] = field(default_factory=dict)


class BucketHub(http.server.ThreadingHTTPServer):
    """Keeps `buckets` by name.

    `failures` are statuses by a part of a path, with how often each is still given; 0 breaks the connection off. Every
    answer waits `slow` seconds. `asked` are the requests, `storage` the address that is named instead of the folder.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), BucketAnswers)
        self.storage = f"local://{folder}"
        self.buckets: dict[str, StoredBucket] = {}
        self.failures: list[tuple[str, int, int]] = []
        self.slow = 0.0
        self.asked: list[str] = []
        self.said: list[str] = []
        self._shards = folder / "xet" / "xorbs" / "shards"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, part: str, status: int, times: int = 1) -> None:
        """Answer with a status the next times that a path with this part is asked for; 0 breaks off."""
        self.failures.append((part, status, times))

    def failing(self, path: str) -> int | None:
        """Return how a request fails, None where it does not."""
        for place, (part, status, times) in enumerate(self.failures):
            if part in path:
                self.failures[place : place + 1] = [(part, status, times - 1)] if times > 1 else []
                return status
        return None

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the contents that arrived in the storage, by their names there."""
        return {name: size for path in self._shards.glob("*.mdb") for name, size in _sizes_in(path.read_bytes())}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away in the middle is what the tests are about."""


class BucketAnswers(http.server.BaseHTTPRequestHandler):
    server: BucketHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or "0"))
        server, path = self.server, unquote(self.path.partition("?")[0])
        server.asked.append(f"{self.command} {path}")
        server.said.append(body.decode("utf-8", "replace"))
        time.sleep(server.slow)
        status = server.failing(path)
        if status == 0:
            self.close_connection = True
            return self.connection.close()
        if status is not None:
            return self._json(status, {"error": "no"})
        return self.answer(path, body)

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self, path: str, body: bytes) -> None:
        """Answer a request that does not fail."""
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json(401, {"error": "Invalid credentials in Authorization header"})
        if path.startswith("/buckets/"):
            bucket, _, file = path.removeprefix("/buckets/").partition("/resolve/")
            return self._resolve(bucket, file)
        owner, name, *rest = path.removeprefix("/api/buckets/").split("/")
        return self._bucket(f"{owner}/{name}", "/".join(rest), body)

    def _bucket(self, name: str, verb: str, body: bytes) -> None:
        server = self.server
        if verb == "" and self.command == "POST":
            if name in server.buckets:
                return self._json(409, {"error": "it exists", "url": f"{server.address}/buckets/{name}"})
            server.buckets[name] = StoredBucket(json.loads(body).get("visibility") == "private")
            return self._json(200, {"url": f"{server.address}/buckets/{name}"})
        bucket = server.buckets.get(name)
        if bucket is None:
            return self._json(404, {"error": "no"})
        if verb == "":
            about = {"id": name, "private": bucket.private, "size": 0, "totalFiles": len(bucket.files)}
            return self._json(200, about | {"createdAt": "2026-01-01T00:00:00.000Z"})
        if verb in ("xet-write-token", "xet-read-token"):
            return self._json(200, {"accessToken": "x", "exp": int(time.time()) + 3600, "casUrl": server.storage})
        if verb == "paths-info":
            wanted = json.loads(body)["paths"]
            return self._json(200, [self._listed(each, bucket.files[each]) for each in wanted if each in bucket.files])
        if verb.startswith("tree"):
            below = verb.removeprefix("tree").lstrip("/")
            found = [(path, file) for path, file in bucket.files.items() if path.startswith(below)]
            return self._json(200, [self._listed(*each) for each in found])
        if verb == "batch":
            return self._json(200, {"success": True, "failed": self._change(bucket, body)})
        return self._json(404, {"error": "no"})

    def _change(self, bucket: StoredBucket, body: bytes) -> list[dict[str, str]]:
        sizes, failed = self.server.sizes(), []
        for change in map(json.loads, body.splitlines()):
            path = change["path"]
            if change["type"] != "addFile":
                bucket.files.pop(path, None)
            elif change["xetHash"] in sizes:
                bucket.files[path] = File(change["xetHash"], sizes[change["xetHash"]])
            else:
                failed.append({"path": path, "error": "a content that is not there"})
        return failed

    def _resolve(self, name: str, path: str) -> None:
        file = self.server.buckets[name].files.get(path)
        if file is None:
            return self._json(404, {"error": "no"})
        route = f"{self.server.address}/api/buckets/{name}/xet-read-token"
        headers = {"X-Xet-Hash": file.xet_hash, "X-Xet-Refresh-Route": route, "X-Linked-Size": str(file.size)}
        return self._json(200, {}, headers)

    def _listed(self, path: str, file: File) -> dict[str, Any]:
        return {"type": "file", "path": path, "size": file.size, "xetHash": file.xet_hash, "mtime": None}

    def _json(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _sizes_in(shard: bytes) -> Iterator[tuple[str, int]]:
    """Read which files a shard describes: behind its head, for each its name, its pieces and their hashes."""
    place = 48
    while (name := "".join(f"{part:016x}" for part in struct.unpack_from("<4Q", shard, place))) != "f" * 64:
        flags, pieces = struct.unpack_from("<II", shard, place + 32)
        place += 48
        yield name, sum(struct.unpack_from("<I", shard, place + 48 * piece + 36)[0] for piece in range(pieces))
        place += 48 * pieces * (2 if flags >> 31 else 1) + (48 if flags >> 30 & 1 else 0)


@contextmanager
def bucket_hub(folder: Path) -> Iterator[BucketHub]:
    """Serve a Hub on which there is no bucket yet."""
    with serving(BucketHub(folder)) as server:
        yield server
