"""JSON as people's files hold it, read piece by piece from a stream. Knows nothing of rows.

Values are parsed by Python's own parser. What is forgiven: control characters in text, NaN and Infinity (read as
nothing), and commas too many or too few between values.
"""

import json
import math
import re
from collections.abc import Iterator

from studio.data.sources.text_files import LONGEST_LINE

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
_MARGIN = 16
"""Longer than any word or escape of JSON, which the end of a block may cut."""

_DEEPEST_INDENT = 64

_DEEP = "it is nested too deeply"
_LONG_NUMBER = "it holds a number that is too long; write it as text, in quotation marks"
_BLANKS = re.compile(r"[ \t\n\r]+")


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
    """Parse one line, which may end with a comma. Raises BrokenJsonError."""
    try:
        return DECODER.decode(line)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and not line[error.pos :].strip(" \t\r,"):
            return DECODER.decode(line[: error.pos])
        raise BrokenJsonError(in_words(error), line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise BrokenJsonError(_DEEP, line=1, column=1) from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits.
        raise BrokenJsonError(_LONG_NUMBER, line=1, column=1) from error


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


class JsonStream:
    """A window on a long JSON text, which grows as far as the value at hand needs it and no further.

    `is_doubtful` says whether the last value may hold half of a character, `is_cut` whether the text ends within one.
    """

    def __init__(self, blocks: Iterator[str]) -> None:
        self._blocks = blocks
        self._text = ""
        self._at = 0
        self._line = 1
        self._before = 0
        self._ended = False
        self.is_doubtful = False
        self.is_cut = False

    @property
    def line(self) -> int:
        """The line of the file at which the stream stands, from 1."""
        return self._line + self._text.count("\n", 0, self._at)

    def peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            found = _BLANKS.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def skip(self) -> None:
        """Go past the character at hand."""
        self._at += 1

    def value(self, longest: int = LONGEST_LINE) -> object:
        """Parse the next value of at most about `longest` characters and go past it.

        Raises BrokenJsonError, and then stays where it is.
        """
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._may_go_on(error, longest) and self._grow(double=True):
                    continue
                raise self._broken(error, longest) from error
            except RecursionError as error:
                raise self._broken_here(_DEEP) from error
            except ValueError as error:
                raise self._broken_here(_LONG_NUMBER) from error
            # A number at the end of the window may have more digits.
            if end == len(self._text) and not isinstance(value, (str, list, dict)) and self._grow():
                continue
            self.is_doubtful = may_hold_half_characters(self._text, self._at, end)
            self._at = end
            return value

    def skip_to_line(self, start: str) -> bool:
        """Go to the next line that begins with `start`, and past its spaces; say whether there is one."""
        sought = "\n" + start
        self._at += 1
        while True:
            place = self._text.find(sought, self._at)
            if place >= 0:
                self._at = place + len(sought.rstrip("{"))
                return True
            self._at = max(self._at, len(self._text) - len(sought))
            if not self._grow():
                return False

    def skip_cut(self, error: BrokenJsonError) -> bool:
        """Go to the end when the file is cut off within a value, and say so."""
        if error.is_cut:
            self.is_cut = True
            self._at = len(self._text)
        return error.is_cut

    def indent(self) -> str | None:
        """Return the spaces before the place at hand when nothing else stands before it on its line."""
        # Not further back than indents go: the line may be as long as the file.
        before = self._text[max(self._at - _DEEPEST_INDENT, 0) : self._at]
        spaces = before[len(before.rstrip(" \t")) :]
        is_start = before.endswith("\n" + spaces) or (before == spaces and self._line == 1 and not self._before)
        return spaces if is_start else None

    def _may_go_on(self, error: json.JSONDecodeError, longest: int) -> bool:
        if len(self._text) - self._at > longest:
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _MARGIN

    def _grow(self, *, double: bool = False) -> bool:
        """Drop what is done and read at least one block more; say whether there was one."""
        if self._ended:
            return False
        # The start of the line stays, so that its indent can be told; but not that of a line without end.
        done = max(self._text.rfind("\n", 0, self._at), 0)
        done = self._at if self._at - done > 1 << 16 else done
        self._line += self._text.count("\n", 0, done)
        self._before = self._column(done) - 1
        parts = [self._text[done:]]
        self._at -= done
        wanted = len(parts[0]) if double else 1
        while wanted > 0:
            block = next(self._blocks, "")
            if not block:
                self._ended = True
                break
            parts.append(block)
            wanted -= len(block)
        self._text = "".join(parts)
        return len(parts) > 1

    def _column(self, place: int) -> int:
        start = self._text.rfind("\n", 0, place) + 1
        return place - start + 1 + (0 if start else self._before)

    def _broken(self, error: json.JSONDecodeError, longest: int) -> BrokenJsonError:
        text = in_words(error)
        is_too_long = len(self._text) - self._at > longest
        is_cut = not is_too_long and error.pos >= len(self._text.rstrip())
        is_cut |= not is_too_long and error.msg.startswith("Unterminated string")
        if is_too_long:
            text = f"it is longer than {longest // 1_000_000} million characters"
        elif is_cut:
            text = "the file ends in the middle of it"
        place = self._at if is_too_long else error.pos
        line = self._line + self._text.count("\n", 0, place)
        return BrokenJsonError(text, line=line, column=self._column(place), is_too_long=is_too_long, is_cut=is_cut)

    def _broken_here(self, text: str) -> BrokenJsonError:
        return BrokenJsonError(text, line=self.line, column=self._column(self._at))
