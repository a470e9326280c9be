"""The job that publishes an export on the Hugging Face Hub."""

import os
import time
from dataclasses import replace

from huggingface_hub.utils.tqdm import disable_progress_bars

from studio.errors import ExportError
from studio.events import Finished, Saved
from studio.jobs.exports import read_report
from studio.jobs.publishing import Publication, card_path, published_files, read_publication, write_publication
from studio.jobs.tasks import PUBLISH_TOKEN, Publish
from studio.models.download import Listener
from studio.models.publishing import CARD, Target, own_token, publish
from studio.runs.store import RunFolder
from studio.workers.job import Job


def publish_run(job: Job, task: Publish) -> Finished:
    """Upload the files of an export with their card, and write down where they are. Raises ExportError, Stopped."""
    began = time.monotonic()
    disable_progress_bars()  # they would be drawn into the log
    token = os.environ.pop(PUBLISH_TOKEN, "") or own_token()  # what this process starts shall not have it
    run = RunFolder(task.run)
    files = published_files(run, task.kind)
    report = read_report(run.exports, task.kind)
    try:
        card = card_path(run, task.kind).read_text(encoding="utf-8")
    except OSError as error:
        raise ExportError("The model card is gone.", "Look at the card again, then publish.") from error
    earlier = read_publication(run, task.kind)
    ours = earlier.names if earlier is not None and earlier.to == task.to else ()
    begun = Publication(
        kind=task.kind,
        to=task.to,
        public=task.public,
        names=tuple(dict.fromkeys((*ours, *files, CARD))),
        size=0 if report is None else report.archive_bytes,
    )
    listener = Listener(report=job.report, should_stop=job.should_stop)
    done = publish(
        files,
        card,
        Target(task.to, task.public),
        token=token,
        listener=listener,
        ours=ours,
        begun=lambda: write_publication(run, begun),
    )
    write_publication(run, replace(begun, names=done.names, address=done.address, commit=done.commit))
    job.emit(Saved(step=0, path=done.address))
    summary = f"Published and looked at again: {done.address}"
    return Finished(status="finished", summary=summary, seconds=time.monotonic() - began)
