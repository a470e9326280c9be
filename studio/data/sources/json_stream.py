"""A long JSON text, read value by value from blocks of a file."""

import json
import re
from collections.abc import Iterator

from studio.data.sources.json_text import (
    DECODER,
    DEEP,
    LONG_NUMBER,
    MARGIN,
    BrokenJsonError,
    decode_forgiving,
    in_words,
    may_hold_half_characters,
)
from studio.data.sources.text_files import LONGEST_LINE

_BLANKS = re.compile(r"[ \t\n\r]+")
_COMMENT_ENDS = {"//": "\n", "/*": "*/"}
_DEEPEST_INDENT = 64


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
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at + 1 < len(self._text) or not self._grow():
                found = self._text[self._at : self._at + 1]
                if found != "/" or not self._skip_comment():
                    return found

    def _skip_comment(self) -> bool:
        """Go past the comment that begins here; say whether there is one."""
        ending = _COMMENT_ENDS.get(self._text[self._at : self._at + 2])
        if ending is None:
            return False
        self._at += 2
        while (place := self._text.find(ending, self._at)) < 0:
            self._at = max(self._at, len(self._text) - 1)
            if not self._grow():
                self._at = len(self._text)
                return True
        self._at = place + len(ending)
        return True

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
                value, end = self._decode()
            except json.JSONDecodeError as error:
                had_ended = self._ended
                if self._may_go_on(error, longest) and (self._grow(double=True) or not had_ended):
                    continue
                raise self._broken(error, longest) from error
            except RecursionError as error:
                raise self._broken_here(DEEP) from error
            except ValueError as error:
                raise self._broken_here(LONG_NUMBER) from error
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

    def _decode(self) -> tuple[object, int]:
        """Parse the value at hand, strictly where that is possible. Raises what the strict decoder does."""
        try:
            return DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            if self._is_near_end(error) and not self._ended:
                raise
            try:
                return decode_forgiving(self._text, self._at)
            except json.JSONDecodeError as other:
                # Where only the end is missing, more of the file may help.
                raise (other if self._is_near_end(other) else error) from error
            except (ValueError, RecursionError):
                raise error from None

    def _is_near_end(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - MARGIN

    def _may_go_on(self, error: json.JSONDecodeError, longest: int) -> bool:
        if len(self._text) - self._at > longest:
            return False
        return self._is_near_end(error)

    def _grow(self, *, double: bool = False) -> bool:
        """Drop what is done and read at least one block more; say whether there was one."""
        if self._ended:
            return False
        # The start of the line stays, so that its indent can be told; but not that of a line without end.
        done = max(self._text.rfind("\n", 0, self._at), 0)
        done = self._at if self._at - done > 1 << 16 else done
        parts: list[str] = []
        wanted = len(self._text) - done if double else 1
        while wanted > 0 and (block := next(self._blocks, "")):
            parts.append(block)
            wanted -= len(block)
        self._ended = wanted > 0
        if not parts:
            return False
        self._line += self._text.count("\n", 0, done)
        self._before = self._column(done) - 1
        self._text = "".join([self._text[done:], *parts])
        self._at -= done
        return True

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
