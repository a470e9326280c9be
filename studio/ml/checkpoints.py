"""A training's progress as one file, from which it goes on as if it had never stopped. Knows nothing of runs."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from studio import codec
from studio.errors import RunError
from studio.ml.pacing import Scores
from studio.ml.training import Progress

PROGRESS = "progress.safetensors"


def write_progress(progress: Progress, folder: Path) -> None:
    """Write a training's progress into a checkpoint's folder."""
    told = {"step": str(progress.step), "scores": codec.dumps(progress.scores)}
    told["sha256"] = _digest(told, progress.tensors)
    save_file(progress.tensors, folder / PROGRESS, metadata=told)


def read_progress(folder: Path) -> Progress:
    """Read what `write_progress` wrote. Raises RunError when it is not there or damaged, be it by a single bit."""
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
