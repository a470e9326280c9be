"""Blending adapters into a new one: a run folder like any other, whose worker blends where others train.

    <run>/parents.json      from which runs, with which weights, and how (Blend)
          train.jsonl  val.jsonl      those of the first parent, so that the blend can be evaluated on them

Knows nothing of how adapters are blended: the worker does it.
"""

import dataclasses
import logging
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.config import RunConfig
from studio.data.example_files import index_path
from studio.errors import RunError
from studio.events import Failed
from studio.jobs.jobs import Job
from studio.limits import MOST_NAME
from studio.models.blend_kinds import DEFAULT_DENSITY, KINDS, BlendKind, check_weights
from studio.runs.blend_parents import Blend, Parent, choose, result_rank
from studio.runs.launcher import Launch, blend_paths
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder, RunOrigin, RunStore, write_settings
from studio.wording import listed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlendState:
    """How far a blend is. `status` is "none", "working", "ready" or "failed"."""

    status: str
    sentence: str
    failed: Failed | None = None


class Blends:
    """The blends of one data folder."""

    def __init__(self, runs: RunStore, *, launch: Launch, clock: Callable[[], float]) -> None:
        self._runs = runs
        self._launch = launch
        self._clock = clock
        self._guard = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def start(
        self,
        parents: Sequence[str],
        weights: Sequence[float],
        kind: str,
        name: str = "",
        *,
        density: float = DEFAULT_DENSITY,
        rank: int = 0,
    ) -> RunFolder:
        """Make the folder of a blend and start to blend; return it at once.

        `parents` are ids of runs, or keys of pane models ("run:<id>", "run:<id>@<step>"). `rank` is that of the result
        for the kinds that end in an SVD; 0 takes the largest of the parents'.

        Raises RunError in a sentence for adapters that cannot be blended, or when the work cannot be started;
        ConfigError for weights that cannot be.
        """
        blending = _kind(kind)
        chosen = choose(self._runs, parents)
        if len(weights) != len(chosen):
            raise RunError(f"{len(chosen)} adapters were chosen, and {len(weights)} weights given.", "Weigh each.")
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
        run = self._create(chosen[0].run, blend, name=name, rank=result_rank(blending, chosen, rank))
        try:
            self._job(run).start(["blend", str(run.path)], self._launch)
        except RunError:
            self._runs.delete(run.id)
            raise
        return run

    def state(self, run: RunFolder) -> BlendState:
        """Say how far a blend is."""
        if not run.is_blend:
            return BlendState("none", "This run is not a blend.")
        job = self._job(run).state()
        if job.working:
            return BlendState("working", "Starting." if job.loading is None else job.loading.what)
        if job.failed is not None:
            return BlendState("failed", job.failed.message, failed=job.failed)
        if job.finished is not None and run.result is not None:
            return BlendState("ready", job.finished.summary)
        return BlendState("failed", "The blend ended before it was done. Blend again.")

    def _job(self, run: RunFolder) -> Job:
        with self._guard:
            return self._jobs.setdefault(run.id, Job(blend_paths(run.path)))

    def _create(self, first: RunFolder, blend: Blend, *, name: str, rank: int) -> RunFolder:
        config = _config(first, name=name.strip()[:MOST_NAME] or _name(blend), rank=rank)
        origin = dataclasses.replace(first.origin, created=self._clock())
        with self._runs.new_folder() as new:
            _write(new, first, config=config, origin=origin, blend=blend)
            return self._runs.take_in(new)


def _kind(name: str) -> BlendKind:
    if name not in KINDS:
        raise RunError(f"There is no way to blend that is called '{name}'.", f"Choose one of: {', '.join(KINDS)}.")
    return KINDS[name]


def _name(blend: Blend) -> str:
    return f"blend of {listed([parent.name for parent in blend.parents])}"[:MOST_NAME]


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
