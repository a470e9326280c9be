"""The job that counts the tokens of a large data set for one model."""

import time

from studio.data.example_files import ExampleFile
from studio.data.rows import CancelledError
from studio.data.tokenizing.limits import TooMuch
from studio.data.tokenizing.tokens import LEAST_BYTES_A_SECOND, LEAST_SECONDS, count_tokens, save
from studio.events import Finished, Saved
from studio.jobs.tasks import CountTokens
from studio.workers.add_data import reporting
from studio.workers.base_model import load_renderer
from studio.workers.job import Job


def write_token_counts(job: Job, task: CountTokens) -> Finished:
    """Count the tokens and write the counts, whole or not at all."""
    began = time.monotonic()
    source = ExampleFile(task.examples)
    most_seconds = LEAST_SECONDS + task.examples.stat().st_size / LEAST_BYTES_A_SECOND
    tell = reporting(job)

    def report(what: str, done: int, total: int) -> None:
        tell(what, done, total)
        if time.monotonic() - began > most_seconds:
            raise TooMuch(
                f"Counting the tokens was ended after {most_seconds / 60:.0f} minutes, at {done:,} of {total:,}.",
                "The model's chat template or tokenizer is far too slow: choose another base model.",
            )

    try:
        counts = count_tokens(source, total=len(source), renderer=load_renderer(task.model), report=report)
    except CancelledError:
        return Finished("stopped", "Cancelled.", time.monotonic() - began)
    save(counts, task.target)
    job.emit(Saved(step=0, path=task.target.name))
    return Finished("finished", f"Counted the tokens of {len(source)} examples.", time.monotonic() - began)
