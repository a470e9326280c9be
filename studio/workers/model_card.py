"""The README that goes with an export: what it is, how it was made, and the lines that load it."""

from studio.config import ADAMW, FULL, QLORA, QLORA_8BIT, STARTER, RunConfig
from studio.jobs.exports import MERGED
from studio.jobs.snippets import base_name, snippet
from studio.models.blend_kinds import KINDS
from studio.models.elsewhere import shown_name
from studio.runs.blend_parents import Blend, read_blend
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder

STARTER_BASE = (
    "The base is the studio's starter model. Without the Hub that is a 4-bit copy, unpacked to fp32: its weights are "
    "almost, not exactly, the original ones."
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


def card_of(run: RunFolder, *, kind: str, steps: int) -> str:
    """Write the model card of an export; `kind` is "adapter" or "merged", `steps` how many were really done.

    Raises RunError when the run cannot be read.
    """
    config, origin = run.config, run.origin
    blend = read_blend(run)
    rows = [
        ("base model", base_name(run)),
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
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""# {config.name or run.id}

{_what(config, kind)}{"" if blend is None else ", merged from others"}, made with LoRA Studio.

| | |
|---|---|
{table}

{_note(config, kind)}
## Use it in Python

{_same(run, kind)}

```python
{snippet(run, kind)}```
"""


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


def _same(run: RunFolder, kind: str) -> str:
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


def _note(config: RunConfig, kind: str) -> str:
    if config.model != STARTER:
        return ""
    return STARTER_BASE + (STARTER_ADAPTER if kind == "adapter" else "") + "\n"
