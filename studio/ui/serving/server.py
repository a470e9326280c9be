"""How the page is served: by a server of its own, the checks before Gradio and the studio's own routes beside it."""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Scope

from studio.errors import RunError
from studio.openai_api.address import Address
from studio.openai_api.keys import ApiKey
from studio.planning.model_facts import ModelFacts
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.frame.header import ICON
from studio.ui.kit import scripts
from studio.ui.kit.plot import SCRIPT_ADDRESS, plotly_script
from studio.ui.kit.theme import STYLE_SHEETS, studio_theme
from studio.ui.serving import download_routes, login
from studio.ui.serving.changes import Changes
from studio.ui.serving.front_page import FrontPage
from studio.ui.serving.origins import hosts_of
from studio.ui.serving.page_assets import PageAssets, answer, read_asset
from studio.ui.serving.request_checks import RequestChecks, Rules
from studio.ui.serving.request_limits import RequestLimits

DARK_CONTROLS = "<style>html:has(body.dark) { color-scheme: dark; }</style>"
"""Lets the browser draw its scrollbars and fields for a dark page. Not in a style sheet: Gradio rewrites selectors."""

STREAM_SECONDS = 2
"""How long open answers may take to end when the studio does."""


def mount_options(studio: Studio) -> dict[str, Any]:
    """Return how Gradio is mounted: its looks, its limits, and nothing that leaves this machine."""
    settings = studio.settings
    return {
        "path": "/",
        "server_name": settings.host,
        "server_port": settings.port,
        "theme": studio_theme(),
        "css_paths": list(STYLE_SHEETS),
        "head": scripts.head() + DARK_CONTROLS,
        "favicon_path": ICON,
        "max_file_size": studio.limits.upload_mib * 2**20,
        "footer_links": ["api", "settings"],
        "run_history": False,
        "show_error": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "root_path": settings.root_path,
        "auth": login.check(settings.password) if settings.password else None,
        "auth_message": login.MESSAGE if settings.password else None,
    }


def own_routes(studio: Studio) -> list[BaseRoute]:
    """Return what the studio answers itself, without Gradio."""
    script = plotly_script()

    def chart_library(request: Request) -> Response:
        return answer(read_asset(script), request.scope)

    return [Route(f"/{SCRIPT_ADDRESS}", chart_library), *download_routes.routes(studio)]


class PageServer:
    """The page of one studio, on one socket, in a thread of its own."""

    def __init__(self, studio: Studio, listener: socket.socket) -> None:
        self._listener = listener
        facts = ModelFacts(studio)
        self._page = build_app(studio, facts)
        self._page.state_session_capacity = studio.limits.sessions
        self._api_key = ApiKey(studio.settings.home)
        address = Address(studio, facts, self._api_key).routes()
        routes = [*own_routes(studio), Changes(studio, is_looking=facts.is_looking).route(), *address]
        site = FastAPI(openapi_url=None, routes=routes)
        gr.mount_gradio_app(site, self._page, **mount_options(studio))
        self._gradio = gradio_of(site)
        bounded = RequestLimits(PageAssets(FrontPage(site, self._login_of)), studio.limits)
        checks = RequestChecks(bounded, self._rules(studio.settings), tries=login.Tries(time.monotonic), routes=routes)
        self._server = uvicorn.Server(
            uvicorn.Config(
                checks,
                log_level="warning",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STREAM_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="page", daemon=True)

    def _rules(self, settings: Settings) -> Rules:
        return Rules(
            hosts_of(settings, machine=socket.gethostname()),
            signed_in=self._is_signed_in if settings.password else None,
            prefix=urlsplit(settings.root_path).path.rstrip("/"),
            framed=settings.where == "space",
        )

    def _is_signed_in(self, scope: Scope) -> bool:
        return bool(self._login_of(scope))

    def _login_of(self, scope: Scope) -> str:
        """Return the token of the login that a request carries; nothing where it carries none that holds."""
        cookies, of = HTTPConnection(scope).cookies, self._gradio.cookie_id
        tokens = (cookies.get(f"access-token-{of}", ""), cookies.get(f"access-token-unsecure-{of}", ""))
        return next((token for token in tokens if token in self._gradio.tokens), "")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("The server of the page ended at its start; the log says why.")
            time.sleep(0.01)

    def wait(self) -> None:
        """Wait until the server ends. A thread that is waited for in short pieces can be interrupted."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def stop(self) -> None:
        """End the open streams, then the server."""
        self._gradio.stop_event.set()
        self._page.close(verbose=False)
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(2 * STREAM_SECONDS)
        self._listener.close()


def listen(host: str, port: int) -> socket.socket:
    """Take a port, that one and no other. Raises RunError when it is in use."""
    try:
        family, *_, place = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as error:  # a name may be none that could be looked up
        number, text = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
        reason = "another program is listening there" if number == errno.EADDRINUSE else text or str(error)
        raise RunError(
            f"Port {port} on {host} cannot be used: {reason}.",
            "If the studio is open already, use that one. Otherwise set STUDIO_PORT to another port and start again.",
        ) from error


def gradio_of(site: FastAPI) -> gr.routes.App:
    """Find the application of Gradio in the site that it was mounted in."""
    return next(each.app for each in site.routes if isinstance(each, Mount) and isinstance(each.app, gr.routes.App))


@contextlib.contextmanager
def served(studio: Studio, *, port: int | None = None) -> Iterator[PageServer]:
    """Serve the page until the block ends; port 0 takes a free one. `PageServer.port` is the one that was taken.

    Raises RunError when the port is in use.
    """
    settings = studio.settings
    server = PageServer(studio, listen(settings.host, settings.port if port is None else port))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def serve(studio: Studio) -> None:
    """Serve the page until it is interrupted.

    Raises RunError when the port is in use.
    """
    studio.summaries.look()  # the first page need not wait until the runs are read
    with contextlib.suppress(KeyboardInterrupt), served(studio) as server:
        server.wait()
