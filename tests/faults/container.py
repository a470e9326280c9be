"""The container of a Space: the studio with its page and its mirror, as `app.py` serves it there.

`python -m tests.faults.container OVEN` reads what a Space is told from its environment. Its workers come from the
forkserver, so that they start in a moment and save often; nothing else is another than in `app.py`.
"""

import os
import sys
from pathlib import Path

from rich.console import Console

from studio.cli.serve import serve
from studio.compare.chat_client import ChatClient
from studio.data.library import DatasetLibrary
from studio.logs import log_to_stderr
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunStore
from studio.settings import ensure_writable, read_settings
from studio.studio import Studio
from tests.warm import WarmLaunch


def main(forkserver: Path) -> None:
    log_to_stderr(os.environ)
    settings = read_settings(os.environ)
    ensure_writable(settings.home)
    studio = Studio(
        settings=settings,
        data=DatasetLibrary(settings.home, samples_folder=PROJECT_ROOT / "assets" / "samples"),
        runs=RunStore(settings.home),
        chat=ChatClient(settings.home),
        launch=WarmLaunch(forkserver),
    )
    serve(studio, fetch_starter=False, console=Console(soft_wrap=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
