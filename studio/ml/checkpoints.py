"""A training's progress as one file, from which it goes on as if it had never stopped. Knows nothing of runs."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from studio.errors import RunError
from studio.ml.training import Progress

PROGRESS = "progress.safetensors"


def write_progress(progress: Progress, folder: Path) -> None:
    """Write a training's progress into a checkpoint's folder."""
    told = {"step": progress.step, "first_validation_loss": progress.first_validation_loss}
    save_file(progress.tensors, folder / PROGRESS, metadata={"told": json.dumps(told)})


def read_progress(folder: Path) -> Progress:
    """Read what `write_progress` wrote. Raises RunError when it is not there or damaged."""
    try:
        with safe_open(folder / PROGRESS, framework="pt") as file:
            told = json.loads(file.metadata()["told"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        return Progress(int(told["step"]), told["first_validation_loss"], tensors)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise RunError(
            f"The checkpoint in {folder} cannot be read.", "Start the run again, or use what it saved as it is."
        ) from error
