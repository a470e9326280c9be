"""The two probes of what a training made a model forget: general questions and general texts.

knowledge*.jsonl    {"subject", "question", "choices": four texts, "answer": 0 to 3}
language.jsonl      {"genre", "text"}
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from studio import codec
from studio.errors import DataError

_REMEDY = "Install the studio again: the file is part of it."

Row = TypeVar("Row")


@dataclass(frozen=True)
class Question:
    """A question with four answers to choose from. `answer` is the place of the right one, 0 to 3."""

    subject: str
    question: str
    choices: tuple[str, str, str, str]
    answer: int


@dataclass(frozen=True)
class Text:
    """A short text of everyday language."""

    genre: str
    text: str


def read_questions(folder: Path) -> tuple[Question, ...]:
    """Read every knowledge*.jsonl of a folder, by name. Raises DataError when there is none, or one is damaged."""
    files = sorted(folder.glob("knowledge*.jsonl"))
    if not files:
        raise DataError(f"The questions of the knowledge probe are not in {folder}.", _REMEDY)
    questions = [row for file in files for row in _read(Question, file)]
    for question in questions:
        if not 0 <= question.answer <= 3 or not all(text.strip() for text in (question.question, *question.choices)):
            raise DataError(f"A question of the knowledge probe is damaged: '{question.question}'.", _REMEDY)
    return tuple(questions)


def read_texts(folder: Path) -> tuple[Text, ...]:
    """Read language.jsonl of a folder. Raises DataError when it is not there or damaged."""
    texts = _read(Text, folder / "language.jsonl")
    if not all(text.text.strip() for text in texts):
        raise DataError("A text of the language probe is empty.", _REMEDY)
    return texts


def prompt_of(question: Question) -> str:
    """Return what stands before the answer: a model goes on from it with a space and one of the choices.

    The choices are not listed, so that a base model, which was never told to pick a letter, can be asked too.
    """
    return f"Question: {question.question}\nAnswer:"


def _read(kind: type[Row], file: Path) -> tuple[Row, ...]:
    """Read one row a line. Raises DataError, with the line, when the file is not there, empty or damaged."""
    try:
        lines = file.read_text(encoding="utf-8").strip().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The probe {file.name} cannot be read.", _REMEDY) from error
    if lines == [""]:
        raise DataError(f"The probe {file.name} is empty.", _REMEDY)
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(codec.loads(kind, line))
        except codec.Damaged as error:
            raise DataError(f"The probe {file.name} is damaged in line {number}.", _REMEDY) from error
    return tuple(rows)
