"""The export job: writes an adapter or a model, loads it back, offers it when it answers like the run.

The model of a run that trained an adapter is the base with that merged into it; of any other it is what was trained.
"""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import STARTER
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.events import Finished, Loading, Stepped
from studio.models.elsewhere import shown_name
from studio.models.starter import HUB_ID
from studio.runs.event_log import read_events
from studio.runs.exports import ADAPTER, MERGED, NO_ADAPTER, NO_ADAPTER_HINT, export_archive, export_folder
from studio.runs.precision import precision_of
from studio.runs.reports import ExportReport, write_report
from studio.runs.store import RunFolder, is_whole_model
from studio.workers.base_model import ensure_model
from studio.workers.bounded import load_renderer
from studio.workers.job import Job
from studio.workers.model_card import card_of
from studio.workers.train import MEMORY_LOCK, REFERENCE, keep_reference, pad_id

if TYPE_CHECKING:
    from studio.ml.loading import Placement
    from studio.ml.reference import Agreement, Reference

ASKED_LATER = "reference.later"


def export_run(job: Job, *, run: RunFolder, kind: str, home: Path) -> Finished:
    """Write one kind of export, check it, and write its report last."""
    began = time.monotonic()
    result = run.result
    if result is None:
        raise ExportError("This run has no result to export.", "Let a run finish, or stop it after its first step.")
    whole = is_whole_model(result)
    if whole and kind == ADAPTER:
        raise ExportError(NO_ADAPTER, NO_ADAPTER_HINT)
    files = ensure_model(run.config.model, home, job)
    with job.holding(home / MEMORY_LOCK, waiting="Waiting for other work on this machine to finish"):
        job.emit(Loading(what="Starting PyTorch"))
        target, archive = export_folder(run, kind), export_archive(run, kind)
        _remove(target, archive)
        write = _write_adapter if kind == ADAPTER else _write_model if whole else _write_merged
        try:
            report = write(job, run=run, base=files.folder, result=result, target=target, archive=archive)
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
    return Finished(status="finished", summary=f"Checked and ready: {archive.name}", seconds=time.monotonic() - began)


def _write_adapter(job: Job, *, run: RunFolder, base: Path, result: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    asked = _ensure_reference(job, run=run, base=base, result=result)
    reference = load_reference(run.path / REFERENCE)
    job.emit(Loading(what="Writing the adapter"))
    export.write_adapter(result, base=base, target=target, base_name=_base_name(run), card=_card(run, ADAPTER))
    renderer = load_renderer(base)
    _keep_plain_template(renderer, target)
    export.zip_folder(target, archive)
    job.emit(Loading(what="Loading it back with peft and checking its answers"))
    placement = _placement(run)
    agreement = export.check_adapter(
        archive, base=base, placement=placement, reference=reference, end_ids=renderer.end_ids, pad_id=pad_id(renderer)
    )
    checked_with = f"the zip, unpacked and loaded with peft, against {asked}"
    return _report(ADAPTER, target, archive, placement=placement, agreement=agreement, checked_with=checked_with)


def _write_model(job: Job, *, run: RunFolder, base: Path, result: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    asked = _ensure_reference(job, run=run, base=base, result=result)
    reference = load_reference(run.path / REFERENCE)
    renderer = load_renderer(base)
    job.emit(Loading(what="Writing the model"))
    export.write_model(result, base=base, target=target, card=_card(run, MERGED))
    return _pack_model(job, target, archive, renderer=renderer, reference=reference, against=asked)


def _write_merged(job: Job, *, run: RunFolder, base: Path, result: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    _ensure_reference(job, run=run, base=base, result=result)
    renderer = load_renderer(base)
    probes = load_reference(run.path / REFERENCE).probes
    job.emit(Loading(what="Merging the adapter into the base"))
    reference = export.write_merged(
        base,
        adapter=result,
        target=target,
        probes=probes,
        card=_card(run, MERGED),
        end_ids=renderer.end_ids,
        pad_id=pad_id(renderer),
    )
    against = "the unquantised base with the adapter on"
    return _pack_model(job, target, archive, renderer=renderer, reference=reference, against=against)


def _pack_model(
    job: Job, target: Path, archive: Path, *, renderer: ChatRenderer, reference: "Reference", against: str
) -> ExportReport:
    """Pack a whole model that was written to `target`, load it back, and compare it with what `reference` observed."""
    from studio.ml import export

    _keep_plain_template(renderer, target)
    job.emit(Loading(what="Packing the zip"))
    export.zip_folder(target, archive)
    job.emit(Loading(what="Loading it back with transformers and checking its answers"))
    agreement = export.check_merged(target, reference=reference, end_ids=renderer.end_ids, pad_id=pad_id(renderer))
    placement = export.stored_placement(target)
    checked_with = f"the folder, loaded with transformers, against {against}"
    return _report(MERGED, target, archive, placement=placement, agreement=agreement, checked_with=checked_with)


def _report(
    kind: str, target: Path, archive: Path, *, placement: "Placement", agreement: "Agreement", checked_with: str
) -> ExportReport:
    from studio.ml.export import tolerance

    return ExportReport(
        kind=kind,
        folder_bytes=_size(target),
        archive_bytes=archive.stat().st_size,
        largest_difference=agreement.largest_difference,
        tolerance=tolerance(placement, agreement),
        same_answers=agreement.same_answers,
        answers=agreement.answers,
        checked_with=checked_with,
    )


AT_THE_END = "the model as it was at the end of the training"
LATER = "what the run left, for it ended before it could be asked"


def _ensure_reference(job: Job, *, run: RunFolder, base: Path, result: Path) -> str:
    """Make sure that there are answers to check against, and say whose they are.

    A run that was killed could not write them: then what it saved is asked now.
    """
    if (run.path / REFERENCE).is_file():
        return LATER if (run.path / ASKED_LATER).exists() else AT_THE_END
    from studio.ml import loading
    from studio.ml.export import stored_placement

    job.emit(Loading(what="Asking the last checkpoint"))
    if is_whole_model(result):
        model = loading.load_base(result, stored_placement(result))
    else:
        model = loading.load_adapter(loading.load_base(base, _placement(run)), result)
    keep_reference(model, run, renderer=load_renderer(base))
    (run.path / ASKED_LATER).touch()
    return LATER


def _placement(run: RunFolder) -> "Placement":
    """Return the placement that the run had as nearly as this machine has it, for a reference holds only in its own."""
    from studio.ml.loading import choose_placement

    return choose_placement(precision=precision_of(run), bits=run.config.base_bits)


def _keep_plain_template(renderer: ChatRenderer, target: Path) -> None:
    """Write the studio's plain template beside a model that has none, or nobody would ask it as it was trained."""
    if renderer.uses_plain_template:
        (target / "chat_template.jinja").write_text(renderer.template, encoding="utf-8")


def _base_name(run: RunFolder) -> str:
    return HUB_ID if run.config.model == STARTER else shown_name(run.config.model)


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
