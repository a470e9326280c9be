"""Which examples are trained on and which are held out. Knows nothing of files or tokens."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from studio.data.examples import Example
from studio.errors import DataError

FEWEST_TO_SPLIT = 4
"""With fewer examples than this, holding one out costs more than it tells."""


@dataclass(frozen=True)
class Split:
    """The examples to train on and the ones that are held out."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]


def split_examples(examples: Sequence[Example], *, share: float, seed: int) -> Split:
    """Hold out about `share` (0 to 1) of the examples, drawn at random; the same seed draws the same ones.

    At least one example is held out when `share` is above zero and there are at least four, and at least one is always
    left to train on. The order of the training part is shuffled as well.

    Raises DataError when there is no example.
    """
    if not examples:
        raise DataError("There are no examples to train on.", "Choose a data set with at least one usable row.")
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    held_out = 0
    if share > 0 and len(shuffled) >= FEWEST_TO_SPLIT:
        held_out = min(max(round(len(shuffled) * share), 1), len(shuffled) - 1)
    return Split(train=tuple(shuffled[held_out:]), validation=tuple(shuffled[:held_out]))
