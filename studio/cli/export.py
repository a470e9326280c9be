"""`python app.py export`: writes the adapter, the merged model or a GGUF of a run, checked as the page checks it."""

import shutil
from pathlib import Path

from rich.console import Console

from studio.cli.follow import wait_for_job, why_no_result
from studio.errors import ExportError
from studio.files import disk_trouble, whole_file, whole_folder, write_whole
from studio.jobs.exports import (
    GGUF_ADAPTER,
    NO_ANSWER,
    NOT_ASKED,
    ONE_FILE,
    OTHER_ANSWER,
    SAME_ANSWER,
    ExportReport,
    GgufCheck,
    export_archive,
    export_folder,
    export_modelfile,
    export_state,
    kinds_of,
    went_on,
)
from studio.jobs.snippets import gguf_commands, snippet
from studio.jobs.verdicts import file_beside_run
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.wording import counted, size

_ARCHIVE = ".zip"
_OLLAMA = {
    NOT_ASKED: "Ollama itself was not asked.",
    SAME_ANSWER: "Ollama was asked one question with it and gave the same answer.",
    OTHER_ANSWER: "Ollama was asked one question with it and gave another answer than llama.cpp.",
    NO_ANSWER: "Ollama gave no answer with it.",
}
_FELL_BACK = "their width is no multiple of 256, so a K-quant saves little here. Q8_0 is the better choice."


def export(studio: Studio, *, run_id: str, kind: str, to: Path | None, console: Console) -> int:
    """Write an export of a run, check it, and say where it lies and how it is used.

    `kind` is one of `EXPORT_KINDS`; without it, it is the first that the run can have. `to` is where it is copied: a
    folder, or a name that ends in .zip (.gguf for a GGUF); without it, it stays beside the run. Raises RunError or
    ExportError for what cannot be used, RunFailed when the export fails.
    """
    run = studio.runs.get(run_id)
    kind = kind or kinds_of(run)[0]
    if to is not None:
        to = to / _name(run, kind) if to.is_dir() else _as_gguf(to) if kind in ONE_FILE else to
        if to.exists():
            raise ExportError(f"{to} exists already.", "Name another place with --to.")
    report = wait_for_export(studio, run, kind, console=console)
    place = export_archive(run, kind) if to is None else to
    if said := went_on(report, studio.scheduler.view(run.id).view.step):
        console.print(said, style="yellow", markup=False, soft_wrap=True)
    if to is not None:
        _copy(run, kind, to)
    if kind == GGUF_ADAPTER and report.gguf is not None:
        _tell_gguf_adapter(run, report.gguf, place, console=console)
        return 0
    if report.gguf is not None:
        _tell_gguf(report, report.gguf, place, console=console)
        return 0
    asked = f"{report.same_answers} of {report.answers} answers are the same as the run's"
    count = report.folder_bytes if place.suffix.lower() != _ARCHIVE else report.archive_bytes
    console.print(f"{place} ({size(count)}). Loaded back and asked: {asked}.", markup=False, soft_wrap=True)
    console.print("Use it in Python:\n", markup=False)
    console.out(snippet(run, kind), highlight=False)
    return 0


def _name(run: RunFolder, kind: str) -> str:
    return export_archive(run, kind).name if kind in ONE_FILE else export_folder(run, kind).name


def _tell_gguf(report: ExportReport, check: GgufCheck, place: Path, *, console: Console) -> None:
    same = f"{check.same_tokens} of {check.tokens} next tokens are the run's"
    lines = [
        f"{place} ({size(report.archive_bytes)}). Asked by llama.cpp: {counted(check.prompts, 'prompt')} "
        f"({check.held_out} of them held out) with the same text and tokens as in the studio; {same}, "
        f"divergence {check.divergence:.2g} nats (at most {check.allowed:.2g} is allowed).",
        f"{place.with_suffix('.Modelfile')}: for `ollama create`. {_OLLAMA[check.ollama]}",
    ]
    if check.score is not None:
        lines.insert(1, file_beside_run(check.score))
    if check.fell_back:
        lines.append(f"{check.fell_back} of {check.tensors} matrices are packed in another way: {_FELL_BACK}")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _tell_gguf_adapter(run: RunFolder, check: GgufCheck, place: Path, *, console: Console) -> None:
    lines = [
        f"{place} ({size(place.stat().st_size)}). Added to a 16-bit GGUF of the base by llama.cpp: {check.same_tokens} "
        f"of {check.tokens} next tokens are the run's, and at scale 0 {check.base_same_tokens} of {check.base_tokens} "
        "are the base's.",
        "Use it with llama.cpp:\n",
        gguf_commands(run, GGUF_ADAPTER),
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def wait_for_export(studio: Studio, run: RunFolder, kind: str, *, console: Console) -> ExportReport:
    """Write an export unless it is there, and wait for it. Raises RunError, ExportError, RunFailed."""
    state = wait_for_job(
        studio.start_export(run.id, kind),
        look=lambda: export_state(studio.jobs, run, kind),
        cancel=lambda: studio.cancel_export(run.id, kind),
        console=console,
    )
    if state.result is not None:
        return state.result
    raise why_no_result(state, "The export did not come to an end.", "Try it again.")


def _copy(run: RunFolder, kind: str, to: Path) -> None:
    """Copy an export whole, or not at all: its zip to a name that ends in .zip, else its folder."""
    with disk_trouble("The export", to, ExportError):
        to.parent.mkdir(parents=True, exist_ok=True)
        if kind == GGUF_ADAPTER:
            with whole_file(to) as file:
                shutil.copyfile(export_archive(run, kind), file)
            return
        if kind in ONE_FILE:
            _copy_gguf(run, kind, to)
            return
        if to.suffix.lower() == _ARCHIVE:
            with whole_file(to) as file:
                shutil.copyfile(export_archive(run, kind), file)
            return
        with whole_folder(to) as folder:
            shutil.copytree(export_folder(run, kind), folder, dirs_exist_ok=True)


def _copy_gguf(run: RunFolder, kind: str, to: Path) -> None:
    """Copy a GGUF and its Modelfile, which names the file that lies beside it."""
    archive, beside = export_archive(run, kind), export_modelfile(run, kind)
    with whole_file(to) as file:
        shutil.copyfile(archive, file)
    text = beside.read_text(encoding="utf-8").replace(f"FROM ./{archive.name}\n", f"FROM ./{to.name}\n")
    write_whole(to.with_suffix(".Modelfile"), text.rstrip("\n"))


def _as_gguf(to: Path) -> Path:
    return to.with_name(f"{to.name}.gguf") if to.suffix.lower() != ".gguf" else to
