"""How texts are brought to one spelling before they are compared, and what their words are, in any script."""

import re
import string
import unicodedata
from functools import lru_cache

_FULL_STOPS = (".", "\u3002", "\uff61", "\u0964", "\u06d4")
"""Full stops: of Europe, of China and Japan (whole and half width), of India and of Urdu."""

_SPACELESS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005\u3040-\u312f\uff66-\uff9f"  # kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Chinese characters
    "]"
)
"""Letters of scripts that put no space between words."""

_ASCII_WORD = re.compile("[a-z0-9]+")


def collapsed(text: str) -> str:
    """Return a text without the white space around it, and with one space for any within."""
    return " ".join(text.split())


def as_label(text: str) -> str:
    """Return the spelling by which labels are told apart: white space collapsed, no case, no full stop at the end."""
    spelt = collapsed(text).casefold()
    return spelt[:-1].rstrip() or spelt if spelt.endswith(_FULL_STOPS) else spelt


def without_punctuation(text: str) -> str:
    """Return a text without case and punctuation, white space collapsed.

    Punctuation is deleted, not replaced: what Unicode calls so, and the symbols of `string.punctuation`. That is how
    SQuAD (Rajpurkar et al. 2016) compares answers, and for other languages MLQA (Lewis et al. 2020). They also drop
    articles, which is left out here: a list of them holds for one language, and "a", "the" or "la" may be the answer.
    Where nothing is left ("+", "?"), the punctuation is the answer and stays.
    """
    spelt = _without_case(text)
    left = "".join(letter for letter in spelt if not _is_punctuation(letter))
    return collapsed(unicodedata.normalize("NFC", left)) or collapsed(spelt)


def short_words(text: str) -> list[str]:
    """Return the words of `without_punctuation`; a letter of a script without spaces is a word of its own.

    So does MLQA for Chinese.
    """
    return _words(without_punctuation(text))


def words(text: str) -> list[str]:
    """Return the runs of letters, digits and the marks on them, without case; all else parts words.

    On plain English these are the words of Google's rouge-score, which knows only a to z and 0 to 9 and so finds none
    in most of the world's languages. A letter of a script without spaces is a word of its own.
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    letters = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in _without_case(text))
    return _words("".join(letters))


def word_count(text: str) -> int:
    """Return how many words a text has, by its white space; two letters of a script without spaces count as one."""
    if text.isascii():
        return len(text.split())
    spaced, letters = _SPACELESS.subn(" ", text)
    return len(spaced.split()) + (letters + 1) // 2


def _without_case(text: str) -> str:
    """Return a text without case, each letter and the marks on it in one way (Unicode 3.13, canonical caseless)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _words(spelt: str) -> list[str]:
    return _SPACELESS.sub(r" \g<0> ", spelt).split()


@lru_cache(maxsize=4096)
def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter).startswith("P")
