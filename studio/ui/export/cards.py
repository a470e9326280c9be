"""What the Export tab says about an export: how far it is, how large, how well it was checked."""

from markupsafe import Markup

from studio.jobs.exports import ExportReport, ExportState
from studio.runs.turns import EVALUATION
from studio.ui.kit import fragments
from studio.ui.kit.fragments import Tile
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


def name(kind: str, *, whole: bool) -> str:
    """Name an export in the middle of a sentence. With `whole` there was no adapter, and nothing is merged."""
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
    if state.result is not None:
        good = fragments.notice("good", check(state.result), small_print(state.result))
        return fragments.stack([good, sizes(state.result)])
    return fragments.empty("Not prepared yet", "Once prepared, its size, its check and its download appear here.")


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
