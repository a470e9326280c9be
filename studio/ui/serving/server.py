"""How the page is served: by a server of its own, with the checks before Gradio."""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp, Scope

from studio.errors import RunError
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.serving import login
from studio.ui.serving.origins import hosts_of
from studio.ui.serving.page_assets import PageAssets
from studio.ui.serving.request_checks import RequestChecks, Rules
from studio.ui.serving.request_limits import RequestLimits
from studio.ui.serving.site import Site

STREAM_SECONDS = 2
"""How long open answers may take to end when the studio does."""


class PageServer:
    """An application on one socket, in a thread of its own. `stop_streams` ends the answers that would not end."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, stop_streams: Callable[[], None]) -> None:
        self._listener = listener
        self._stop_streams = stop_streams
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STREAM_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="page", daemon=True)

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
        self._stop_streams()
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(2 * STREAM_SECONDS)
        self._listener.close()


def page_server(studio: Studio, listener: socket.socket) -> PageServer:
    """Make the server for the page of one studio."""
    site = Site(studio)
    bounded = RequestLimits(PageAssets(site), studio.limits)
    rules = rules_of(studio.settings, signed_in=lambda scope: bool(site.login_of(scope)))
    checks = RequestChecks(bounded, rules, tries=login.Tries(time.monotonic), routes=site.routes)
    return PageServer(checks, listener, stop_streams=site.stop)


def rules_of(settings: Settings, *, signed_in: Callable[[Scope], bool]) -> Rules:
    """Say who is let in. `signed_in` tells whether a request carries a login."""
    return Rules(
        hosts_of(settings, machine=socket.gethostname()),
        signed_in=signed_in if settings.password else None,
        prefix=urlsplit(settings.root_path).path.rstrip("/"),
        framed=settings.where == "space",
    )


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


@contextlib.contextmanager
def served(studio: Studio, *, port: int | None = None) -> Iterator[PageServer]:
    """Serve the page until the block ends; port 0 takes a free one. `PageServer.port` is the one that was taken.

    Raises RunError when the port is in use.
    """
    settings = studio.settings
    server = page_server(studio, listen(settings.host, settings.port if port is None else port))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def serve(studio: Studio, *, is_up: Callable[[], None] = lambda: None) -> None:
    """Serve the page until it is interrupted. `is_up` is called once it answers.

    Raises RunError when the port is in use.
    """
    with contextlib.suppress(KeyboardInterrupt), served(studio) as server:
        is_up()
        server.wait()
