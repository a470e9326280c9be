"""The ways to blend several adapters into one: what each does, what it needs, and what the weights mean.

The weights mean the same in all of them: adapters that are alike are blended to the sum of the weights times that one.
So weights that add up to 1 keep the strength of a single adapter. `studio.ml.blending` blends.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.errors import ConfigError

FEWEST, MOST = 2, 8
"""How many adapters can be blended at once."""

STRONGEST = 4.0
"""No weight is larger, to either side of zero."""

DEFAULT_KIND = "svd"
DEFAULT_DENSITY = 0.5


@dataclass(frozen=True)
class BlendKind:
    """One way to blend. `name` is what peft calls it.

    `on_halves`: it blends the A and the B halves of the adapters each for itself, which needs adapters of one rank.
    `takes_mean`: it takes means where others add up. Neither can subtract. `drops`: it drops a part of the values
    first, and `density` says which share stays.
    """

    name: str
    label: str
    help: str
    on_halves: bool = False
    takes_mean: bool = False
    drops: bool = False


KINDS: Mapping[str, BlendKind] = {
    kind.name: kind
    for kind in (
        BlendKind("svd", "SVD", "Adds the changes up and keeps the strongest directions of the sum. Any ranks."),
        BlendKind(
            "cat", "Concatenation", "Adds the changes up exactly. The rank becomes the sum of the ranks; larger file."
        ),
        BlendKind(
            "linear",
            "Linear",
            "Mixes the halves of the adapters, each for itself: quick and rough. Needs one rank.",
            on_halves=True,
        ),
        BlendKind(
            "ties_svd",
            "TIES",
            "Keeps the largest values of each change, and where they disagree in sign, the heavier side. Slow for "
            "large models.",
            takes_mean=True,
            drops=True,
        ),
        BlendKind(
            "dare_linear_svd",
            "DARE",
            "Drops values of each change at random, makes the others larger for it, and adds them up. Slow for "
            "large models.",
            drops=True,
        ),
        BlendKind(
            "dare_ties_svd",
            "DARE with TIES",
            "Drops values at random as DARE does, then settles the signs as TIES does. Slow for large models.",
            takes_mean=True,
            drops=True,
        ),
        BlendKind(
            "ties",
            "TIES on the halves",
            "TIES on the halves of the adapters instead of their changes. Needs one rank.",
            on_halves=True,
            takes_mean=True,
            drops=True,
        ),
        BlendKind(
            "dare_linear",
            "DARE on the halves",
            "DARE on the halves of the adapters instead of their changes. Needs one rank.",
            on_halves=True,
            drops=True,
        ),
        BlendKind(
            "dare_ties",
            "DARE with TIES on the halves",
            "Both on the halves of the adapters instead of their changes. Needs one rank.",
            on_halves=True,
            takes_mean=True,
            drops=True,
        ),
    )
}


def check_weights(kind: BlendKind, weights: Sequence[float]) -> None:
    """Raises ConfigError, in a sentence, for weights that cannot be."""
    if any(not math.isfinite(weight) or abs(weight) > STRONGEST for weight in weights):
        raise ConfigError(f"A weight is beyond {STRONGEST:g}.", f"Give weights from {-STRONGEST:g} to {STRONGEST:g}.")
    if all(weight == 0 for weight in weights):
        raise ConfigError("All the weights are 0, so nothing would be left.", "Give at least one adapter a weight.")
    if (kind.on_halves or kind.takes_mean) and any(weight <= 0 for weight in weights):
        raise ConfigError(
            f"{kind.label} needs weights above 0.", "Leave an adapter out, or choose SVD or concatenation to subtract."
        )


def weights_for_peft(kind: BlendKind, weights: Sequence[float]) -> list[float]:
    """Return what peft must be given so that the weights mean what they mean here.

    peft scales either half by the root of a weight, so that what is blended on halves comes out as (sum of roots)^2:
    two equal adapters at 0.5 each would speak twice as loud. With roots of w / sqrt(sum of w) it is the sum of w. Where
    n adapters are averaged, peft divides by n, which is multiplied in here. Seen in peft 0.21,
    `LoraModel._generalized_task_arithmetic_weighted_adapter` and `merge_utils.disjoint_merge`.
    """
    count = len(weights) if kind.takes_mean else 1
    if not kind.on_halves:
        return [count * weight for weight in weights]
    return [(count * weight) ** 2 / sum(weights) for weight in weights]
