"""What the models are called here: bases, runs, their checkpoints and blends, each at a strength if that is asked.

    Qwen/Qwen3-0.6B             a base from the Hub; with :4bit or :8bit where it is packed
    base/starter                a base whose name has no slash: the starter model, or that of a folder
    20261128-101500-otter       what a run or a blend left, by the name of its folder
    20261128-101500-otter:step-40    one of its checkpoints
    20261128-101500-otter@0.5   any of the last two, at half its strength

A base that is there in several number formats has that behind it, too: "base/starter:bf16".
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.compare.pane_models import MOST_RUNS, PaneModel, base_name, pane_model, pane_models
from studio.config import STARTER
from studio.errors import ModelError, RunError
from studio.models.adapter_settings import check_strength
from studio.models.locate import locate_settled
from studio.openai_api.shapes import ApiError, refused
from studio.runs.summary import Summary
from studio.studio import Studio

OWNER = "lora-studio"
_MOST_NAMED = 12
_READING_SECONDS = 5.0
_RETRY_SECONDS = 5
_NAME = re.compile(r"(?P<model>[^@]+)(?:@(?P<strength>[0-9]{1,3}(?:\.[0-9]{1,6})?))?")
_LEARNED = re.compile(r"(?P<run>[A-Za-z0-9][A-Za-z0-9._-]*)(?::step-(?P<step>[0-9]{1,12}))?")


@dataclass(frozen=True)
class Named:
    """A model under the name that programs give it. `created` is in seconds since the epoch."""

    id: str
    model: PaneModel
    created: int

    @property
    def document(self) -> dict[str, Any]:
        """The model in OpenAI's shape, with what it is beside it."""
        return {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": OWNER,
            "kind": self.model.kind,
            "title": self.model.title,
        }


@dataclass(frozen=True)
class Chosen:
    """The model that is to answer, and how strongly its adapter speaks."""

    id: str
    model: PaneModel
    strength: float


def named_models(studio: Studio) -> tuple[Named, ...]:
    """List all models that can answer now: bases, then runs with their checkpoints, then blends."""
    models = pane_models(studio, None)
    created = {run.id: int(run.created) for run in studio.summaries.look().runs}
    bases = _bases(studio, models)
    learned = [Named(learned_id(model), model, created.get(model.run_id, 0)) for model in models if model.folder]
    return (*bases, *learned)


def learned_id(model: PaneModel) -> str:
    """Return the name of what a run left, or of a checkpoint of it."""
    return model.run_id if model.step is None else checkpoint_id(model.run_id, model.step)


def checkpoint_id(run_id: str, step: int) -> str:
    """Return the name of a checkpoint."""
    return f"{run_id}:step-{step}"


def choose(studio: Studio, name: str, *, strength: float | None = None) -> Chosen:
    """Find the model with a name; `strength` is what the request says beside it. Raises ApiError."""
    found = _NAME.fullmatch(name)
    model = None if found is None else _find(studio, found["model"])
    if model is None or found is None:
        raise _unknown(studio, name)
    asked = _strength(found["strength"], name)
    if asked is not None and strength is not None and asked != strength:
        raise refused(f"The model's name says strength {asked:g}, and the field says {strength:g}.", "strength")
    asked = strength if asked is None else asked
    if asked is not None and asked != 1 and not model.is_adapter:
        raise refused("Only an adapter has a strength; this model is none. Leave the strength out.", "strength")
    return Chosen(name, model, 1.0 if asked is None else asked)


def require_read(studio: Studio) -> None:
    """Have the runs read whose models are offered: no model is missing from a list, or said not to exist, meanwhile.

    Raises ApiError where there are so many that this takes longer.
    """

    def is_offered(run: Summary) -> bool:
        return run.has_result and not run.is_at_work

    if not studio.summaries.read_newest(is_offered, most=MOST_RUNS, seconds=_READING_SECONDS):
        left = studio.summaries.look().unread
        sentence = f"The studio is still reading its runs; {left:,} are left. Ask again in a moment."
        raise ApiError(503, sentence, code="still_reading", retry_seconds=_RETRY_SECONDS)


def find_base(studio: Studio, name: str) -> PaneModel | None:
    """Find a base by its name, with or without what is behind it; None where there is none. Raises ApiError."""
    require_read(studio)
    bases = _bases(studio, pane_models(studio, None))
    for each in bases:
        if name in (each.id, _long_name(each.model)):
            return each.model
    return next((each.model for each in bases if name == _short_name(each.model)), None)


def _find(studio: Studio, name: str) -> PaneModel | None:
    learned = _LEARNED.fullmatch(name)
    if learned is not None:
        key = f"run:{learned['run']}" + (f"@{int(learned['step'])}" if learned["step"] else "")
        try:
            return pane_model(studio, key)
        except RunError:  # what there is instead is said to whoever asked
            return None
    return find_base(studio, name)


def _strength(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    try:
        strength = float(text)
        check_strength(strength)
    except ModelError as error:
        raise refused(f"'{name[:80]}' cannot be asked: {error}", "model") from error
    return strength


def _unknown(studio: Studio, name: str) -> ApiError:
    there = [each.id for each in named_models(studio)]
    listed = ", ".join(there[:_MOST_NAMED]) + (", ..." if len(there) > _MOST_NAMED else "")
    have = f"There are: {listed}." if there else "There is none yet: train a run, or fetch the starter model."
    return ApiError(404, f"The model '{name[:120]}' does not exist. {have}", "model", "model_not_found")


def _bases(studio: Studio, models: Sequence[PaneModel]) -> tuple[Named, ...]:
    bases = [model for model in models if not model.folder]
    if not any(model.model == STARTER for model in bases) and locate_settled(STARTER, studio.settings.home):
        bases.append(_starter())
    short = Counter(_short_name(model) for model in bases)
    return tuple(
        Named(_short_name(model) if short[_short_name(model)] == 1 else _long_name(model), model, 0) for model in bases
    )


def _starter() -> PaneModel:
    """The starter model before any run has it."""
    return PaneModel(
        key="",
        title="Starter model, untrained",
        run_id="",
        folder="",
        model=STARTER,
        bits=0,
        precision="auto",
        whole=False,
        step=None,
        kind="base",
    )


def _short_name(model: PaneModel) -> str:
    name = base_name(model.model)
    return (name if "/" in name else f"base/{name}") + (f":{model.bits}bit" if model.bits else "")


def _long_name(model: PaneModel) -> str:
    return f"{_short_name(model)}:{model.precision}"
