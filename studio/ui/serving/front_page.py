"""The page itself, rendered once and kept: it is the same for every visitor who reaches the studio the same way, in one
language.

Gradio writes all settings of all components into it, which takes longer than anything else that a visitor asks for.
Programs ask for the settings alone, and they are kept too.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.ui.language.front import SpokenFront, asked_by

MOST_KEPT = 32
"""So many versions are kept, at 0.1 MB compressed: one for each address of the studio, language, encoding and login."""

_DECIDING = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"accept-encoding")
"""The headers that change what is rendered."""

_KEPT_PATHS = ("/", "/config", "/config/")

Key = tuple[object, ...]


class FrontPage:
    """A layer of ASGI. `login_of` tells the login that a request carries, and nothing where it carries none."""

    def __init__(self, app: ASGIApp, login_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._page = GZipMiddleware(SpokenFront(app))  # once for each version, and not for each visitor
        self._login_of = login_of
        self._kept: OrderedDict[Key, list[Message]] = OrderedDict()
        self._rendering = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page that is kept, or pass the request on."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in _KEPT_PATHS:
            await self._app(scope, receive, send)
            return
        headers = tuple((name, value) for name, value in scope["headers"] if name in _DECIDING)
        key = (scope["path"], headers, asked_by(scope), self._login_of(scope))
        async with self._rendering:
            if key not in self._kept:
                answer = await self._render({**scope, "query_string": b""}, receive)
                if answer[0]["status"] == 200:
                    self._kept[key] = answer
            else:
                answer = self._kept[key]
                self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        for message in answer:
            await send(dict(message))

    async def _render(self, scope: Scope, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._page(scope, receive, keep)
        return answer
