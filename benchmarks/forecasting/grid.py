"""The runs of the grid: method, rank, length, batch, precision and model vary, and the steps are few."""

import random
from dataclasses import dataclass, replace
from typing import Any

from studio.config import FULL, QLORA, RunConfig
from studio.data.examples import Example, Message

WORDS = "the keeper of light says that sea is calm today and which button starts a kettle what does lamp mean".split()

_LLAMA = {"model_type": "llama", "vocab_size": 49_152, "tie_word_embeddings": True, "max_position_embeddings": 4096}


def _sized(hidden: int, feed: int, layers: int, heads: int, kv_heads: int, **others: Any) -> dict[str, Any]:
    sizes = {"hidden_size": hidden, "intermediate_size": feed, "num_hidden_layers": layers}
    return {**_LLAMA, **sizes, "num_attention_heads": heads, "num_key_value_heads": kv_heads, **others}


MODELS: dict[str, dict[str, Any]] = {
    "starter": {},
    "random-20m": _sized(256, 704, 8, 4, 2),
    "random-60m": _sized(512, 1376, 10, 8, 8, model_type="qwen2"),
    "random-neox": _sized(512, 2048, 12, 8, 8, model_type="gpt_neox", tie_word_embeddings=False),
    "random-wide": _sized(1280, 3456, 6, 10, 2),
    "random-350m": _sized(1024, 2816, 24, 16, 4, model_type="mistral"),
    "random-long": _sized(512, 1376, 6, 8, 2, max_position_embeddings=65_536),
}
"""By name, the config.json. The starter's is its own."""


@dataclass(frozen=True)
class Case:
    """One run: a model, its settings, and rows of so many words, evenly from the fewest to the most."""

    model: str
    config: RunConfig
    rows: int
    words: tuple[int, int]

    @property
    def name(self) -> str:
        """What differs from the defaults, in short."""
        config, plain = self.config, RunConfig()
        parts = [self.model, config.method, f"r{config.rank}", f"{self.words[0]}-{self.words[1]}w"]
        parts += [f"b{config.batch_size}", f"{self.rows} rows"]
        parts += ["fp32"] * (config.precision == "fp32") + ["bf16"] * (config.precision == "bf16")
        parts += ["twice"] * (config.checkpointing == "on") + [config.targets] * (config.targets != plain.targets)
        parts += [f"{config.micro_batch_tokens} at once"] * (config.micro_batch_tokens > 0)
        return " ".join(parts)

    def examples(self, *, held_out: bool = False) -> tuple[Example, ...]:
        """Make the conversations, the same for the same case: all rows, or one held-out row for every twelve."""
        draw = random.Random(self.rows + held_out)
        low, high = self.words
        made = []
        rows = max(1, self.rows // 12) if held_out else self.rows
        for row in range(rows):
            count = low + (high - low) * row // max(1, rows - 1)
            asked = " ".join(draw.choices(WORDS, k=max(3, count // 3)))
            answered = " ".join(draw.choices(WORDS, k=max(3, count - count // 3)))
            made.append(Example((Message("user", asked), Message("assistant", answered)), row=row + 1))
        return tuple(made)


_PLAIN = RunConfig(epochs=1, max_length=1024)


def _case(model: str, rows: int, words: tuple[int, int], **settings: Any) -> Case:
    return Case(model, replace(_PLAIN, **settings), rows, words)


UNSEEN: tuple[Case, ...] = (
    _case("starter", 32, (50, 250), rank=32),
    _case("starter", 12, (300, 500), batch_size=4, precision="bf16"),
    _case("random-20m", 40, (100, 300), method=QLORA),
    _case("random-60m", 48, (20, 120), rank=8, batch_size=16),
    _case("random-neox", 30, (200, 300), batch_size=4),
    _case("random-wide", 20, (100, 300), method=FULL),
    _case("random-350m", 10, (100, 200), rank=8, targets="attention"),
    _case("random-20m", 40, (50, 400), method=FULL, precision="bf16"),
)
"""Runs that the constants were never fitted to."""

LONG: tuple[Case, ...] = (
    *(_case("random-long", 1, (words, words), batch_size=1, max_length=65_536) for words in (2_000, 8_000, 32_000)),
    *(_case("starter", 1, (words, words), batch_size=1, max_length=8_192) for words in (2_000, 7_500)),
)
"""One row of many tokens each: what the memory of a row's length is."""

CASES: tuple[Case, ...] = (
    _case("starter", 16, (100, 400)),
    _case("random-20m", 60, (100, 400)),
    _case("random-60m", 32, (100, 400), precision="bf16"),
    _case("random-350m", 8, (60, 300), batch_size=4),
    _case("random-neox", 24, (100, 400)),
    _case("random-wide", 16, (100, 400), rank=8),
    _case("starter", 12, (100, 300), precision="bf16"),
    _case("starter", 64, (10, 60)),
    _case("starter", 16, (100, 400), rank=64, batch_size=4),
    _case("starter", 16, (100, 400), rank=4, targets="attention"),
    _case("starter", 6, (600, 700), batch_size=2),
    _case("starter", 16, (100, 400), checkpointing="on", batch_size=16),
    _case("starter", 16, (100, 300), micro_batch_tokens=2048),
    _case("random-20m", 200, (10, 60), rank=64),
    _case("random-20m", 24, (600, 700), precision="bf16", batch_size=4),
    _case("random-60m", 24, (100, 300), micro_batch_tokens=512),
    _case("random-wide", 6, (600, 700), batch_size=2, checkpointing="on"),
    _case("random-350m", 8, (60, 200), rank=32, batch_size=4, precision="bf16"),
    _case("starter", 12, (100, 300), method=FULL, precision="bf16"),
    _case("starter", 12, (60, 160), method=FULL, batch_size=4),
    _case("random-20m", 48, (100, 400), method=FULL),
    _case("random-60m", 24, (100, 400), method=FULL, precision="bf16"),
    _case("random-neox", 16, (100, 400), method=FULL),
    _case("random-wide", 16, (50, 200), method=FULL, precision="bf16", batch_size=4),
    _case("starter", 16, (60, 200), method=QLORA),
    _case("random-60m", 24, (100, 300), method=QLORA, rank=32),
    _case("random-350m", 24, (60, 200), method=QLORA, batch_size=4),
    _case("random-350m", 6, (60, 160), method=FULL, batch_size=4),
    # Longer, so that what each token takes weighs more than what happens once.
    _case("starter", 128, (100, 400)),
    _case("starter", 400, (10, 60)),
    _case("starter", 64, (100, 300), precision="bf16"),
    _case("starter", 64, (60, 160), method=FULL, batch_size=4),
    _case("random-60m", 160, (100, 300), micro_batch_tokens=512),
    _case("random-wide", 64, (100, 400), rank=8),
    _case("random-350m", 32, (60, 300), batch_size=4),
)
