"""Serving the page."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console

from studio.cli.public_address import arrange, clear_uploads, tasks_sentence, token_sentence
from studio.config import STARTER
from studio.errors import MirrorError, StudioError
from studio.graphics_card import trouble_here
from studio.jobs.base_models import BaseModels
from studio.logs import logged
from studio.mirror.bucket import check_bucket
from studio.mirror.keeper import MirrorKeeper
from studio.models.publishing import own_token
from studio.settings import Settings, ensure_guarded
from studio.studio import Studio
from studio.ui.serving.server import serve as serve_page

QUEUE_SECONDS = 1.0
UPLOADS_SECONDS = 600.0
"""So often what was uploaded long ago is removed."""

BACK_SECONDS = 60.0
TROUBLE_SECONDS = 15.0
"""So long the page waits for what is kept in a mirror, and so long where that cannot be reached."""

LAST_SECONDS = 8.0
"""So long a studio that is ended waits for a last copy. A container has about ten seconds until it is killed."""

log = logging.getLogger(__name__)


def serve(studio: Studio, *, fetch_starter: bool, console: Console) -> int:
    """Serve the page until it is interrupted. The starter model is fetched beside it, in a process of its own.

    Raises RunError when strangers could reach the page and neither a password nor `open` is set, MirrorError when the
    data folder shall be mirrored and no access token is there.
    """
    settings = studio.settings
    ensure_guarded(settings)
    token = own_token() if settings.mirror else None  # before secrets are withheld from all that is started
    check_mirror(settings, token)
    arrange(settings)
    if settings.mirror and token:
        bring_back(studio, token, console=console)
    try:
        with looked_after(studio, settings, starter=studio.models if fetch_starter else None, console=console) as is_up:
            serve_page(studio, is_up=is_up)
    finally:
        if isinstance(studio.mirror, MirrorKeeper):
            studio.mirror.close(seconds=LAST_SECONDS)
    return 0


@contextmanager
def looked_after(
    studio: "Recovering", settings: Settings, *, starter: BaseModels | None, more: Sequence[str] = (), console: Console
) -> Iterator[Callable[[], None]]:
    """Say what there is to be said at the start, and while the page is served take up what was lost and keep the queue.

    To be told by what is given once the page is up: where there are very many runs that would take its time.
    The starter model is fetched where `starter` says by whom. `more` is said after the greeting.
    """
    if starter is not None:
        try:
            starter.prepare(STARTER)
        except StudioError as error:
            console.print(str(error), markup=False)
    said = (*greeting(settings), *more, trouble_here(), token_sentence(settings), tasks_sentence(settings))
    for line in filter(None, said):
        console.print(line, markup=False, soft_wrap=True)
    ended, up = threading.Event(), threading.Event()
    threading.Thread(target=_go_on, args=(studio, up, ended, console), name="queue", daemon=True).start()
    threading.Thread(target=_keep_uploads_short, args=(settings, ended), name="uploads", daemon=True).start()
    try:
        yield up.set
    finally:
        ended.set()
        up.set()


def check_mirror(settings: Settings, token: str | None) -> None:
    """Raises MirrorError where the data folder shall be mirrored and cannot be: so that nobody relies on it."""
    if not settings.mirror:
        return
    check_bucket(settings.mirror)
    if not token:
        raise MirrorError(
            f"The data folder shall be kept in the bucket '{settings.mirror}', and there is no access token for it.",
            "Set HF_TOKEN to one that may write to it, in a Space as a secret. Or unset STUDIO_MIRROR.",
        )


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def bring_back(studio: Studio, token: str, *, console: Console) -> None:
    """Start the mirror, and wait a while for what it has. What takes longer comes back while the page is there."""
    settings = studio.settings
    studio.mirror = keeper = start_mirror(settings, token, console=console)
    if keeper.wait(BACK_SECONDS, in_trouble=TROUBLE_SECONDS):
        return
    keeper.brought_back = studio.recover_runs
    state = keeper.state
    said = f"{state.trouble} {state.hint}".strip() or "It is coming back, and takes a while."
    console.print(f"What is kept in the bucket {settings.mirror} is not here yet. {said}", markup=False, soft_wrap=True)


def start_mirror(settings: Settings, token: str, *, console: Console) -> MirrorKeeper:
    """Start the mirror of a data folder."""
    keeper = MirrorKeeper(
        settings.home, settings.mirror, token=token, every=settings.mirror_seconds, environment=dict(os.environ)
    )
    console.print(f"Everything is kept in the bucket {settings.mirror} as well.", markup=False, soft_wrap=True)
    keeper.start()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # so a Space is put to sleep: there are seconds for a last copy
    return keeper


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


def _keep_uploads_short(settings: Settings, ended: threading.Event) -> None:
    while not ended.wait(UPLOADS_SECONDS):
        try:
            clear_uploads(settings)
        except Exception:  # a thread that ends would let them fill the disk
            log.exception("Old uploads are not removed.")


class Ticking(Protocol):
    """What is called about once a second."""

    def tick(self) -> None: ...


class Recovering(Ticking, Protocol):
    """What takes up what was lost with the studio before it, and says which runs that are."""

    def recover(self) -> tuple[str, ...]: ...


def _go_on(studio: Recovering, up: threading.Event, ended: threading.Event, console: Console) -> None:
    """Take up what was lost once the page is up, which takes seconds where there are very many runs; keep the queue."""
    up.wait()
    if ended.is_set():
        return
    with logged(log, "What was lost with the studio before this one is not taken up", Exception, level=logging.ERROR):
        for id in studio.recover():
            console.print(f"The run {id} was lost when the studio last ended; it goes on.", markup=False)
    keep_queue(studio, ended)


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
