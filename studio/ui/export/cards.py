"""What the Export tab says about an export: how far it is, how large, how well it was checked, how it is loaded."""

from markupsafe import Markup

from studio.jobs.exports import ExportReport, ExportState
from studio.ui.kit import fragments
from studio.ui.kit.fragments import Tile
from studio.ui.kit.numbers import tiny
from studio.wording import counted, size

KINDS = {
    "adapter": (
        "Adapter",
        "Only what was learned: a small zip that plain peft loads beside the base model. Best for keeping and sharing.",
    ),
    "merged": (
        "Merged model",
        "The base with what was learned in it: a folder and a zip that plain transformers loads, with nothing else "
        "needed.",
    ),
}


def name(kind: str, *, whole: bool) -> str:
    """Name an export in the middle of a sentence. With `whole` there was no adapter, and nothing is merged."""
    return "trained model" if whole and kind == "merged" else KINDS[kind][0].lower()


def status(state: ExportState) -> Markup:
    """Say how far the export is, and once it is there what it holds and how it was checked."""
    if state.status == "absent":
        return fragments.empty("Not for this run", state.sentence)
    if state.status == "working":
        bar = fragments.bar(None, name="Writing the export")
        return fragments.stack([fragments.line("busy", state.sentence), bar])
    if state.status == "failed" and state.failed is not None:
        return fragments.notice("bad", state.failed.message, state.failed.hint)
    if state.result is not None:
        good = fragments.notice("good", check(state.result), small_print(state.result))
        return fragments.stack([good, sizes(state.result)])
    return fragments.empty("Not prepared yet", "Once prepared, the sizes, the check and the download stand here.")


def sizes(report: ExportReport) -> Markup:
    """Show the sizes, packed and unpacked."""
    return fragments.tiles([Tile("Zip", size(report.archive_bytes)), Tile("Folder", size(report.folder_bytes))])


def check(report: ExportReport) -> str:
    """Say plainly how well the export, loaded back, agrees with the run."""
    asked = counted(report.answers, "question")
    return f"Loaded back and asked {asked}: {report.same_answers} of {report.answers} answers the same as the run's."


def small_print(report: ExportReport) -> str:
    """Say what the check measured, and against what."""
    return (
        f"Largest difference in the logits {tiny(report.largest_difference)}, allowed {tiny(report.tolerance)}. "
        f"Checked: {report.checked_with}."
    )


def snippet(kind: str, *, model: str, folder: str) -> str:
    """Return a few lines of Python that load the export. `folder` is the name of the one that is in the zip."""
    where = "# Run this where you unpacked the zip.\n"
    if kind == "merged":
        return (
            f"{where}from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f"model = AutoModelForCausalLM.from_pretrained({folder!r})\n"
            f"tokenizer = AutoTokenizer.from_pretrained({folder!r})\n"
        )
    return (
        f"{where}from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"base = AutoModelForCausalLM.from_pretrained({model!r})\n"
        f"model = PeftModel.from_pretrained(base, {folder!r})\n"
        f"tokenizer = AutoTokenizer.from_pretrained({folder!r})\n"
    )
