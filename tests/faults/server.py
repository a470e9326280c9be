"""A small server: the studio with its queue, as `app.py` runs it, without the page.

`python -m tests.faults.server HOME OVEN [VERB RUN]...` recovers, keeps the queue, does what it is told and then stays.
The workers come from the forkserver. A fault that it is given it meets from its recovery on.
"""

import os
import sys
import threading
import time
from pathlib import Path

from studio.compare.chat_client import ChatClient
from studio.data.library import DatasetLibrary
from studio.errors import StudioError
from studio.runs.store import RunStore
from studio.settings import Settings, ensure_writable
from studio.studio import Studio
from tests.faults import hook
from tests.warm import WarmLaunch

QUEUE_SECONDS = 0.1


def main(home: Path, forkserver: Path, verbs: list[str]) -> None:
    ensure_writable(home)
    studio = Studio(
        settings=Settings(home=home),
        data=DatasetLibrary(home, samples_folder=home),
        runs=RunStore(home),
        chat=ChatClient(home),
        launch=WarmLaunch(forkserver),
    )
    sys.stdout.write("up\n")
    sys.stdout.flush()
    hook.install(os.environ.get(hook.VARIABLE, ""))
    studio.recover()
    threading.Thread(target=_keep_queue, args=(studio,), daemon=True).start()
    runs = studio.scheduler
    runs.nearly_done_seconds = 0.0  # the runs here take seconds
    does = {"queue": studio.queue_run, "stop": runs.stop, "discard": runs.discard, "view": runs.view}
    for verb, run in zip(verbs[::2], verbs[1::2], strict=True):
        does[verb](run)
    sys.stdout.write("done\n")
    sys.stdout.flush()
    while True:
        time.sleep(1)


def _keep_queue(studio: Studio) -> None:
    while True:
        try:
            studio.tick()
        except StudioError as error:
            sys.stdout.write(f"{error}\n")
        time.sleep(QUEUE_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
