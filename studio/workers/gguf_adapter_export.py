"""The export of an adapter alone as a GGUF: asked by llama.cpp on a GGUF of its base, with and without its effect."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ExportError
from studio.jobs.exports import F16, GGUF_ADAPTER, NO_ADAPTER, ExportReport, GgufCheck, export_archive
from studio.models.adapter_files import check_adapter
from studio.runs.store import RunFolder, is_whole_model
from studio.workers.base_model import load_renderer
from studio.workers.gguf_export import go_on, put_on_shelf, questions_of, scratch_of
from studio.workers.job import Job
from studio.workers.scratch import Scratch

if TYPE_CHECKING:
    from studio.ml.gguf_check import Likeness

_WHOLE_INSTEAD = "Export the GGUF of the whole model instead. The run itself is untouched."


def write_gguf_adapter(job: Job, *, run: RunFolder, base: Path, result: Path) -> ExportReport:
    """Write the adapter of a run as a GGUF, check it, and put it in place of an earlier one; return its report.

    Raises ExportError, with what differs, for one that is not kept, and Stopped when asked to stop.
    """
    ensure_carried(result)
    with scratch_of(run, base, result, GGUF_ADAPTER) as scratch:
        return _write(job, run=run, base=base, result=result, scratch=scratch)


def ensure_carried(result: Path) -> None:
    """Raises ExportError for what a GGUF of an adapter cannot hold: it has the two halves of each layer alone."""
    if is_whole_model(result):
        raise ExportError(NO_ADAPTER, _WHOLE_INSTEAD)
    settings = check_adapter(result)
    if settings.dora:
        raise ExportError(
            "This run is a DoRA run: it learned the length of each weight column beside the adapter, and a GGUF of an "
            "adapter cannot carry that.",
            _WHOLE_INSTEAD,
        )
    if settings.saved_whole:
        raise ExportError(
            "This run trained its word table and output head as a whole, and a GGUF of an adapter cannot carry that.",
            _WHOLE_INSTEAD,
        )
    if settings.lora_bias:
        raise ExportError(
            "The adapter of this run has a bias beside its two halves, and a GGUF of an adapter cannot carry that.",
            _WHOLE_INSTEAD,
        )


def _write(job: Job, *, run: RunFolder, base: Path, result: Path, scratch: Scratch) -> ExportReport:
    from studio.ml import export, gguf_check, gguf_writing, loading
    from studio.ml.gguf_halves import ensure_same_halves
    from studio.ml.memory import release_memory

    renderer = load_renderer(base)
    prompts, held_out, questions = questions_of(run, renderer)

    def written(part: str, name: str, adapter: Path | None) -> Path:
        def write(folder: Path) -> None:
            model = scratch.made("base", lambda target: export.write_base(base, renderer=renderer, target=target))
            release_memory()
            gguf_writing.write_gguf(
                model, folder / name, quantisation=F16, should_stop=job.should_stop, adapter=adapter
            )

        return scratch.made(part, write) / name

    go_on(job, "Writing the adapter as a GGUF")
    file = written("file", export_archive(run, GGUF_ADAPTER).name, result)
    ensure_same_halves(file, result)
    go_on(job, "Writing a GGUF of the base to check it on")
    whole = written("whole", "base.gguf", None)
    scratch.drop("base")

    def asked(model: Any, *, scale: float) -> "Likeness":
        """Ask llama.cpp with the adapter added so many times, and hold that against a model."""
        said = gguf_check.ask_llama(
            whole,
            prompts,
            questions=questions,
            ends=renderer.end_ids,
            should_stop=job.should_stop,
            adapter=file,
            scale=scale,
        )
        gguf_check.ensure_same_prompts(prompts, said, renderer)
        likeness = gguf_check.hold_against(model, questions, said)
        gguf_check.ensure_like(likeness, quantisation=F16)
        return likeness

    go_on(job, "Loading the base with llama.cpp and asking it without the adapter")
    model = loading.load_base(base, export.stored_placement(base))
    without = asked(model, scale=0.0)
    go_on(job, "Asking it with the adapter")
    likeness = asked(loading.load_adapter(model, result), scale=1.0)
    release_memory()
    check = _check(likeness, without, prompts=len(prompts), held_out=held_out)
    checked_with = (
        f"llama.cpp (xllamacpp {version('xllamacpp')}) with a 16-bit GGUF of the base, against the run's adapter "
        "on its base, in fp32"
    )
    return put_on_shelf(run, GGUF_ADAPTER, file, check, likeness, checked_with=checked_with)


def _check(likeness: "Likeness", without: "Likeness", *, prompts: int, held_out: int) -> GgufCheck:
    """Sum up how like the run the file answers, and without the adapter how like the base."""
    return GgufCheck(
        prompts=prompts,
        held_out=held_out,
        tokens=likeness.tokens,
        same_tokens=likeness.same_tokens,
        divergence=likeness.divergence,
        allowed=likeness.allowed(F16),
        fell_back=0,
        tensors=0,
        has_template=False,
        base_tokens=without.tokens,
        base_same_tokens=without.same_tokens,
    )
