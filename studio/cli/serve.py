"""Serving the page."""

import logging
import threading
from typing import Protocol

from rich.console import Console

from studio.cli.public_address import arrange, tasks_sentence, token_sentence
from studio.config import STARTER
from studio.errors import StudioError
from studio.graphics_card import trouble_here
from studio.settings import Settings, ensure_guarded
from studio.studio import Studio
from studio.ui.serving.server import serve as serve_page

QUEUE_SECONDS = 1.0

log = logging.getLogger(__name__)


def serve(studio: Studio, *, fetch_starter: bool, console: Console) -> int:
    """Serve the page until it is interrupted. The starter model is fetched beside it, in a process of its own.

    Raises RunError when strangers could reach the page and neither a password nor `open` is set.
    """
    settings = studio.settings
    ensure_guarded(settings)
    arrange(settings)
    if fetch_starter:
        try:
            studio.models.prepare(STARTER)
        except StudioError as error:
            console.print(str(error), markup=False)
    for line in (
        *greeting(settings),
        *filter(None, (trouble_here(), token_sentence(settings), tasks_sentence(settings))),
    ):
        console.print(line, markup=False, soft_wrap=True)
    for id in studio.recover():
        console.print(f"The run {id} was lost when the studio last ended; it goes on.", markup=False)
    ended = threading.Event()
    keeper = threading.Thread(target=keep_queue, args=(studio, ended), name="queue", daemon=True)
    keeper.start()
    try:
        serve_page(studio)
    finally:
        ended.set()
    return 0


def greeting(settings: Settings) -> list[str]:
    """Say at the start where the page is, who can open it, and where its data is kept."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host.strip("[]"), settings.host)
    lines = [f"LoRA Studio: http://{shown}:{settings.port}", f"Everything is kept in {settings.home}"]
    if settings.password:
        lines.append("The page asks for the password in STUDIO_PASSWORD. Any name will do.")
    elif settings.is_public and not settings.has_accounts:
        lines.append(
            f"WARNING: this studio is open. Everybody who can reach {settings.host} can see all runs and all data in "
            "it, start trainings on this machine, take models and data away, and delete them. "
            "Set STUDIO_PASSWORD to ask for a password."
        )
    return lines


class Ticking(Protocol):
    """What is called about once a second."""

    def tick(self) -> None: ...


def keep_queue(studio: Ticking, ended: threading.Event, pause_seconds: float = QUEUE_SECONDS) -> None:
    """Start each run when its turn comes, whether or not a page is open, until the studio has `ended`."""
    told = ""
    while not ended.wait(pause_seconds):
        try:
            studio.tick()
        except StudioError as error:  # a full disk, most likely: it is tried again
            if str(error) != told:
                log.warning("The queue cannot be looked after: %s", error, exc_info=True)
            told = str(error)
        except Exception:  # a thread that ends would start no run any more, and nobody would know
            log.exception("The queue cannot be looked after.")
        else:
            told = ""
