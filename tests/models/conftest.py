"""What the tests of the models layer stand on: a web server of our own that can break, and safetensors files."""

import http.server
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.local_server import serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Shop(http.server.ThreadingHTTPServer):
    """Serves `files` by path, with Range, and looks like the Hub for the repositories in `repos`.

    `breaks` holds, for each coming GET, after how many bytes the connection closes; `asked` what was asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Counter)
        self.files: dict[str, bytes] = {}
        self.repos: dict[str, dict[str, bytes]] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.breaks: list[int] = []
        self.ranges = True
        self.asked: list[tuple[str, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away in the middle is what the tests are about."""


class _Counter(http.server.BaseHTTPRequestHandler):
    server: Shop

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        for repo_id, (status, code) in self.server.refusals.items():
            if f"/{repo_id}" in path:
                return self._send(b"{}", status=status, headers={"X-Error-Code": code}, with_body=with_body)
        for repo_id, files in self.server.repos.items():
            if path.startswith(f"/api/models/{repo_id}"):
                return self._send(_describe(repo_id, files, path), with_body=with_body)
            if path.startswith(f"/{repo_id}/resolve/"):
                name = path.split("/", 5)[-1]
                headers = {"ETag": f'"{name}-1"', "X-Repo-Commit": COMMIT}
                if name not in files:
                    return self._send(b"", status=404, headers={"X-Error-Code": "EntryNotFound"}, with_body=False)
                return self._send(files[name], headers=headers, with_body=with_body)
        if path == "/":
            return self._send(b"", with_body=False)
        if path in self.server.files:
            return self._send(self.server.files[path], with_body=with_body)
        return self._send(b"", status=404, with_body=False)

    def _send(
        self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, with_body: bool
    ) -> None:
        wanted = self.headers.get("Range", "")
        if wanted and self.server.ranges and status == 200:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            if int(first) >= len(body):
                status, body = 416, b""
            else:
                status, body = 206, body[int(first) : int(last) + 1 if last else None]
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            cut = self.server.breaks.pop(0) if self.server.breaks else len(body)
            self.wfile.write(body[:cut])
        self.close_connection = True


def _describe(repo_id: str, files: Mapping[str, bytes], path: str) -> bytes:
    if "/tree/" in path:
        tree = [{"type": "file", "path": name, "size": len(body), "oid": "0" * 40} for name, body in files.items()]
        return json.dumps(tree).encode()
    siblings = [{"rfilename": name} for name in files]
    return json.dumps({"id": repo_id, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}).encode()


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A web server on 127.0.0.1 for one test."""
    with serving(Shop()) as server:
        yield server


def pack_shapes(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """Make a safetensors file of zero bytes, by hand, with tensors of these shapes (type F32)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(position)


TINY_SHAPES = {
    "model.embed_tokens.weight": (10, 4),
    "model.layers.0.self_attn.q_proj.weight": (4, 4),
    "model.layers.0.self_attn.v_proj.weight": (2, 4),
    "model.layers.0.mlp.up_proj.weight": (6, 4),
    "model.layers.0.input_layernorm.weight": (4,),
    "lm_head.weight": (10, 4),
}


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A folder that looks like a model: config.json and a small safetensors file."""
    folder = tmp_path / "a-model"
    folder.mkdir()
    (folder / "config.json").write_text('{"max_position_embeddings": 128}')
    (folder / "model.safetensors").write_bytes(pack_shapes(TINY_SHAPES))
    return folder
