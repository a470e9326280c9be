"""The job that makes a base model ready before anybody needs it."""

import time
from pathlib import Path

from studio.events import Finished
from studio.workers.base_model import fetch_model
from studio.workers.job import Job


def prepare(job: Job, *, name: str, home: Path) -> Finished:
    """Fetch one model. The process already holds the model's lock."""
    began = time.monotonic()
    files = fetch_model(name, home, job)
    return Finished(status="finished", summary=f"The model lies in {files.folder}.", seconds=time.monotonic() - began)
