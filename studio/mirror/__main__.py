"""`python -m studio.mirror HOME BUCKET`: the process that mirrors a data folder until its parent is gone.

Reads the access token from its environment, writes one line of JSON for every `MirrorState`, and ends when its standard
input does, or with a last copy when it reads a line there. What blocks or breaks in the libraries that speak to the Hub
blocks and breaks this process alone.
"""

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub
from huggingface_hub.utils._http import default_client_factory

from studio import codec
from studio.errors import MirrorError
from studio.logs import log_to_stderr
from studio.mirror.bucket import Bucket
from studio.mirror.state import COPYING, KEPT, STOPPED, MirrorState
from studio.mirror.upkeep import Mirror, TakenOver
from studio.priority import BESIDE_PAGES, step_back

TOKEN = "STUDIO_MIRROR_TOKEN"
SILENT_SECONDS = 60.0
"""So long the Hub may be silent before an answer is given up."""

LONGEST_PAUSE_SECONDS = 300.0

log = logging.getLogger("studio.mirror")


def main() -> None:
    """Mirror until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m studio.mirror")
    parser.add_argument("home", type=Path)
    parser.add_argument("bucket")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--every", type=float, default=30.0)
    options = parser.parse_args()
    log_to_stderr(os.environ)
    token = os.environ.pop(TOKEN, "")
    last = threading.Event()
    threading.Thread(target=_heed_parent, args=(last,), daemon=True).start()
    step_back(BESIDE_PAGES)  # the page and the training come first
    huggingface_hub.set_client_factory(_patient_client)
    store = Bucket(options.bucket, token=token, prefix=options.prefix)
    target = f"{options.bucket}/{options.prefix}".rstrip("/")
    keep(options.home, store, target=target, every=options.every, say=_say, last=last)


def _heed_parent(last: threading.Event) -> None:
    while sys.stdin.buffer.readline():
        last.set()
    os._exit(0)


def _patient_client():  # type: ignore[no-untyped-def]
    client = default_client_factory()
    client.timeout = SILENT_SECONDS
    return client


def _say(state: MirrorState) -> None:
    sys.stdout.write(codec.dumps(state) + "\n")
    sys.stdout.flush()


def keep(
    home: Path,
    store: Bucket,
    *,
    target: str,
    every: float,
    say: Callable[[MirrorState], None],
    last: threading.Event,
) -> None:
    """Bring the folder back, then mirror it every so many seconds, until another took the mirror over.

    Once `last` is set it is mirrored one last time.
    """
    state = MirrorState(target)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal state
        state = replace(state, phase=what, done=done, total=total, is_whole=mirror.is_ready)
        say(state)

    mirror = Mirror(home, store, target=target, tell=tell)
    failures = 0
    ending = False
    while not ending:
        ending = last.is_set()
        began = time.monotonic()
        try:
            if not mirror.is_ready:
                mirror.bring_back()
                tell(COPYING, 0, 0)
            mirror.copy()
        except TakenOver as error:
            say(replace(state, phase=STOPPED, trouble=error.message, hint=error.hint))
            return
        except Exception as error:  # whatever it is, the next time may be better
            failures += 1
            state = replace(state, trouble=_message(error), hint=_hint(error), is_whole=mirror.is_ready)
            level = logging.WARNING if isinstance(error, MirrorError) else logging.ERROR
            log.log(level, "The mirror: %s", error, exc_info=True)
        else:
            failures = 0
            state = MirrorState(target, KEPT, kept_at=time.time(), is_whole=True)
            if mirror.trouble is not None:
                state = replace(state, trouble=mirror.trouble.message, hint=mirror.trouble.hint)
        say(state)
        took = time.monotonic() - began
        last.wait(min(LONGEST_PAUSE_SECONDS, max(every, took) * 2 ** max(0, failures - 1)))


def _message(error: Exception) -> str:
    return error.message if isinstance(error, MirrorError) else "The mirror met an error that the log describes."


def _hint(error: Exception) -> str:
    return error.hint if isinstance(error, MirrorError) else "It is tried again."


if __name__ == "__main__":
    main()
