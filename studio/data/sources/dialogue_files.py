"""Conversations that are written into a text file one after the other: a row of text each, or of question and answer.

Where a conversation begins is told by the marks of its speakers and by what stands between them.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise

from studio.data.question_lists import COLUMNS, is_question_list, question_rows
from studio.data.rows import Row, RowProblem
from studio.data.sources.file_bytes import Progress
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_files import TextFile, cut_lines
from studio.data.speaker_marks import (
    ASSISTANT,
    BEGIN_MARK,
    OPENING,
    PREFACE_END,
    STYLES,
    SYSTEM,
    USER,
    Style,
    opening_of,
    speaker,
)

FORMAT = "text"
_LONGEST = 1_000_000
"""In characters. A longer conversation is reported and not read."""
_LEAD = 4_000
"""How far before a mark is looked at what stands between it and the turn before."""
_SEPARATOR = re.compile(r"[-=*_#~]{3,}|<\|endoftext\|>|</s>")
_MOST_SEPARATORS = 20
_QUESTIONS = "Each question with its answer is read as an example."
_APART = "A new conversation begins where more space stands before a question than before an answer, or a line or mark."
_TOGETHER = (
    "The whole text is read as one conversation, because the same space stands before its questions as before its "
    "answers. Put more empty lines or a line of dashes between conversations to keep them apart."
)
_TOO_LONG = f"This conversation is longer than {_LONGEST:,} characters."


def plan_dialogue(file: TextFile, head: str) -> Reading | None:
    """Plan the reading of a text that is nothing but conversations; None for any other text."""
    if is_question_list(head, at_least=2):
        return Reading(FORMAT, lambda progress, label: _pairs(file, progress, label), COLUMNS, (_QUESTIONS,))
    rule = _find_rule(head)
    if rule is None:
        return None
    is_apart = len(list(islice(rule.starts(head, len(head)), 2))) > 1
    notes = (_APART if is_apart else _TOGETHER,) if is_apart or _questions(rule.style, head) > 2 else ()
    return Reading(FORMAT, lambda progress, label: _conversations(file, rule, progress, label), ("text",), notes)


def _pairs(file: TextFile, progress: Progress, label: str) -> Rows:
    for row in question_rows(cut_lines(file.blocks(progress))):
        if isinstance(row, Row):
            yield Row(row.number, row.cells, label)
        else:
            yield RowProblem(row.row, row.text, label, row.kind)


@dataclass(frozen=True)
class _Rule:
    """How conversations are told apart: their marks, and how many line ends stand before an answer at most."""

    style: Style
    gap: int = 0

    def starts(self, text: str, most: int) -> Iterator[int]:
        """Yield where conversations begin, up to a place, in a text that begins with one."""
        yield 0
        before, end = "", 0
        for mark in self.style.mark.finditer(text):
            if mark.start() > most:
                return
            who, word = speaker(mark), _word(mark)
            earliest = max(end, word - _LEAD)
            lead = text[earliest:word]
            begun = _beginning(lead, self.style)
            is_asked_again = who == USER and before != SYSTEM and (begun is not None or self._is_apart(lead))
            if before and (is_asked_again or who == SYSTEM != before):
                yield word if begun is None else earliest + begun
            before, end = who, mark.end()

    def _is_apart(self, lead: str) -> bool:
        return self.style.is_single or _end_of(lead) < len(lead.rstrip()) or _line_ends(lead) > self.gap


def _find_rule(head: str) -> _Rule | None:
    """Find the marks with which a text begins, where a person and an assistant speak and nobody unknown does."""
    for style in STYLES:
        if opening_of(head, style) is None:
            continue
        marks = list(style.mark.finditer(head))
        if {USER, ASSISTANT} <= {speaker(mark) for mark in marks}:
            answers = [mark for mark in marks if speaker(mark) == ASSISTANT]
            gaps = Counter(_line_ends(head[max(each.start() - _LEAD, 0) : _word(each)]) for each in answers)
            return _Rule(style, gaps.most_common(1)[0][0])
    return None


def _questions(style: Style, head: str) -> int:
    return sum(speaker(mark) == USER for mark in style.mark.finditer(head))


def _word(mark: re.Match[str]) -> int:
    """Return where a mark begins that may have taken the empty line before it."""
    return mark.end() - len(mark.group().lstrip())


def _beginning(lead: str, style: Style) -> int | None:
    """Return where the token or the sentence of a template stands that begins a conversation; None without one."""
    found = BEGIN_MARK.search(lead) or PREFACE_END.search(lead)
    if found is None and style.has_opening:
        return max((each.start() for each in OPENING.finditer(lead)), default=None)
    return found.start() if found else None


def _line_ends(lead: str) -> int:
    """Count the line ends directly before a mark."""
    return lead[len(lead.rstrip()) :].count("\n")


def _end_of(text: str) -> int:
    """Return where a text ends without the lines at its end that only divide it from the next."""
    end = len(text.rstrip())
    for _ in range(_MOST_SEPARATORS):
        start = text.rfind("\n", 0, end) + 1
        if not _SEPARATOR.fullmatch(text, start, end):
            break
        end = len(text[:start].rstrip())
    return end


def _conversations(file: TextFile, rule: _Rule, progress: Progress, label: str) -> Rows:
    """Yield each conversation with the number of its first line."""
    held, line, is_lost = "", 1, False
    for block in chain(file.blocks(progress), [""]):
        held += block
        starts = list(rule.starts(held, len(held) - _LEAD if block else len(held)))
        for start, end in pairwise([*starts, *([] if block else [len(held)])]):
            yield from _row(held[start:end], line + held.count("\n", 0, start), label, is_lost=is_lost)
            is_lost = False
        done = starts[-1]
        if len(held) - done > 2 * _LONGEST:
            done, is_lost = len(held) - _LEAD, True
        line += held.count("\n", 0, done)
        held = held[done:]


def _row(text: str, line: int, label: str, *, is_lost: bool) -> Rows:
    """Yield a conversation without the line that divides it from the next."""
    first = line + text[: len(text) - len(text.lstrip())].count("\n")
    text = text[: _end_of(text)].strip()
    if is_lost or len(text) > _LONGEST:
        yield RowProblem(first, _TOO_LONG, label, "unreadable")
    elif text:
        yield Row(first, {"text": text}, label)
