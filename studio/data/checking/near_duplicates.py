"""Examples that say nearly the same as an earlier one, found by MinHash signatures without comparing every pair.

Two examples are near duplicates when their whole texts share most of their pairs of words, and the ends of question
and answer do so too, and all numbers, short answers, system messages and tools are equal. So data made from a template,
or many questions on one long text, are no duplicates. Case, punctuation and spacing do not count. What very many
examples share, such as a long instruction, is left out of the comparison.

The signatures are those of the rensa library. They are estimates: a pair close to the limit may fall on either side,
always on the same one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import filterfalse, islice
from operator import add
from typing import TYPE_CHECKING

from studio.data.examples import Example

if TYPE_CHECKING:
    import numpy as np
    import rensa

MOST_COMPARED = 100_000
"""So many examples are compared; those after them are not."""

SAMPLE = 200
"""So many examples are enough to see what all have in common."""

ALIKE = 0.85
"""The share of pieces that the texts of two near duplicates have in common, at least."""

_ALL_ALIKE = 0.97
"""The same where it is not known what all have in common: then little more than case and punctuation may differ."""

_ENDS_ALIKE = 0.7
_END = 12
_SLOTS = 128
_END_SLOTS = 48
_BANDS = 16
_CROWD = 64
"""Where so many examples are candidates, they follow a pattern: no further one is put into the index."""

_SHORT_ANSWER = 60
_MANY_LETTERS = 150
_SEED = 1

_MARKS = (
    "\u00a1\u00ab\u00b7\u00bb\u00bf\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2026"
    "\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f\u060c\u061f\u0964"
)
"""Punctuation beyond ASCII that writers and their word processors put in place of one another."""

_SPACED = bytes(value if value > 127 or chr(value).isalnum() else 32 for value in range(256))
_DIGITS = bytes(value if 48 <= value <= 57 else 32 for value in range(256))


class NearDuplicates:
    """Tells of each example, in order, whether it is nearly the same as one before that was none.

    `sample` are some of the examples to come, from which is learned what all have in common. Without it only what is
    alike but for a word or for punctuation counts. After `most` examples no more are compared.
    """

    def __init__(self, sample: Iterable[Example] = (), *, most: int = MOST_COMPARED) -> None:
        import numpy as np
        import rensa

        self._left = most
        self._numpy = np
        self._rensa = rensa
        self._index = rensa.RMinHashLSH(ALIKE, _SLOTS, _BANDS)
        self._signatures = np.empty((256, _SLOTS + 2 * _END_SLOTS), np.uint8)
        self._kept = 0
        known = tuple(islice(sample, SAMPLE))
        self._alike = ALIKE if known else _ALL_ALIKE
        self._common = _common_pieces(known)

    def add(self, example: Example) -> bool:
        """Take the next example; tell whether it is a near duplicate."""
        if not self._left:
            return False
        self._left -= 1
        found = self._is_near(example)
        if not self._left:  # a hundred megabytes that are not asked any more
            self._index = self._rensa.RMinHashLSH(ALIKE, _SLOTS, _BANDS)
            self._signatures = self._numpy.empty((0, 0), self._numpy.uint8)
        return found

    def _is_near(self, example: Example) -> bool:
        question, answer = _parts(example)
        key = _key(example, question, answer)
        asked, answered = list(_pieces(question)), list(_pieces(answer))
        own_asked, own_answered = self._own(asked), self._own(answered)
        pieces = [*map(key.__add__, own_asked), *map(key.__add__, own_answered)]
        if not pieces:
            return False
        whole = self._rensa.RMinHash(_SLOTS, _SEED)
        whole.update(pieces)
        signature = self._signature(whole, _ends(asked, own_asked), _ends(answered, own_answered))
        candidates = self._index.query(whole)
        if self._find(signature, candidates):
            return True
        if len(candidates) < _CROWD:
            self._index.insert(self._kept, whole)
            self._store(signature)
        return False

    def _own(self, pieces: list[str]) -> list[str]:
        """Return the pieces that not all have in common."""
        return [*filterfalse(self._common.__contains__, pieces)] if self._common else pieces

    def _signature(self, whole: "rensa.RMinHash", asked: list[str], answered: list[str]) -> "np.ndarray":
        """Return the last 8 bits of every slot, of the whole text and of both ends: enough to compare them."""
        slots = whole.digest()
        for pieces in (asked, answered):
            part = self._rensa.RMinHash(_END_SLOTS, _SEED)
            part.update(pieces)
            slots += part.digest()
        return self._numpy.array(slots, self._numpy.uint32).astype(self._numpy.uint8)

    def _find(self, signature: "np.ndarray", candidates: Sequence[int]) -> bool:
        if not candidates:
            return False
        equal = self._signatures[candidates] == signature
        alike = equal[:, :_SLOTS].mean(axis=1) >= self._alike
        for start in (_SLOTS, _SLOTS + _END_SLOTS):
            alike &= equal[:, start : start + _END_SLOTS].mean(axis=1) >= _ENDS_ALIKE
        return bool(alike.any())

    def _store(self, signature: "np.ndarray") -> None:
        if self._kept == len(self._signatures):
            self._signatures = self._numpy.concatenate([self._signatures, self._numpy.empty_like(self._signatures)])
        self._signatures[self._kept] = signature
        self._kept += 1


def _parts(example: Example) -> tuple[str, str]:
    """Return what is asked and what is answered; plain text counts as an answer."""
    asked: list[str] = []
    answered: list[str] = []
    for message in example.messages:
        if message.role != "system":
            (asked if message.role in ("user", "tool") else answered).append(message.content)
            answered += [part for call in message.tool_calls for part in (call.name, call.arguments)]
    return "\n".join(asked), "\n".join(answered)


def _key(example: Example, question: str, answer: str) -> str:
    """Return a short text that near duplicates have in common: numbers, a short answer, system message, tools."""
    digest = blake2b(example.tools.encode("utf-8", "surrogatepass"), digest_size=6)
    for message in example.messages:
        if message.role == "system":
            digest.update(message.content.encode("utf-8", "surrogatepass"))
    for text in (question, answer):
        digest.update(b" ".join(text.encode("ascii", "replace").translate(_DIGITS).split()))
    if len(answer) <= _SHORT_ANSWER:
        digest.update(" ".join(_words(answer)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _pieces(text: str) -> Iterable[str]:
    """Return a text as pieces of two words, each piece one word on; of four letters where words are not spaced.

    Of many letters, only the pieces that begin with one letter in four are taken.
    """
    words = _words(text)
    if len(words) * 14 < len(text):
        letters = "".join(words)
        return [letters[at : at + 4] for at in _beginnings(letters)]
    return map(add, words, islice(words, 1, None)) if len(words) > 1 else words


def _beginnings(letters: str) -> Iterable[int]:
    if len(letters) < _MANY_LETTERS:
        return range(len(letters))
    import numpy as np

    numbers = np.frombuffer(letters.encode("utf-32-le"), np.uint32)
    places: list[int] = np.flatnonzero(numbers & 3 == 0).tolist()
    return places


def _words(text: str) -> list[str]:
    if not text.isascii():
        for mark in _MARKS:
            text = text.replace(mark, " ")
    return text.casefold().encode("utf-8", "surrogatepass").translate(_SPACED).decode("utf-8", "replace").split()


def _ends(pieces: list[str], own: list[str]) -> list[str]:
    """Return the first and last pieces, of the whole text and of what not all have in common; never nothing."""
    return [*pieces[:_END], *pieces[-_END:], *own[:_END], *own[-_END:], ""]


def _common_pieces(sample: Sequence[Example]) -> frozenset[str]:
    """Find the pieces that more than a tenth of the sample has, and more than five of it."""
    counts: Counter[str] = Counter()
    for example in sample:
        counts.update({piece for text in _parts(example) for piece in _pieces(text)})
    most = max(5, len(sample) // 10)
    return frozenset(piece for piece, count in counts.items() if count > most)
