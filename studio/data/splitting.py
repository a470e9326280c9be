"""Which examples are trained on and which are held out, by their places."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from studio.data.example_files import ExampleFile
from studio.data.questions import questions_of, repeated
from studio.errors import DataError

FEWEST_TO_SPLIT = 4
"""With fewer examples than this, holding one out costs more than it tells."""

_MOST_TIMES = 2
"""So many times as many as wanted are held out at most, where only whole questions can be."""


@dataclass(frozen=True)
class Split:
    """The places of the examples to train on, in the order of training, and of the ones that are held out.

    `repeated` is how many questions are asked by more than one example: all examples of one are on the same side.
    `is_shared` says that this could not be, because too many examples ask the same.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    repeated: int = 0
    is_shared: bool = False


def split_examples(examples: ExampleFile, *, share: float, seed: int, stratify: bool) -> Split:
    """Split stored examples, see `split`. Raises DataError when there is none, or one is damaged."""
    return split(
        examples.lengths.tolist(), share=share, seed=seed, stratify=stratify, questions=questions_of(examples).tolist()
    )


def split(
    lengths: Sequence[int], *, share: float, seed: int, stratify: bool = False, questions: Sequence[int] = ()
) -> Split:
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
    shuffled = list(range(count))
    rng.shuffle(shuffled)
    wanted = 0
    if share > 0 and count >= FEWEST_TO_SPLIT:
        wanted = min(max(round(count * share), 1), count - 1)
    drawn = _one_of_each_length(shuffled, lengths, wanted, rng) if stratify and wanted else shuffled[:wanted]
    same = repeated(questions) if len(questions) else {}
    held_out = _whole_questions(drawn, shuffled, same) if same and wanted else drawn
    taken = set(held_out or drawn)
    return Split(
        train=tuple(place for place in shuffled if place not in taken),
        validation=tuple(held_out or drawn),
        repeated=len(same),
        is_shared=bool(wanted and not held_out),
    )


def _one_of_each_length(shuffled: Sequence[int], lengths: Sequence[int], wanted: int, rng: random.Random) -> list[int]:
    # The sort keeps the shuffled order among equals, so that equal lengths are drawn from at random.
    by_length = sorted(shuffled, key=lambda place: lengths[place])
    edges = [len(lengths) * stretch // wanted for stretch in range(wanted + 1)]
    return [by_length[rng.randrange(start, end)] for start, end in itertools.pairwise(edges)]


def _whole_questions(drawn: Sequence[int], shuffled: Sequence[int], same: Mapping[int, Sequence[int]]) -> list[int]:
    """Hold out what was drawn with all that ask the same, as far as that is no more than was drawn.

    Where nothing fits, the question that the fewest ask is held out; nothing where even these are too many.
    """
    group_of = {place: group for group in same.values() for place in group}

    def groups(places: Iterable[int]) -> Iterable[Sequence[int]]:
        return (group_of.get(place, (place,)) for place in places)

    taken: dict[int, None] = {}
    for group in groups(drawn):
        if group[0] not in taken and len(taken) + len(group) <= len(drawn):
            taken.update(dict.fromkeys(group))
    if not taken:
        fewest = min(groups(shuffled), key=len)
        if len(fewest) <= min(_MOST_TIMES * len(drawn), len(shuffled) - 1):
            taken.update(dict.fromkeys(fewest))
    return list(taken)
