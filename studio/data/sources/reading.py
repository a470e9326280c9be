"""How one file is read, once it is known what it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from studio.data.reading_choices import Question
from studio.data.rows import Row, RowProblem
from studio.data.sources.file_bytes import Progress

Rows = Iterator[Row | RowProblem]


@dataclass(frozen=True)
class Reading:
    """The format of a file and a function that yields its rows from the start, with a label as the file they are from.

    `columns` is empty where only the rows can tell; `notes` are sentences on how the file is read; `size` is how many
    bytes are gone through when those are not the ones of the file; `questions` say what can be read otherwise.
    """

    format: str
    rows: Callable[[Progress, str], Rows]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    size: int = 0
    questions: tuple[Question, ...] = ()
