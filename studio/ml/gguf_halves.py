"""Reads a GGUF of an adapter back and compares it with the adapter, number by number.

What llama.cpp answers tells whether the whole is right. A matrix that is off by some per cent can hide in it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from studio.errors import ExportError
from studio.models.adapter_settings import endings, read_document

Matrix = NDArray[np.float32]
Halves = dict[bytes, Counter[bytes]]
"""The rows of B by the A that they stand beside."""


def ensure_same_halves(file: Path, adapter: Path) -> None:
    """Raises ExportError where a GGUF has not each A of the adapter, and beside it each row of its B.

    llama.cpp may have the rows in another order and in several tensors, and scales all of them by one alpha / rank.
    """
    settings = read_document(adapter)
    alpha = float(settings["lora_alpha"]) or 1.0
    reader = gguf.GGUFReader(file)
    field = reader.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    has_alpha = field is not None and np.float32(field.contents()) == np.float32(alpha)
    if not has_alpha or _written(reader) != _meant(adapter, settings, alpha=alpha):
        raise ExportError(
            "The GGUF does not hold what the run learned: a number of it is another.",
            "It was not kept, and the run itself is untouched. Please report this with the name of the base model.",
        )


def _written(reader: gguf.GGUFReader) -> Halves:
    tensors = {tensor.name: np.asarray(tensor.data) for tensor in reader.tensors}
    found: Halves = defaultdict(Counter)
    for name, a in tensors.items():
        b = tensors.get(f"{name.removesuffix('.lora_a')}.lora_b") if name.endswith(".lora_a") else None
        if b is not None and a.dtype == b.dtype == np.float32:
            found[_key(a)].update(_rows(b))
    return found


def _meant(adapter: Path, settings: Mapping[str, Any], *, alpha: float) -> Halves:
    tensors = load_file(adapter / "adapter_model.safetensors")
    found: Halves = defaultdict(Counter)
    for name in tensors:
        if name.endswith(".lora_A.weight"):
            part = name.removesuffix(".lora_A.weight")
            a, b = tensors[name].float().numpy(), tensors[f"{part}.lora_B.weight"].float().numpy()
            scale = _scale(settings, part.removeprefix("base_model.model."), rank=len(a))
            found[_key(a)].update(_rows(b * np.float32(scale * len(a) / alpha)))
    return found


def _scale(settings: Mapping[str, Any], module: str, *, rank: int) -> float:
    """Return what peft multiplies B A with."""
    alphas = settings.get("alpha_pattern") or {}
    alpha = next((alphas[name] for name in alphas if name in endings(module)), settings["lora_alpha"])
    return float(alpha) / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _key(matrix: Matrix) -> bytes:
    return repr(matrix.shape).encode() + matrix.tobytes()


def _rows(matrix: Matrix) -> Counter[bytes]:
    return Counter(
        row.tobytes() for row in np.ascontiguousarray(matrix + np.float32(0))
    )  # no row has a zero below zero
