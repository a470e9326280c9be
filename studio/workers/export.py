"""The export job: writes an adapter or a merged model, loads it back, offers it when it answers like the run."""

import shutil
import time
from pathlib import Path

from studio.config import STARTER
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.events import Finished, Loading, Stepped
from studio.models.starter import HUB_ID
from studio.runs.event_log import read_events
from studio.runs.reports import ExportReport, write_report
from studio.runs.store import RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.job import Job
from studio.workers.model_card import card_of
from studio.workers.train import MEMORY_LOCK, REFERENCE, keep_reference, pad_id

ASKED_LATER = "reference.later"
ADAPTER = "adapter"
MERGED = "merged"


def export_run(job: Job, *, run: RunFolder, kind: str, home: Path) -> Finished:
    """Write one kind of export, check it, and write its report last."""
    began = time.monotonic()
    adapter = run.result
    if adapter is None:
        raise ExportError("This run has no adapter to export.", "Let a run finish, or stop it after its first step.")
    files = ensure_model(run.config.model, home, job)
    with job.holding(home / MEMORY_LOCK, waiting="Waiting for other work on this machine to finish"):
        job.emit(Loading(what="Starting PyTorch"))
        target = run.exports / f"{run.id}-{kind}"
        archive = target.with_suffix(".zip")
        _remove(target, archive)
        write = _write_adapter if kind == ADAPTER else _write_merged
        try:
            report = write(job, run=run, base=files.folder, adapter=adapter, target=target, archive=archive)
        except Exception:
            _remove(target, archive)  # half an export is of no use, and may be what fills the disk
            raise
        if report.largest_difference > report.tolerance:
            _remove(target, archive)
            raise ExportError(
                f"The export does not answer like the run: a logit differs by {report.largest_difference:.2g}, "
                f"and at most {report.tolerance:.2g} is allowed.",
                "It was not kept. Free some memory and disk space and export again; the run itself is untouched.",
            )
        write_report(run.exports, report)
    return Finished(status="finished", summary=f"Checked and ready: {archive}", seconds=time.monotonic() - began)


def _write_adapter(job: Job, *, run: RunFolder, base: Path, adapter: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export, loading
    from studio.ml.reference import load_reference

    asked = _ensure_reference(job, run=run, base=base, adapter=adapter)
    reference = load_reference(run.path / REFERENCE)
    job.emit(Loading(what="Writing the adapter"))
    export.write_adapter(adapter, base=base, target=target, base_name=_base_name(run), card=_card(run, ADAPTER))
    renderer = ChatRenderer.load(base)
    _keep_plain_template(renderer, target)
    export.zip_folder(target, archive)
    job.emit(Loading(what="Loading it back with peft and checking its answers"))
    placement = loading.choose_placement(precision=run.config.precision, bits=run.config.base_bits)
    agreement = export.check_adapter(
        archive, base=base, placement=placement, reference=reference, end_ids=renderer.end_ids, pad_id=pad_id(renderer)
    )
    return ExportReport(
        kind=ADAPTER,
        folder=str(target),
        archive=str(archive),
        folder_bytes=_size(target),
        archive_bytes=archive.stat().st_size,
        largest_difference=agreement.largest_difference,
        tolerance=export.tolerance(placement, agreement),
        same_answers=agreement.same_answers,
        answers=agreement.answers,
        checked_with=f"the zip, unpacked and loaded with peft, against {asked}",
    )


def _write_merged(job: Job, *, run: RunFolder, base: Path, adapter: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    _ensure_reference(job, run=run, base=base, adapter=adapter)
    renderer = ChatRenderer.load(base)
    probes = load_reference(run.path / REFERENCE).probes
    end_ids, padding = renderer.end_ids, pad_id(renderer)
    job.emit(Loading(what="Merging the adapter into the base"))
    reference = export.write_merged(
        base,
        adapter=adapter,
        target=target,
        probes=probes,
        card=_card(run, MERGED),
        end_ids=end_ids,
        pad_id=padding,
    )
    _keep_plain_template(renderer, target)
    job.emit(Loading(what="Packing the zip"))
    export.zip_folder(target, archive)
    job.emit(Loading(what="Loading it back with transformers and checking its answers"))
    agreement = export.check_merged(target, reference=reference, end_ids=end_ids, pad_id=padding)
    return ExportReport(
        kind=MERGED,
        folder=str(target),
        archive=str(archive),
        folder_bytes=_size(target),
        archive_bytes=archive.stat().st_size,
        largest_difference=agreement.largest_difference,
        tolerance=export.tolerance(export.stored_placement(target), agreement),
        same_answers=agreement.same_answers,
        answers=agreement.answers,
        checked_with="the folder, loaded with transformers, against the unquantised base with the adapter on",
    )


AT_THE_END = "the model as it was at the end of the training"
LATER = "the adapter as the run left it, for the run ended before it could be asked"


def _ensure_reference(job: Job, *, run: RunFolder, base: Path, adapter: Path) -> str:
    """Make sure that there are answers to check against, and say whose they are.

    A run that was killed could not write them: then what it saved is asked now.
    """
    if (run.path / REFERENCE).is_file():
        return LATER if (run.path / ASKED_LATER).exists() else AT_THE_END
    from studio.ml import loading

    job.emit(Loading(what="Asking the last checkpoint"))
    placement = loading.choose_placement(precision=run.config.precision, bits=run.config.base_bits)
    model = loading.load_adapter(loading.load_base(base, placement), adapter)
    keep_reference(model, run, renderer=ChatRenderer.load(base))
    (run.path / ASKED_LATER).touch()
    return LATER


def _keep_plain_template(renderer: ChatRenderer, target: Path) -> None:
    """Write the studio's plain template beside a model that has none, or nobody would ask it as it was trained."""
    if renderer.uses_plain_template:
        (target / "chat_template.jinja").write_text(renderer.template, encoding="utf-8")


def _base_name(run: RunFolder) -> str:
    return HUB_ID if run.config.model == STARTER else run.config.model


def _card(run: RunFolder, kind: str) -> str:
    records, _ = read_events(run.events_path)
    steps = sum(isinstance(record.event, Stepped) for record in records)
    return card_of(run, kind=kind, base_name=_base_name(run), steps=steps)


def _remove(target: Path, archive: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    archive.unlink(missing_ok=True)
    archive.with_suffix(".tmp").unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
