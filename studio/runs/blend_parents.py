"""The parents of a blend: which adapters can be blended with which, how, and what rank comes of it.

Reads what peft saved beside the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studio import codec
from studio.config import FULL
from studio.errors import ModelError, RunError
from studio.models import blend_kinds
from studio.models.adapter_settings import read_document, read_settings
from studio.models.blend_kinds import DEFAULT_DENSITY, BlendKind
from studio.runs.store import STEP, RunFolder, RunStore

_CHOOSE = "Choose LoRA runs of one base model."

_NOT_BLENDED = {
    "use_dora": "it is a DoRA adapter, which also learned magnitudes that do not add up",
    "modules_to_save": "it has trained its word table and output head as a whole",
    "trainable_token_indices": "it has trained single words as a whole",
    "target_parameters": "it changes parameters outside of layers",
    "lora_bias": "it has trained biases",
}
"""What a blend of two halves could not hold, by its field in peft's settings of an adapter."""


@dataclass(frozen=True)
class Parent:
    """One adapter of a blend: a run's result, or its checkpoint of a step. `name` is what it was called then."""

    id: str
    name: str
    weight: float
    step: int | None = None


@dataclass(frozen=True)
class Blend:
    """What was blended and how. `kind` is one of `blend_kinds.KINDS`; `density` matters to those that drop values.

    `rank` is that of the result where a person chose it, 0 where it follows from the parents.
    """

    kind: str
    parents: tuple[Parent, ...]
    density: float = DEFAULT_DENSITY
    rank: int = 0


def read_blend(run: RunFolder) -> Blend | None:
    """Read from what a run was blended; None for one that was not. Raises RunError when that is damaged."""
    try:
        return codec.read(Blend, run.parents_path)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        raise RunError(f"The blend '{run.name}' cannot be read: parents.json is damaged.", "Blend again.") from error


def weights_folder(run: RunFolder, step: int | None) -> Path:
    """Return where an adapter lies that can be blended. Raises RunError for a run without, or a whole model."""
    folder = run.result if step is None else run.checkpoint(step)
    what = f"'{run.name}'" if step is None else f"The checkpoint of step {step:,} of '{run.name}'"
    if run.config.method == FULL:
        raise RunError(f"{what} is a model that was trained as a whole, which cannot be merged.", _CHOOSE)
    if folder is None or not (folder / "adapter_config.json").is_file():
        raise RunError(f"{what} has no adapter on the disk.", _CHOOSE)
    return folder


@dataclass(frozen=True)
class Chosen:
    """An adapter that a person wants to blend: a run's result, or its checkpoint of a step."""

    run: RunFolder
    step: int | None

    @property
    def name(self) -> str:
        """What a person knows it by."""
        return self.run.name if self.step is None else f"{self.run.name}, step {self.step:,}"

    @cached_property
    def rank(self) -> int:
        """Its rank, the largest where layers differ. Raises RunError for what is more than two halves beside layers."""
        folder = weights_folder(self.run, self.step)
        try:
            document = read_document(folder)
            for field, what in _NOT_BLENDED.items():
                if document.get(field):
                    raise RunError(f"'{self.name}' cannot be merged: {what}.", _CHOOSE)
            return read_settings(document).largest_rank
        except ModelError as error:
            raise RunError(f"The adapter of '{self.name}' cannot be read: {error.message}", error.hint) from error


def choose(runs: RunStore, keys: Sequence[str]) -> tuple[Chosen, ...]:
    """Find the adapters by their keys. Raises RunError when they are not there, or cannot be blended together."""
    chosen = tuple(_find(runs, key) for key in keys)
    fewest, most = blend_kinds.FEWEST, blend_kinds.MOST
    if not fewest <= len(chosen) <= most:
        raise RunError(f"A blend takes {fewest} to {most} adapters; {len(chosen)} were chosen.", _CHOOSE)
    first = chosen[0].run
    for place, each in enumerate(chosen):
        if each in chosen[:place]:
            raise RunError(f"'{each.name}' was chosen twice.", "Choose each once, and give it a larger weight.")
        if each.run.is_alive():
            raise RunError(f"'{each.name}' is still at work.", "Blend it when it is finished.")
        if each.run.config.model != first.config.model:
            raise RunError(
                f"'{first.name}' learned on {first.origin.model_name}, and '{each.name}' on "
                f"{each.run.origin.model_name}.",
                "Adapters can be blended when they belong to the same base model.",
            )
    return chosen


def result_rank(kind: BlendKind, chosen: Sequence[Chosen], asked: int) -> int:
    """Say what rank a blend will have; `asked` is 0 where it follows from the parents. Raises RunError."""
    ranks = [each.rank for each in chosen]
    if kind.on_halves and len(set(ranks)) > 1:
        told = ", ".join(f"'{each.name}' has {each.rank}" for each in chosen)
        raise RunError(
            f"{kind.label} needs adapters of one rank: {told}.", "Choose SVD or concatenation, which take any ranks."
        )
    if kind.name == "cat":
        return sum(ranks)
    if asked < 0 or asked > sum(ranks):
        raise RunError(
            f"A rank of {asked} does not suit adapters whose ranks add up to {sum(ranks)}.",
            f"Choose 1 to {sum(ranks)}, or leave it to the studio.",
        )
    return asked if asked and not kind.on_halves else max(ranks)


def _find(runs: RunStore, key: str) -> Chosen:
    id, _, step = key.removeprefix("run:").partition("@")
    if key.startswith("base:") or (step and not STEP.fullmatch(step)):
        raise RunError(f"'{key[:80]}' names no adapter.", _CHOOSE)
    return Chosen(runs.get(id), int(step) if step else None)
