"""A training's progress, and its file, from which it goes on as if it had never stopped."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from studio import codec
from studio.errors import RunError
from studio.ml.pacing import Scores
from studio.models.forecast.plan import SAVE_SHARE

PROGRESS = "progress.safetensors"

_OLDER_RNG = "chance/"
"""What the names of the RNG state began with in older checkpoints."""


@dataclass(frozen=True)
class Progress:
    """Where a training is between two steps, with all that is needed to go on as if it had never stopped.

    `tensors` holds the masters, the optimiser's moments and the RNG state; the order of the data follows from
    the seed and `step`.
    """

    step: int
    scores: Scores
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Keeper:
    """Where checkpoints go. `save(progress)` writes the model as it stands, in fp32, and returns the relative path;
    `load(step)` reads the progress of one that was saved, and raises RunError when it cannot be read.
    """

    save: Callable[[Progress], str]
    load: Callable[[int], Progress]
    share: float = SAVE_SHARE
    """The share of the time that saving may take."""


def rng_state() -> dict[str, torch.Tensor]:
    """Return the state of PyTorch's random number generators, by names."""
    state = {"rng/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["rng/cuda"] = torch.cuda.get_rng_state()
    return state


def restore_rng_state(tensors: dict[str, torch.Tensor]) -> None:
    """Take back what `rng_state` returned, out of all tensors of a checkpoint."""
    states = {name.replace(_OLDER_RNG, "rng/"): tensor for name, tensor in tensors.items()}
    torch.set_rng_state(states["rng/cpu"])
    if "rng/cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["rng/cuda"])


def write_progress(progress: Progress, folder: Path) -> None:
    """Write a training's progress into a checkpoint's folder."""
    told = {"step": str(progress.step), "scores": codec.dumps(progress.scores)}
    told["sha256"] = _digest(told, progress.tensors)
    save_file(progress.tensors, folder / PROGRESS, metadata=told)


def read_progress(folder: Path) -> Progress:
    """Read what `write_progress` wrote. Raises RunError when it is missing, or damaged by a single bit."""
    try:
        with safe_open(folder / PROGRESS, framework="pt") as file:
            told = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if told["sha256"] != _digest(told, tensors):
            raise ValueError("it is not what was written")
        return Progress(int(told["step"]), codec.loads(Scores, told["scores"]), tensors)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise RunError(
            f"The checkpoint in {folder} cannot be read.", "Start the run again, or use what it saved as it is."
        ) from error


def _digest(told: dict[str, str], tensors: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256(f"{told['step']} {told['scores']}".encode())
    for name in sorted(tensors):
        found.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        found.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
