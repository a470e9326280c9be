"""The checkpoints of a run: written whole or not at all, the last two and the best kept, damaged ones passed over."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import RunError
from studio.files import delete_folder, whole_folder
from studio.runs.store import RunFolder

if TYPE_CHECKING:
    from studio.ml.checkpoints import Progress

log = logging.getLogger(__name__)

NEWEST_KEPT = 2


def save_checkpoint(model: Any, run: RunFolder, progress: "Progress", *, start: Path | None = None) -> str:
    """Write what was learned and the progress to checkpoints/step-N; delete all but the last two and the best."""
    from studio.ml.checkpoints import write_progress
    from studio.ml.methods import save_model

    name = f"checkpoints/step-{progress.step}"
    with whole_folder(run.path / name) as folder:
        save_model(model, folder, start=start)
        write_progress(progress, folder)
    kept = {progress.scores.kept_step, *run.checkpoint_steps[-NEWEST_KEPT:]}
    for step in run.checkpoint_steps:
        if step not in kept:
            delete_folder(run.checkpoint(step))
    _sweep(run.path / "checkpoints")
    return name


def load_checkpoint(run: RunFolder, step: int) -> "Progress":
    """Read the progress of a checkpoint. Raises RunError when it is not there or damaged."""
    from studio.ml.checkpoints import read_progress

    return read_progress(run.checkpoint(step))


def newest_checkpoint(run: RunFolder, *, tell: Callable[[str], None]) -> "Progress | None":
    """Read the newest checkpoint that is not damaged; `tell` hears of those that are. None when there is none."""
    for step in reversed(run.checkpoint_steps):
        try:
            return load_checkpoint(run, step)
        except RunError:
            log.info("A checkpoint cannot be read", exc_info=True)
            tell(f"The checkpoint of step {step:,} is damaged and was passed over.")
    return None


def leave_results_only(run: RunFolder, *, whole_models: bool) -> None:
    """Delete what only a training needs; checkpoints of whole models altogether: each is as large as the base."""
    from studio.ml.checkpoints import PROGRESS

    _sweep(run.path / "checkpoints")
    if whole_models:
        delete_folder(run.path / "checkpoints")
    for step in run.checkpoint_steps:
        (run.checkpoint(step) / PROGRESS).unlink(missing_ok=True)


def _sweep(checkpoints: Path) -> None:
    """Delete what workers left behind that ended while they wrote or deleted a checkpoint."""
    for path in checkpoints.glob(".*"):
        shutil.rmtree(path, ignore_errors=True)
