"""Questions with their answers as people write them into plain text: "Q: ... A: ...", one pair after the other.

The pairs have nothing to do with one another, so each is an example.
"""

import re
from collections.abc import Iterable, Iterator

from studio.data.rows import Row, RowProblem

COLUMNS = ("question", "answer")

_MARKS = (
    re.compile(r"(?:\d{1,4}[.)] *)?\**(?:(Q)|A) *\d{0,4}\** *:\** *"),
    re.compile(
        r"(?:\d{1,4}[.)] *)?\**(?:(Question|Frage|Pregunta|Pergunta|Domanda|Vraag)"
        r"|Answer|Antwort|R\u00e9ponse|Respuesta|Resposta|Risposta|Antwoord) *\d{0,4}\** *:\** *"
    ),
)
"""How questions and answers begin; the group is there for a question."""
_CHOICE = re.compile(r"^B *[:.)]", re.MULTILINE)
_HEADING = re.compile(r"#{1,6} ")
_LONGEST = 1_000_000


def is_question_list(text: str, *, at_least: int = 1) -> bool:
    """Say whether a text, or the beginning of one, is a list of so many questions with answers and nothing else.

    Choices to tick, of which "A:" is the first, are no answers.
    """
    if not _mark_in(text.lstrip()[:100]) and not _HEADING.match(text.lstrip()):
        return False
    found = list(question_rows(text.splitlines(keepends=True)))
    answered = [row for row in found if isinstance(row, Row) and row.cells["question"] and row.cells["answer"]]
    return len(answered) >= max(at_least, len(found) - 1) and not _CHOICE.search(text)


def question_rows(lines: Iterable[str]) -> Iterator[Row | RowProblem]:
    """Yield each question with its answer as a row of `COLUMNS`, numbered by its first line, from 1.

    `lines` keep their line feeds; a long line may come in several parts. A heading ends an answer and is not part of
    one. Other text that belongs to no question comes back as a problem.
    """
    mark: re.Pattern[str] | None = None
    pair: _Pair | None = None
    number, is_whole, is_stray = 1, True, False
    for line in lines:
        if is_whole:
            mark = mark or _mark_in(line)
            begins = mark.match(line) if mark else None
            is_heading = _HEADING.match(line) is not None
            if is_heading or (begins and begins.group(1)):
                if pair:
                    yield pair.row()
                pair = _Pair(number, line[begins.end() :]) if begins and not is_heading else None
                is_stray = False
            elif pair:
                pair.add(line, begins)
            elif not line.isspace() and not is_stray:
                is_stray = True
                yield RowProblem(number, "This text belongs to no question.", kind="unreadable")
        elif pair:
            pair.add(line, None)
        is_whole = line.endswith("\n")
        number += is_whole
    if pair:
        yield pair.row()


class _Pair:
    """A question and its answer while they are read."""

    def __init__(self, number: int, question: str) -> None:
        self._number = number
        self._question = [question]
        self._answer: list[str] = []
        self._is_answering = False
        self._length = len(question)

    def add(self, line: str, begins: re.Match[str] | None) -> None:
        """Add a line, or the part of one; with `begins` the answer begins there."""
        if begins is not None:
            self._is_answering = True
            line = line[begins.end() :]
        self._length += len(line)
        if self._length <= _LONGEST:
            (self._answer if self._is_answering else self._question).append(line)

    def row(self) -> Row | RowProblem:
        """Return the pair as a row, without the white space around its texts."""
        if self._length > _LONGEST:
            reason = f"This question and its answer are longer than {_LONGEST:,} characters."
            return RowProblem(self._number, reason, kind="unreadable")
        question, answer = ("".join(parts).strip() for parts in (self._question, self._answer))
        return Row(self._number, {"question": question, "answer": answer})


def _mark_in(line: str) -> re.Pattern[str] | None:
    """Return the marks of which this line has the one of a question."""
    return next((mark for mark in _MARKS if (found := mark.match(line)) and found.group(1)), None)
