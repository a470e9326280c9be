"""A Hub on 127.0.0.1 that says who somebody is, by OpenID Connect, as huggingface.co does. It can lie, and hang."""

import base64
import hashlib
import http.server
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.local_server import serving

CLIENT, SECRET = "9f0c-client", "not-for-anybody"


@dataclass
class Granted:
    """What a code was granted for: who, and what was asked with it."""

    sub: str
    name: str
    asked: dict[str, str]


class SignInHub(http.server.ThreadingHTTPServer):
    """Grants codes by `grant`, as a person's browser fetches them. What it answers is overlaid with `lies`, by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.codes: dict[str, Granted] = {}
        self.tokens: dict[str, Granted] = {}
        self.lies: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who does not wait for an answer is what the tests are about."""

    def grant(self, address: str, *, sub: str, name: str) -> dict[str, str]:
        """Agree, as a person does on the page at an address, and return what they come back with."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.address}/oauth/authorize"
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        code = f"code{len(self.codes)}"
        self.codes[code] = Granted(sub, name, asked)
        return {"code": code, "state": asked["state"]}


class _Answers(http.server.BaseHTTPRequestHandler):
    server: SignInHub

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.server
        hub.asked.append(self.path)
        if self.path == "/.well-known/openid-configuration":
            return self._json(
                {
                    "issuer": hub.address,
                    "authorization_endpoint": f"{hub.address}/oauth/authorize",
                    "token_endpoint": f"{hub.address}/oauth/token",
                    "userinfo_endpoint": f"{hub.address}/oauth/userinfo",
                }
            )
        granted = hub.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if self.path != "/oauth/userinfo" or granted is None:
            return self._json({"error": "no"}, 401)
        return self._json({"sub": granted.sub, "preferred_username": granted.name, "name": granted.name})

    def do_POST(self) -> None:
        hub = self.server
        hub.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        given = {key: values[0] for key, values in parse_qs(body).items()}
        granted = hub.codes.pop(given.get("code", ""), None)
        login = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if granted is None or self.headers.get("Authorization") != f"Basic {login}":
            return self._json({"error": "invalid_grant"}, 400)
        asked = granted.asked
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given["code_verifier"].encode()).digest()).rstrip(b"=")
        if challenge.decode() != asked["code_challenge"] or given["redirect_uri"] != asked["redirect_uri"]:
            return self._json({"error": "invalid_grant"}, 400)
        token = f"hf_oauth_{len(hub.tokens)}"
        hub.tokens[token] = granted
        claims = {"iss": hub.address, "aud": CLIENT, "sub": granted.sub, "nonce": asked["nonce"]}
        claims |= {"exp": int(time.time()) + 3600, **hub.claims}
        parts = (_part({"alg": "RS256"}), _part(claims), "c2ln")
        return self._json({"access_token": token, "token_type": "bearer", "id_token": ".".join(parts)})

    def _json(self, document: dict[str, Any], status: int = 200) -> None:
        lie = self.server.lies.get(self.path)
        if isinstance(lie, float):
            time.sleep(lie)
        body = lie if isinstance(lie, bytes) else json.dumps(document | (lie if isinstance(lie, dict) else {})).encode()
        self.send_response(lie if isinstance(lie, int) else status)
        if isinstance(lie, int) and 300 <= lie < 400:
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@contextmanager
def sign_in_hub() -> Iterator[SignInHub]:
    """Serve a Hub that nobody has asked anything yet."""
    with serving(SignInHub()) as server:
        yield server
