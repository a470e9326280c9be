"""Blending adapters into a new one: a run folder like any other, whose worker blends where others train.

<run>/parents.json      from which runs, with which weights, and how (Blend)
      train.jsonl  val.jsonl      those of the first parent, so that the blend can be evaluated on them
"""

import dataclasses
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from studio import codec
from studio.config import RunConfig
from studio.data.example_files import index_path
from studio.errors import RunError
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import MakeBlend
from studio.limits import MOST_NAME
from studio.models.blend_kinds import DEFAULT_DENSITY, KINDS, BlendKind, check_weights
from studio.runs.blend_parents import Blend, Parent, choose, result_rank
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder, RunOrigin, RunStore, write_settings
from studio.wording import listed

log = logging.getLogger(__name__)


def start_blend(
    jobs: Jobs,
    runs: RunStore,
    parents: Sequence[str],
    weights: Sequence[float],
    kind: str,
    name: str = "",
    *,
    created: float,
    density: float = DEFAULT_DENSITY,
    rank: int = 0,
) -> RunFolder:
    """Make the folder of a blend and start to blend; return it at once.

    `parents` are ids of runs, or keys of pane models ("run:<id>", "run:<id>@<step>"). `rank` is that of the result for
    the kinds that end in an SVD; 0 takes the largest of the parents'.

    Raises RunError in a sentence for adapters that cannot be blended, or when the work cannot be started; ConfigError
    for weights that cannot be.
    """
    blending = _kind(kind)
    chosen = choose(runs, parents)
    if len(weights) != len(chosen):
        raise RunError(f"{len(chosen)} adapters were chosen, and {len(weights)} weights given.", "Give each a weight.")
    check_weights(blending, weights)
    if not 0 < density <= 1:
        raise RunError("The density must be above 0 and at most 1.", "It is the share of the values that stays.")
    weighed = zip(chosen, weights, strict=True)
    blend = Blend(
        kind=kind,
        parents=tuple(Parent(each.run.id, each.name, float(weight), each.step) for each, weight in weighed),
        density=density,
        rank=rank,
    )
    first = chosen[0].run
    config = _config(first, name=name.strip()[:MOST_NAME] or _name(blend), rank=result_rank(blending, chosen, rank))
    run = _create(runs, first, config, blend, created=created)
    try:
        jobs.start(MakeBlend(run.path))
    except RunError:
        runs.delete(run.id)
        raise
    return run


def blend_state(jobs: Jobs, run: RunFolder) -> JobState[str]:
    """Say how far a blend is: "none", "working", "ready" or "failed"."""
    if not run.is_blend:
        return JobState("none", "This run was not merged from others.")
    state = jobs.state(MakeBlend(run.path))
    if state.working or state.failed is not None or (state.ready and run.result is not None):
        return state
    return JobState("failed", "The merge ended before it was done. Merge again.")


def _create(runs: RunStore, first: RunFolder, config: RunConfig, blend: Blend, *, created: float) -> RunFolder:
    origin = dataclasses.replace(first.origin, created=created, group=None)
    with runs.new_folder() as new:
        _write(new, first, config=config, origin=origin, blend=blend)
        return runs.take_in(new)


def _kind(name: str) -> BlendKind:
    if name not in KINDS:
        raise RunError(f"There is no merge method '{name}'.", f"Choose one of: {', '.join(KINDS)}.")
    return KINDS[name]


def _name(blend: Blend) -> str:
    return f"merge of {listed([parent.name for parent in blend.parents])}"[:MOST_NAME]


def _config(first: RunFolder, *, name: str, rank: int) -> RunConfig:
    """Return the settings under which a blend is loaded, shown and evaluated: the first parent's, in its own shape."""
    return dataclasses.replace(
        first.config,
        name=name,
        rank=rank,
        alpha=rank,
        rslora=False,
        initialisation="standard",
        start_adapter="",
        precision=precision_of(first),
    )


def _write(new: RunFolder, first: RunFolder, *, config: RunConfig, origin: RunOrigin, blend: Blend) -> None:
    write_settings(new, config, origin)
    new.parents_path.write_text(codec.dumps(blend) + "\n", encoding="utf-8")
    for source, target in ((first.train_path, new.train_path), (first.validation_path, new.validation_path)):
        for old, copy in ((source, target), (index_path(source), index_path(target))):
            _link(old, copy)


def _link(source: Path, target: Path) -> None:
    """Have a file under another name too; a copy where the disk knows no such thing. One that is missing stays so."""
    with suppress(FileNotFoundError):
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            log.debug("A file cannot be linked and is copied", exc_info=True)
            shutil.copy2(source, target)
