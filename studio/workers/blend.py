"""The blend job: makes a new adapter from those of several runs, in a run folder of its own."""

import time
from pathlib import Path

from studio import wording
from studio.errors import RunError
from studio.events import Finished, Loading, Saved
from studio.files import whole_folder
from studio.jobs.tasks import MakeBlend, home_of
from studio.models.blend_kinds import KINDS
from studio.models.starter import Stopped
from studio.runs.blend_parents import Blend, Parent, read_blend, weights_folder
from studio.runs.store import ADAPTER, RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.job import Job


def blend_run(job: Job, task: MakeBlend) -> Finished:
    """Blend what the run's `parents.json` names, and write the result to the run's folder, whole or not at all.

    Raises RunError when a parent is gone, ModelError when the adapters do not fit one another.
    """
    began = time.monotonic()
    run = RunFolder(task.run)
    blend = read_blend(run)
    if blend is None:
        raise RunError(f"The run '{run.name}' was not merged from others.", "Choose two runs to merge.")
    adapters = [_folder(run.path.parent / parent.id, parent) for parent in blend.parents]
    files = ensure_model(run.config.model, home_of(run.path), job)
    job.emit(Loading(what="Starting PyTorch"))
    from studio.ml import blending

    if job.should_stop():
        raise Stopped
    job.emit(Loading(what=f"Merging {wording.counted(len(adapters), 'adapter')}"))
    model = blending.blend(
        blending.skeleton(files.folder),
        adapters,
        [parent.weight for parent in blend.parents],
        KINDS[blend.kind],
        rank=blend.rank,
        density=blend.density,
        seed=run.config.seed,
    )
    job.emit(Loading(what="Saving the result"))
    with whole_folder(run.path / ADAPTER) as temporary:
        blending.save_blend(model, temporary)
    job.emit(Saved(step=0, path=ADAPTER))
    return Finished(status="finished", summary=_summary(blend, run), seconds=time.monotonic() - began)


def _folder(path: Path, parent: Parent) -> Path:
    if not path.is_dir():
        raise RunError(f"The run '{parent.name}' is gone.", "Restore it from the Trash, or merge other runs.")
    return weights_folder(RunFolder(path), parent.step)


def _summary(blend: Blend, run: RunFolder) -> str:
    parts = [f"{parent.weight:g} of {parent.name}" for parent in blend.parents]
    how = KINDS[blend.kind].label
    return f"Merged ({how}): {wording.listed(parts)}. The adapter has rank {run.config.rank}."
