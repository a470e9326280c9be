"""The page of one studio as an application of its own: Gradio's page with the studio's own routes beside it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import fastapi.dependencies.models
import gradio as gr
from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from studio.openai_api.address import Address
from studio.openai_api.keys import ApiKey
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.frame.header import ICON
from studio.ui.kit import scripts
from studio.ui.kit.plot import SCRIPT_ADDRESS, plotly_script
from studio.ui.kit.sent_values import CheckedPage
from studio.ui.kit.theme import STYLE_SHEETS, studio_theme
from studio.ui.serving import download_routes, login
from studio.ui.serving.changes import Changes
from studio.ui.serving.front_page import FrontPage
from studio.ui.serving.page_assets import answer, read_asset
from studio.ui.serving.upload_names import UploadNames

DARK_CONTROLS = "<style>html:has(body.dark) { color-scheme: dark; }</style>"
"""Lets the browser draw its scrollbars and fields for a dark page. Not in a style sheet: Gradio rewrites selectors."""


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


class Site:
    """The page of one studio, as an ASGI application. `routes` are the studio's own beside those of Gradio."""

    def __init__(self, studio: Studio) -> None:
        facts = ModelFacts(studio)
        self._page = build_app(studio, facts)
        self._page.state_session_capacity = studio.limits.sessions
        address = Address(studio, facts, ApiKey(studio.settings.home)).routes()
        self.routes = [*own_routes(studio), Changes(studio, is_looking=facts.is_looking).route(), *address]
        self._site = FastAPI(openapi_url=None, routes=self.routes)
        gr.mount_gradio_app(self._site, self._page, **mount_options(studio))
        self._gradio = gradio_of(self._site)
        self._app = UploadNames(FrontPage(self._site, self.login_of))
        if studio.settings.account:
            _keep_uploads(self._page, self._gradio, str(studio.settings.uploads))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Do within the block what Gradio does beside answering: its queue, and cleaning up."""
        async with self._site.router.lifespan_context(self._site):
            yield

    def login_of(self, scope: Scope) -> str:
        """Return the token of the login that a request carries; nothing where it carries none that holds."""
        cookies, of = HTTPConnection(scope).cookies, self._gradio.cookie_id
        tokens = (cookies.get(f"access-token-{of}", ""), cookies.get(f"access-token-unsecure-{of}", ""))
        return next((token for token in tokens if token in self._gradio.tokens), "")

    def stop(self) -> None:
        """End the open streams and the page."""
        self._app.forget()
        self._gradio.stop_event.set()
        self._page.close(verbose=False)


def forget_callables() -> None:
    """Have FastAPI let go of the pages that are gone: it remembers what it found of each of their functions."""
    for each in vars(fastapi.dependencies.models).values():
        if callable(clear := getattr(each, "cache_clear", None)):
            clear()


def _keep_uploads(page: CheckedPage, gradio: gr.routes.App, folder: str) -> None:
    """Have a page take and serve uploads in a folder of its own: the variable that Gradio reads is for all pages."""
    gradio.uploaded_file_dir = page.own_uploads = folder
    for block in (page, *page.blocks.values()):
        block.GRADIO_CACHE = folder


def gradio_of(site: FastAPI) -> gr.routes.App:
    """Find the application of Gradio in the site that it was mounted in."""
    return next(each.app for each in site.routes if isinstance(each, Mount) and isinstance(each.app, gr.routes.App))
