"""What the Export tab says about an export: how far it is, how large, how well it was checked."""

from markupsafe import Markup

from studio.jobs.evaluation_report import CLEARLY_WORSE
from studio.jobs.exports import (
    ADAPTER,
    F16,
    GGUF,
    GGUF_ADAPTER,
    NO_ANSWER,
    NOT_ASKED,
    OTHER_ANSWER,
    Q4_K_M,
    Q5_K_M,
    Q8_0,
    SAME_ANSWER,
    ExportReport,
    ExportState,
    GgufCheck,
)
from studio.jobs.verdicts import file_beside_run
from studio.models.gguf_sizes import GgufSize, Recommended
from studio.runs.turns import EVALUATION
from studio.ui.kit import fragments
from studio.ui.kit.fragments import Row, Tile
from studio.ui.kit.numbers import tiny
from studio.wording import counted, size

KINDS: dict[str, tuple[str, str, str]] = {
    "adapter": (
        "Adapter",
        "To keep or share what was learned: a small file that works together with the base model.",
        "LoRA adapter for peft (safetensors, zip)",
    ),
    "merged": (
        "Merged model",
        "To use the tuned model somewhere else: one large file with everything in it.",
        "Merged weights for transformers (safetensors, zip)",
    ),
}
"""Of each kind its name, what it is for in a sentence, and what it is to somebody who knows the field."""

GGUF_TEXTS = (
    "GGUF file",
    "To use the tuned model in Ollama, LM Studio or llama.cpp: one file, which llama.cpp answers from before it is "
    "offered.",
    "GGUF of the merged weights, with a Modelfile",
)

WHICH: tuple[tuple[str, str], ...] = (
    (
        "To chat with it on your own computer",
        "the GGUF file, of the kind that is recommended below. A program such as Ollama or LM Studio opens it.",
    ),
    (
        "To share it with somebody who has the base model, or to train on elsewhere",
        "the adapter. It is small and holds only what was learned.",
    ),
    ("To use it in a program of your own, in Python", "the merged model."),
)
"""For what somebody wants to do, the file that does it."""

_OLLAMA = (
    "Ollama is a program that runs models on your own computer. Install it from ollama.com.",
    "Download both files above, the GGUF file and the Modelfile, into one folder, and leave their names as they are: "
    "the Modelfile names the GGUF file beside it.",
    "Open a terminal in that folder and enter the two lines below that begin with ollama. "
    "The second one opens the chat.",
)
_LM_STUDIO = (
    "LM Studio is a program with a window to chat in. Install it from lmstudio.ai. It needs only the GGUF file.",
    "Under My Models it shows its folder of models. Make a folder in that, another one inside it, and put the GGUF "
    "file into the inner one.",
    "Choose the model in the chat of LM Studio and write to it.",
)
_ADAPTER_BESIDE = (
    "This file works beside a GGUF file of the base model, in llama.cpp: see the line below. Ollama and LM Studio want "
    "one of the other kinds."
)

PACKED: dict[str, tuple[str, str]] = {
    F16: ("F16", "16 bits: answers as the run does"),
    Q8_0: ("Q8_0", "8 bits: hardly different"),
    Q5_K_M: ("Q5_K_M", "5 to 6 bits: a little coarser"),
    Q4_K_M: ("Q4_K_M", "4 to 5 bits: coarser"),
    ADAPTER: ("Adapter alone", "only what was learned, for llama.cpp beside a GGUF of the base"),
}
"""Of each quantisation, and of the adapter alone, its name and what it does to the answers."""


OLLAMA_SAID = {
    NOT_ASKED: "Ollama itself was not asked.",
    SAME_ANSWER: "Ollama, which is on this machine, was asked one question with it and gave the same answer.",
    OTHER_ANSWER: "Ollama, which is on this machine, was asked one question with it and gave another answer than "
    "llama.cpp: compare its answers before you rely on them.",
    NO_ANSWER: "Ollama is on this machine and gave no answer with it: the log of the export says why.",
}


def name(kind: str, *, whole: bool) -> str:
    """Name an export in the middle of a sentence. With `whole` there was no adapter, and nothing is merged."""
    if kind == GGUF:
        return "GGUF file"
    return "trained model" if whole and kind == "merged" else KINDS[kind][0].lower()


def status(state: ExportState) -> Markup:
    """Say how far the export is, and once it is there what it holds and how it was checked."""
    if state.status == "absent":
        return fragments.empty("Not available for this run", state.sentence)
    if state.status == "working":
        bar = fragments.bar(None, name="Writing the export")
        can_stop = state.waits_for == EVALUATION
        way_out = fragments.line("quiet", "You can stop that on the Evaluate tab.") if can_stop else ""
        return fragments.stack([fragments.line("busy", state.sentence), way_out, bar])
    if state.status == "failed" and state.failed is not None:
        return fragments.notice("bad", state.failed.message, state.failed.hint)
    if state.result is not None and state.result.gguf is not None and state.result.kind == GGUF_ADAPTER:
        return _gguf_adapter_result(state.result, state.result.gguf)
    if state.result is not None and state.result.gguf is not None:
        return _gguf_result(state.result, state.result.gguf)
    if state.result is not None:
        good = fragments.notice("good", check(state.result), small_print(state.result))
        return fragments.stack([good, sizes(state.result)])
    return fragments.empty("Not prepared yet", "Once prepared, its size, its check and its download appear here.")


def which() -> Markup:
    """Say which file is for whom."""
    rows = fragments.join(
        Markup("<li><strong>{}</strong><span>{}</span></li>").format(f"{wanted}:", file) for wanted, file in WHICH
    )
    return Markup('<ul class="ls-which">{}</ul>').format(rows)


def how_to_use(kind: str) -> Markup:
    """Say step by step how a GGUF file is used by somebody who never did."""
    if kind == GGUF_ADAPTER:
        return fragments.line("quiet", _ADAPTER_BESIDE)
    parts = [_steps("In Ollama", _OLLAMA), _steps("In LM Studio", _LM_STUDIO)]
    return Markup('<div class="ls-how">{}</div>').format(fragments.join(parts))


def _steps(title: str, steps: tuple[str, ...]) -> Markup:
    items = fragments.join(Markup("<li>{}</li>").format(step) for step in steps)
    return Markup("<section><h3>{}</h3><ol>{}</ol></section>").format(title, items)


def sizes(report: ExportReport) -> Markup:
    """Show the sizes, packed and unpacked, to the byte, because other programs count in other units."""
    return fragments.tiles(
        Tile(name, size(count), f"{count:,} bytes")
        for name, count in (("Zip", report.archive_bytes), ("Unpacked", report.folder_bytes))
    )


def check(report: ExportReport) -> str:
    """Say plainly how well the export, loaded back, agrees with the run."""
    asked = counted(report.answers, "question")
    return (
        f"Loaded back and asked {asked}: {report.same_answers} of {report.answers} answers are the same as the run's."
    )


def small_print(report: ExportReport) -> str:
    """Say what the check measured, and against what."""
    measured = (
        f"What it finds likely as the next word differs by at most {tiny(report.largest_difference)} (logits); "
        f"{tiny(report.tolerance)} is allowed."
    )
    checked = f"Checked: {report.checked_with}."
    return f"{measured} {checked}"


def packings(
    found: dict[str, tuple[GgufSize | None, ExportReport | None]], *, advised: Recommended | None, chosen: str
) -> Markup:
    """List the kinds of GGUF with their sizes, what making the chosen one takes, and which is recommended and why."""
    rows = [
        Row(
            PACKED[kind][0],
            [PACKED[kind][1], _size_of(size, report), "Ready" if report is not None else "Not prepared yet"],
        )
        for kind, (size, report) in found.items()
    ]
    parts = [fragments.table("ls-figures", ("Kind", "Weights", "Size", "State"), rows, name="Kinds of GGUF file")]
    if advised is not None:
        named = PACKED[advised.quantisation][0]
        parts.append(fragments.line("good", f"{named} is recommended. {advised.reason}"))
    if (needs := found[chosen][0]) is not None:
        took = f"Preparing it takes about {size(needs.memory_bytes)} of memory and {size(needs.disk_bytes)} of disk."
        parts.append(fragments.line("quiet", took))
    return fragments.stack(parts)


def _size_of(expected: GgufSize | None, report: ExportReport | None) -> str:
    if report is not None:
        return size(report.archive_bytes)
    return "" if expected is None else f"about {size(expected.file_bytes)}"


def _gguf_result(report: ExportReport, check: GgufCheck) -> Markup:
    parts = [
        fragments.notice("good", _gguf_check(check), _gguf_small_print(report, check)),
        fragments.line("warning" if check.ollama in (OTHER_ANSWER, NO_ANSWER) else "quiet", _modelfile(check)),
    ]
    if check.score is not None:
        is_worse = check.score.verdict == CLEARLY_WORSE
        parts.insert(1, fragments.line("warning" if is_worse else "good", file_beside_run(check.score)))
    if check.fell_back:
        parts.insert(1, fragments.line("warning", _fell_back(check)))
    return fragments.stack([*parts, fragments.tiles([Tile("GGUF", size(report.archive_bytes), _bytes(report))])])


def _gguf_adapter_result(report: ExportReport, check: GgufCheck) -> Markup:
    asked = (
        f"Added to its base by llama.cpp and asked: {check.same_tokens} of {check.tokens} next words are the same as "
        f"the run's. At scale 0 {check.base_same_tokens} of {check.base_tokens} are the base's."
    )
    return fragments.stack(
        [
            fragments.notice("good", asked, _gguf_small_print(report, check)),
            fragments.tiles([Tile("GGUF", size(report.archive_bytes), _bytes(report))]),
        ]
    )


def _bytes(report: ExportReport) -> str:
    return f"{report.archive_bytes:,} bytes"


def _gguf_check(check: GgufCheck) -> str:
    return (
        f"Loaded by llama.cpp and asked: {check.same_tokens} of {check.tokens} next words are the same as the run's, "
        "and every prompt is read alike."
    )


def _gguf_small_print(report: ExportReport, check: GgufCheck) -> str:
    alike = (
        f"The same text and the same tokens in {counted(check.prompts, 'prompt')}, {check.held_out} of them held out."
    )
    measured = (
        f"How likely it finds each next word differs from the run by {tiny(check.divergence)} on average, where "
        f"{tiny(check.allowed)} is allowed (KL divergence in nats)."
    )
    checked = f"Checked: {report.checked_with}."
    return f"{alike} {measured} {checked}"


def _fell_back(check: GgufCheck) -> str:
    return (
        f"{check.fell_back} of {check.tensors} parts of this model do not fit this kind and are packed in another way. "
        "Q8_0 is the better choice for this model."
    )


def _modelfile(check: GgufCheck) -> str:
    template = (
        "The Modelfile has a template that writes the same prompts."
        if check.has_template
        else "The Modelfile has no template: none was shown to write the same prompts."
    )
    return f"{template} {OLLAMA_SAID.get(check.ollama, OLLAMA_SAID[NOT_ASKED])}"
