"""Secrets and personal data in text, found and masked: keys, e-mail addresses, card numbers, telephone numbers.

Gives no guarantee: what has an unusual shape is not found. Rather misses one than calls an order number a telephone
number.
"""

from collections.abc import Callable, Collection, Iterator

from studio.data.card_numbers import card_spans
from studio.data.email_addresses import address_spans
from studio.data.phone_numbers import phone_spans
from studio.data.secret_keys import secret_spans

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
_NOT_DIGITS = bytes(value for value in range(256) if not 48 <= value <= 57)


def personal_kinds(text: str) -> frozenset[str]:
    """Name the kinds that occur in a text."""
    found = set()
    for kind in KINDS:
        masked = _mask(text, kind)
        if masked is not text:
            found.add(kind)
            text = masked
    return frozenset(found)


def mask(text: str, kinds: Collection[str]) -> str:
    """Put a mark such as "[email]" in the place of everything of these kinds. Doing it again changes nothing."""
    while True:
        masked = text
        for kind in KINDS:
            if kind in kinds:
                masked = _mask(masked, kind)
        if masked is text:
            return text
        text = masked


def _mask(text: str, kind: str) -> str:
    """Mask one kind; the same object when there is nothing to mask."""
    if kind in _FEWEST_DIGITS and _digits(text) < _FEWEST_DIGITS[kind]:
        return text
    spans = _merged(_FINDERS[kind](text))
    if not spans:
        return text
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        parts += (text[end:start], MASKS[kind])
        end = stop
    return "".join(parts) + text[end:]


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
