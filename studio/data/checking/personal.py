"""Secrets and personal data in text, found and masked: keys, e-mail addresses, card numbers, telephone numbers.

Gives no guarantee: what has an unusual shape is not found. Rather misses one than calls an order number a telephone
number.
"""

from collections.abc import Callable, Collection, Iterator

from studio.data.checking.card_numbers import card_spans
from studio.data.checking.email_addresses import address_spans
from studio.data.checking.phone_numbers import phone_spans
from studio.data.checking.secret_keys import secret_spans

KEYS = "keys"
EMAILS = "emails"
CARDS = "cards"
PHONES = "phones"
KINDS = (KEYS, EMAILS, CARDS, PHONES)
"""In the order in which they are looked for; what one kind claims, the kinds after it do not see."""

MASKS = {KEYS: "[key]", EMAILS: "[email]", CARDS: "[card]", PHONES: "[phone]"}

Span = tuple[int, int]

_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    KEYS: secret_spans,
    EMAILS: address_spans,
    CARDS: card_spans,
    PHONES: phone_spans,
}
_FEWEST_DIGITS = {CARDS: 14, PHONES: 7}
_UNUSUAL_SIGNS = (
    *((sign, " ") for sign in "\u00a0\u2002\u2007\u2009\u202f\u3000"),
    *((sign, "-") for sign in "\u2011\uff0d"),
    *((chr(0xFF10 + digit), str(digit)) for digit in range(10)),
    ("\uff0b", "+"),
    ("\uff08", "("),
    ("\uff09", ")"),
)
"""Each a single sign and the usual one for it, so that a place in one text is the same place in the other."""
_NOT_DIGITS = bytes(value for value in range(256) if not 48 <= value <= 57)


def personal_kinds(text: str) -> frozenset[str]:
    """Name the kinds that occur in a text."""
    return frozenset(kind for kind, _ in _masked(text, KINDS))


def mask(text: str, kinds: Collection[str]) -> str:
    """Put a mark such as "[email]" in the place of everything of these kinds. Doing it again changes nothing."""
    while True:
        before = text
        for _, masked in _masked(before, kinds):
            text = masked
        if text is before:
            return text


def personal_spans(text: str) -> list[tuple[int, int, str]]:
    """Return where something personal begins and ends in a text, and its kind, in order."""
    found: list[tuple[int, int, str]] = []
    for kind in KINDS:
        searched = _with_plain_figures(text) if kind in _FEWEST_DIGITS else text
        spans = _merged(_FINDERS[kind](searched))
        found += [(start, stop, kind) for start, stop in spans]
        for start, stop in spans:  # what one kind claims, the kinds after it do not see
            text = f"{text[:start]}[{'x' * (stop - start - 2)}]{text[stop:]}"
    return sorted(found)


def _masked(text: str, kinds: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each of these kinds that occurs, with the text after it and the kinds before it are masked."""
    figures, digits = None, 0
    for kind in KINDS:
        if kind not in kinds:
            continue
        searched = text
        if kind in _FEWEST_DIGITS:
            if figures is None:
                figures = _with_plain_figures(text)
                digits = _digits(figures)
            if digits < _FEWEST_DIGITS[kind]:
                continue
            searched = figures
        spans = _merged(_FINDERS[kind](searched))
        if spans:
            text, figures = _replaced(text, spans, MASKS[kind]), None
            yield kind, text


def _replaced(text: str, spans: list[Span], mark: str) -> str:
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        parts += (text[end:start], mark)
        end = stop
    return "".join(parts) + text[end:]


def _with_plain_figures(text: str) -> str:
    """Put the usual sign for every digit, space and hyphen of another width; all others keep their places."""
    if not text.isascii():
        for sign, usual in _UNUSUAL_SIGNS:
            text = text.replace(sign, usual)
    return text


def _digits(text: str) -> int:
    """Count the digits, quickly."""
    return len(text.encode("ascii", "replace").translate(None, _NOT_DIGITS))


def _merged(spans: Iterator[Span]) -> list[Span]:
    """Sort spans, and make one of those that overlap."""
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
