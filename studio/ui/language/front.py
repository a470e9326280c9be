"""The page that a browser starts with, in the language that it asks for."""

import json
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.ui.kit import scripts
from studio.ui.language import spoken_page
from studio.ui.language.catalog import Catalog, catalog
from studio.ui.language.choice import language_of

_CONFIG = re.compile(r"(<script>window\.gradio_config = )(\{.*?\})(;</script>)", re.DOTALL)
_LANG = re.compile(r"(<html\s+lang=\")en\"")


def asked_by(scope: Scope) -> str:
    """Return the language of a request for the page; whatever else is asked for is not translated here."""
    request = HTTPConnection(scope)
    return language_of(request.headers, request.cookies) if scope["path"] == "/" else "en"


class SpokenFront:
    """A layer of ASGI that translates the page. It stands below what keeps the page, and above Gradio."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the answer on, in the language of the request."""
        if scope["path"] != "/":
            await self._app(scope, receive, send)
            return
        language = asked_by(scope)
        start: Message = {}
        body = b""

        async def translate(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            if message["type"] != "http.response.body":
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            whole = page(body.decode("utf-8"), language).encode("utf-8")
            headers = [each for each in start["headers"] if each[0].lower() != b"content-length"]
            await send({**start, "headers": [*headers, (b"content-length", str(len(whole)).encode())]})
            await send({"type": "http.response.body", "body": whole})

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, translate)


def page(text: str, language: str) -> str:
    """Put the page into a language: what its components are, the words of its scripts, and its own language."""
    # Gradio's own words follow the browser, and with them what it says the page's language is.
    told = f"Object.defineProperty(navigator, 'language', {{get: () => '{language}'}});"
    known = catalog(language)
    if known is not None:
        words = {english: known.translate(english) for english in scripts.words()}
        marks = known.number("1,024.5")
        told += f"window.studioWords = {scripts.written(words)};window.studioSeparators = '{marks[5]}{marks[1]}';"
        text = _CONFIG.sub(lambda found: found[1] + _in_script(_config(found[2], known)) + found[3], text, count=1)
    begins = "<script>window.gradio_config"
    text = text.replace(begins, f"<script>{scripts.first()}{told}</script>{begins}", 1)
    return _LANG.sub(rf'\g<1>{language}"', text, count=1)


def _config(text: str, known: Catalog) -> dict[str, Any]:
    read: Callable[[str], dict[str, Any]] = json.loads
    found = read(text)
    if found.get("auth_message"):
        found["auth_message"] = known.translate(found["auth_message"])
    return spoken_page.config(found, known)


def _in_script(value: object) -> str:
    """Write JSON in which nothing ends the script that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for each in "<>&'":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text
