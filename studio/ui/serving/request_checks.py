"""What each request passes before it reaches Gradio, and each answer last.

A request is answered when it reaches the studio under a known name, was sent by the studio's own page or by a program,
asks for what the page needs, and comes from a visitor who has given the password where there is one. Gradio also
answers as a proxy for foreign addresses, offers a code editor, monitoring, shared states and the components of other
apps: the studio uses none of it, so those addresses are closed. Plain ASGI, because the answers are streams.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.openai_api.shapes import error_body, is_api
from studio.ui.serving import login, page_headers
from studio.ui.serving.origins import Address, Hosts, forwarded_hosts, is_page_load, is_sent_by_another_page, known_host

Header = tuple[bytes, bytes]

FRAMED_BY = "https://huggingface.co"
"""The site that shows a Space in a frame."""

_FETCH = b"sec-fetch-"
_FORWARDED = b"x-forwarded-host"
_GRADIO_ADDRESS = b"x-gradio-server"

FILE = "/gradio_api/file="
"""Where Gradio serves files from: those that a visitor has uploaded, and those that were offered."""

LOGIN = "/login"

_BEFORE_LOGIN = re.compile(
    r"/|/login/?|/theme\.css|/gradio_api/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(?:assets|static)/.+"
)
_PAGE = re.compile(
    r"/(?:config/?|logout|gradio_api/(?:"
    r"info/?|queue/(?:join|data)|upload|upload_progress|heartbeat/[\w-]+|(?:run|api|call)/[\w-]+/?"
    r"|call/[\w-]+/[\w-]+/?|cancel|reset/?|app_id/?|login_check/?|file=/.+))"
)


@dataclass(frozen=True)
class Rules:
    """Who is let in.

    `signed_in` tells whether a request carries a login, and is None where no password is asked. `prefix` is the path
    that a proxy serves the studio under. `framed` is true where Hugging Face shows the page in a frame.
    """

    hosts: Hosts
    signed_in: Callable[[Scope], bool] | None = None
    prefix: str = ""
    framed: bool = False


@dataclass(frozen=True)
class Refusal(Exception):
    """Why a request is not answered: a status of HTTP and a sentence for whoever sent it."""

    status: int
    sentence: str
    seconds: float = 0.0


class RequestChecks:
    """The outermost application. `routes` are the studio's own, which are answered beside those of Gradio."""

    def __init__(self, app: ASGIApp, rules: Rules, *, tries: login.Tries, routes: Sequence[BaseRoute] = ()) -> None:
        self._app = app
        self._rules = rules
        self._tries = tries
        self._routes = tuple(routes)
        self._policy = page_headers.page_policy(framed_by=FRAMED_BY if rules.framed else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with a sentence."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # the page needs none
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = without_prefix(scope["path"], self._rules.prefix)
        is_file = path.startswith(FILE)
        guarded = self._guard(send, policy=self._policy, attached=is_file)
        try:
            scope = {**scope, "path": path, "headers": self._admit(scope, path)}
            if path.rstrip("/") == LOGIN and scope["method"] == "POST":
                guarded = self._count_tries(scope, guarded)
        except Refusal as refusal:
            waiting = {"Retry-After": str(int(refusal.seconds) + 1)} if refusal.seconds else None
            answer: Response = PlainTextResponse(refusal.sentence, status_code=refusal.status, headers=waiting)
            if is_api(path):
                body = error_body(refusal.status, refusal.sentence)
                answer = JSONResponse(body, status_code=refusal.status)
            await answer(scope, receive, self._guard(send, policy=page_headers.NOTHING, attached=False))
            return
        await self._app(scope, receive, guarded)

    def _admit(self, scope: Scope, path: str) -> list[Header]:
        """Return the headers of a request that is let in. Raises Refusal."""
        headers, hosts = scope["headers"], self._rules.hosts
        host = known_host(_values(headers, b"host"), hosts)
        if host is None:
            raise Refusal(421, _unknown_host(_values(headers, b"host")))
        forwarded = forwarded_hosts(_values(headers, _FORWARDED), hosts)
        self._ask_origin(scope, path, (host, *forwarded))
        own = any(route.matches({**scope, "path": path})[0] is not Match.NONE for route in self._routes)
        if not (own or is_needed(path)):
            raise Refusal(404, "There is nothing at this address.")
        # Programs show a key, which the address for them asks for.
        if not (is_open_before_login(path) or is_api(path) or self._is_signed_in(scope)):
            raise Refusal(401, "This studio asks for a password. Open its page and sign in.")
        unsafe = {_GRADIO_ADDRESS} if forwarded else {_GRADIO_ADDRESS, _FORWARDED}
        return [(name, value) for name, value in headers if name.lower() not in unsafe]

    def _ask_origin(self, scope: Scope, path: str, own: Iterable[Address]) -> None:
        headers, method = scope["headers"], scope["method"]
        fetch = {
            name[len(_FETCH) :].decode("latin-1"): value.decode("latin-1")
            for name, value in ((name.lower(), value) for name, value in headers)
            if name.startswith(_FETCH)
        }
        origins = _values(headers, b"origin")
        if method not in ("GET", "HEAD", "POST") and not (method == "DELETE" and is_api(path)):
            raise Refusal(403 if method == "OPTIONS" else 405, f"The studio does not answer {method[:20]}.")
        if not origins and is_page_load(method, path, fetch, framed=self._rules.framed):
            return
        if is_sent_by_another_page(origins, fetch, own, self._rules.hosts):
            raise Refusal(
                403,
                "Another web page sent this request, so it was refused. Open the studio itself. If it stands behind a "
                "proxy, set STUDIO_HOSTS to the name that you visit it under.",
            )

    def _is_signed_in(self, scope: Scope) -> bool:
        return self._rules.signed_in is None or self._rules.signed_in(scope)

    def _count_tries(self, scope: Scope, send: Send) -> Send:
        """Bound how often a password is tried. Raises Refusal; a right password is not counted."""
        length = _values(scope["headers"], b"content-length")
        if len(length) != 1 or not length[0].isdecimal() or int(length[0]) > login.LONGEST_FORM:
            raise Refusal(413, "A login is a short form: a name and the password.")
        # What a proxy says of the visitor's address is not asked: whoever sends a request can write that header.
        address = scope["client"][0] if scope.get("client") else ""
        if seconds := self._tries.begin(address):
            raise Refusal(429, f"Too many wrong passwords. Try again in {int(seconds) + 1} seconds.", seconds)

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self._tries.forgive(address)
            await send(message)

        return watching

    def _guard(self, send: Send, *, policy: str, attached: bool) -> Send:
        async def guarding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                message = {
                    **message,
                    "headers": page_headers.guarded(
                        headers, policy=policy, framed=self._rules.framed, attached=attached
                    ),
                }
            await send(message)

        return guarding


def is_needed(path: str) -> bool:
    """Tell whether the page or a program needs an address of Gradio."""
    return is_open_before_login(path) or _PAGE.fullmatch(path) is not None


def is_open_before_login(path: str) -> bool:
    """Tell whether an address is answered before the password was given: the login page and what it is drawn with."""
    return _BEFORE_LOGIN.fullmatch(path) is not None


def without_prefix(path: str, prefix: str) -> str:
    """Take the prefix of a proxy off a path, where the proxy left it on."""
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def _values(headers: Iterable[Header], name: bytes) -> list[str]:
    return [value.decode("latin-1") for found, value in headers if found.lower() == name]


def _unknown_host(values: Sequence[str]) -> str:
    found = "".join(letter for letter in values[0][:80] if letter.isprintable()) if values else "no name"
    return (
        f"The studio does not answer under '{found}'. "
        "If you want to visit it under this name, set STUDIO_HOSTS to it and start the studio again."
    )
