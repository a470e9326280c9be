"""Serving the page."""

from rich.console import Console

from studio.config import STARTER
from studio.errors import StudioError
from studio.runs.studio import Studio
from studio.ui.app import serve as serve_page


def serve(studio: Studio, *, fetch_starter: bool, console: Console) -> int:
    """Serve the page until it is interrupted. The starter model is fetched beside it, in a process of its own."""
    if fetch_starter:
        try:
            studio.prepare_model(STARTER)
        except StudioError as error:
            console.print(str(error), markup=False)
    settings = studio.settings
    shown = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host
    console.print(f"LoRA Studio: http://{shown}:{settings.port}", markup=False)
    console.print(f"Everything is kept in {settings.home}", markup=False)
    serve_page(studio)
    return 0
