"""One request to the checks, without a server: what a visitor sends, and what comes back."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from studio.ui.serving.request_checks import RequestChecks

Headers = Iterable[tuple[str, str]]


@dataclass
class Gradio:
    """What stands behind the checks: it answers everything, to every origin, and notes what reached it."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Access-Control-Allow-Origin", "*"), ("Content-Type", "text/html"))
    seen: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"from Gradio"})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


def ask(
    checks: RequestChecks,
    path: str = "/",
    headers: Headers = (),
    *,
    host: str | None = "127.0.0.1:7860",
    method: str = "GET",
    client: str = "127.0.0.1",
    kind: str = "http",
) -> Answer:
    """Send one request through the checks."""
    named = [] if host is None else [("Host", host)]
    scope: dict[str, Any] = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in [*named, *headers]],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 7860),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(checks(scope, receive, send))
    if kind == "websocket":
        return Answer(sent[0]["code"], {}, sent[0]["type"])
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert len(found) == len(sent[0]["headers"]), "a header was sent twice"
    return Answer(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]).decode())
