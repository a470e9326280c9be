"""Which examples are trained on and which are held out, by their places."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from studio.errors import DataError

FEWEST_TO_SPLIT = 4
"""With fewer examples than this, holding one out costs more than it tells."""


@dataclass(frozen=True)
class Split:
    """The places of the examples to train on, in the order of training, and of the ones that are held out."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


def split(lengths: Sequence[int], *, share: float, seed: int, stratify: bool = False) -> Split:
    """Hold out about `share` (0 to 1) of the examples, drawn at random; the same seed draws the same ones.

    `lengths` has one number for each example, in any unit. With `stratify` the examples are ordered by it and cut into
    as many equal stretches as are held out, and one is drawn from each. At least one example is held out when `share`
    is above zero and there are at least four, and at least one is always left to train on.

    Raises DataError when there is no example.
    """
    count = len(lengths)
    if not count:
        raise DataError("There are no examples to train on.", "Choose a data set with at least one usable row.")
    rng = random.Random(seed)
    shuffled = list(range(count))
    rng.shuffle(shuffled)
    held_out = 0
    if share > 0 and count >= FEWEST_TO_SPLIT:
        held_out = min(max(round(count * share), 1), count - 1)
    if not stratify or not held_out:
        return Split(train=tuple(shuffled[held_out:]), validation=tuple(shuffled[:held_out]))
    # The sort keeps the shuffled order among equals, so that equal lengths are drawn from at random.
    by_length = sorted(shuffled, key=lambda place: lengths[place])
    edges = [count * stretch // held_out for stretch in range(held_out + 1)]
    drawn = [by_length[rng.randrange(start, end)] for start, end in itertools.pairwise(edges)]
    taken = set(drawn)
    return Split(train=tuple(place for place in shuffled if place not in taken), validation=tuple(drawn))
