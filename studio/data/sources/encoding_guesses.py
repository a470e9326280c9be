"""A guess at the encoding of text that is not UTF-8, from the letters that each encoding would make of it.

An encoding is sure where what it gives could be written by somebody, and what the others give could not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.data.alphabets import LANGUAGES, fits, likeness

_OLD = ("iso8859_15", "iso8859_2", "mac_roman", "cp850", "cp852")
LATIN = ("cp1252", "cp1250", "cp1257", "cp1254", *_OLD)
"""Encodings of Latin letters, the most frequent first."""
OTHERS: Mapping[str, str] = {
    "cp932": "Japanese",
    "euc_jp": "Japanese",
    "gb18030": "Chinese",
    "big5hkscs": "Chinese",
    "cp949": "Korean",
    "cp1251": "Cyrillic",
    "koi8_r": "Cyrillic",
    "cp866": "Cyrillic",
    "iso8859_5": "Cyrillic",
    "cp1253": "Greek",
    "cp1255": "Hebrew",
    "cp1256": "Arabic",
    "cp874": "Thai",
}
"""Encodings of other scripts, with what is mostly written in them."""

MOST_OFFERED = 5
_LIKELY = 0.5
_CLEARLY = 1.3
_NEARLY_ALL = 0.9
_RARELY = 0.5
_FEW_LETTERS = 0.02
_FEWEST_LETTERS = 20
_MOST_LINES = 500
_LOST = 500
_MOST_BYTES = 1 << 15


@dataclass(frozen=True)
class Guess:
    """The likeliest encoding, the others that are possible with the likelier first, and whether it is sure."""

    codec: str
    others: tuple[str, ...] = ()
    is_sure: bool = True


def guess(strange: bytes) -> Guess:
    """Guess from lines with bytes beyond ASCII; those that are UTF-8 are left aside where others are not."""
    if len(strange) > _MOST_BYTES:
        strange = strange[: strange.rfind(b"\n", 0, _MOST_BYTES)]
    strange = b"\n".join(line for line in strange.split(b"\n") if not _is_utf8(line)) or strange
    texts = {codec: text for codec in (*LATIN, *OTHERS) if (text := _decoded(strange, codec))}
    latin = _latin({codec: text for codec, text in texts.items() if codec in LATIN})
    scored = sorted(((likeness(texts[each], OTHERS[each]), each) for each in texts if each in OTHERS), reverse=True)
    ranked = [codec for score, codec in scored if score >= _LIKELY / 2]
    best, codec = scored[0] if scored else (0.0, "")
    if latin is None or (best >= _LIKELY and not latin.is_sure):
        second = scored[1][0] if len(scored) > 1 else 0.0
        enough = best >= _LIKELY and _letters(texts[codec]) >= _FEWEST_LETTERS
        is_sure = enough and best >= _CLEARLY * second and latin is None
        behind = (*ranked[1:], *([latin.codec, *latin.others] if latin else texts))
        return _of([codec, *behind] if best >= _LIKELY / 2 else ["cp1252", *behind, *ranked], texts, is_sure=is_sure)
    return _of([latin.codec, *latin.others, *ranked], texts, is_sure=latin.is_sure)


def _of(codecs: Sequence[str], texts: Mapping[str, str], *, is_sure: bool) -> Guess:
    """Return a guess without those that read the same as a likelier one."""
    different: dict[str, str] = {}
    for codec in codecs:
        if codec in texts:
            different.setdefault(texts[codec], codec)
    first, *others = different.values() if different else ["latin-1"]
    return Guess(first, tuple(others[: MOST_OFFERED - 1]), is_sure or not others)


def _latin(texts: Mapping[str, str]) -> Guess | None:
    """Find the encoding in which the lines could be of a language in Latin letters; None when there is none."""
    if _is_nearly_ascii(texts.get("cp1252", "")):
        return Guess("cp1252", tuple(texts), True)
    lines = {codec: text.split("\n")[:_MOST_LINES] for codec, text in texts.items()}
    found = {codec: [fits(line) for line in each] for codec, each in lines.items()}
    shares = {codec: sum(map(bool, each)) / max(len(each), 1) for codec, each in found.items()}
    ranked = sorted(texts, key=lambda codec: (-_of_one(found[codec]), -shares[codec]))
    if not ranked or shares[ranked[0]] < _LIKELY:
        return None
    best = ranked[0]
    # Hardly any program writes the old ones: they count where the others give no language.
    rivals = [codec for codec in ranked[1:] if texts[codec] != texts[best] and (best in _OLD or codec not in _OLD)]
    is_sure = all(_is_clearer(best, rival, lines, found) for rival in rivals)
    return Guess(best, tuple(codec for codec in ranked[1:] if shares[codec] >= _LIKELY / 2), is_sure)


def _of_one(found: Sequence[frozenset[int]]) -> float:
    """Return the share of lines that could all be in one language."""
    return max(sum(language in each for each in found) for language in LANGUAGES) / max(len(found), 1)


def _is_clearer(
    best: str, rival: str, lines: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[frozenset[int]]]
) -> bool:
    """Say whether the lines that two encodings read otherwise could be of a language in the one only."""
    places = [place for place, (one, other) in enumerate(zip(lines[best], lines[rival], strict=False)) if one != other]
    ours, theirs = ([found[codec][place] for place in places] for codec in (best, rival))
    language = max(LANGUAGES, key=lambda each: sum(each in line for line in found[rival]))
    one = sum(language in line for line in theirs) / max(len(places), 1)
    any_ours, any_theirs = (sum(map(bool, each)) / max(len(places), 1) for each in (ours, theirs))
    return any_ours >= _NEARLY_ALL and (any_theirs <= _RARELY or (_of_one(ours) >= _NEARLY_ALL and one <= _RARELY))


def _letters(text: str) -> int:
    return sum(letter > "\x7f" and letter.isalpha() for letter in text)


def _is_nearly_ascii(text: str) -> bool:
    """Say whether letters beyond ASCII are as rare as in English, where only words from the West have any."""
    letters = sum(letter.isalpha() for letter in text)
    return 0 < letters and _letters(text) <= _FEW_LETTERS * letters and bool(fits(text))


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
