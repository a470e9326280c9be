"""An adapter of one layer as peft would save it, made without torch."""

import json
import math
import struct
from pathlib import Path

SETTINGS = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
LAYER = "base_model.model.model.layers.0.self_attn.q_proj"
HALVES = {f"{LAYER}.lora_A.weight": [2, 6], f"{LAYER}.lora_B.weight": [8, 2]}


def pack(shapes: dict[str, list[int]], *, dtype: str = "F32", size: int = 4) -> bytes:
    """Write tensors of zeros, by name their shape, in the format of safetensors."""
    header, position = {}, 0
    for name, shape in shapes.items():
        end = position + math.prod(shape) * size
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    return with_header(header, position)


def with_header(header: object, size: int = 0) -> bytes:
    """Write a safetensors file with any header and so many bytes behind it."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def write_adapter(folder: Path, shapes: dict[str, list[int]] | None = None, **settings: object) -> Path:
    """Write the two files of an adapter, with other tensors or settings where they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(SETTINGS | settings))
    (folder / "adapter_model.safetensors").write_bytes(pack(HALVES if shapes is None else shapes))
    return folder
