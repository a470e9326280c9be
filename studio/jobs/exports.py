"""The exports of a run: each is written and checked by a worker of its own, whose report says how well it agrees.

The report is written last and whole, so that a report which exists speaks of an export which is complete.
"""

import logging
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.config import FULL
from studio.errors import ExportError
from studio.files import disk_trouble, write_whole
from studio.jobs.evaluation_report import Figure
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Export
from studio.runs.store import RunFolder

log = logging.getLogger(__name__)

ADAPTER = "adapter"
MERGED = "merged"
"""A whole model: base and adapter in one, or what a full run trained."""

GGUF = "gguf"
"""A whole model in one file for llama.cpp, Ollama and LM Studio: a kind of its own for each `QUANTISATIONS`."""

F16, Q8_0, Q5_K_M, Q4_K_M = QUANTISATIONS = ("f16", "q8_0", "q5_k_m", "q4_k_m")
GGUF_KINDS = tuple(f"{GGUF}-{name}" for name in QUANTISATIONS)
GGUF_ADAPTER = f"{GGUF}-{ADAPTER}"
"""The adapter alone in one file, which llama.cpp adds to a GGUF of the base."""

ONE_FILE = (*GGUF_KINDS, GGUF_ADAPTER)
"""The kinds that are one file, and no folder."""

EXPORT_KINDS = (ADAPTER, MERGED, *ONE_FILE)
NEEDS_ADAPTER = (ADAPTER, GGUF_ADAPTER)
NO_ADAPTER = "This run trained the whole model, so there is no adapter to export."
NO_ADAPTER_HINT = "Export the model instead."


def kinds_of(run: RunFolder) -> tuple[str, ...]:
    """List the kinds of export that a run can have."""
    whole = run.config.method == FULL
    return tuple(kind for kind in EXPORT_KINDS if not (whole and kind in NEEDS_ADAPTER))


def gguf_kind(quantisation: str) -> str:
    """Return the kind of export that is a GGUF of a quantisation, or of the adapter alone.

    Raises ExportError for one that is not made here.
    """
    if quantisation not in (*QUANTISATIONS, ADAPTER):
        raise ExportError(
            f"There is no quantisation '{quantisation[:40]}' here.",
            f"Choose one of: {', '.join((*QUANTISATIONS, ADAPTER))}.",
        )
    return f"{GGUF}-{quantisation}"


def quantisation_of(kind: str) -> str:
    """Return the quantisation of a kind of export; empty where it is no GGUF."""
    return kind.removeprefix(f"{GGUF}-") if kind in GGUF_KINDS else ""


def export_folder(run: RunFolder, kind: str) -> Path:
    """Say where an export is written that is a folder: every one but a GGUF."""
    return run.exports / f"{run.id}-{'model' if run.config.method == FULL else kind}"


def export_archive(run: RunFolder, kind: str) -> Path:
    """Say where the one file lies that an export is downloaded as: a zip, or the GGUF itself."""
    if quantisation := (ADAPTER if kind == GGUF_ADAPTER else quantisation_of(kind)):
        return run.exports / f"{run.id}-{quantisation}.gguf"
    folder = export_folder(run, kind)
    return folder.with_name(f"{folder.name}.zip")


def export_modelfile(run: RunFolder, kind: str) -> Path:
    """Say where the Modelfile lies that goes with a GGUF."""
    return export_archive(run, kind).with_suffix(".Modelfile")


def exported_files(run: RunFolder, kind: str) -> tuple[Path, ...]:
    """List the files that an export is downloaded as."""
    archive = export_archive(run, kind)
    return (archive, export_modelfile(run, kind)) if kind in GGUF_KINDS else (archive,)


def offered_file(folder: Path, name: str) -> Path | None:
    """Return a file that may be handed out: a regular one, no link, of this name in this folder of a run or data set.

    None for anything else, above all where the folder itself is a link to somewhere else.
    """
    if "/" in name or "\0" in name or name.startswith("."):
        return None
    path = folder / name
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
        return path if is_file and path.resolve() == folder.parent.resolve() / folder.name / name else None
    except OSError:
        return None


NOT_ASKED, SAME_ANSWER, OTHER_ANSWER, NO_ANSWER = "", "same", "other", "none"
"""What came of asking Ollama."""


@dataclass(frozen=True)
class GgufCheck:
    """What llama.cpp made of a GGUF. `prompts` had the same text and the same token ids as in the studio.

    At `same_tokens` of `tokens` places the next token was the one that the run finds likeliest. `divergence` is the
    mean KL divergence of the next token from the run's, in nats, and `allowed` what it may be. `fell_back` of `tensors`
    matrices are stored in another format, because their width is no multiple of 256. `has_template` says whether the
    Modelfile has one, and `ollama` what came of asking Ollama with that: one of the words above. An adapter alone was
    added to the base in 16 bits for all of this; `base_same_tokens` of `base_tokens` are those of the base without it,
    with the adapter loaded at scale 0. `score` is the task's own score of held-out rows, with the run as base and the
    file as tuned; None where the run has none, and for an adapter alone.
    """

    prompts: int
    held_out: int
    tokens: int
    same_tokens: int
    divergence: float
    allowed: float
    fell_back: int
    tensors: int
    has_template: bool
    ollama: str = NOT_ASKED
    base_tokens: int = 0
    base_same_tokens: int = 0
    score: Figure | None = None


@dataclass(frozen=True)
class ExportReport:
    """One finished export. `kind` is one of `EXPORT_KINDS`. Where it lies follows from the run and its kind.

    `largest_difference` is the largest absolute difference of the logits between the export, loaded back, and the run;
    `tolerance` is what was allowed. `same_answers` of `answers` greedy answers were the same token for token.
    `checked_with` names the library that loaded the export back. A GGUF has `gguf` for the first two, which are 0 then.
    It is of what the run knew at `step`, when it had done `run_step`; both are 0 in reports of earlier versions.
    """

    kind: str
    folder_bytes: int
    archive_bytes: int
    largest_difference: float
    tolerance: float
    same_answers: int
    answers: int
    checked_with: str
    gguf: GgufCheck | None = None
    step: int = 0
    run_step: int = 0


def write_report(folder: Path, report: ExportReport) -> None:
    """Write the report whole to `<folder>/<kind>.json`: under a temporary name first, then renamed.

    Raises ExportError when the folder cannot be written, ValueError when a number is not finite.
    """
    path = folder / f"{report.kind}.json"
    with disk_trouble("The report of the export", path, ExportError):
        write_whole(path, codec.dumps(report))


def read_report(folder: Path, kind: str) -> ExportReport | None:
    """Read the report of one kind of export; None when there is none, or none that can be read."""
    try:
        return codec.read(ExportReport, folder / f"{kind}.json")
    except (OSError, codec.Damaged):
        log.debug("A report of an export cannot be read", exc_info=True)
        return None


ExportState = JobState[ExportReport]
"""How far an export is: "none", "working", "ready", "failed", or "absent" for a kind that the run does not have."""


def start_export(jobs: Jobs, run: RunFolder, kind: str) -> ExportState:
    """Start to write an export of one of `EXPORT_KINDS` unless it is there, or under way; return its state.

    Raises ExportError when this run cannot be exported now, RunError when the work cannot be started.
    """
    state = export_state(jobs, run, kind)
    if state.ready or state.working:
        return state
    if state.status == "absent":
        raise ExportError(state.sentence, NO_ADAPTER_HINT)
    if run.is_alive():
        raise ExportError("This run is still training.", "Export it when it is finished, or stop it first.")
    if run.result is None:
        what = "model" if run.config.method == FULL else "adapter"
        raise ExportError(f"This run has no {what} to export.", "Let a run finish, or stop it after a few steps.")
    jobs.start(Export(run.path, kind))
    return export_state(jobs, run, kind)


def went_on(report: ExportReport, step: int) -> str:
    """Say of what an export is when its run has gone on since, to `step`; empty where it has not."""
    if not 0 < report.run_step < step:
        return ""
    return (
        f"This export is of step {report.step:,}. The run went on since, and is at step {step:,}: delete the export "
        "and prepare it again to have what it learned since."
    )


def delete_export(jobs: Jobs, run: RunFolder, kind: str) -> None:
    """Delete an export with all that belongs to it. Raises ExportError while it is being written, or for a bad kind."""
    if export_state(jobs, run, kind).working:
        raise ExportError("This export is still being written.", "Cancel it, or wait until it is done.")
    (run.exports / f"{kind}.json").unlink(missing_ok=True)  # first, so that nothing is offered that is half gone
    for path in exported_files(run, kind):
        path.unlink(missing_ok=True)
    if kind not in ONE_FILE:
        shutil.rmtree(export_folder(run, kind), ignore_errors=True)


def export_state(jobs: Jobs, run: RunFolder, kind: str) -> ExportState:
    """Say how far an export is. Raises ExportError for an unknown kind."""
    if kind not in EXPORT_KINDS:
        raise ExportError(f"There is no export '{kind}'.", f"Choose one of: {', '.join(EXPORT_KINDS)}.")
    if kind not in kinds_of(run):
        return JobState("absent", NO_ADAPTER)
    state = jobs.state(Export(run.path, kind))
    if state.working:
        return state.giving(None)
    report = read_report(run.exports, kind)
    archive = export_archive(run, kind)
    offered = offered_file(archive.parent, archive.name)
    if report is not None and offered is not None and offered.stat().st_size == report.archive_bytes:
        return JobState("ready", "Written, loaded back and checked.", report)
    return state.giving(None) if state.failed is not None else JobState("none", "Not exported yet.")
