"""Which single changes of the settings save memory, the cheapest first. Knows not how much: the forecast tries them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from studio.config import ADAMW, ADAMW_8BIT, FULL, LORA, QLORA, RunConfig
from studio.models.forecast.plan import Workload
from studio.models.machine import Machine

SHORTEST = 64
"""No remedy asks for examples shorter than this many tokens."""

LOWEST_RANK = 4
"""No remedy asks for a lower rank."""


@dataclass(frozen=True)
class Remedy:
    """The one change of the settings that makes a run fit, as a sentence and as fields of `RunConfig`.

    `changes` is empty where no single setting would do.
    """

    text: str
    changes: tuple[tuple[str, Any], ...]


def candidates(config: RunConfig, *, machine: Machine, workload: Workload | None) -> Iterator[Remedy]:
    """Yield single changes that save memory, first those that take nothing from the result, last those that do."""
    if config.checkpointing == "off":
        yield Remedy(
            "Set gradient checkpointing to auto: slower, and the result is the same.", (("checkpointing", "auto"),)
        )
    if config.micro_batch_tokens:
        yield Remedy("Set tokens at once to 0, and the machine decides.", (("micro_batch_tokens", 0),))
    if config.precision == "fp32" and (machine.bf16 or machine.fp16):
        yield Remedy("Set precision to auto: numbers take half the memory.", (("precision", "auto"),))
    if config.optimizer == ADAMW:
        yield Remedy("Choose the 8-bit optimiser.", (("optimizer", ADAMW_8BIT),))
    longest = config.max_length if workload is None else min(config.max_length, workload.longest)
    length = 1 << max(0, longest - 1).bit_length()
    while (length := length // 2) >= max(SHORTEST, longest // 4):
        yield Remedy(f"Set the longest example to {length} tokens.", (("max_length", length),))
    if config.method == FULL:
        yield Remedy("Choose the method LoRA.", (("method", LORA),))
    if config.train_embeddings:
        yield Remedy("Do not train embeddings and head.", (("train_embeddings", False),))
    rank = config.rank
    while config.method != FULL and (rank := rank // 2) >= LOWEST_RANK:
        yield Remedy(f"Lower the rank to {rank}.", (("rank", rank),))
    if config.method != QLORA and machine.device != "mps":
        yield Remedy("Choose the method QLoRA, which keeps the base in 4 bits.", (("method", QLORA),))
    while (length := length // 2) >= SHORTEST:
        yield Remedy(f"Set the longest example to {length} tokens.", (("max_length", length),))
