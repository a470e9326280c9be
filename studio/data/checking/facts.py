"""Answers that hold facts: numbers, prices and names that do not follow from the question.

A small model learns a manner and not such facts. Goes by shape alone: what is in most answers is part of the manner,
and what is in the question can be copied from it.
"""

import re
from collections import Counter
from collections.abc import Container, Iterator

from studio.data.checking.findings import WARNING, Finding, Tally
from studio.data.examples import Example
from studio.wording import listed

MOST_LOOKED_AT = 5000
"""The words of so many answers are kept in memory."""

_FEWEST_ANSWERS = 5
_LEAST_SHARE = 0.2
"""Facts in fewer of the answers than this are no habit of the data."""

_MOST_COMMON_SHARE = 0.1
"""What is in more of the answers than this belongs to the manner: a product's name, a closing."""

_SHOWN = 3
_NAMES_ARE_RARE = 0.12
"""Where more of the words within sentences begin with a capital, as all nouns do in German, these are no names."""

_LIST_NUMBER = re.compile(r"^[ \t]*[(\[]?\d{1,3}[.):\]][ \t]", re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.,])[$€£¥]?\d+(?:[.,:/\-]\d+)*(?:[ \u00a0]?[%€£])?(?![\w])")
_UNIT_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?[a-zA-Z°]{1,3}\b")
_WITHIN = re.compile(r"(?<=[a-z,;] )([^\W\d_][^\W\d_]+)")
_FEWEST_LETTERS = 3


class FactsInAnswers:
    """Looks at the last answer of one example after another."""

    def __init__(self) -> None:
        self._facts: list[tuple[int, frozenset[str], frozenset[str]]] = []
        self._capitals = 0
        self._words = 0

    def add(self, place: int, example: Example) -> None:
        """Take the next example; plain text has no answer."""
        if example.is_text or not example.messages or len(self._facts) >= MOST_LOOKED_AT:
            return
        answer = example.messages[-1].content
        asked = " ".join(message.content for message in example.messages[:-1])
        known = digits(asked)
        found = frozenset(each for each in numbers(answer) if not is_known(each, known))
        within = _WITHIN.findall(answer)
        names = [each for each in within if each[0].isupper() and len(each) >= _FEWEST_LETTERS]
        self._words += len(within)
        self._capitals += len(names)
        lowered = asked.casefold()
        self._facts.append((place, found, frozenset(each for each in names if each.casefold() not in lowered)))

    def findings(self) -> Iterator[Finding]:
        """Say what was found."""
        total = len(self._facts)
        if total < _FEWEST_ANSWERS:
            return
        counts = Counter(fact for _, numbers, names in self._facts for fact in (*numbers, *names))
        has_names = self._capitals <= _NAMES_ARE_RARE * self._words
        most = max(2, _MOST_COMMON_SHARE * total)
        tally, shown = Tally(), dict[str, None]()
        for place, numbers, names in self._facts:
            facts = sorted(
                (each for each in (*numbers, *(names if has_names else ())) if counts[each] <= most), key=_order
            )
            if facts:
                tally.add(place)
                shown.setdefault(facts[0])
        if not tally.count or tally.count < _LEAST_SHARE * total:
            return
        such_as = listed([f"“{each}”" for each in list(shown)[:_SHOWN]])
        of = f"{tally.count:,} of {total:,} answers"
        yield Finding(
            "facts",
            WARNING,
            "The answers hold facts that are not in the questions",
            f"{of} hold numbers, prices or names such as {such_as}. A small model learns a manner, not facts: it may "
            "answer with others. Put the facts into the question or the context, or check its answers.",
            tally.count,
            places=tally.places,
        )


def _order(fact: str) -> tuple[bool, bool, str]:
    """Put prices first, then names: a bare number says least to a person."""
    return not re.search(r"[$€£¥%]", fact), fact[0].isdigit(), fact


def numbers(text: str) -> Iterator[str]:
    """Give the numbers of a text as they stand there, but for those of a list and those of a single digit."""
    plain = _LIST_NUMBER.sub("", text)
    for pattern in (_NUMBER, _UNIT_NUMBER):
        for match in pattern.finditer(plain):
            if len(match.group()) > 1:
                yield match.group().strip()


def digits(text: str) -> set[str]:
    """Return what `is_known` needs of a text: its numbers without their signs, and the parts of them."""
    return {_plain(number) for number in numbers(text)} | set(re.findall(r"\d+", text))


def is_known(number: str, known: Container[str]) -> bool:
    """Tell whether a number, or each of its parts, is among the `digits` of a text."""
    return _plain(number) in known or all(part in known for part in re.findall(r"\d+", number))


def _plain(number: str) -> str:
    return re.sub(r"[^\d]", "", number)
