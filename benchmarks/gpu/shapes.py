"""Models of well-known shapes with random weights, written as folders that the studio loads like any other.

The numbers of all tensors come from one bank of random ones, each tensor from another place in it: making billions of
random numbers would take longer than reading them.
"""

import json
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ROOT

sys.path.insert(0, str(ROOT))

BANK_NUMBERS = 33_554_393
"""A prime, so that no row of a tensor comes twice."""
SHARD_BYTES = 2 * 2**30
DEVIATION = 0.02

_LLAMA = {"rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "max_position_embeddings": 131_072, "vocab_size": 128_256}


def _sizes(hidden: int, feed: int, layers: int, heads: int, kv_heads: int, head: int, **others: Any) -> dict[str, Any]:
    sizes = {"hidden_size": hidden, "intermediate_size": feed, "num_hidden_layers": layers, "head_dim": head}
    return {**sizes, "num_attention_heads": heads, "num_key_value_heads": kv_heads, **others}


SHAPES: Mapping[str, dict[str, Any]] = {
    "llama-1b": _sizes(2048, 8192, 16, 32, 8, 64, model_type="llama", tie_word_embeddings=True, **_LLAMA),
    "qwen3-4b": _sizes(
        2560, 9728, 36, 32, 8, 128, model_type="qwen3", tie_word_embeddings=True, vocab_size=151_936,
        max_position_embeddings=40_960,
    ),
    "llama-8b": _sizes(4096, 14_336, 32, 32, 8, 128, model_type="llama", tie_word_embeddings=False, **_LLAMA),
    "gemma2": _sizes(
        2304, 9216, 8, 8, 4, 256, model_type="gemma2", vocab_size=256_000, max_position_embeddings=8192,
        query_pre_attn_scalar=256, sliding_window=4096,
    ),
    "gemma3": _sizes(
        2560, 10_240, 12, 8, 4, 256, model_type="gemma3_text", vocab_size=262_208, max_position_embeddings=32_768,
        query_pre_attn_scalar=256, sliding_window=1024,
    ),
}  # fmt: skip
"""By name, the config.json. The two Gemmas have a third of their models' blocks, and all of their words."""

_SMALL = {"hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4, "num_key_value_heads": 2}
_SMALL |= {"num_hidden_layers": 2, "head_dim": 16, "vocab_size": 512}


@dataclass(frozen=True)
class Scale:
    """How large everything is: as on a GPU, or `small` for a rehearsal on a processor."""

    small: bool

    def settings(self, name: str) -> dict[str, Any]:
        """Return the config.json of a shape."""
        settings = SHAPES[name]
        if not self.small:
            return dict(settings)
        small = {**settings, **_SMALL}
        if "sliding_window" in small:
            small |= {"sliding_window": 24, "query_pre_attn_scalar": 16}
        return small

    def tokens(self, count: int) -> int:
        """Return a number of tokens, or a thirty-second of it for a rehearsal."""
        return max(4, count // 32) if self.small else count


def write_model(name: str, folder: Path, *, scale: Scale) -> Path:
    """Write the model of a shape in bf16, with a byte-level tokenizer."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    from tests.tiny_model import write_tiny_tokenizer

    settings = scale.settings(name)
    config = CONFIG_MAPPING[settings.pop("model_type")](
        **settings, bos_token_id=256, eos_token_id=257, pad_token_id=257, dtype="bfloat16"
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    config.architectures = [type(model).__name__]
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    write_tiny_tokenizer(folder)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items() if key not in tied}
    norm = 0.0 if name.startswith("gemma") else 1.0  # Gemma's are added to one
    _write_shards(shapes, folder, norm=norm, numbers=min(BANK_NUMBERS, 10 * sum(_count(s) for s in shapes.values())))
    return folder


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def _shards(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[list[str]]:
    names: list[str] = []
    held = 0
    for name, shape in shapes.items():
        if names and held + 2 * _count(shape) > SHARD_BYTES:
            yield names
            names, held = [], 0
        names.append(name)
        held += 2 * _count(shape)
    yield names


def _write_shards(shapes: Mapping[str, tuple[int, ...]], folder: Path, *, norm: float, numbers: int) -> None:
    import torch

    bank = (DEVIATION * torch.randn(numbers, generator=torch.Generator().manual_seed(0))).bfloat16().view(torch.int16)
    draw = random.Random(0)
    shards = list(_shards(shapes))
    places: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        path = folder / f"model-{number:05}-of-{len(shards):05}.safetensors"
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name in names:
            start, end = end, end + 2 * _count(shapes[name])
            header[name] = {"dtype": "BF16", "shape": list(shapes[name]), "data_offsets": [start, end]}
            places[name] = path.name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                if len(shapes[name]) == 1:
                    torch.full(shapes[name], norm).bfloat16().view(torch.int16).numpy().tofile(file)
                    continue
                at, left = draw.randrange(numbers), _count(shapes[name])
                while left:
                    part = bank[at : at + left]
                    part.numpy().tofile(file)
                    at, left = 0, left - len(part)
    index = {"metadata": {"total_size": 2 * sum(map(_count, shapes.values()))}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
