"""From files to rows: CSV, JSON Lines, JSON, Excel, Parquet, Arrow, text and Markdown, alone, several or in an archive.

What a file is, is told by its content and not by its name. Rows are streamed, so that a file may be larger than the
memory. A row that cannot be read is reported, the others are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from studio.data.reading_choices import GUESSED, Choices, Question, put_together
from studio.data.rows import Report, Row, RowProblem, silent
from studio.data.sources.archives import Limits
from studio.data.sources.file_bytes import Progress
from studio.data.sources.planning import Part, gather, named, plan_all, temporary_folder
from studio.data.sources.reading import Reading, Rows
from studio.errors import DataError

SAMPLE_ROWS = 200
"""How many rows are looked at to find out what the columns are."""

_MOST_SAMPLED = 5_000
_MOST_BROKEN = 200_000
_LIMITS = Limits()


@dataclass(frozen=True)
class Source:
    """Files that are ready to be read, as one table.

    `columns` and `sample` are of the first rows; `notes` are sentences on how the files are read; `sha256` is that of
    the bytes, or of the hashes of several files; `size` is in bytes; `files` are names to show; `questions` say what
    can be read otherwise.
    """

    format: str
    columns: tuple[str, ...]
    sample: tuple[Row, ...]
    notes: tuple[str, ...]
    sha256: str
    size: int
    files: tuple[str, ...]
    questions: tuple[Question, ...]
    _parts: tuple[Part, ...] = field(repr=False, compare=False)

    def rows(self, report: Report = silent) -> Rows:
        """Yield all rows from the start, and what is wrong with those that cannot be read; again at every call.

        Raises DataError when a file cannot be read any further.
        """
        progress = Progress(report, "Reading", sum(part.size for part in self._parts))
        several = len(self._parts) > 1
        for part in self._parts:
            with named(part.name, several):
                yield from part.reading.rows(progress, part.name if several else "")
            progress.end_file(part.size)
        progress.finish()

    def reshaped(self, rows_in: Callable[[Row], Rows], note: str) -> "Source":
        """Return the source with other rows, which are made of each row, and a sentence on it."""
        sample = [each for row in self.sample for each in rows_in(row) if isinstance(each, Row)]
        return replace(
            self,
            columns=tuple(dict.fromkeys(name for row in sample for name in row.cells)),
            sample=tuple(sample[:SAMPLE_ROWS]),
            notes=(*self.notes, note),
            _parts=tuple(replace(part, reading=_reshaped(part.reading, rows_in)) for part in self._parts),
        )


def _reshaped(reading: Reading, rows_in: Callable[[Row], Rows]) -> Reading:
    def rows(progress: Progress, label: str) -> Rows:
        for row in reading.rows(progress, label):
            if isinstance(row, Row):
                yield from rows_in(row)
            else:
                yield row

    return replace(reading, rows=rows)


@contextmanager
def open_source(
    paths: Sequence[Path], *, choices: Choices = GUESSED, report: Report = silent, limits: Limits = _LIMITS
) -> Iterator[Source]:
    """Find out how files are to be read, as one table. What an archive holds is on disk until the end of the context.

    Raises DataError when a file cannot be read, holds no examples, or has no row that can be read.
    """
    with temporary_folder() as folder:
        gathered = gather(paths, folder, limits=limits, report=report)
        plan = plan_all(gathered, folder, choices=choices, limits=limits, report=report)
        parts = plan.parts
        several = len(parts) > 1
        share = max(SAMPLE_ROWS // len(parts), 1)
        samples = [_sample(part, several=several, wanted=share, report=report) for part in parts]
        columns = dict.fromkeys(
            name
            for part, sample in zip(parts, samples, strict=True)
            for name in (*part.reading.columns, *(name for row in sample for name in row.cells))
        )
        yield Source(
            format=" and ".join(dict.fromkeys(part.reading.format for part in parts)),
            columns=tuple(columns),
            sample=tuple(row for sample in samples for row in sample),
            notes=(*gathered.notes, *plan.notes, *_notes(parts)),
            sha256=gathered.sha256,
            size=gathered.size,
            files=tuple(part.name for part in parts),
            questions=put_together([*plan.questions, *(each for part in parts for each in part.reading.questions)]),
            _parts=parts,
        )


def _sample(part: Part, *, several: bool, wanted: int, report: Report) -> tuple[Row, ...]:
    """Take the first rows of a file. Raises DataError when none of its rows can be read."""
    rows: list[Row] = []
    first: RowProblem | None = None
    seen = 0
    progress = Progress(report, "Opening the file", part.size)
    with named(part.name, several):
        for seen, row in enumerate(part.reading.rows(progress, part.name if several else ""), start=1):
            if isinstance(row, Row):
                rows.append(row)
            elif first is None:
                first = row
            if len(rows) == wanted or seen >= (_MOST_SAMPLED if rows else _MOST_BROKEN):
                break
        if rows:
            return tuple(rows)
        if first is None:
            raise DataError(f"The {part.reading.format} file has no rows.", "Add one example a row.")
        which = f"first {seen:,}" if seen >= _MOST_BROKEN else f"{seen:,}"
        raise DataError(
            f"None of the {which} rows of this {part.reading.format} file can be read. Row {first.row}: {first.text}",
            "Correct the file, or save it again from the program that it comes from.",
        )


def _notes(parts: Sequence[Part]) -> list[str]:
    """Collect what the readers remark, each remark once, with the name of the file when it is about one of several."""
    remarks: dict[str, list[str]] = {}
    for part in parts:
        for note in part.reading.notes:
            remarks.setdefault(note, []).append(part.name)
    everywhere = len(parts)
    return [
        note if len(names) == everywhere else f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}: {note}"
        for note, names in remarks.items()
    ]
