"""How much may be asked of the server: the size of a request's body, requests at the same time, open streams, uploads.

A layer of ASGI around the page. It answers 413 or 429 with a sentence. An
address is that of the connection; behind a proxy, the server that passes it on must be told to trust the proxy.
"""

import json
import logging
import shutil
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from studio.errors import TooMany
from studio.limits import Limits, raised_by
from studio.openai_api.shapes import PREFIX, error_body, is_api
from studio.ui.kit.clocks import CHANGES_ADDRESS
from studio.visitors import visitor_at

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_MIB = 2**20
_UPLOADS = ("/upload", f"{PREFIX}files")
_STREAMS = ("/queue/data", "/upload_progress", f"/{CHANGES_ADDRESS}")


class TooLarge(TooMany):
    """A body is longer than is taken."""


@dataclass
class Upload:
    """One upload: the bytes that it announced, and those that came once it is over."""

    at: float
    who: str
    size: int


class Uploads:
    """What was uploaded in the time for which uploads are kept, with what is on its way."""

    def __init__(self, limits: Limits, clock: Callable[[], float], free_gib: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._free_gib = free_gib
        self._kept: deque[Upload] = deque()

    def begin(self, who: str, size: int) -> Upload:
        """Count an upload of so many bytes. Raises TooMany where it is one too many of this visitor, or of all."""
        oldest = self._clock() - self._limits.upload_minutes * 60
        while self._kept and self._kept[0].at < oldest:
            self._kept.popleft()
        mine = [each for each in self._kept if each.who == who]
        for name, found, what in (
            ("uploads_waiting_each", len(mine) + 1, "of your uploads"),
            ("uploads_waiting", len(self._kept) + 1, "uploads"),
            ("uploads_waiting_mib_each", _mib(mine, size), "MiB of your uploads"),
            ("uploads_waiting_mib", _mib(self._kept, size), "MiB of uploads"),
        ):
            most = getattr(self._limits, name)
            if found > most:
                raise TooMany(
                    f"With this file there are {found:,} {what}, and {most:,} are kept at a time.",
                    f"Each is kept for {self._limits.upload_minutes:,} minutes: try again later. {raised_by(name)}",
                )
        if self._free_gib() - size / 2**30 < self._limits.free_disk_gib:
            raise TooMany("The disk has no room for this file.", f"Try again later. {raised_by('free_disk_gib')}")
        upload = Upload(self._clock(), who, size)
        self._kept.append(upload)
        return upload


def free_for_uploads_gib() -> float:
    """Look how much of the disk is free on which Gradio keeps uploads."""
    folder = Path(get_upload_folder())
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free / 2**30


class RequestLimits:
    """The layer. `clock` counts seconds, `free_gib` looks how much room there is for uploads."""

    def __init__(
        self,
        app: App,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        free_gib: Callable[[], float] = free_for_uploads_gib,
    ) -> None:
        self._app = app
        self._limits = limits
        self._uploads = Uploads(limits, clock, free_gib)
        self._open: dict[str, Counter[str]] = {"requests_at_once": Counter(), "streams_at_once": Counter()}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        who = visitor_at((scope.get("client") or (None,))[0])
        is_stream = "/heartbeat/" in scope["path"] or scope["path"].endswith(_STREAMS)
        try:
            with self._held("streams_at_once" if is_stream else "requests_at_once", who):
                await (self._take_upload if is_upload(scope) else self._take_other)(scope, receive, send, who=who)
        except TooMany as error:
            await _refuse(send, error, scope["path"])

    async def _take_upload(self, scope: Message, receive: Receive, send: Send, *, who: str) -> None:
        name = "uploads_waiting_mib_each"
        size = _length(scope)
        most = getattr(self._limits, name) * _MIB
        if size is not None and size > most:
            raise _too_large(name, most)
        # A body that does not say how long it is counts as one whole file until it is over.
        upload = self._uploads.begin(who, self._limits.upload_mib * _MIB if size is None else size)
        body = _Body(receive, send, name=name, most=upload.size)
        try:
            await body.pass_on(self._app, scope)
        finally:
            upload.size = min(upload.size, body.size)

    async def _take_other(self, scope: Message, receive: Receive, send: Send, *, who: str) -> None:
        most = self._limits.request_mib * _MIB
        if (_length(scope) or 0) > most:
            raise _too_large("request_mib", most)
        await _Body(receive, send, name="request_mib", most=most).pass_on(self._app, scope)

    @contextmanager
    def _held(self, name: str, who: str) -> Iterator[None]:
        """Count a request while it is answered. Raises TooMany where there are too many."""
        counted, noun = self._open[name], name.removesuffix("_at_once")
        for bound, found, whose in ((f"{name}_each", counted[who], "of your "), (name, counted.total(), "")):
            most = getattr(self._limits, bound)
            if found >= most:
                raise TooMany(
                    f"{found:,} {whose}{noun} are open, and {most:,} may be.",
                    f"Close pages that you do not need, or try again in a moment. {raised_by(bound)}",
                )
        counted[who] += 1
        try:
            yield
        finally:
            counted[who] -= 1
            if not counted[who]:
                del counted[who]  # addresses come and go without end


class _Body:
    """One request on its way, whose body is counted as it arrives."""

    def __init__(self, receive: Receive, send: Send, *, name: str, most: int) -> None:
        self.size = 0
        self._receive = receive
        self._send = send
        self._name = name
        self._most = most
        self._is_answered = False

    async def pass_on(self, app: App, scope: Message) -> None:
        """Have the page answer; of a body that is too long it hears no more than that the visitor is gone."""
        try:
            await app(scope, self._take, self._give)
        except Exception:
            if self.size <= self._most:
                raise
            log.info("The request for %s was given up: its body is too long", scope["path"][:200], exc_info=True)
        if self.size > self._most and not self._is_answered:
            await _refuse(self._send, _too_large(self._name, self._most), scope["path"])

    async def _take(self) -> Message:
        if self.size > self._most:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self.size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.size > self._most else message

    async def _give(self, message: Message) -> None:
        if self.size > self._most and not self._is_answered:
            return  # what the page says of a visitor who is gone is of no use to this one
        self._is_answered = True
        await self._send(message)


def is_upload(scope: Message) -> bool:
    """Tell whether a request brings a file."""
    path: str = scope["path"]
    return bool(scope["type"] == "http" and scope["method"] == "POST") and path.rstrip("/").endswith(_UPLOADS)


def _length(scope: Message) -> int | None:
    """Return how long a request says that its body is; None where it does not. It is counted as it arrives."""
    lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length" and value.isdigit()]
    return max((int(each[:18]) for each in lengths), default=None)


def _too_large(name: str, most: int) -> TooLarge:
    return TooLarge(
        f"This request is longer than {most / _MIB:,.0f} MiB, which is what is taken at once.",
        f"Send less at once. {raised_by(name)}",
    )


async def _refuse(send: Send, error: TooMany, path: str) -> None:
    status = 413 if isinstance(error, TooLarge) else 429
    body = error_body(status, str(error)) if is_api(path) else {"error": str(error), "detail": str(error)}
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not waited for
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _mib(uploads: Iterable[Upload], size: int) -> int:
    return -(-(sum(each.size for each in uploads) + size) // _MIB)
