"""Checks whether a whole model fits in memory beside the base of the conversation, from the headers of its files."""

from pathlib import Path

from studio import wording
from studio.errors import ModelError
from studio.ml.accelerator import free_gpu_bytes
from studio.ml.loading import FP32, Placement
from studio.models.tensor_files import read_header
from studio.runs.memory_watch import free_memory_bytes

_SPARE = 1.1
"""How much more than its weights a model takes while it is loaded and answers."""


def free_bytes(device: str) -> int:
    """Return how much memory a new model may take: that of the GPU, or the RAM that is free."""
    if device == "cuda":
        return free_gpu_bytes()
    return free_memory_bytes()


def ensure_base_room(folder: Path, placement: Placement, *, free: int) -> None:
    """Raises ModelError, with both figures, when a base model needs more memory than is free."""
    needed = needed_bytes(folder, placement)
    if needed > free:
        raise ModelError(
            f"This model needs about {wording.size(needed)} of memory, and {wording.size(free)} are free.",
            "Close other programs, or choose a smaller model or a packed one.",
        )


def ensure_room(folder: Path, placement: Placement, *, free: int) -> None:
    """Raises ModelError, with both figures, when the model in `folder` needs more memory than is free."""
    needed = needed_bytes(folder, placement)
    if needed > free:
        raise ModelError(
            f"This model was trained as a whole, so it needs its own memory beside the base: about "
            f"{wording.size(needed)}, and {wording.size(free)} are free.",
            "Close other programs, compare fewer whole models at once, or compare adapters, which share the base.",
        )


def needed_bytes(folder: Path, placement: Placement) -> int:
    """Return how much memory a model takes: its weights, each as it will lie there, and a tenth.

    Raises ModelError when its files cannot be read.
    """
    each = placement.bits / 8 if placement.bits else 4 if placement.precision == FP32 else 2
    return int(_SPARE * each * sum(_weights(path) for path in folder.glob("model*.safetensors")))


def _weights(path: Path) -> int:
    return sum(tensor.elements for tensor in read_header(path).values())
