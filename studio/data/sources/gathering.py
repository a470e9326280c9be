"""From the paths that a person gave to the files with rows: checked, looked through, and unpacked where needed."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studio.data.rows import Report
from studio.data.sources.archives import Limits, decompress, unpack_zip
from studio.data.sources.file_bytes import Progress, look_through, open_bytes, shown
from studio.data.sources.recognition import FoundFile, container
from studio.errors import DataError


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
