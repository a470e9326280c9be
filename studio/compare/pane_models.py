"""What can answer in a pane: a base model, what a run learned from it, one of its checkpoints, or a blend of runs.

A pane model is known by its key: "base:<run id>" (the base model of that run), "run:<id>" (a run or a blend), or
"run:<id>@<step>" (a checkpoint).
"""

import functools
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, Protocol

from studio.compare.chat_protocol import BASE, Open
from studio.config import STARTER
from studio.errors import RunError
from studio.logs import logged
from studio.runs.precision import precision_of
from studio.runs.store import STEP, RunFolder, RunStore, is_whole_model
from studio.runs.summaries import Summaries

log = logging.getLogger(__name__)

MOST_RUNS = 200
"""So many of the newest runs are offered; among more nobody finds one."""

Kind = Literal["base", "run", "checkpoint", "blend"]

_CHOOSE = "Choose another model here."


class KeptRuns(Protocol):
    """Where the runs are, and what a table says of them. The studio is one."""

    runs: RunStore
    summaries: Summaries


@dataclass(frozen=True)
class PaneModel:
    """One model for a pane. `folder` holds its weights, and is empty for a base model.

    `model`, `bits` and `precision` say how the base under it is loaded. `whole` tells a model of its own, which needs
    its own memory, from an adapter. `step` is that of a checkpoint.
    """

    key: str
    title: str
    run_id: str
    folder: str
    model: str
    bits: int
    precision: str
    whole: bool
    step: int | None
    kind: Kind

    @property
    def is_adapter(self) -> bool:
        """Whether it is an adapter, whose strength can be set."""
        return bool(self.folder) and not self.whole

    @property
    def base(self) -> Open:
        """What the chat worker opens for it."""
        return Open(self.model, self.bits, self.precision)


def pane_models(kept: KeptRuns, base_of: str | None) -> tuple[PaneModel, ...]:
    """List the models that can answer now: the base first, then runs with a result, the newest first, each followed by
    its checkpoints; blends come last.

    With `base_of`, the id of a run, only what can share one copy of that run's base is listed. Without, everything is,
    and in front one base for each way in which the runs have theirs. Runs at work are left out.

    Raises RunError when there is no run `base_of`.
    """
    wanted = None if base_of is None else _base(kept.runs.get(base_of))
    found = [run for run in kept.summaries.look().runs if run.has_result and not run.is_at_work][:MOST_RUNS]
    folders: dict[str, RunFolder] = {}
    runs: list[PaneModel] = []
    blends: list[PaneModel] = []
    for each in found:
        with logged(log, "A run that cannot be read is no choice in a chat", RunError):
            run = folders[each.id] = kept.runs.get(each.id)
            if wanted is None or (run.config.model == wanted.model and can_share(_base(run), wanted)):
                (blends if run.is_blend else runs).extend(_of_run(run))
    listed = (*runs, *blends)
    if wanted is not None:
        return (wanted, *listed)
    bases: dict[tuple[str, int, str], PaneModel] = {}
    for model in listed:
        shared = (model.model, model.bits, model.precision)
        if shared not in bases:
            bases[shared] = _base(folders[model.run_id])
    return (*bases.values(), *listed)


def pane_model(kept: KeptRuns, key: str) -> PaneModel:
    """Find one model by its key. Raises RunError when it is gone, or the key is none."""
    kind, _, name = key.partition(":")
    id, _, step = name.partition("@")
    if kind not in ("base", "run") or (step and not STEP.fullmatch(step)) or (kind == "base" and step):
        raise RunError(f"'{key[:80]}' names no model.", _CHOOSE)
    try:
        run = kept.runs.get(id)
    except RunError as error:
        raise RunError(f"The run '{id[:80]}' is gone, or its files are damaged.", _CHOOSE) from error
    if kind == "base":
        return _base(run)
    found = _of_step(run, int(step)) if step else _result(run)
    if found is None and step:
        raise RunError(f"The checkpoint of step {int(step):,} of '{run.name}' is no longer on the disk.", _CHOOSE)
    if found is None:
        raise RunError(f"The run '{run.name}' has left no result that could answer.", _CHOOSE)
    return found


def can_share(a: PaneModel, b: PaneModel) -> bool:
    """Tell whether both answer from one copy of the base: the same model in the same packing and precision."""
    return (a.model, a.bits, a.precision) == (b.model, b.bits, b.precision)


def find_model(kept: KeptRuns, key: str | None) -> PaneModel | None:
    """Open a model by its key; None when it is gone."""
    try:
        return pane_model(kept, key) if key else None
    except RunError:
        log.debug("A run cannot be read and is no choice", exc_info=True)
        return None


def models_beside(kept: KeptRuns, first: PaneModel) -> tuple[PaneModel, ...]:
    """List what can answer together with a model."""
    return tuple(model for model in pane_models(kept, None) if can_share(first, model))


def standing_in(model: PaneModel, models: Iterable[PaneModel]) -> str | None:
    """Return the key under which a base is offered: one base of several runs is one choice."""
    if model.kind != "base":
        return None
    return next((each.key for each in models if each.kind == "base" and can_share(each, model)), None)


def keys_still_offered(kept: KeptRuns, keys: Sequence[str | None]) -> list[str | None]:
    """Return the keys under which these models are offered now; None for what is gone."""
    models = pane_models(kept, None)
    found = [find_model(kept, key) for key in keys]
    return [None if model is None else standing_in(model, models) or model.key for model in found]


def first_pair(kept: KeptRuns, run_id: str = "") -> list[str | None]:
    """Choose the models of the first two panes: the base and a run, or the newest one that finished."""
    models = pane_models(kept, None)
    run = next((each for each in models if each.kind == "run" and run_id in ("", each.run_id)), None)
    if run is None and run_id:
        run = find_model(kept, f"run:{run_id}")
    if run is None:
        return [None, None]
    base = find_model(kept, f"base:{run.run_id}")
    return [None if base is None else standing_in(base, models) or base.key, run.key]


def check_together(models: Sequence[PaneModel]) -> None:
    """Raise RunError when a pane's model cannot answer beside the first one's."""
    for place, model in enumerate(models):
        trouble = why_apart(models[0], model, place)
        if trouble:
            raise RunError(trouble, "Choose models of one base.")


def why_apart(first: PaneModel, model: PaneModel, place: int) -> str:
    """Say why a model cannot answer beside that of the first pane; empty when it can."""
    if can_share(first, model):
        return ""
    return (
        f"Model {place + 1} ({model.title}) comes from another base model than model 1, or holds it in another form. "
        "One base is held in memory at a time."
    )


def base_name(model: str) -> str:
    """Name a base model: the id on the Hub, or the last part of a folder."""
    return PurePath(model).name if PurePath(model).is_absolute() else model


def _of_run(run: RunFolder) -> tuple[PaneModel, ...]:
    """List what a run left, its result first, then its checkpoints, the last one first."""
    steps = (_of_step(run, step) for step in reversed(run.checkpoint_steps))
    return tuple(model for model in (_result(run), *steps) if model is not None)


def _base(run: RunFolder) -> PaneModel:
    name = "Starter model" if run.origin.model_name == STARTER else base_name(run.origin.model_name)
    packed = f" ({bits}-bit)" if (bits := run.config.base_bits) else ""
    return _model(run, key=f"base:{run.id}", title=f"{name}{packed}, untrained", folder=None, kind="base")


def _result(run: RunFolder) -> PaneModel | None:
    folder = run.result
    if folder is None:
        return None
    return _model(run, key=f"run:{run.id}", title=run.name, folder=folder, kind="blend" if run.is_blend else "run")


def _of_step(run: RunFolder, step: int) -> PaneModel | None:
    folder = run.checkpoint(step)
    if not (folder / "adapter_config.json").is_file() and not is_whole_model(folder):
        return None
    title = f"{run.name}, step {step:,}"
    return _model(run, key=f"run:{run.id}@{step}", title=title, folder=folder, kind="checkpoint", step=step)


def _model(
    run: RunFolder, *, key: str, title: str, folder: Path | None, kind: Kind, step: int | None = None
) -> PaneModel:
    return PaneModel(
        key=key,
        title=title,
        run_id=run.id,
        folder=BASE if folder is None else str(folder),
        model=run.config.model,
        bits=run.config.base_bits,
        precision=_precision(run),
        whole=folder is not None and is_whole_model(folder),
        step=step,
        kind=kind,
    )


def _precision(run: RunFolder) -> str:
    try:
        said = os.stat(run.events_path)
    except OSError:
        return run.config.precision
    return _precision_then(run.path, said.st_mtime_ns, said.st_size)


@functools.lru_cache(maxsize=4 * MOST_RUNS)
def _precision_then(path: Path, changed_ns: int, size: int) -> str:
    """Read a run's precision once for every state of its events: the pages ask for all runs again and again."""
    return precision_of(RunFolder(path))
