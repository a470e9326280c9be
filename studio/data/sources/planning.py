"""How the files of a source are read: each by what it is, and those in an archive that hold no examples passed over."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.data.reading_choices import ALL, Choices, Question
from studio.data.rows import Report
from studio.data.sources.archives import Limits
from studio.data.sources.file_bytes import Progress
from studio.data.sources.gathering import Gathered, named
from studio.data.sources.reading import Reading
from studio.data.sources.recognition import FoundFile, plan
from studio.data.sources.rejected_files import NotExamplesError
from studio.data.sources.split_names import is_for_tests, splits_question
from studio.data.sources.text_files import PROSE
from studio.errors import DataError

_DESCRIPTIONS = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"))
"""Files that describe a data set and hold none of it."""


@dataclass(frozen=True)
class Part:
    """One file of a source: how it is read, how many bytes are read, its name to show, and if it is from an archive."""

    reading: Reading
    size: int
    name: str
    is_packed: bool

    @property
    def is_prose(self) -> bool:
        """Whether this is plain text, and no table."""
        return self.reading.format in PROSE


@dataclass(frozen=True)
class Plan:
    """The files that are read, sentences on what is passed over, and what can be read otherwise."""

    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    questions: tuple[Question, ...]


def plan_all(gathered: Gathered, folder: Path, *, choices: Choices, limits: Limits, report: Report) -> Plan:
    """Plan the reading of every file.

    Raises DataError for a file that cannot be read, and when tables and text are given together.
    """
    parts: list[Part] = []
    passed_over: dict[str, str] = {}
    several = len(gathered.files) > 1
    for place, found in enumerate(gathered.files):
        work = folder / f"work-{place}"
        work.mkdir()
        with named(found.label, several):
            try:
                if found.is_packed and found.name.rpartition("/")[2] in _DESCRIPTIONS:
                    raise NotExamplesError("a description of the data set", "Choose the file with the examples.")
                parts.append(_plan_one(found, work, choices=choices, limits=limits, report=report))
            except NotExamplesError as error:
                if not (found.is_packed and several):
                    raise
                passed_over[found.label] = error.what
    kept, questions = _without_tests(_without_prose(parts, passed_over), choices, passed_over)
    if not kept:
        raise DataError(
            f"There is no file of examples in the archive. {_listed(passed_over)}",
            "Choose an archive with CSV, Excel, JSON, JSON Lines, Parquet or text files.",
        )
    return Plan(kept, (_listed(passed_over),) if passed_over else (), questions)


def _plan_one(found: FoundFile, work: Path, *, choices: Choices, limits: Limits, report: Report) -> Part:
    progress = Progress(report, "Opening the file", found.survey.size)
    reading = plan(found, work, choices=choices, limits=limits, progress=progress)
    return Part(reading, reading.size or found.survey.size, found.label, found.is_packed)


def _without_prose(parts: Sequence[Part], passed_over: dict[str, str]) -> tuple[Part, ...]:
    """Pass over the texts beside tables in an archive, which are mostly notes on them.

    Raises DataError when a text was given beside a table.
    """
    prose = [part for part in parts if part.is_prose]
    if len(prose) in (0, len(parts)):
        return tuple(parts)
    for part in prose:
        if not part.is_packed:
            table = next(part for part in parts if not part.is_prose)
            raise DataError(
                f"'{part.name}' is plain text and '{table.name}' is a table; they cannot be one data set.",
                "Add the texts and the tables one after the other.",
            )
        passed_over[part.name] = "plain text beside the tables"
    return tuple(part for part in parts if not part.is_prose)


def _without_tests(
    parts: tuple[Part, ...], choices: Choices, passed_over: dict[str, str]
) -> tuple[tuple[Part, ...], tuple[Question, ...]]:
    """Pass over the files of an archive that are kept for tests by their names, unless a person wants them."""
    tests = [part for part in parts if part.is_packed and is_for_tests(part.name.partition("/")[2])]
    if not tests or len(tests) == len(parts):
        return parts, ()
    if choices.splits != ALL:
        passed_over |= {part.name: "kept for tests by its name" for part in tests}
        parts = tuple(part for part in parts if part not in tests)
    return parts, (splits_question("files", [part.name for part in tests], choices.splits),)


def _listed(passed_over: dict[str, str]) -> str:
    """Say which files are not read, and why, in one sentence."""
    named = [f"'{label}' ({what})" for label, what in list(passed_over.items())[:5]]
    more = len(passed_over) - len(named)
    return f"Not read: {', '.join(named)}{f' and {more:,} more' if more else ''}."


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that is gone at the end of the context. Raises DataError when the disk allows none."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="lora-studio-", ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(f"No file can be written: {error.strerror or error}.", "Make room on the disk.") from error
    with folder as name:
        yield Path(name)
