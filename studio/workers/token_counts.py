"""The job that counts the tokens of a large data set for one model."""

import time
from pathlib import Path

from studio.data.example_files import ExampleFile
from studio.data.rows import CancelledError
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.tokens import count_tokens, save
from studio.events import Finished, Saved
from studio.workers.add_data import reporting
from studio.workers.job import Job


def write_token_counts(job: Job, examples: Path, *, model: Path, target: Path) -> Finished:
    """Count the tokens of every example in a file and write the counts to `target`, whole or not at all."""
    began = time.monotonic()
    source = ExampleFile(examples)
    try:
        counts = count_tokens(source, total=len(source), renderer=ChatRenderer.load(model), report=reporting(job))
    except CancelledError:
        return Finished("stopped", "Cancelled.", time.monotonic() - began)
    save(counts, target)
    job.emit(Saved(step=0, path=target.name))
    return Finished("finished", f"Counted the tokens of {len(source)} examples.", time.monotonic() - began)
