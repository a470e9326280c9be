"""What kind of task a data set is, told from its answers alone."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.data.scoring.json_answers import read_json
from studio.data.scoring.spelling import as_label, collapsed, word_count

Kind = Literal["labels", "json", "short", "long", "text"]

MOST_LABELS = 30
"""A table of more labels cannot be read, and each would have too few rows to be scored."""

LEAST_JSON = 0.9
"""The rest may be a few rows that say why there is nothing to fill in."""

_MOST_LABEL_WORDS = 6
_FEWEST_ANSWERS = 10
_EXAMPLES_A_LABEL = 3
_MEDIAN_WORDS = 12
_MOST_WORDS = 25


@dataclass(frozen=True)
class Task:
    """What the answers are, and so how they are scored. `labels` is empty for every kind but "labels".

    "labels": one of a small set. "json": JSON objects or arrays. "short": names, numbers, a sentence. "long": more
    than that. "text": plain text without questions, of which only the loss can be told.
    """

    kind: Kind
    labels: tuple[str, ...] = ()


def task_of(answers: Sequence[str]) -> Task:
    """Choose the task from the expected answers of a data set, those of training and held-out rows together.

    The first that holds of the answers that are not blank:

    1. "json" when at least 90 % are a JSON object or array. It comes first, for a few repeated objects are still to be
       scored by their fields.
    2. "labels", see `_labels`.
    3. "short" when half of them have at most 12 words and nine in ten at most 25. The share of exact answers and of
       shared words says something of an answer that long; the order of words, which ROUGE-L adds, hardly does. The
       second limit keeps out data that is half one-word answers, half explanations.
    4. "long" otherwise.

    Without an answer that is not blank there is only the loss, as with "text". A caller that knows the data to be plain
    text makes `Task("text")` itself: its answers cannot be told from others.
    """
    given = [answer for answer in answers if answer and not answer.isspace()]
    if not given:
        return Task("text")
    if _are_json(given):
        return Task("json")
    labels = _labels(given)
    if labels:
        return Task("labels", labels)
    lengths = sorted(word_count(answer) for answer in given)
    half, nine_in_ten = (lengths[math.ceil(len(lengths) * share / 10) - 1] for share in (5, 9))
    return Task("short" if half <= _MEDIAN_WORDS and nine_in_ten <= _MOST_WORDS else "long")


def _are_json(answers: Sequence[str]) -> bool:
    others, most_others = 0, len(answers) * (1 - LEAST_JSON)
    for answer in answers:
        others += read_json(answer) is None
        if others > most_others + 1e-9:
            return False
    return True


def _labels(answers: Sequence[str]) -> tuple[str, ...]:
    """Return the labels, the most frequent first, then by name; empty when the answers are no labels.

    They are when there are 2 to 30 different ones (but for case, spacing and a full stop at the end), none of more than
    6 words, with at least 10 answers and on average 3 to a label. One answer alone is nothing to choose from. Longer
    ones are sentences, and a model that says the same in other words would be called wrong. With fewer repeats, answers
    that happen to recur would pass for labels. Each keeps the spelling that is most frequent in the data.
    """
    spellings: dict[str, Counter[str]] = {}
    for answer in answers:
        label = as_label(answer)
        if label not in spellings:
            if len(spellings) == MOST_LABELS or word_count(label) > _MOST_LABEL_WORDS:
                return ()
            spellings[label] = Counter()
        spellings[label][collapsed(answer)] += 1
    if len(spellings) < 2 or len(answers) < max(_FEWEST_ANSWERS, _EXAMPLES_A_LABEL * len(spellings)):
        return ()
    counted = [(spelt.total(), min(spelt, key=lambda text: (-spelt[text], text))) for spelt in spellings.values()]
    return tuple(label for _, label in sorted(counted, key=lambda pair: (-pair[0], pair[1])))
