"""Card numbers in text: the length and first digits that card networks use, and a check digit that is right.

About one number in ten passes the check digit by accident, so numbers of orders, parcels, accounts and books are told
apart by their length, their grouping and the words before them.
"""

import re
from collections.abc import Iterator

_NUMBER = re.compile(
    # The signs before are looked at once the first digit has matched: searching is quick when a pattern starts plainly.
    r"[2-6](?<![A-Za-z0-9_.,/#=&?-].)(?<![0-9][ :].)"
    r"(?:[0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|[0-9]{3}([ -]?)[0-9]{6}\2[0-9]{4,5})"
    r"(?![A-Za-z0-9_/=&]|[ -][0-9]|[.,][0-9])"
)
_OTHER = re.compile(
    r"(?i)(?:order|invoice|tracking|parcel|shipment|reference|ref|ticket|case|serial|imei|isbn|ean|upc|gtin|sku|barcode|"
    r"transaction|id|uuid|timestamp|nonce|seed|hash)\W{0,3}(?:(?:number|no|nr|num|code|is|id)\W{0,3}){0,2}$"
)

Span = tuple[int, int]


def card_spans(text: str) -> Iterator[Span]:
    """Give the start and end of every card number, in order."""
    for match in _NUMBER.finditer(text):
        digits = [int(letter) for letter in match.group() if letter.isdigit()]
        before = text[max(0, match.start() - 40) : match.start()]
        if _of_a_network(digits) and _checks_out(digits) and not _OTHER.search(before):
            yield match.span()


def _of_a_network(digits: list[int]) -> bool:
    """Check length and first digits: Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay."""
    first = int("".join(map(str, digits[:4])))
    if len(digits) == 15:
        return first // 100 in (34, 37)
    if len(digits) == 14:
        return first // 100 in (36, 38, 39) or 3000 <= first <= 3059
    if len(digits) == 19:
        return first // 1000 == 4 or first // 100 == 62
    return (
        first // 1000 == 4
        or 5100 <= first <= 5599
        or 2221 <= first <= 2720
        or 3528 <= first <= 3589
        or first == 6011
        or first // 100 in (62, 65)
        or 6440 <= first <= 6499
    )


def _checks_out(digits: list[int]) -> bool:
    """Check the last digit by Luhn's rule (ISO/IEC 7812-1)."""
    if len(set(digits)) < 3:
        return len(set(digits)) == 2 and _luhn(digits)
    return _luhn(digits)


def _luhn(digits: list[int]) -> bool:
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
