"""Text that a wrong encoding or a careless copy has damaged: found, and put right where that is certain.

Two kinds: letters read in the wrong encoding ("cafÃ©" for "café"), and characters that nobody sees but the model reads
(control characters, zero-width spaces, hidden tags). What carries meaning stays: the joiners of emoji, of Persian and
of Indian scripts, the break marks of Thai and Khmer, direction marks beside right-to-left text. ftfy does the fixing.
"""

import functools
import re
from collections.abc import Callable

from studio.data.alphabets import is_plausible

REPLACED = "\ufffd"
"""Stands where a character was lost. Nothing can bring it back."""

_MISREAD = re.compile(
    "[\u00c2-\u00f4\u0420\u0421](?:(?<=[\u00c2-\u00f4])[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192"
    "\u02c6\u02dc\u2013\u2014\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
    "|(?<=[\u0420\u0421])[\u0080-\u00bf\u0401-\u040f\u0451-\u045f\u0490\u0491\u2013-\u203a\u20ac\u2116\u2122][\u0420\u0421])"
)
"""UTF-8 read as Western European, or as Cyrillic: a first byte with a second one after it. ftfy decides."""

_SEEN = bytes([9, 10, 12, 13, *range(32, 127)])
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u206f\ufeff\ufff9-\ufffc"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ALWAYS_ODD = re.compile(
    "[\u00ad\u2060\u206a-\u206f\ufeff\ufff9-\ufffc]|(?<!\U0001f3f4)(?<![\U000e0000-\U000e007f])[\U000e0000-\U000e007f]+"
)
_JOINERS = re.compile("[\u200c\u200d]")
_BREAKS = "\u200b"
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_NEEDS_BREAKS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u1950-\u19df\u3040-\u30ff\u3400-\u9fff\ua9e0-\uaa7f]"
)
_PLAIN = re.compile("[\x00-\u024f\u1e00-\u1eff]")
_GONE = str.maketrans("", "", "\u200b")


def read_again(text: str) -> str:
    """Put letters right that were read in the wrong encoding, where what comes out could be of one language."""
    if text.isascii() or not _MISREAD.search(text):
        return text
    again = _decoder()(text)
    return again if is_plausible(again) else text


def repair_text(text: str) -> str:
    """Put text right in both ways. Doing it again changes nothing."""
    while True:
        repaired = without_odd_characters(read_again(text))
        if repaired == text:
            return text
        text = repaired


def without_odd_characters(text: str) -> str:
    """Leave out control characters and characters that nobody sees, where they carry no meaning."""
    if not _is_suspect(text):
        return text
    if _CONTROL.search(text):
        text = _control_remover()(text)
    if text.isascii():
        return text
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _ALWAYS_ODD.sub("", text)
    if _DIRECTIONS.search(text) and not _RIGHT_TO_LEFT.search(text):
        text = _DIRECTIONS.sub("", text)
    if _BREAKS in text and not _NEEDS_BREAKS.search(text):
        text = text.translate(_GONE)
    return _JOINERS.sub(_joiner, text)


def _is_suspect(text: str) -> bool:
    """Tell quickly whether there is a character that may have to go."""
    return bool(text.encode().translate(None, _SEEN)) if text.isascii() else _SUSPECT.search(text) is not None


def _joiner(match: re.Match[str]) -> str:
    """Keep a joiner beside a letter or a sign that it can shape; between Latin letters or spaces it does nothing."""
    text, place = match.string, match.start()
    before = text[place - 1 : place]
    after = text[place + 1 : place + 2]
    return "" if (not before or _PLAIN.match(before)) and (not after or _PLAIN.match(after)) else match.group()


@functools.cache
def _decoder() -> Callable[[str], str]:
    return _fixer(fix_encoding=True)


@functools.cache
def _control_remover() -> Callable[[str], str]:
    return _fixer(fix_encoding=False)


def _fixer(*, fix_encoding: bool) -> Callable[[str], str]:
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=not fix_encoding,
        fix_encoding=fix_encoding,
        restore_byte_a0=fix_encoding,
        replace_lossy_sequences=fix_encoding,
        decode_inconsistent_utf8=fix_encoding,
        fix_c1_controls=not fix_encoding,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=not fix_encoding,
        normalization=None,
        explain=False,
    )
    return lambda text: ftfy.fix_text(text, config)
