"""The names that browsers invent for their uploads, to follow how far each is: Gradio keeps all of them for ever."""

from collections.abc import Iterator
from urllib.parse import parse_qs

from gradio.routes import file_upload_statuses
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_NAMES = 200
"""So many uploads of one page may be on their way and followed; what is known of older ones is forgotten."""

LONGEST_NAME = 200

_PATHS = ("/upload", "/upload_progress")


class UploadNames:
    """A layer before the page that forgets what is known of uploads, the oldest first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._names: dict[str, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        names = list(_named(scope))
        if any(len(name) > LONGEST_NAME for name in names) or len(names) > 1:
            await PlainTextResponse("This is no name of an upload.", 400)(scope, receive, send)
            return
        self._remember(names)
        try:
            await self._app(scope, receive, send)
        finally:
            self._remember(names)  # one that was forgotten on its way was known again with its next piece

    def forget(self) -> None:
        """Forget all: the page is gone."""
        while self._names:
            self._forget_oldest()

    def _remember(self, names: list[str]) -> None:
        for name in names:
            self._names.pop(name, None)
            self._names[name] = None
        while len(self._names) > MOST_NAMES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        name = next(iter(self._names))
        del self._names[name]
        file_upload_statuses.stop_tracking(name)
        file_upload_statuses._signals.pop(name, None)


def _named(scope: Scope) -> Iterator[str]:
    if scope["type"] == "http" and scope["path"].rstrip("/").endswith(_PATHS):
        found = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        yield from found.get("upload_id", ())
