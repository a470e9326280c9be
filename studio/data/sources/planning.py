"""From the paths that a person gave to what is read: files looked through, unpacked, and each planned by what it is."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studio.data.reading_choices import ALL, Choices, Question
from studio.data.rows import Report
from studio.data.sources.archives import Limits, decompress, unpack_zip
from studio.data.sources.file_bytes import Progress, look_through, open_bytes, shown
from studio.data.sources.reading import Reading
from studio.data.sources.recognition import FoundFile, container, plan
from studio.data.sources.rejected_files import NotExamplesError
from studio.data.sources.split_names import is_for_tests, splits_question
from studio.data.sources.text_files import PROSE
from studio.errors import DataError

_DESCRIPTIONS = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"))
"""Files that describe a data set and hold none of it."""


@dataclass(frozen=True)
class Gathered:
    """The files to read. `sha256` and `size` are of the files as given; `notes` say what was passed over."""

    files: tuple[FoundFile, ...]
    sha256: str
    size: int
    notes: tuple[str, ...]


def gather(paths: Sequence[Path], folder: Path, *, limits: Limits, report: Report) -> Gathered:
    """Look through files, and unpack those that contain others into `folder`.

    Raises DataError when there is none, and for the first that cannot be opened, is damaged or is beyond the limits.
    """
    if not paths:
        raise DataError("No file was given.", "Choose a file with your examples.")
    given, notes = _without_copies(_look_through(paths, report))
    hashes = [found.survey.sha256 for found in given]
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    files: list[FoundFile] = []
    for place, found in enumerate(given):
        with named(found.label, len(given) > 1):
            kind = container(found)
            if kind:
                (folder / str(place)).mkdir()
                files += _unpack(found, kind, folder / str(place), limits=limits, report=report)
            else:
                files.append(found)
    return Gathered(tuple(files), sha256, sum(found.survey.size for found in given), tuple(notes))


@contextmanager
def named(label: str, is_one_of_several: bool) -> Iterator[None]:
    """Put the name of the file before the message of a DataError, when there are several files."""
    try:
        yield
    except DataError as error:
        if is_one_of_several:
            raise DataError(f"'{label}': {error.message}", error.hint) from error
        raise


def _look_through(paths: Sequence[Path], report: Report) -> Iterator[FoundFile]:
    sizes = []
    for path in paths:
        with open_bytes(path) as file:
            sizes.append(os.fstat(file.fileno()).st_size)
    progress = Progress(report, "Looking through the file", sum(sizes))
    for path, size in zip(paths, sizes, strict=True):
        yield FoundFile(path, shown(path), shown(path), look_through(path, progress))
        progress.end_file(size)


def _without_copies(files: Iterator[FoundFile]) -> tuple[list[FoundFile], list[str]]:
    """Leave out files with equal bytes, and make the labels differ."""
    kept: dict[str, FoundFile] = {}
    notes: list[str] = []
    labels: set[str] = set()
    for found in files:
        same = kept.get(found.survey.sha256)
        if same:
            notes.append(f"'{found.label}' holds the same as '{same.label}' and was read once.")
            continue
        label = found.label
        while label in labels:
            label = f"{label} ({len(kept) + 1})"
        labels.add(label)
        kept[found.survey.sha256] = replace(found, label=label)
    return list(kept.values()), notes


def _unpack(found: FoundFile, kind: str, folder: Path, *, limits: Limits, report: Report) -> Iterator[FoundFile]:
    progress = Progress(report, "Unpacking", found.survey.size)
    if kind == "zip":
        members = unpack_zip(found.path, folder, limits=limits, progress=progress)
    else:
        members = (decompress(found.path, kind, folder, limits=limits, progress=progress),)
    progress = Progress(report, "Looking through the files", sum(member.path.stat().st_size for member in members))
    for member in members:
        label = f"{found.label}/{member.name}" if kind == "zip" else found.label
        survey = look_through(member.path, progress)
        progress.end_file(survey.size)
        yield FoundFile(member.path, member.name, label, survey, is_packed=kind == "zip")


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
