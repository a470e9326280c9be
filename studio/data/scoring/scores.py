"""The scores of one answer beside the one that was expected, and the titles of all figures.

ROUGE-L and chrF come from libraries.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from studio.data.scoring.json_answers import field_match, read_json
from studio.data.scoring.spelling import as_label, collapsed, short_words, without_punctuation, words
from studio.data.scoring.tasks import Kind, Task

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

_QUOTES = "*_`\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb "
"""What models put around a label to quote or to stress it."""

_MORE_OF_A_NUMBER = re.compile(r"[.,:/\u2013-]\d")


class Title(NamedTuple):
    """What a figure is called. `unit` is "share" (0 to 1), "score" (0 to 100), "loss" (nats a token), "perplexity"."""

    title: str
    unit: str
    higher_is_better: bool


TITLES: Mapping[str, Title] = MappingProxyType(
    {
        "loss": Title("Loss", "loss", False),
        "perplexity": Title("Perplexity", "perplexity", False),
        "exact": Title("Exact answers", "share", True),
        "accuracy": Title("Accuracy", "share", True),
        "balanced_accuracy": Title("Balanced accuracy", "share", True),
        "macro_f1": Title("Macro F1", "share", True),
        "likelihood_accuracy": Title("Accuracy by likelihood", "share", True),
        "json_valid": Title("Valid JSON", "share", True),
        "json_fields": Title("Fields that match", "share", True),
        "token_f1": Title("Token F1", "share", True),
        "normalised_exact": Title("Exact but for case and punctuation", "share", True),
        "rouge_l": Title("ROUGE-L", "score", True),
        "chrf": Title("chrF", "score", True),
        "knowledge": Title("General knowledge", "share", True),
        "language": Title("General language", "loss", False),
    }
)

_MAIN: Mapping[Kind, str] = MappingProxyType(
    {"labels": "accuracy", "json": "json_fields", "short": "token_f1", "long": "rouge_l", "text": "loss"}
)


def main_score(task: Task) -> str:
    """Return the name of the figure that is a task's own score."""
    return _MAIN[task.kind]


def row_scores(task: Task, answer: str, expected: str) -> dict[str, float]:
    """Score one answer: shares from 0 to 1, but ROUGE-L and chrF from 0 to 100.

    "exact" is always there: 1 when both are the same but for white space around and between words, case counting.
    Labels add "accuracy"; JSON "json_valid" and "json_fields"; short answers "token_f1" and "normalised_exact"; long
    ones "rouge_l" and "chrf".
    """
    scores = {"exact": float(collapsed(answer) == collapsed(expected))}
    if task.kind == "labels":
        scores["accuracy"] = _accuracy(task, answer, expected)
    elif task.kind == "json":
        scores |= _json_scores(answer, expected)
    elif task.kind == "short":
        scores["token_f1"] = token_f1(answer, expected)
        scores["normalised_exact"] = float(without_punctuation(answer) == without_punctuation(expected))
    elif task.kind == "long":
        scores["rouge_l"] = rouge_l(answer, expected)
        scores["chrf"] = chrf(answer, expected)
    return scores


def label_of(task: Task, answer: str) -> int:
    """Return the place in `task.labels` of the label that an answer means; `len(task.labels)` for any other answer.

    It means a label when it is that label but for case, spacing and a full stop at the end. Else when its first line
    begins with exactly one of the labels, quoted or stressed or neither, and the word or number is over there:
    "Positive, as the guest was glad" and "**Positive**" mean "positive", "positively" does not, and "15", "1.5" and
    "1st" do not mean "1". So an answer that begins with one label and goes on with another means the first; one that
    begins with two labels, of which one begins with the other, means neither.
    """
    spelt = as_label(answer)
    labels = _spelt(task.labels)
    if spelt in labels:
        return labels.index(spelt)
    line = collapsed(answer.strip().split("\n", 1)[0]).casefold()
    bare = line.lstrip(_QUOTES)
    meant = [place for place, label in enumerate(labels) if _begins(line, label) or _begins(bare, label)]
    return meant[0] if len(meant) == 1 else len(labels)


def token_f1(answer: str, expected: str) -> float:
    """Return the F1 (0 to 1) of the words of two texts, each counted as often as it stands there.

    As SQuAD defines it (Rajpurkar et al. 2016), on the words of `spelling.short_words`: in any script, and with
    articles, which SQuAD drops. When either has no word, 1 if both have none and 0 otherwise.
    """
    said, wanted = Counter(short_words(answer)), Counter(short_words(expected))
    if not said or not wanted:
        return float(said == wanted)
    return 2 * (said & wanted).total() / (said.total() + wanted.total())


def rouge_l(answer: str, expected: str) -> float:
    """Return ROUGE-L (Lin 2004), the F measure with equal weights, times 100: 0 to 100.

    With L the longest common subsequence of m and n words, precision L/m and recall L/n make F = 2L/(m + n). That is
    the normalised Indel similarity of rapidfuzz, whose LCS is bit-parallel. The whole texts are compared, not line by
    line, without stemming, on the words of `spelling.words`, in any script. Texts that are the same score 100, even
    without a word.
    """
    from rapidfuzz.distance import Indel

    said, wanted = words(answer), words(expected)
    if not said or not wanted:
        return 100 * float(collapsed(answer) == collapsed(expected))
    return 100 * Indel.normalized_similarity(said, wanted)


def chrf(answer: str, expected: str) -> float:
    """Return chrF2 (Popović 2015, 2016), 0 to 100, as sacrebleu makes it by default for one sentence.

    Runs of 1 to 6 letters without white space, recall weighted twice, case counting. Two blank texts score 100.
    """
    if not answer.strip() or not expected.strip():
        return 100 * float(answer.strip() == expected.strip())
    return float(_chrf().sentence_score(answer, [expected]).score)


def _accuracy(task: Task, answer: str, expected: str) -> float:
    """Tell whether an answer means the expected label; 1 or 0. An expected answer that is no label needs the same."""
    wanted = label_of(task, expected)
    if wanted == len(task.labels):
        return float(as_label(answer) == as_label(expected))
    return float(label_of(task, answer) == wanted)


def _json_scores(answer: str, expected: str) -> dict[str, float]:
    """Score the fields of a JSON answer: none are right when it is not valid.

    Where what was expected is no JSON itself, the answer has to be the same but for white space.
    """
    said, wanted = read_json(answer), read_json(expected)
    if wanted is None:
        fields = float(collapsed(answer) == collapsed(expected))
    else:
        fields = 0.0 if said is None else field_match(said, wanted)
    return {"json_valid": float(said is not None), "json_fields": fields}


@lru_cache(maxsize=16)
def _spelt(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(as_label(label) for label in labels)


def _begins(line: str, label: str) -> bool:
    """Tell whether a line begins with a label, and its last word or number is over there."""
    rest = line.removeprefix(label)
    if rest == line:
        return False
    goes_on = rest[:1] == "_" or (rest and unicodedata.category(rest[0])[0] in "LMN")
    return not goes_on and not _MORE_OF_A_NUMBER.match(rest)


@lru_cache(maxsize=1)
def _chrf() -> "CHRF":
    """Return sacrebleu's chrF2. It is loaded when it is first needed, for the page never does."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
