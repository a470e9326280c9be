"""Which examples are trained on and which are held out, by their places."""

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.data.example_files import ExampleFile
from studio.data.questions import Repeated, questions_of
from studio.errors import DataError

FEWEST_TO_SPLIT = 4
"""With fewer examples than this, holding one out costs more than it tells."""

_MOST_TIMES = 2
"""So many times as many as wanted are held out at most, where only whole questions can be."""

Numbers = Sequence[int] | NDArray[np.uint64]
Places = NDArray[np.int32]


@dataclass(frozen=True)
class Split:
    """The places of the examples to train on, in the order of training, and of the ones that are held out.

    Four bytes an example. `repeated` is how many questions are asked by more than one example: all examples of one are
    on the same side. `is_shared` says that this could not be, because too many examples ask the same.
    """

    train: Sequence[int]
    validation: Sequence[int]
    repeated: int = 0
    is_shared: bool = False


def split_examples(examples: ExampleFile, *, share: float, seed: int, stratify: bool) -> Split:
    """Split stored examples, see `split`. Raises DataError when there is none, or one is damaged."""
    return split(examples.lengths, share=share, seed=seed, stratify=stratify, questions=questions_of(examples))


def split(lengths: Numbers, *, share: float, seed: int, stratify: bool = False, questions: Numbers = ()) -> Split:
    """Hold out about `share` (0 to 1) of the examples, drawn at random; the same seed draws the same ones.

    `lengths` has one number for each example, in any unit. With `stratify` the examples are ordered by it and cut into
    as many equal stretches as are held out, and one is drawn from each. At least one example is held out when `share`
    is above zero and there are at least four, and at least one is always left to train on. `questions` has a number for
    each example that says what it asks; without it each asks something else.

    Raises DataError when there is no example.
    """
    count = len(lengths)
    if not count:
        raise DataError("There are no examples to train on.", "Choose a data set with at least one usable row.")
    rng = random.Random(seed)
    order = array("i", range(count))
    rng.shuffle(order)
    shuffled = np.frombuffer(order, dtype=np.int32)
    wanted = 0
    if share > 0 and count >= FEWEST_TO_SPLIT:
        wanted = min(max(round(count * share), 1), count - 1)
    drawn = _one_of_each_length(shuffled, lengths, wanted, rng) if stratify and wanted else shuffled[:wanted]
    same = Repeated(questions)
    held_out = _whole_questions(drawn, shuffled, same) if same.count and wanted else drawn
    validation = held_out if len(held_out) else drawn
    is_trained = np.ones(count, dtype=np.bool_)
    is_trained[validation] = False
    return Split(
        train=array("i", shuffled[is_trained[shuffled]].tobytes()),
        validation=array("i", validation.tobytes()),
        repeated=same.count,
        is_shared=bool(wanted and not len(held_out)),
    )


def _one_of_each_length(shuffled: Places, lengths: Numbers, wanted: int, rng: random.Random) -> Places:
    # The sort keeps the shuffled order among equals, so that equal lengths are drawn from at random.
    by_length = shuffled[np.argsort(np.asarray(lengths)[shuffled], kind="stable")]
    count = len(by_length)
    edges = ((count * stretch // wanted, count * (stretch + 1) // wanted) for stretch in range(wanted))
    return by_length[np.fromiter((rng.randrange(start, end) for start, end in edges), dtype=np.int32)]


def _whole_questions(drawn: Places, shuffled: Places, same: Repeated) -> Places:
    """Hold out what was drawn with all that ask the same, as far as that is no more than was drawn.

    Where nothing fits, the question that the fewest ask is held out; nothing where even these are too many.
    """
    taken, is_taken = array("i"), np.zeros(len(shuffled), dtype=np.bool_)
    for place in drawn:
        group = same.with_same(int(place))
        if not is_taken[group[0]] and len(taken) + len(group) <= len(drawn):
            is_taken[group] = True
            taken.frombytes(group.tobytes())
    if not taken:
        fewest = same.fewest(shuffled)
        if len(fewest) <= min(_MOST_TIMES * len(drawn), len(shuffled) - 1):
            return fewest
    return np.frombuffer(taken, dtype=np.int32)
