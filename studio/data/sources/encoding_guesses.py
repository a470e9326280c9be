"""A guess at the encoding of text that is not UTF-8, from the letters that each encoding would make of it.

An encoding is sure where what it gives could be written by somebody, and what the others give could not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from studio.data.alphabets import ALPHABETIC_SCRIPTS, LANGUAGES, fits, likeness, written_in

_OLD = (
    *("mac_roman", "mac_cyrillic", "mac_latin2", "mac_greek", "mac_turkish", "mac_iceland", "mac_romanian"),
    *("cp850", "cp866", "cp852", "cp437", "cp855", "cp857", "cp737", "cp862", "cp865", "cp775", "cp860", "cp861"),
    *("koi8_u", "cp1125", "cp720", "cp869"),
)
"""Those that hardly any program writes any more: a few letters are not enough to be sure of them."""
ALPHABETIC = (
    *("cp1252", "cp1251", "cp1250", "cp1253", "cp1255", "cp1256", "cp1254", "cp1257", "cp874", "koi8_r"),
    *("iso8859_2", "iso8859_15", "iso8859_5", "iso8859_7", "iso8859_6", "iso8859_13"),
    *_OLD,
)
"""Encodings whose letters belong to alphabets, the most frequent first."""
EAST_ASIAN: Mapping[str, str] = {
    "cp932": "Japanese",
    "euc_jp": "Japanese",
    "gb18030": "Chinese",
    "big5hkscs": "Chinese",
    "cp949": "Korean",
}
"""Encodings of scripts with thousands of signs, with what is mostly written in them."""

MOST_OFFERED = 5
_LIKELY = 0.5
_CLEARLY = 1.3
_NEARLY_ALL = 0.9
_RARELY, _OFTEN = 0.5, 0.75
"""What is wrong fits no more lines than this by luck: in little text, and in much."""
_FEW_LETTERS = 0.02
_FEWEST_LETTERS = 20
_SOME_LETTERS = 4
_MOST_LINES = 500
_LOST = 500
_MOST_BYTES = 1 << 15
_TELLS_NOTHING = re.compile(
    r"[\u00a0\u2018\u201a\u201e]|\w\u2014\s|\A[^\u2019\u201c\u201d\u2026]*[a-z]\u2014[a-z]", re.ASCII
)
"""Signs that stand in Windows-1252 where other encodings have letters, so that a few words do not tell it."""


@dataclass(frozen=True)
class Guess:
    """The likeliest encoding, the others that are possible with the likelier first, and whether it is sure."""

    codec: str
    others: tuple[str, ...] = ()
    is_sure: bool = True


@dataclass(frozen=True)
class _Reading:
    """What an encoding makes of the lines, which languages each could be in, and how usual the letters are.

    `usual` is 1 for Latin letters, of which each language has a few only.
    """

    codec: str
    lines: Sequence[str]
    found: Sequence[frozenset[int]]
    usual: float

    @cached_property
    def is_long(self) -> bool:
        return _letters("\n".join(self.lines)) >= _FEWEST_LETTERS

    @property
    def score(self) -> float:
        return self.usual if self.codec in EAST_ASIAN else self.usual * (_of_one(self.found) + _of_any(self.found)) / 2


def guess(strange: bytes) -> Guess:
    """Guess from lines with bytes beyond ASCII; those that are UTF-8 are left aside where others are not."""
    if len(strange) > _MOST_BYTES:
        strange = strange[: strange.rfind(b"\n", 0, _MOST_BYTES)]
    strange = b"\n".join(line for line in strange.split(b"\n") if line and not _is_utf8(line)) or strange
    texts: dict[str, str] = {}
    for codec in (*ALPHABETIC, *EAST_ASIAN):
        text = _decoded(strange, codec)
        if text and text not in texts:
            texts[text] = codec
    readings = [_reading(codec, text) for text, codec in texts.items()]
    ranked = sorted(readings, key=lambda each: -each.score)
    if not ranked:
        return Guess("latin-1")
    western = next((each for each in readings if each.codec == "cp1252"), None)
    if western and _is_nearly_ascii("\n".join(western.lines)):
        return Guess("cp1252", _offered([each for each in ranked if each is not western]), True)
    if ranked[0].score < _LIKELY / 2:
        return Guess("cp1252" if "cp1252" in texts.values() else ranked[0].codec, _offered(ranked), not ranked[1:])
    best, *rivals = ranked
    if best.codec == "cp1252" and _is_western(best):
        rivals = [each for each in rivals if each.codec not in _OLD]
    is_sure = _is_likely(best) and all(_is_clearer(best, rival) for rival in rivals)
    if not is_sure:  # what today's programs write is asked about first
        best = next((each for each in ranked if each.codec not in _OLD), best)
        rivals = [each for each in ranked if each is not best]
    return Guess(best.codec, _offered(rivals), is_sure)


def _offered(readings: Sequence[_Reading]) -> tuple[str, ...]:
    return tuple(each.codec for each in readings)[: MOST_OFFERED - 1]


def _reading(codec: str, text: str) -> _Reading:
    lines = [line for line in text.split("\n") if line][:_MOST_LINES]
    if codec in EAST_ASIAN:
        return _Reading(codec, lines, [frozenset()] * len(lines), likeness(text, EAST_ASIAN[codec]))
    found = [fits(line) & written_in(codec) for line in lines]
    usual = 1.0 if _is_latin(text) else max(likeness(text, script) for script in ALPHABETIC_SCRIPTS)
    return _Reading(codec, lines, found, min(usual, 1.0))


def _is_likely(best: _Reading) -> bool:
    """Say whether a reading could be right, seen by itself."""
    if best.codec in EAST_ASIAN:
        return best.score >= _LIKELY and best.is_long
    if best.codec in _OLD and not best.is_long:
        return False
    return _of_any(best.found) >= _NEARLY_ALL


def _is_western(reading: _Reading) -> bool:
    """Say whether a reading has some letters, all of languages that Windows-1252 is mostly used for."""
    some = _letters("".join(reading.lines)) >= _SOME_LETTERS
    return some and all(each & written_in("latin-1") for each in reading.found)


def _of_one(found: Sequence[frozenset[int]]) -> float:
    """Return the share of lines that could all be in one language."""
    return max(sum(language in each for each in found) for language in LANGUAGES) / max(len(found), 1)


def _of_any(found: Sequence[frozenset[int]]) -> float:
    return sum(map(bool, found)) / max(len(found), 1)


def _is_clearer(best: _Reading, rival: _Reading) -> bool:
    """Say whether the lines that two encodings read otherwise could be of a language in the one only."""
    if best.codec in EAST_ASIAN or rival.codec in EAST_ASIAN:
        return best.score >= _CLEARLY * rival.score
    if best.usual >= _CLEARLY * rival.usual and best.is_long:
        return True
    pairs = zip(best.lines, rival.lines, best.found, rival.found, strict=False)
    apart = [(ours, theirs) for one, other, ours, theirs in pairs if one != other]
    ours, theirs = [each for each, _ in apart], [each for _, each in apart]
    few = _OFTEN if best.is_long else _RARELY
    return any(share(ours) >= _NEARLY_ALL and share(theirs) <= few for share in (_of_one, _of_any))


def _letters(text: str) -> int:
    return sum(letter > "\x7f" and letter.isalpha() for letter in text)


def _is_latin(text: str) -> bool:
    return 2 * sum("\x7f" < letter < "\u0250" and letter.isalpha() for letter in text) >= _letters(text)


def _is_nearly_ascii(text: str) -> bool:
    """Say whether letters beyond ASCII are as rare as in English, where only words from the West have any."""
    if _TELLS_NOTHING.search(text):
        return False
    letters = sum(letter.isalpha() for letter in text)
    return 0 < letters and _letters(text) <= _FEW_LETTERS * letters and bool(fits(text) & written_in("latin-1"))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, codec: str) -> str:
    """Decode bytes; nothing when more than very few do not fit."""
    text = data.decode(codec, errors="replace")
    return text if text.count("\ufffd") * _LOST <= len(text) else ""
