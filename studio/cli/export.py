"""`python app.py export`: writes the adapter or the merged model of a run, checked as the page checks it."""

import shutil
import time
from pathlib import Path

from rich.console import Console

from studio.cli.follow import LOOK_SECONDS, RunFailed
from studio.errors import ExportError
from studio.files import disk_trouble, whole_file, whole_folder
from studio.jobs.exports import ExportReport, export_archive, export_folder, export_state, kinds_of
from studio.jobs.snippets import snippet
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.wording import size

_ARCHIVE = ".zip"


def export(studio: Studio, *, run_id: str, kind: str, to: Path | None, console: Console) -> int:
    """Write an export of a run, check it, and say where it lies and how it is used.

    `kind` is "adapter" or "merged"; without it, it is the first that the run can have. `to` is where it is copied: a
    folder, or a name that ends in .zip; without it, it stays beside the run. Raises RunError or ExportError for what
    cannot be used, RunFailed when the export fails.
    """
    run = studio.runs.get(run_id)
    kind = kind or kinds_of(run)[0]
    if to is not None:
        to = to / export_folder(run, kind).name if to.is_dir() else to
        if to.exists():
            raise ExportError(f"{to} exists already.", "Name another place with --to.")
    report = _wait(studio, run, kind, console=console)
    place = export_archive(run, kind) if to is None else to
    if to is not None:
        _copy(run, kind, to)
    asked = f"{report.same_answers} of {report.answers} answers are the same as the run's"
    count = report.folder_bytes if place.suffix.lower() != _ARCHIVE else report.archive_bytes
    console.print(f"{place} ({size(count)}). Loaded back and asked: {asked}.", markup=False, soft_wrap=True)
    console.print("Use it in Python:\n", markup=False)
    console.out(snippet(run, kind), highlight=False)
    return 0


def _wait(studio: Studio, run: RunFolder, kind: str, *, console: Console) -> ExportReport:
    state = studio.start_export(run.id, kind)
    with console.status(state.sentence) as status:
        while state.working:
            status.update(state.sentence)
            time.sleep(LOOK_SECONDS)
            state = export_state(studio.jobs, run, kind)
    if state.result is not None:
        return state.result
    if state.failed is not None:
        raise RunFailed(state.failed.message, state.failed.hint)
    raise RunFailed(state.sentence or "The export did not come to an end.", "Try it again.")


def _copy(run: RunFolder, kind: str, to: Path) -> None:
    """Copy an export whole, or not at all: its zip to a name that ends in .zip, else its folder."""
    with disk_trouble("The export", to, ExportError):
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.suffix.lower() == _ARCHIVE:
            with whole_file(to) as file:
                shutil.copyfile(export_archive(run, kind), file)
            return
        with whole_folder(to) as folder:
            shutil.copytree(export_folder(run, kind), folder, dirs_exist_ok=True)
