"""One language: its messages by the English ones, and how its numbers are written.

A message may have places, "{0} of {1} rows", "{0#}" where only a number stands; a translation leaves one out by "{1~}".
How a text of the page is found among them is a matter of `search`.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import islice
from pathlib import Path

from studio.ui.language import search

_KEPT = 4096
_MOST_WAYS = 12
_PLACE = re.compile(r"\{(\d+)([#~]?)\}")
_NUMBER = re.compile(
    r"(?<![\w.,/:-])([+\-\u2212±]?)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)(?![\w,.]*[\d/:]|[/_-]\w|[a-zA-Z]\w)"
)
_IS_NUMBER = re.compile(r"[+\-\u2212±]?[\d.,]+(?:e[+-]?\d+)?(?: ?%)?")
_QUOTES = ("'", '"', "\u201c", "\u201e", "\u00ab", "\u2018")


@dataclass(frozen=True)
class Message:
    """A message with places: the texts around them, which of them hold a number alone, and the translation."""

    around: tuple[str, ...]
    numbers: tuple[bool, ...]
    translation: str

    @property
    def weight(self) -> int:
        """How many letters of it are fixed: of two that fit, the one that says more is meant."""
        return sum(map(str.isalpha, "".join(self.around)))

    def is_quoted(self, place: int) -> bool:
        """Tell whether a place stands in quotation marks: what is quoted is said as it is."""
        return self.around[place].endswith(_QUOTES)

    def matches(self, text: str) -> Iterator[list[str]]:
        """Yield what may stand in the places of a text, each as short as can be; nothing where it does not fit.

        Of places that follow each other the first has all of it: where one ends is not to be seen. Of places with a
        blank or a comma between them each is tried.
        """
        first, *between, last = self.around
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return
        for found in _split(text[len(first) : len(text) - len(last)], between):
            if any(found) and all(
                not number or _IS_NUMBER.fullmatch(each) for each, number in zip(found, self.numbers, strict=True)
            ):
                yield found

    def filled(self, said: Sequence[str]) -> str:
        """Put what is said for its places into the translation."""
        return _PLACE.sub(lambda place: "" if place[2] else said[int(place[1])], self.translation)


def _split(text: str, between: Sequence[str]) -> Iterator[list[str]]:
    """Yield the pieces of a text that these texts stand between, in their order."""
    if not between:
        yield [text]
        return
    literal, *rest = between
    if not literal:
        for head, *tail in _split(text, rest):
            yield [head, "", *tail]
        return
    stop = text.find(literal)
    while stop >= 0:
        in_number = literal in ".," and text[stop - 1 : stop].isdigit() and text[stop + 1 : stop + 2].isdigit()
        if not in_number:
            for tail in _split(text[stop + len(literal) :], rest):
                yield [text[:stop], *tail]
        stop = text.find(literal, stop + 1) if in_number or literal in (" ", ", ") else -1


class Catalog:
    """The messages of one language. `marks` are its decimal mark and what parts thousands."""

    def __init__(self, messages: Mapping[str, str], marks: tuple[str, str] = (",", ".")) -> None:
        # A part of a sentence is looked up without the marks that join it to the rest.
        said = {**{search.around(each)[1]: search.around(messages[each])[1] for each in messages}, **messages}
        self._exact = {english: each for english, each in said.items() if not _PLACE.search(english)}
        self._with_places = {english: each for english, each in said.items() if _PLACE.search(english)}
        self._decimal, self._thousands = marks
        self.translate = lru_cache(_KEPT)(self._translated)

    def _translated(self, text: str) -> str:
        """Say a text in this language, as far as it is known."""
        return search.translated(self, text)

    def number(self, text: str) -> str:
        """Write the numbers of a text as the language does."""
        swap = {",": self._thousands, ".": self._decimal}
        return _NUMBER.sub(lambda found: found[1] + "".join(swap.get(each, each) for each in found[2]), text)

    def exact(self, text: str) -> str | None:
        """Return what is said for a text that is a message, whether it begins a sentence or not."""
        known = self._exact.get(text)
        if known is None and text[:1].isupper():
            known = self._exact.get(text[0].lower() + text[1:])
            return known and known[0].upper() + known[1:]
        if known is None and text[:1].islower():
            known = self._exact.get(text[0].upper() + text[1:])
        return known

    def fitting(self, text: str) -> Iterator[tuple[Message, list[str]]]:
        """Yield the messages with places that a text may be, those that say most first, with what stands in them."""
        candidates = (message for word in {*search.WORD.findall(text), ""} for message in self._index.get(word, ()))
        for message in sorted(candidates, key=lambda message: (-message.weight, len(message.numbers))):
            for places in islice(message.matches(text), _MOST_WAYS):
                yield message, places

    @cached_property
    def _index(self) -> Mapping[str, list[Message]]:
        """The messages with places by the rarest word of each; under nothing where a message has no whole word."""
        made = {english: message_of(english, said) for english, said in self._with_places.items()}
        words = {english: _whole_words(message) for english, message in made.items()}
        common = Counter(word for each in words.values() for word in each)
        index = defaultdict(list)
        for english, message in made.items():
            index[min(words[english], key=lambda word: (common[word], word), default="")].append(message)
        return index


def message_of(english: str, said: str) -> Message:
    """Take a message with places apart."""
    parts = _PLACE.split(english)
    return Message(tuple(parts[::3]), tuple(mark == "#" for mark in parts[2::3]), said)


def _whole_words(message: Message) -> set[str]:
    """Return the words that stand in every text of a message: none that goes over into a place."""
    last = len(message.around) - 1
    found = set()
    for place, text in enumerate(message.around):
        for word in search.WORD.finditer(text):
            if (place == 0 or word.start() > 0) and (place == last or word.end() < len(text)):
                found.add(word[0])
    return found


@cache
def catalog(language: str) -> Catalog | None:
    """Read the catalog of a language; there is none for English."""
    file = Path(__file__).with_name(f"{language}.json")
    return Catalog(json.loads(file.read_text(encoding="utf-8"))) if language != "en" else None
