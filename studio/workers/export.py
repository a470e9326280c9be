"""The export job: writes an adapter or a model, loads it back, and offers it when it answers like the run.

The model of a run that trained an adapter is the base with the adapter merged; of any other it is what was trained.
"""

import logging
import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import DataError, ExportError
from studio.events import Finished, Loading
from studio.jobs.calibration import accelerator_lock
from studio.jobs.exports import (
    ADAPTER,
    GGUF_ADAPTER,
    MERGED,
    NEEDS_ADAPTER,
    NO_ADAPTER,
    NO_ADAPTER_HINT,
    ONE_FILE,
    ExportReport,
    export_archive,
    export_folder,
    write_report,
)
from studio.jobs.model_card import base_revision, card_of, steps_of
from studio.jobs.snippets import base_name
from studio.jobs.tasks import Export, home_of
from studio.models.adapter_files import hash_learned
from studio.runs.following import Following
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder, is_whole_model
from studio.runs.turns import Holder
from studio.workers.base_model import ensure_model, load_renderer
from studio.workers.gguf_adapter_export import write_gguf_adapter
from studio.workers.gguf_export import write_gguf_export
from studio.workers.job import Job
from studio.workers.train import REFERENCE, keep_reference, pad_id

if TYPE_CHECKING:
    from studio.ml.loading import Placement
    from studio.ml.reference import Reference
    from studio.ml.shipped_check import Shipped

log = logging.getLogger(__name__)

ASKED_LATER = "reference.later"


def export_run(job: Job, task: Export) -> Finished:
    """Write one kind of export, check it, and write its report last."""
    began = time.monotonic()
    run, kind, home = RunFolder(task.run), task.kind, home_of(task.run)
    result = run.result
    if result is None:
        raise ExportError("This run has no result to export.", "Let a run finish, or stop it after its first step.")
    whole = is_whole_model(result)
    if whole and kind in NEEDS_ADAPTER:
        raise ExportError(NO_ADAPTER, NO_ADAPTER_HINT)
    files = ensure_model(run.config.model, home, job)
    with job.holding(
        accelerator_lock(home),
        waiting="Waiting for other work on this machine to finish",
        holder=Holder(f"the export of {run.name}", home=str(home)),
    ):
        job.emit(Loading(what="Starting PyTorch"))
        if kind in ONE_FILE:
            _ensure_result_as_learned(run, result)
            if kind == GGUF_ADAPTER:
                report = write_gguf_adapter(job, run=run, base=files.folder, result=result)
            else:
                report = write_gguf_export(job, run=run, base=files.folder, result=result, kind=kind)
            write_report(run.exports, _at_its_step(run, report))
            return _finished(export_archive(run, kind), began)
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
        write_report(run.exports, _at_its_step(run, report))
    return _finished(archive, began)


def _at_its_step(run: RunFolder, report: ExportReport) -> ExportReport:
    """Note in a report which step of the run it is of: a run may go on later."""
    view, result = Following(run.events_path).view(), run.result
    step = view.kept_step
    if result is not None and result.parent.name == "checkpoints":
        step = int(result.name.removeprefix("step-"))
    return replace(report, step=step, run_step=max(step, view.step))


def _finished(archive: Path, began: float) -> Finished:
    return Finished(status="finished", summary=f"Checked and ready: {archive.name}", seconds=time.monotonic() - began)


@dataclass(frozen=True)
class _Written:
    """An export that was written of a `result`, and what its answers are held against; `base` is where an adapter's
    base lies.
    """

    kind: str
    target: Path
    archive: Path
    reference: "Reference"
    placement: "Placement"
    against: str
    result: Path
    base: Path | None = None
    was_merged: bool = False


def _write_adapter(job: Job, *, run: RunFolder, base: Path, result: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    asked = _ensure_reference(job, run=run, base=base, result=result)
    reference = load_reference(run.path / REFERENCE)
    renderer = load_renderer(base)
    job.emit(Loading(what="Writing the adapter"))
    export.write_adapter(
        result,
        base=base,
        renderer=renderer,
        target=target,
        base_name=base_name(run),
        revision=base_revision(run.config, base),
        card=_card(run, ADAPTER, base),
    )
    return _check(
        job, _Written(ADAPTER, target, archive, reference, _placement(run), asked, result, base=base), renderer=renderer
    )


def _write_model(job: Job, *, run: RunFolder, base: Path, result: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    asked = _ensure_reference(job, run=run, base=base, result=result)
    reference = load_reference(run.path / REFERENCE)
    renderer = load_renderer(base)
    job.emit(Loading(what="Writing the model"))
    export.write_model(result, base=base, renderer=renderer, target=target, card=_card(run, MERGED, base))
    placement = export.stored_placement(target)
    return _check(job, _Written(MERGED, target, archive, reference, placement, asked, result), renderer=renderer)


def _write_merged(job: Job, *, run: RunFolder, base: Path, result: Path, target: Path, archive: Path) -> ExportReport:
    from studio.ml import export
    from studio.ml.reference import load_reference

    _ensure_reference(job, run=run, base=base, result=result)
    renderer = load_renderer(base)
    asked = load_reference(run.path / REFERENCE)
    _ensure_as_learned(result, asked)
    job.emit(Loading(what="Merging the adapter into the base"))
    reference = export.write_merged(
        base,
        adapter=result,
        renderer=renderer,
        target=target,
        probes=asked.probes,
        card=_card(run, MERGED, base),
        pad_id=pad_id(renderer),
    )
    placement = export.stored_placement(target)
    against = "the unquantised base with the adapter on"
    written = _Written(MERGED, target, archive, reference, placement, against, result, was_merged=True)
    return _check(job, written, renderer=renderer)


def _check(job: Job, written: _Written, *, renderer: ChatRenderer) -> ExportReport:
    """Pack what was written, have plain libraries answer from that alone, and compare. An adapter's zip is unpacked.

    Raises ExportError when it cannot be loaded so, or does not stop where the run does.
    """
    from studio.ml import export
    from studio.ml.memory import release_memory
    from studio.ml.reference import compare
    from studio.ml.shipped_check import ask_shipped

    job.emit(Loading(what="Packing the zip"))
    export.zip_folder(written.target, written.archive)
    release_memory()
    library = "peft" if written.base else "transformers"
    job.emit(Loading(what=f"Loading it back with {library} and checking its answers"))
    with export.unpacked(written.archive) if written.base else nullcontext(written.target) as folder:
        _ensure_as_learned(folder, written.reference)
        if not written.was_merged:
            _ensure_as_saved(folder, written.result)
        shipped = ask_shipped(
            folder,
            written.reference.probes,
            placement=written.placement,
            base=written.base,
            exact=written.reference.exact,
            was_rounded=written.was_merged,
        )
    if set(renderer.end_ids) - set(shipped.end_ids):
        raise ExportError(
            "The export does not stop where the run does: its files name other ends of an answer.",
            "It was not kept, and the run itself is untouched. Please report this with the name of the base model.",
        )
    agreement = compare(written.reference, shipped.reference)
    allowed = export.tolerance(agreement, exact=written.reference.exact, rounding=shipped.rounding)
    return ExportReport(
        kind=written.kind,
        folder_bytes=_size(written.target),
        archive_bytes=written.archive.stat().st_size,
        largest_difference=agreement.largest_difference,
        tolerance=allowed,
        same_answers=agreement.same_answers,
        answers=agreement.answers,
        checked_with=_checked_with(written, shipped, renderer=renderer),
    )


def _ensure_as_learned(folder: Path, reference: "Reference") -> None:
    """Raises ExportError when the files in a folder are not those that answered. An older run has no hash."""
    if reference.learned and hash_learned(folder) != reference.learned:
        raise ExportError(
            "The export does not answer like the run: its weights or settings are not those that the run wrote, so "
            "the run's files were changed or damaged since.",
            "It was not kept. Go on with an earlier copy of the run, or train it again.",
        )


def _ensure_as_saved(folder: Path, result: Path) -> None:
    """Raises ExportError when a copy is not what it was made of: each tensor bit for bit, and what scales it."""
    if hash_learned(folder) != hash_learned(result):
        raise ExportError(
            "The export is not what the run learned: a weight or a setting changed while it was copied.",
            "It was not kept. Check the disk and export again; the run itself is untouched.",
        )


def _ensure_result_as_learned(run: RunFolder, result: Path) -> None:
    from studio.ml.reference import load_reference

    if (run.path / REFERENCE).is_file():  # a run that was killed has none
        _ensure_as_learned(result, load_reference(run.path / REFERENCE))


def _checked_with(written: _Written, shipped: "Shipped", *, renderer: ChatRenderer) -> str:
    library = f"plain {'peft and ' if written.base else ''}transformers {shipped.transformers}"
    files = "the zip, unpacked and" if written.base else "the folder,"
    sentence = f"{files} asked by {library} in a process of its own, against {written.against}"
    if shipped.prompt is not None and shipped.prompt != _written_prompt(renderer):
        return f"{sentence}; mind that transformers writes a question as other tokens than this run was trained on"
    return sentence


def _written_prompt(renderer: ChatRenderer) -> tuple[int, ...] | None:
    from studio.ml.shipped_check import CONVERSATION

    try:
        return renderer.prompt(tuple(Message(each["role"], each["content"]) for each in CONVERSATION))
    except DataError:
        log.debug("The template refuses the conversation of the check", exc_info=True)
        return None


AT_THE_END = "the model as it was at the end of the training"
LATER = "what the run left, for it ended before it could be asked"


def _ensure_reference(job: Job, *, run: RunFolder, base: Path, result: Path) -> str:
    """Make sure that there are answers to check against, and say whose they are.

    A run that was killed could not write them, and one of an earlier version wrote them in the precision of its
    training, which hides errors: then what it saved is asked now.
    """
    if (run.path / REFERENCE).is_file() and not _is_rough(run):
        return LATER if (run.path / ASKED_LATER).exists() else AT_THE_END
    _ensure_result_as_learned(run, result)
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


def _is_rough(run: RunFolder) -> bool:
    """Tell whether a run's answers were rounded though its base can be computed with exactly."""
    from studio.ml.reference import load_reference

    return run.config.base_bits != 8 and not load_reference(run.path / REFERENCE).exact


def _placement(run: RunFolder) -> "Placement":
    """Return the placement of the run, or the nearest that this machine has, because a reference holds only there."""
    from studio.ml.loading import choose_placement

    return choose_placement(precision=precision_of(run), bits=run.config.base_bits)


def _card(run: RunFolder, kind: str, base: Path) -> str:
    return card_of(run, kind=kind, steps=steps_of(run), base=base)


def _remove(target: Path, archive: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    archive.unlink(missing_ok=True)
    archive.with_suffix(".tmp").unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
