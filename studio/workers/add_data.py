"""The import job: makes a data set of the library from the files of an import."""

import logging
import resource
import shutil
import tempfile
import time
from pathlib import Path

from studio import codec
from studio.data.dataset_folders import Dataset
from studio.data.library import DatasetLibrary
from studio.data.reading_choices import Choices
from studio.data.rows import CancelledError, Report
from studio.data.sources.hub_source import HubName, fetch_from_hub
from studio.errors import DataError
from studio.events import Finished, Loading, Saved
from studio.jobs.imports import ImportRequest
from studio.jobs.tasks import Import, home_of
from studio.logs import logged
from studio.models.hub_datasets import HubDatasets
from studio.workers.job import Job

log = logging.getLogger(__name__)

MOST_MEMORY_GIB = 3
_TELL_SECONDS = 0.25
_IN_BYTES = ("Fetching", "Looking", "Opening", "Reading", "Unpacking")


def bring_in(job: Job, task: Import) -> Finished:
    """Do an import in a process of its own, within bounds."""
    bound_memory()
    # What is unpacked lies in the data folder: it goes with the import, and the system's own may be in memory.
    tempfile.tempdir = str(task.folder / "files")
    return add_data(job, task)


def add_data(job: Job, task: Import) -> Finished:
    """Read what an import brought and keep it as a data set. What was brought goes once it is kept."""
    began = time.monotonic()
    folder = task.folder
    request = codec.read(ImportRequest, folder / "request.json")
    library = DatasetLibrary(home_of(folder), samples_folder=folder)
    try:
        dataset = _add(library, request, folder, reporting(job))
    except MemoryError as error:
        raise DataError(
            "The file holds more at once than fits in memory.", "Split it into several files, and add them together."
        ) from error
    except CancelledError:
        shutil.rmtree(folder / "files", ignore_errors=True)
        return Finished("stopped", "Cancelled; nothing was added.", time.monotonic() - began)
    shutil.rmtree(folder / "files", ignore_errors=True)
    job.emit(Saved(step=0, path=f"datasets/{dataset.id}"))
    summary = f"{dataset.name}: {dataset.inspection.usable} examples."
    return Finished("finished", summary, time.monotonic() - began)


def bound_memory() -> None:
    """Limit this process to `MOST_MEMORY_GIB` more, so that a malicious file ends it and not the machine."""
    with logged(log, "The memory of this process is not bounded", OSError, ValueError, KeyError, level=logging.INFO):
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        used = int(status["VmData"].split()[0]) * 1024
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (used + MOST_MEMORY_GIB * 2**30, hard))


def reporting(job: Job) -> Report:
    """Make a report that tells the page a few times a second, and ends the work when the person cancels it."""
    last_told, last_what = float("-inf"), ""

    def report(what: str, done: int, total: int) -> None:
        nonlocal last_told, last_what
        if job.should_stop():
            raise CancelledError("It was cancelled.")
        now = time.monotonic()
        if what != last_what or now - last_told >= _TELL_SECONDS:
            last_told, last_what = now, what
            unit = "bytes" if what.startswith(_IN_BYTES) else ""
            job.emit(Loading(what=what, done=done, total=total, unit=unit))

    return report


def _add(library: DatasetLibrary, request: ImportRequest, folder: Path, report: Report) -> Dataset:
    if request.of:
        return library.derive(
            request.of,
            roles=request.roles,
            changes=request.changes,
            choices=request.choices,
            more=[Path(file) for file in request.files],
            report=report,
        )
    files = [Path(file) for file in request.files]
    name = request.name
    if request.hub:
        hub = HubName(request.hub, request.hub_config, request.hub_split)
        (folder / "files").mkdir(exist_ok=True)
        fetched = fetch_from_hub(hub, folder / "files", hub=HubDatasets(), report=report)
        files = list(fetched.files)
        part = "" if len(files) == fetched.of else f", {len(files):,} of {fetched.of:,} files"
        name = name or f"{request.hub} ({request.hub_split}{part})"
    choices = request.choices or Choices()
    return library.add(files, name=name, roles=request.roles, changes=request.changes, choices=choices, report=report)
