"""The pages of all accounts on one socket, with the checks, the sign-in and the gate before them."""

import contextlib
import time
from collections.abc import Callable, Iterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from studio.accounts.hub_sign_in import HubSignIn
from studio.accounts.sessions import Sessions, SignIn
from studio.accounts.studios import Studios
from studio.openai_api.shapes import PREFIX
from studio.ui.accounts.gate import Gate
from studio.ui.accounts.identity import Identity
from studio.ui.accounts.pages import Pages
from studio.ui.serving import login
from studio.ui.serving.request_checks import RequestChecks
from studio.ui.serving.server import PageServer, listen, rules_of


@contextlib.contextmanager
def served_accounts(studios: Studios, *, port: int | None = None) -> Iterator[PageServer]:
    """Serve the pages of all accounts until the block ends; port 0 takes a free one.

    Raises RunError when the port is in use.
    """
    settings = studios.settings
    server = accounts_server(studios, port=settings.port if port is None else port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def serve_accounts(studios: Studios, *, is_up: Callable[[], None] = lambda: None) -> None:
    """Serve the pages of all accounts until that is interrupted. `is_up` is called once they answer.

    Raises RunError when the port is in use.
    """
    with contextlib.suppress(KeyboardInterrupt), served_accounts(studios) as server:
        is_up()
        server.wait()


def accounts_server(studios: Studios, *, port: int) -> PageServer:
    """Make the server for the pages of all accounts."""
    settings, people = studios.settings, studios.people
    sessions = Sessions(settings.home, people)
    identity = Identity(settings, people, sessions)
    hub = HubSignIn(settings.hub_app) if settings.hub_app is not None else None
    pages = Pages(studios, identity, sessions, SignIn(people, sessions), hub=hub)
    gate = Gate(studios, identity, pages)
    rules = rules_of(settings, signed_in=lambda scope: True)  # who is signed in is the gate's to tell
    checks = RequestChecks(gate, rules, tries=login.Tries(time.monotonic), routes=[*pages.routes(), *_own_routes()])
    return PageServer(checks, listen(settings.host, port), stop_streams=gate.stop_streams)


def _own_routes() -> list[BaseRoute]:
    """Return the addresses that the page of each account has beside those of Gradio."""

    async def nothing(request: Request) -> PlainTextResponse:
        return PlainTextResponse("", 404)

    methods = ["GET", "POST", "DELETE"]
    return [Route("/studio/{anything:path}", nothing), Route(f"{PREFIX}{{anything:path}}", nothing, methods=methods)]
