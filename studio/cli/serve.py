"""Serving the page."""

import threading

from rich.console import Console

from studio.cli.visitors import arrange, tasks_sentence, token_sentence
from studio.config import STARTER
from studio.errors import StudioError
from studio.runs.studio import Studio
from studio.ui.app import serve as serve_page

QUEUE_SECONDS = 1.0


def serve(studio: Studio, *, fetch_starter: bool, console: Console) -> int:
    """Serve the page until it is interrupted. The starter model is fetched beside it, in a process of its own."""
    settings = studio.settings
    arrange(settings)
    if fetch_starter:
        try:
            studio.prepare_model(STARTER)
        except StudioError as error:
            console.print(str(error), markup=False)
    for sentence in filter(None, (token_sentence(settings), tasks_sentence(settings))):
        console.print(sentence, markup=False, soft_wrap=True)
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


def _keep_queue(studio: Studio, ended: threading.Event) -> None:
    """Start each run when its turn comes, whether or not a page is open."""
    while not ended.wait(QUEUE_SECONDS):
        try:
            studio.tend()
        except StudioError:
            continue  # a full disk, most likely: it is tried again
