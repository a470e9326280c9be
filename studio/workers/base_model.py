"""Makes a base model ready on this machine: the starter model, one from the Hub, or a local folder.

One process at a time fetches a given model; another that needs it waits and then finds it.
"""

import os
import time
from pathlib import Path

from studio.config import STARTER
from studio.data.tokenizing.limits import ProcessBounds
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError
from studio.events import Finished, Loading
from studio.jobs.tasks import PrepareModel
from studio.limits import limits_of, read_changes
from studio.models.locate import ModelFiles, fetch, locate_settled
from studio.models.starter import fetch_starter
from studio.workers.job import Job


def ensure_model(name: str, home: Path, job: Job) -> ModelFiles:
    """Return where the model lies, fetching it first where needed, one process at a time."""
    ready = locate_settled(name, home)
    if ready is not None:
        return ready
    with job.holding(PrepareModel(name, home).paths.lock, waiting="Waiting for another process that fetches the model"):
        return fetch_model(name, home, job)


def fetch_model(name: str, home: Path, job: Job) -> ModelFiles:
    """Fetch the model unless it is there. The caller holds the model's lock."""
    ready = locate_settled(name, home)
    if ready is not None:
        return ready
    if name != STARTER:
        limits = limits_of(public=False, changes=read_changes(os.environ))  # the studio sets all of them
        return fetch(name, home, report=job.report, should_stop=job.should_stop, limits=limits)
    source = fetch_starter(home, report=job.report, should_stop=job.should_stop)
    job.emit(Loading(what="Unpacking the starter model"))
    from studio.ml.starter import install_starter  # imports torch: only once there is something to unpack

    install_starter(home, source)
    ready = locate_settled(name, home)
    if ready is None:
        raise ModelError("The starter model was written, and is not complete.", "Check the disk and try again.")
    return ready


def prepare(job: Job, task: PrepareModel) -> Finished:
    """Fetch one model before anybody needs it. The process already holds the model's lock."""
    began = time.monotonic()
    files = fetch_model(task.name, task.home, job)
    return Finished(status="finished", summary=f"The model lies in {files.folder}.", seconds=time.monotonic() - began)


def load_renderer(folder: Path) -> ChatRenderer:
    """Read a model's tokenizer and chat template. What takes too long ends this process, and its log says so.

    Raises ModelError when they cannot be read.
    """
    return ChatRenderer.load(folder, bounds=ProcessBounds())
