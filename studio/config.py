"""What a person can choose about a run, each choice with its limits and its one sentence.

The form on the page, the options on the command line and the check before a run are all made from the fields of
`RunConfig`, so they cannot drift apart.
"""

import dataclasses
import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from studio.errors import ConfigError

STARTER = "starter"
"""The model name that means the small model which every installation can get, with or without the Hub."""

LORA = "lora"
QLORA = "qlora"
QLORA_8BIT = "qlora-8bit"
FULL = "full"
METHODS = (LORA, QLORA, QLORA_8BIT, FULL)

ADAPTER_SHAPE = (
    "rank",
    "alpha",
    "dropout",
    "targets",
    "chosen_modules",
    "rslora",
    "dora",
    "initialisation",
    "train_embeddings",
)
"""The settings that are fixed once an adapter is made: one that is trained further keeps its own."""

DRAWN_BY = ("validation_share", "seed", "stratify")
"""The settings that decide which examples are held out: fixed once a run has its examples."""

BASE_BITS = {QLORA: 4, QLORA_8BIT: 8}
"""In how many bits the frozen base is kept, for the methods that compress it."""

ALL_LINEAR = "all-linear"
ATTENTION = "attention"
CHOSEN = "chosen"

CHANGES_BASE = ("pissa", "olora")
"""The starts of an adapter that take its first directions out of the base's weights."""

ADAMW = "adamw"
ADAMW_8BIT = "adamw-8bit"
PAGED_ADAMW_8BIT = "paged-adamw-8bit"

SPEEDUPS = (
    "packing",
    "fast-attention",
    "learned-logits",
    "low-precision-adapters",
    "fused-adapters",
    "joined-projections",
    "fused-elementwise",
    "fused-optimizer",
    "side-by-side",
)
"""The engine's speed-ups by name; `studio.ml.engine` puts each of them on."""


@dataclass(frozen=True)
class Problem:
    """One fault in one field, as a sentence for the person who filled it in."""

    field: str
    text: str


def setting(
    default: object,
    *,
    label: str,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field of `RunConfig` with what a form needs to show it."""
    return dataclasses.field(
        default=default, metadata={"label": label, "help": help, "low": low, "high": high, "choices": choices}
    )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run does, given its data."""

    name: str = setting("", label="Run name", help="Optional. How you will find this run again.")
    model: str = setting(
        STARTER,
        label="Base model",
        help="The model that learns. Choose one, or type the id of a model on the Hugging Face Hub, or a folder.",
    )
    method: str = setting(
        LORA,
        label="Method",
        help="What learns: a small adapter (LoRA), one over a base in 4 or 8 bits (QLoRA), or every weight (full).",
        choices=METHODS,
    )
    start_adapter: str = setting(
        "",
        label="Continue from",
        help="Trains the adapter of an earlier run further on this data. Start new begins with a new adapter.",
    )
    other_base: bool = setting(
        False,
        label="Adapter of another base",
        help="An adapter belongs to the base model that it was trained on, and other models refuse it. Switch this on "
        "to use it anyway, where all layers have the same names and sizes.",
    )
    rank: int = setting(
        16,
        label="Rank",
        help="The size of the adapter. Higher can learn more and makes a larger file; 8 to 32 suits most data.",
        low=1,
        high=512,
    )
    alpha: int = setting(
        32,
        label="Alpha",
        help="How strongly the adapter acts: its output is multiplied by alpha / rank. Twice the rank is usual.",
        low=1,
        high=1024,
    )
    dropout: float = setting(
        0.0,
        label="Dropout",
        help="The share of the adapter's input that is left out at random during training. Can help with little data.",
        low=0.0,
        high=0.9,
    )
    targets: str = setting(
        ALL_LINEAR,
        label="Target modules",
        help="Which layers get an adapter. All linear layers learn best; attention only is smaller and faster. "
        "In a mixture of experts, the experts get none.",
        choices=(ALL_LINEAR, ATTENTION, CHOSEN),
    )
    chosen_modules: tuple[str, ...] = setting(
        (),
        label="Chosen modules",
        help="Only these modules get an adapter.",
    )
    rslora: bool = setting(
        False,
        label="Rank-stabilised scaling (rsLoRA)",
        help="Scales by alpha / sqrt(rank) instead of alpha / rank, so that high ranks learn as strongly as low ones.",
    )
    dora: bool = setting(
        False,
        label="Learn magnitudes too (DoRA)",
        help="Also learns the length of each weight column, not only its direction. Can learn more; steps are slower.",
    )
    initialisation: str = setting(
        "standard",
        label="Initialisation",
        help="How the adapter begins. Standard begins as the unchanged base; PiSSA and OLoRA begin from the base's own "
        "main directions, which can learn faster.",
        choices=("standard", "gaussian", "orthogonal", "pissa", "olora"),
    )
    lora_plus_ratio: float = setting(
        1.0,
        label="LoRA+ ratio",
        help="How many times faster matrix B of the adapter learns than matrix A. 1 is plain LoRA; LoRA+ uses 16.",
        low=1.0,
        high=64.0,
    )
    train_embeddings: bool = setting(
        False,
        label="Train embeddings and output layer",
        help="Trains both in full. For data with letters or words that the model does not know.",
    )
    learning_rate: float = setting(
        5e-4,
        label="Learning rate",
        help="The size of each correction. Too high and training fails, too low and nothing is learned. 0.0001 to "
        "0.001 is usual.",
        low=1e-7,
        high=0.1,
    )
    optimizer: str = setting(
        ADAMW,
        label="Optimiser",
        help="AdamW is the standard. The 8-bit version uses less memory; the paged version can also move memory out of "
        "a full GPU.",
        choices=(ADAMW, ADAMW_8BIT, PAGED_ADAMW_8BIT),
    )
    schedule: str = setting(
        "cosine",
        label="Schedule",
        help="How the learning rate falls during the run, after the warm-up.",
        choices=("cosine", "linear", "constant"),
    )
    warmup_share: float = setting(
        0.05,
        label="Warm-up",
        help="The share of all steps in which the learning rate rises from zero. Makes the start stable.",
        low=0.0,
        high=0.9,
    )
    weight_decay: float = setting(
        0.0,
        label="Weight decay",
        help="Pulls the weights towards zero at each step. 0 is usual for LoRA.",
        low=0.0,
        high=1.0,
    )
    epochs: int = setting(
        3,
        label="Epochs",
        help="How many times the run goes through your data. Too many, and the model learns it by heart.",
        low=1,
        high=100,
    )
    batch_size: int = setting(
        8,
        label="Batch size",
        help="How many examples each correction is averaged over. It does not change the memory needed.",
        low=1,
        high=1024,
    )
    max_length: int = setting(
        512,
        label="Longest example",
        help="In tokens. Longer examples need more memory.",
        low=8,
        high=131_072,
    )
    overlong: str = setting(
        "leave-out",
        label="Examples over the limit",
        help="What to do with an example longer than that: skip it, or shorten it at the end, which can cut its "
        "answer off.",
        choices=("leave-out", "cut"),
    )
    validation_share: float = setting(
        0.1,
        label="Held out",
        help="The share of your examples that is kept for checking: the model never learns from them.",
        low=0.0,
        high=0.5,
    )
    stratify: bool = setting(
        True,
        label="Same mix of lengths",
        help="Pick held-out examples evenly from short and long ones, so that the score stands for all.",
    )
    early_stopping: bool = setting(
        True,
        label="Stop early",
        help="Ends the run when the held-out examples no longer improve, and keeps the step where they scored best.",
    )
    patience: int = setting(
        2,
        label="Patience",
        help="This many checks in a row without improvement end the run. There are six checks, evenly spread.",
        low=1,
        high=20,
    )
    smallest_gain: float = setting(
        0.005,
        label="Smallest improvement",
        help="The share by which the held-out loss must fall to count as an improvement.",
        low=0.0,
        high=0.5,
    )
    sample_prompts: tuple[str, ...] = setting(
        (),
        label="Prompts to watch",
        help="Optional. Asked before training, during it and at its end, so that you see the answers change. Without "
        "any, held-out examples are asked.",
    )
    seed: int = setting(
        42,
        label="Seed",
        help="The same seed, data and settings on the same machine give the same run, up to rounding.",
        low=0,
        high=2**31 - 1,
    )
    precision: str = setting(
        "auto",
        label="Precision",
        help="The number format used for computing. Auto uses bf16 where the GPU or processor supports it, fp16 on "
        "older GPUs that are fast with it (T4, V100, RTX 20), otherwise fp32.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    checkpointing: str = setting(
        "auto",
        label="Gradient checkpointing",
        help="Computes parts of each step twice to save memory. Auto does so only where the run would not fit.",
        choices=("auto", "on", "off"),
    )
    micro_batch_tokens: int = setting(
        0,
        label="Tokens at once",
        help="How many tokens go through the model at once. 0 means automatic. The result is the same.",
        low=0,
        high=1_048_576,
    )
    data_parallel: bool = setting(
        False,
        label="Use all GPUs",
        help="Splits each batch across all GPUs of this machine.",
    )
    place: str = setting(
        "",
        label="Where it trains",
        help="On this machine, or at a place that was added, such as a cluster.",
    )
    nodes: int = setting(
        1,
        label="Nodes",
        help="On how many nodes of a Ray cluster it trains at once. Each batch is shared among them; the losses stay.",
        low=1,
        high=1000,
    )
    switched_off: tuple[str, ...] = setting(
        (),
        label="Speed-ups switched off",
        help="For comparison only: without them training is plain transformers and peft, slower and just as exact.",
        choices=SPEEDUPS,
    )

    @property
    def base_bits(self) -> int:
        """In how many bits the frozen base is kept: 4, 8, or 0 where it is not compressed."""
        return BASE_BITS.get(self.method, 0)

    def steps_per_epoch(self, examples: int) -> int:
        """Count the optimiser steps that one pass over so many training examples takes; the last may be smaller."""
        return math.ceil(examples / self.batch_size)

    def total_steps(self, examples: int) -> int:
        """Count the optimiser steps of a whole run over so many training examples."""
        return self.epochs * self.steps_per_epoch(examples)


@dataclass(frozen=True)
class Setting:
    """One field of `RunConfig` as a form or a command line needs it."""

    name: str
    kind: type
    default: Any
    label: str
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def settings() -> tuple[Setting, ...]:
    """List the fields of `RunConfig` in order. A tuple of strings has `kind` tuple."""
    hints = typing.get_type_hints(RunConfig)
    return tuple(
        Setting(
            name=field.name,
            kind=typing.get_origin(hints[field.name]) or hints[field.name],
            default=field.default,
            **field.metadata,
        )
        for field in dataclasses.fields(RunConfig)
    )


def setting_named(name: str) -> Setting:
    """Return one setting. Raises KeyError for a name that `RunConfig` does not have."""
    for each in settings():
        if each.name == name:
            return each
    raise KeyError(name)


def problems(config: RunConfig) -> tuple[Problem, ...]:
    """Return every fault of the settings at once, in the order of the fields; empty when there is none."""
    found = [problem for each in settings() for problem in _faults(each, getattr(config, each.name))]
    if isinstance(config.model, str) and not config.model.strip():
        found.append(Problem("model", "No base model is chosen. Choose one, or type a Hub id, a folder, or 'starter'."))
    if config.targets == CHOSEN and not config.chosen_modules:
        found.append(
            Problem(
                "chosen_modules",
                "No module is chosen. Choose one or more, or set target modules to All linear layers.",
            )
        )
    return tuple(found) + tuple(_clashes(config))


def _clashes(config: RunConfig) -> Iterator[Problem]:
    """Yield what is right alone and wrong together."""
    if config.method == FULL:
        if config.start_adapter:
            yield Problem(
                "start_adapter", "Full fine-tuning cannot continue from an adapter. Choose LoRA, or Start new."
            )
        return
    if config.base_bits and config.initialisation in CHANGES_BASE:
        yield Problem(
            "initialisation",
            "PiSSA and OLoRA change the base's weights, and a base in 4 or 8 bits cannot be changed. "
            "Choose the standard initialisation, or LoRA.",
        )
    if config.dora and config.base_bits == 8:
        yield Problem("dora", "DoRA does not work with an 8-bit base. Switch it off, or choose another method.")


def modernised(document: Any) -> Any:
    """Turn the settings of a run as an older studio wrote them into those of this one; pass anything else through."""
    if isinstance(document, dict) and "method" not in document and document.get("four_bit") is True:
        return document | {"method": QLORA}
    return document


def check(config: RunConfig) -> None:
    """Raise ConfigError naming every fault of the settings; do nothing when there is none."""
    found = problems(config)
    if found:
        raise ConfigError(" ".join(problem.text for problem in found))


def _faults(each: Setting, value: Any) -> list[Problem]:
    if each.kind in (int, float):
        if value is None:
            return [Problem(each.name, f"{each.label} is empty. Enter a {'whole ' if each.kind is int else ''}number.")]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return [Problem(each.name, f"{each.label} must be a number; found {value!r}.")]
        if each.kind is int and value != int(value):
            return [Problem(each.name, f"{each.label} must be a whole number; found {value}.")]
        if (each.low is not None and value < each.low) or (each.high is not None and value > each.high):
            return [Problem(each.name, f"{each.label} must be {_span(each.low, each.high)}; found {_plain(value)}.")]
    if each.kind is bool and not isinstance(value, bool):
        return [Problem(each.name, f"{each.label} must be on or off; found {value!r}.")]
    if each.kind is tuple and not (isinstance(value, tuple) and all(isinstance(item, str) for item in value)):
        return [Problem(each.name, f"{each.label} must be a list of names; found {value!r}.")]
    if each.kind is str and not (isinstance(value, str) and len(value) <= 300 and value.isprintable()):
        return [Problem(each.name, f"{each.label} must be one line of at most 300 characters.")]
    if each.kind is tuple and each.choices and (unknown := [item for item in value if item not in each.choices]):
        return [
            Problem(each.name, f"{each.label} must be among {', '.join(each.choices)}; found {', '.join(unknown)}.")
        ]
    if each.kind is not tuple and each.choices and value not in each.choices:
        return [Problem(each.name, f"{each.label} must be one of {', '.join(each.choices)}; found '{value}'.")]
    return []


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {_plain(low)}" if low is not None else f"at most {_plain(high or 0)}"
    return f"between {_plain(low)} and {_plain(high)}"


def _plain(number: float) -> str:
    """Write whole numbers in full, and only very small and very large ones with an exponent."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else f"{number:g}"
