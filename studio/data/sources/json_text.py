"""JSON as people's files hold it: one value of a text.

Values are parsed by Python's own parser. What is forgiven: control characters in text, NaN and Infinity (read as
nothing), commas too many or too few between values, a comma before a closing bracket, and comments.
"""

import json
import math
import re

from studio.data.python_values import python_value

_WORDS = (
    ("Expecting value", "a value is missing"),
    ("Expecting ',' delimiter", "a comma is missing"),
    ("Expecting ':' delimiter", "a colon is missing"),
    ("Expecting property name", "a name in double quotation marks is missing"),
    ("Unterminated string", "a quotation mark is never closed"),
    ("Invalid \\", "a backslash stands before a letter that it cannot go with"),
    ("Extra data", "something follows after the end"),
    ("Illegal trailing comma", "there is a comma too many"),
)
MARGIN = 16
"""Longer than any word or escape of JSON, which the end of a block may cut."""

DEEP = "it is nested too deeply"
LONG_NUMBER = "it holds a number that is too long; write it as text, in quotation marks"
_TEXT = r"""("[^"\\]*(?:\\.[^"\\]*)*"?)"""
_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*|/\*(?:.*?\*/|.*)", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])", re.DOTALL)
_FIRST_PIECE = 256


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _: None, parse_float=_finite)
"""Reads what is no number of JSON (NaN, Infinity, 1e999) as nothing."""


class BrokenJsonError(ValueError):
    """Why JSON cannot be read, as the part of a sentence, and where: the line and the column, from 1.

    `is_too_long` says that the value may be in order but is too long to read; `is_cut` that the file ends within it.
    """

    def __init__(self, text: str, *, line: int, column: int, is_too_long: bool = False, is_cut: bool = False) -> None:
        super().__init__(text)
        self.line = line
        self.column = column
        self.is_too_long = is_too_long
        self.is_cut = is_cut


def in_words(error: json.JSONDecodeError) -> str:
    """Say in plain words what the parser found."""
    return next((words for start, words in _WORDS if error.msg.startswith(start)), "something is wrong")


def parse(line: str) -> object:
    """Parse one line, which may end with a comma, or hold a list or object as Python prints it.

    Raises BrokenJsonError.
    """
    try:
        return DECODER.decode(line)
    except json.JSONDecodeError as error:
        found = _forgiven(line)
        if found is None:
            raise BrokenJsonError(in_words(error), line=error.lineno, column=error.colno) from error
        return found
    except RecursionError as error:
        raise BrokenJsonError(DEEP, line=1, column=1) from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits.
        raise BrokenJsonError(LONG_NUMBER, line=1, column=1) from error


def _forgiven(line: str) -> object:
    """Read a line that is not strict JSON; None when that cannot be done for certain."""
    start = len(line) - len(line.lstrip())
    try:
        value, end = decode_forgiving(line, start)
        if not _without(_COMMENT, line[end:]).strip(" \t\r,"):
            return value
    except (ValueError, RecursionError):
        pass
    found = python_value(line.strip(" \t\r,"))
    return None if isinstance(found, dict) and not all(isinstance(name, str) for name in found) else found


def decode_forgiving(text: str, start: int) -> tuple[object, int]:
    """Parse the value at a place, without comments and commas before a closing bracket; return also where it ends.

    Raises what the decoder does.
    """
    size = _FIRST_PIECE
    while True:
        piece = text[start : start + size]
        piece = _without(_LAST_COMMA, _without(_COMMENT, piece) if "/" in piece else piece)
        is_all = start + size >= len(text)
        try:
            value, end = DECODER.raw_decode(piece)
            if is_all or end < len(piece):
                return value, start + end
        except json.JSONDecodeError as error:
            is_cut = error.msg.startswith("Unterminated string") or error.pos >= len(piece.rstrip()) - MARGIN
            if is_all or not is_cut:
                raise json.JSONDecodeError(error.msg, text, start + error.pos) from error
        size *= 4


def _without(pattern: re.Pattern[str], text: str) -> str:
    """Put spaces in the place of what is found outside of texts, so that all else stays where it is."""
    return pattern.sub(lambda found: found.group(1) or " " * len(found.group()), text)


def may_hold_half_characters(text: str, start: int = 0, end: int | None = None) -> bool:
    r"""Say whether JSON may hold half of a character, as "\\ud83d" alone is; a quick look at the text it comes from."""
    # Python finds the first letter from the right much faster than the last from the left, and a backslash is rare.
    if text.find("\\", start, end) < 0 or text.rfind("\\u", start, end) < 0:
        return False
    return text.rfind("\\ud", start, end) >= 0 or text.rfind("\\uD", start, end) >= 0


def holds_half_characters(value: object) -> bool:
    """Say whether a parsed value holds half of a character, which is no text and cannot be written to a file."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
