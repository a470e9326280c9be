"""Serving the page."""

import logging
import threading
from typing import Protocol

from rich.console import Console

from studio.config import STARTER
from studio.errors import StudioError
from studio.runs.studio import Studio
from studio.ui.app import serve as serve_page

QUEUE_SECONDS = 1.0

log = logging.getLogger(__name__)


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
    for id in studio.recover():
        console.print(f"The run {id} was lost when the studio last ended; it goes on.", markup=False)
    ended = threading.Event()
    keeper = threading.Thread(target=_keep_queue, args=(studio, ended), name="queue", daemon=True)
    keeper.start()
    try:
        serve_page(studio)
    finally:
        ended.set()
    return 0


class Tended(Protocol):
    """What is looked after about once a second."""

    def tend(self) -> None: ...


def _keep_queue(studio: Tended, ended: threading.Event, pause_seconds: float = QUEUE_SECONDS) -> None:
    """Start each run when its turn comes, whether or not a page is open."""
    told = ""
    while not ended.wait(pause_seconds):
        try:
            studio.tend()
        except StudioError as error:  # a full disk, most likely: it is tried again
            if str(error) != told:
                log.warning("The queue cannot be looked after: %s", error)
            told = str(error)
        except Exception:  # a thread that ends would start no run any more, and nobody would know
            log.exception("The queue cannot be looked after.")
        else:
            told = ""
