"""What a person chooses of a data set: how its files are read, and what is changed. Values only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

ENCODING, SHEET, LIST, SPLITS = "encoding", "sheet", "list", "splits"
TRAINING, ALL = "training", "all"
EVERY_LIST = "*"
MOST_SHOWN = 3
"""So many lines or rows of each way to read a file are shown."""
_LONGEST_SHOWN = 120


@dataclass(frozen=True)
class Choices:
    """What a person has chosen; what is empty is guessed. `encoding` is the name of a codec of Python.

    `list` names one of several lists in a JSON document, or is `EVERY_LIST`. `splits` says whether files of an archive
    and lists of a document that are kept for tests by their names are read: `TRAINING` or `ALL`.
    """

    encoding: str = ""
    sheet: str = ""
    splits: str = ""
    list: str = ""


GUESSED = Choices()


@dataclass(frozen=True)
class Option:
    """One way to read a file: its value, a label for people, and the first lines as they would be read."""

    value: str
    label: str
    lines: tuple[str, ...] = ()


def first_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the first lines of a way to read a file, as an option shows them."""
    return tuple(line[:_LONGEST_SHOWN] for line in islice(lines, MOST_SHOWN))


@dataclass(frozen=True)
class Question:
    """What can be read otherwise. `about` names the field of `Choices`, `chosen` the value that is used now.

    `is_open` says that the guess is not sure, so that nothing is learned before a person has chosen.
    """

    about: str
    text: str
    chosen: str
    options: tuple[Option, ...]
    is_open: bool = False


def put_together(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Return one question of each kind, those of several files: an open one where there is any."""
    found: dict[str, Question] = {}
    for question in sorted(questions, key=lambda each: not each.is_open):
        found.setdefault(question.about, question)
    return tuple(found.values())


@dataclass(frozen=True)
class Edit:
    """What a person made of one example: `contents` are the new texts of its messages.

    It is known by the row and file where it was found, and by the fingerprint that it had before.
    """

    key: str
    row: int
    file: str
    contents: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One change, which can be applied again to the same source. `kind` is a key of `studio.data.checking.fixes.FIXES`.

    `keys` are the fingerprints of the examples that it is about, empty for a change that finds its own; `edits` say
    what a person made of them. `count` is how many examples it changed or left out, once the version is made.
    """

    kind: str
    keys: tuple[str, ...] = ()
    count: int = 0
    edits: tuple[Edit, ...] = ()
