"""How a text of the page is found in a catalog: as it is, as a message with places, by its sentences or by their parts.

Of several ways the one that leaves least unknown is taken. What is unknown, as a person's own words, stays as it is.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.ui.language.catalog import Catalog

LONGEST = 1200
"""Longer texts are no messages."""

MOST_STEPS = 600
"""So many pieces of a text are looked up at most: what is no message of ours must not take long."""

_MOST_TRIED = 16
_DEEPEST = 7
_SAYS_LITTLE = 12
_DOUBT = 8
_JOINED = re.compile(r"[,;:·] ")

WORD = re.compile(r"[^\W\d_]+")
_BLANK = re.compile(r"\s+")
_MEASURE = re.compile(
    r"[+\-\u2212±]?\d[\d.,]*(?:e[+-]?\d+)?(?: ?(?:s|min|h|GB|MB|kB|M|%)(?!\w))?|(?<!\w)(?:s|min|h|GB|MB|kB)(?!\w)"
)
"""A number with its unit, or a unit: written alike in all languages but for the marks in the number."""

_MARKS = re.compile(r"^([\s·,;:.…(\[→+*\-\u2013]*)(.*?)([\s·,;:.…)\]*]*)$", re.DOTALL)
_COLUMNS = re.compile(r"[^:;,.·]+ → [^:;,.·]+")
"""From which columns to which: names that a person gave."""

_SENTENCES = re.compile(r"(?<=[.!?…])\s+")
_PARTS = tuple(
    re.compile(mark) for mark in (r" · ", r"; ", r": ", r", ", r" \(|\)", r"(?<=\w) (?=\d)|(?<=[\d%]) (?=[a-zA-Z])")
)


def translated(known: "Catalog", text: str) -> str:
    """Say a text in the language of a catalog; the blanks around it stay."""
    if len(text) > LONGEST:
        return text
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return text[:start] + _Search(known).say(_BLANK.sub(" ", text[start:end])).text + text[end:]


def unknown(known: "Catalog", text: str) -> tuple[str, ...]:
    """Return the parts of a text that are not known, for tests."""
    return _Search(known).say(_BLANK.sub(" ", text).strip()).unknown


def around(text: str) -> tuple[str, str, str]:
    """Take the blanks and marks around a text off."""
    found = _MARKS.match(text)
    return (found[1], found[2], found[3]) if found else ("", text, "")


@dataclass(frozen=True)
class _Said:
    """What is said for a text, and the parts of it that are not known.

    `doubt` is for a message that says little itself, and may have been meant or not.
    """

    text: str
    unknown: tuple[str, ...] = ()
    doubt: int = 0

    @property
    def cost(self) -> int:
        return sum(len(each) for each in self.unknown) + self.doubt


class _Search:
    """Looks one text up."""

    def __init__(self, known: "Catalog") -> None:
        self._known = known
        self._found: dict[str, _Said] = {}
        self._steps = MOST_STEPS
        self._deep = 0

    def say(self, text: str) -> _Said:
        """Say a text in the way that leaves least of it unknown."""
        if text in self._found:
            return self._found[text]
        if self._deep >= _DEEPEST or self._steps <= 0:
            return _Said(self._known.number(text), (text,))
        self._deep += 1
        said = self._found[text] = self._say(text)
        self._deep -= 1
        return said

    def _say(self, text: str) -> _Said:
        is_said = bool(WORD.search(_MEASURE.sub("", text))) and not _COLUMNS.fullmatch(text)
        whole = self._known.exact(text) if is_said else self._known.number(text)
        if whole is not None:
            return _Said(whole)
        best = _Said(self._known.number(text), (text,))
        for way in (self._by_sentences, self._by_places, self._by_parts):
            for found in way(text):
                if found.cost < best.cost:
                    best = found
                if not best.cost or self._steps <= 0:
                    return best
        return best

    def _by_places(self, text: str) -> Iterator[_Said]:
        least = _SAYS_LITTLE if _SENTENCES.search(text) else 0  # several sentences are no place of a few words
        fitting = ((message, places) for message, places in self._known.fitting(text) if message.weight >= least)
        for message, places in islice(fitting, _MOST_TRIED):
            self._steps -= 1
            said = [
                _Said(each) if not each or message.is_quoted(place) else self.say(each)
                for place, each in enumerate(places)
            ]
            unknown = tuple(each for part in said for each in part.unknown)
            doubt = 0
            if message.weight < _SAYS_LITTLE:
                doubt = _DOUBT * bool(unknown) + sum(bool(_JOINED.search(each)) for each in places)
            yield _Said(message.filled([each.text for each in said]), unknown, doubt + sum(each.doubt for each in said))

    def _by_sentences(self, text: str) -> Iterator[_Said]:
        sentences = _SENTENCES.split(text)
        if len(sentences) > 1:
            yield self._joined(" ".join, sentences)

    def _by_parts(self, text: str) -> Iterator[_Said]:
        """Say a text by what stands between its marks: all of them of one kind, or the first or the last alone."""
        start, middle, end = around(text)
        if (start or end) and middle:
            said = self.say(middle)
            yield _Said(start + said.text + end, said.unknown, said.doubt)
            return
        for mark in _PARTS:
            cuts = list(mark.finditer(text))
            for some in (cuts, cuts[:1], cuts[-1:]) if len(cuts) > 1 else (cuts,) if cuts else ():
                ends = [0, *(end for cut in some for end in cut.span()), len(text)]
                pieces = [text[start:end] for start, end in pairwise(ends)]
                yield self._joined("".join, pieces, marks=pieces[1::2])

    def _joined(self, join: Callable[[list[str]], str], pieces: list[str], *, marks: list[str] | None = None) -> _Said:
        """Say each of some pieces; in a list with `marks` every other one is a mark."""
        self._steps -= len(pieces)
        said = [_Said(each) if marks is not None and place % 2 else self.say(each) for place, each in enumerate(pieces)]
        unknown = tuple(each for part in said for each in part.unknown)
        return _Said(join([each.text for each in said]), unknown, sum(each.doubt for each in said))
