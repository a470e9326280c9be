"""The export of a GGUF: merged, written, asked by llama.cpp, held against the run, and only then put on the shelf."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio import wording
from studio.data.example_files import ExampleFile
from studio.data.examples import Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError, ModelError
from studio.events import Loading
from studio.files import write_whole
from studio.jobs.exports import (
    F16,
    NO_ANSWER,
    NOT_ASKED,
    OTHER_ANSWER,
    SAME_ANSWER,
    ExportReport,
    GgufCheck,
    export_archive,
    export_modelfile,
    quantisation_of,
)
from studio.models.adapter_files import hash_learned
from studio.models.architecture import architecture_in
from studio.models.download import Stopped
from studio.models.gguf_sizes import gguf_size
from studio.runs.memory_watch import free_memory_bytes
from studio.runs.store import RunFolder, is_whole_model
from studio.workers.base_model import load_renderer
from studio.workers.gguf_score import score_beside, scored_rows
from studio.workers.job import Job
from studio.workers.modelfile import Template, modelfile, template_of
from studio.workers.ollama_asking import NoAnswer, ask_ollama, find_ollama
from studio.workers.scratch import Scratch, scratch
from studio.workers.train import pad_id

if TYPE_CHECKING:
    from studio.ml.gguf_check import Likeness, Prompt

log = logging.getLogger(__name__)

HELD_OUT = 12
"""So many held-out conversations are written by both sides."""

QUESTIONS = 6
"""So many of all are answered."""

LONGEST_QUESTION = 1024
"""Longer prompts are compared as text and tokens and not answered, which would take minutes on a processor."""


@dataclass(frozen=True)
class _Gguf:
    """A GGUF that is made in `scratch`; `base` is that of the run, and `result` what it learned."""

    run: RunFolder
    base: Path
    result: Path
    kind: str
    scratch: Scratch

    @property
    def quantisation(self) -> str:
        return quantisation_of(self.kind)


def write_gguf_export(job: Job, *, run: RunFolder, base: Path, result: Path, kind: str) -> ExportReport:
    """Write a GGUF, check it, and put it in place of an earlier one of its kind; return its report.

    Raises ExportError, with what differs, for one that is not kept, and Stopped when asked to stop.
    """
    with scratch_of(run, base, result, kind) as scratch:
        return _write(job, _Gguf(run, base, result, kind, scratch))


@contextmanager
def scratch_of(run: RunFolder, base: Path, result: Path, kind: str) -> Iterator[Scratch]:
    """Give the folder in which an export of this kind is made, if there is room for it.

    Raises ExportError where there is not.
    """
    files = [(path.name, path.stat()) for path in sorted(base.iterdir()) if path.is_file()]
    of = [
        hash_learned(result),
        *(f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in files),
        *(f"{name} {version(name)}" for name in ("auto-round", "gguf", "peft", "transformers")),
    ]
    with scratch(run.exports / f".{kind}.tmp", "\n".join(of)) as found:
        ensure_room(run.exports, base, kind=kind, made=found.size)
        yield found


def ensure_room(
    folder: Path, base: Path, *, kind: str, made: int = 0, free: int | None = None, memory: int | None = None
) -> None:
    """Raises ExportError, with both figures, where the disk or the memory is not enough; all are in bytes.

    So much of what goes to the disk is `made` already.
    """
    size = gguf_size(base, quantisation_of(kind) or F16)  # an adapter is asked on a base of 16 bits
    if size is None:
        return
    needs = (
        ("space on the disk", size.disk_bytes - made, shutil.disk_usage(folder).free if free is None else free),
        ("memory", size.memory_bytes, free_memory_bytes() if memory is None else memory),
    )
    for what, needed, found in needs:
        if needed > found:
            raise ExportError(
                f"Writing this file takes about {wording.size(needed)} of {what}, and {wording.size(found)} are free.",
                "Free some, then export again. The run itself is untouched.",
            )


def _write(job: Job, gguf: _Gguf) -> ExportReport:
    from studio.ml import gguf_check, gguf_writing
    from studio.ml.memory import release_memory

    renderer = load_renderer(gguf.base)
    prompts, held_out, questions = questions_of(gguf.run, renderer)
    name = export_archive(gguf.run, gguf.kind).name

    def write_file(folder: Path) -> None:
        model = gguf.scratch.made("model", partial(_write_model, job, gguf, renderer))
        release_memory()
        go_on(job, f"Writing the GGUF ({gguf.quantisation.upper()})")
        gguf_writing.write_gguf(model, folder / name, quantisation=gguf.quantisation, should_stop=job.should_stop)

    file = gguf.scratch.made("file", write_file) / name
    gguf.scratch.drop("model")
    go_on(job, "Loading it with llama.cpp and asking it")
    asked = gguf_check.ask_llama(file, prompts, questions=questions, ends=renderer.end_ids, should_stop=job.should_stop)
    gguf_check.ensure_same_prompts(prompts, asked, renderer)
    go_on(job, "Comparing its answers with the run's")
    likeness = gguf_check.hold_against(_model_of(gguf), questions, asked)
    gguf_check.ensure_like(likeness, quantisation=gguf.quantisation)
    release_memory()
    score = None
    if (rows := scored_rows(gguf.run, renderer)) is not None:
        go_on(job, f"Scoring its answers to {len(rows.rows):,} held-out rows")
        answer = partial(gguf_check.answer_whole, file, ends=renderer.end_ids, should_stop=job.should_stop)
        score = score_beside(rows, answer, renderer)
    write = partial(_modelfile, gguf, file.name, renderer, template_of(renderer, [each.messages for each in prompts]))
    expected = renderer.decode(asked.answers[0].ids)
    question = next(prompt.messages for prompt in prompts if prompt.ids == questions[0])
    answered = compared_with_ollama(
        job, file, write(), question, expected=expected, tokens=len(asked.answers[0].ids), program=find_ollama()
    )
    text = write(ollama=answered)
    size = gguf_size(gguf.base, gguf.quantisation)
    check = GgufCheck(
        prompts=len(prompts),
        held_out=held_out,
        tokens=likeness.tokens,
        same_tokens=likeness.same_tokens,
        divergence=likeness.divergence,
        allowed=likeness.allowed(gguf.quantisation),
        fell_back=0 if size is None else size.fell_back,
        tensors=0 if size is None else size.matrices,
        has_template="\nTEMPLATE " in text,
        ollama=answered,
        score=score,
    )
    against = "the run's model" if is_whole_model(gguf.result) else "the run's adapter on its base"
    checked_with = f"llama.cpp (xllamacpp {version('xllamacpp')}), against {against}, in fp32"
    return put_on_shelf(gguf.run, gguf.kind, file, check, likeness, checked_with=checked_with, text=text)


def _modelfile(
    gguf: _Gguf, file: str, renderer: ChatRenderer, template: Template | None, *, ollama: str = NOT_ASKED
) -> str:
    return modelfile(
        file=file,
        name=gguf.run.name,
        template=template,
        stops=[renderer.spell(id) for id in renderer.end_ids],
        context=_context(gguf.base),
        longest=gguf.run.config.max_length,
        ollama=ollama,
    )


def compared_with_ollama(
    job: Job,
    file: Path,
    text: str,
    messages: tuple[Message, ...],
    *,
    expected: str,
    tokens: int,
    program: str | None,
) -> str:
    """Ask Ollama a question with a Modelfile for a GGUF, and say how it answers beside llama.cpp: see `GgufCheck`.

    Without a `program` it is not asked. Raises Stopped.
    """
    if program is None:
        return NOT_ASKED
    go_on(job, "Asking Ollama, which is on this machine")
    beside = file.with_name("Modelfile")
    write_whole(beside, text)
    try:
        said = ask_ollama(beside, messages, program=program, tokens=tokens, should_stop=job.should_stop)
    except NoAnswer:
        log.warning("Ollama gave no answer with a GGUF", exc_info=True)
        return NO_ANSWER
    return SAME_ANSWER if said.strip() == expected.strip() else OTHER_ANSWER


def go_on(job: Job, what: str) -> None:
    """Say what comes next, unless the work is to stop."""
    if job.should_stop():
        raise Stopped
    job.emit(Loading(what=what))


def questions_of(run: RunFolder, renderer: ChatRenderer) -> tuple[list["Prompt"], int, list[tuple[int, ...]]]:
    """Return the prompts that both sides write, how many of them were held out, and the ids that are answered."""
    from studio.ml.gguf_check import prompts_of
    from studio.ml.gguf_prompts import OWN

    asked = (prompt for example in ExampleFile(run.validation_path) if (prompt := _asked(example)))
    held_out = prompts_of(list(islice(asked, HELD_OUT)), renderer)
    prompts = [*held_out, *prompts_of(OWN, renderer)]
    questions = [prompt.ids for prompt in prompts if len(prompt.ids) <= LONGEST_QUESTION][:QUESTIONS]
    if not questions:
        raise ExportError(
            "The chat template of this model refuses every conversation that the file could be checked with.",
            "Export the merged model instead.",
        )
    return prompts, len(held_out), questions


def _asked(example: Example) -> tuple[Message, ...]:
    """Return an example up to its last answer; empty for one that is more than plain messages."""
    messages = example.messages
    answer = max((n for n, each in enumerate(messages) if each.role == "assistant"), default=0)
    asked = tuple(Message(each.role, each.content) for each in messages[:answer])
    is_plain = asked == messages[:answer] and not example.tools and all(each.role != "tool" for each in asked)
    return asked if is_plain and not example.is_text else ()


def _write_model(job: Job, gguf: _Gguf, renderer: ChatRenderer, folder: Path) -> None:
    from studio.ml import export

    if is_whole_model(gguf.result):
        go_on(job, "Copying the model")
        export.write_model(gguf.result, base=gguf.base, renderer=renderer, target=folder, card="")
        return
    go_on(job, "Merging the adapter into the base")
    export.write_merged(
        gguf.base,
        adapter=gguf.result,
        renderer=renderer,
        target=folder,
        probes=(),
        card="",
        pad_id=pad_id(renderer),
    )


def _model_of(gguf: _Gguf) -> Any:
    """Load what the run trained, unmerged, so that the merging is checked with the rest."""
    from studio.ml import loading
    from studio.ml.export import stored_placement

    if is_whole_model(gguf.result):
        return loading.load_base(gguf.result, stored_placement(gguf.result))
    return loading.load_adapter(loading.load_base(gguf.base, stored_placement(gguf.base)), gguf.result)


def _context(base: Path) -> int:
    """Return how many tokens the model reads at most, 0 where that is not told."""
    with suppress(ModelError):
        return architecture_in(base).context or 0
    return 0


def put_on_shelf(
    run: RunFolder, kind: str, file: Path, check: GgufCheck, likeness: "Likeness", *, checked_with: str, text: str = ""
) -> ExportReport:
    """Move the whole file to its place, over an earlier one, with its Modelfile, the `text`, where it has one.

    The report, which offers it, is written by the caller.
    """
    archive = export_archive(run, kind)
    with file.open("rb") as written:
        os.fsync(written.fileno())
    (run.exports / f"{kind}.json").unlink(missing_ok=True)
    os.replace(file, archive)
    size = whole = archive.stat().st_size
    if text:
        beside = export_modelfile(run, kind)
        write_whole(beside, text)
        whole += beside.stat().st_size
    return ExportReport(
        kind=kind,
        folder_bytes=whole,
        archive_bytes=size,
        largest_difference=0.0,
        tolerance=0.0,
        same_answers=likeness.same_answers,
        answers=likeness.answers,
        checked_with=checked_with,
        gguf=check,
    )
