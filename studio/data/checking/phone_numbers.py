"""Telephone numbers in text. Told from dates, versions, amounts, addresses on a network and numbers of orders.

A number counts when its shape is that of a telephone number only, or when a word such as "phone" stands before it.
"""

import re
from collections.abc import Iterator

_RUN = re.compile(r"[0-9][0-9 ().\-/]{5,}[0-9]")
"""Digits and what may stand between them; within such a run a number is looked for."""

_SHAPE = re.compile(
    r"(?<![A-Za-z0-9_.,/#=&%$€£+~\])-])(?:"
    # +44 20 7946 0958, +1 (415) 555-2671, +4930123456
    r"\+[1-9][0-9]{0,2}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?[0-9]{1,14}(?:[ .-][0-9]{1,8}){0,6}"
    # (415) 555-2671, (11) 91234-5678, 8 (912) 345-67-89, (020) 7946 0958
    r"|(?:1[ .-])?\([2-9][0-9]{2}\) ?[0-9]{3}[ .-][0-9]{4}|\([1-9][0-9]\) ?9?[0-9]{4}-[0-9]{4}"
    r"|8 ?\([0-9]{3}\) ?[0-9]{3}-[0-9]{2}-[0-9]{2}|\(0[0-9]{2,4}\) ?[0-9]{3,4}[ -]?[0-9]{3,4}"
    # (02) 9876 5432
    r"|\(0[1-9]\) ?[0-9]{4} ?[0-9]{4}"
    # 1-800-555-0199, 415.555.2671, 03-1234-5678, 0171-1234567, 138-1234-5678
    r"|(?:1[.-])?(?:[2-9][0-9]{2}|123)([.-])[0-9]{3}\1[0-9]{4}|0[0-9]{1,3}-[0-9]{3,4}-[0-9]{4}"
    r"|01[567][0-9][/-][0-9]{7,8}|1[3-9][0-9]-[0-9]{4}-[0-9]{4}"
    # 020 7946 0958, 0161 496 0000, 0412 345 678, 07700 900123, 0171 1234567, 06 12 34 56 78, 138 1234 5678
    r"|(?<![0-9][ :(])(?:0[0-9]{2} [0-9]{4} [0-9]{4}|0[0-9]{3} [0-9]{3} [0-9]{3,4}|0[0-9]{4} [0-9]{6}"
    r"|01[567][0-9] [0-9]{7,8}|0[1-9](?:[ .-][0-9]{2}){4}|1[3-9][0-9] [0-9]{4} [0-9]{4}"
    # 01225 555 143, 01225-555-143, 030 1234567, 020 123 4567, 044 668 18 00, 02 9876 5432, 06 12345678
    r"|0[1-9][0-9]{3}(?P<gap>[ .-])[0-9]{3}(?P=gap)[0-9]{3}|0[1-9][0-9]{1,2} [0-9]{6,8}|0[1-9][0-9] [0-9]{3} [0-9]{4}"
    r"|0[1-9][0-9] [0-9]{3} [0-9]{2} [0-9]{2}|0[1-9] [0-9]{4} [0-9]{4}|06 [0-9]{8})(?! [0-9])"
    r")(?![A-Za-z0-9_=&%/€]|[-.,:][0-9])"
)
_CALLING_CODE = re.compile(
    r"\+(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|21[12368]|2[2-6][0-9]|29[0179]|298|3[578][0-9]"
    r"|42[013]|5[09][0-9]|6[789][0-9]|80[08]|85[02356]|87[08]|88[0-368]|96[0-8]|97[0-79]|99[2-8])"
)
"""The codes of countries that are in use (ITU-T E.164)."""

_NAMED = re.compile(
    r"(?i)(?<![^\W\d_])(?:phone|telephone|tele?|tél|tlf|mobile|cell|cellphone|fax|whatsapp|hotline|sms|"
    r"reach (?:me|us) (?:at|on)|telefon|telefonnummer|handy|handynummer|téléphone|portable|"
    r"teléfono|telefono|celular|móvil|telefone|телефон|тел|.*电话|.*手机|.*電話|.*携帯|전화|هاتف|फ़ोन)"
    r"(?: ?(?:number|numbers|no|nr|num|nummer|号码|番号|번호))?[ \t]?"
    r"(?:is|was|ist|est|es|:|\uff1a|\.|#|=|は|是){0,2}[ \t]{0,2}\(?\+?$"
)
_CALLED = re.compile(
    r"(?i)(?<![^\W\d_])(?:(?:call|dial|ring|text|contact)(?: me| us| him| her| them)?(?: at| on)?"
    r"|(?:my|our|his|her|their) number(?: is|:)?) ?\(?$"
)
_AFTER_CALLED = re.compile(
    r"(?:[2-9][0-9]{2}[ .-][0-9]{4}|[2-9][0-9]{2}\)?[ .-][0-9]{3}[ .-][0-9]{4}|0[1-9][0-9]{8,9})(?![0-9-])"
)
"""555-0123, 415 555 2671, 01225555143: numbers of other things too, where nobody is to be called."""
_GROUPED = re.compile(r"[0-9]+(?:[ ./()-]{1,3}[0-9]+){0,8}(?![A-Za-z0-9_]|[.,:][0-9])")
_OTHER = re.compile(
    r"(?i)(?:order|invoice|tracking|parcel|ref|reference|ticket|case|serial|isbn|ean|upc|sku|part|model|account|policy|"
    r"booking|receipt|customer|batch|lot|item|delivery|shipment|reservation|member|membership|transaction|card|iban|"
    r"id|version|code|license|licence|vin|vat|tax|docket|patent|nr|no|#)\W{0,2}(?:(?:number|no|nr|num|code|is|id)\W{0,3}){0,2}$"
)
_DATE = re.compile(
    r"[0-9]{4}[./ -][0-9]{1,2}[./ -][0-9]{1,2}(?![0-9])|[0-9]{1,2}[./ -][0-9]{1,2}[./ -][0-9]{4}(?![0-9])"
)

Span = tuple[int, int]


def phone_spans(text: str) -> Iterator[Span]:
    """Give the start and end of every telephone number, in order."""
    for run in _RUN.finditer(text):
        end = 0
        for match in _SHAPE.finditer(text, max(0, run.start() - 2), run.end() + 2):
            if _plausible(match.group()) and not _OTHER.search(_before(text, match.start())):
                yield match.span()
                end = match.end()
        if not end:
            yield from _named(text, run.start())


def _named(text: str, start: int) -> Iterator[Span]:
    """Give the number that starts here when a word before it says that it is one."""
    before = _before(text, start)
    if _NAMED.search(before):
        number = _GROUPED.match(text, start)
        if number and 7 <= _digits(number.group()) <= 15 and not _DATE.match(text, start):
            yield number.span()
    elif _CALLED.search(before):
        number = _AFTER_CALLED.match(text, start)
        if number:
            yield number.span()


def _before(text: str, start: int) -> str:
    return text[max(0, start - 40) : start]


def _digits(number: str) -> int:
    return sum(letter.isdigit() for letter in number)


def _plausible(number: str) -> bool:
    """Check the count of digits, and that the number is no amount and no enumeration."""
    count = _digits(number)
    if not 8 <= count <= 15:
        return False
    if number.startswith("+"):
        if not _CALLING_CODE.match(number) or number.endswith("00000"):
            return False
        if number.startswith("+1"):
            return count == 11
        return not number[1:].isdigit() or 10 <= count <= 13
    # Five rising pairs are more often drawn or listed than dialled; this one the French write for an example.
    pairs = number.replace(".", " ").replace("-", " ").split(" ")
    return len(pairs) != 5 or sorted(pairs) != pairs or pairs[:3] in (["06", "12", "34"], ["07", "12", "34"])
