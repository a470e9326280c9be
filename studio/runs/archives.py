"""A whole run as one zip file, and back. Knows nothing of what the files of a run mean.

What is unpacked is checked before a byte is written: names that leave the folder, links, and sizes that the disk cannot
take are refused.
"""

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from studio import codec
from studio.config import RunConfig
from studio.errors import RunError
from studio.events import Failed, Finished
from studio.runs.diagnosis import Diagnosis
from studio.runs.event_log import last_event
from studio.runs.store import RunFolder, RunStore
from studio.words import size

_LEFT_OUT = ("exports", "lost.json")
_OF_THIS_MACHINE = (".lock", ".wish")
_KINDS = (".json", ".jsonl", ".npy", ".safetensors", ".jinja", ".log", ".md", ".model", ".old", ".txt")
"""Nothing else is in a run; above all no file from which Python would load code."""

_CHOOSE = "Choose a run that was downloaded here."
_FREE_SPACE = "Free some space on the disk."
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError)
"""What reading a zip raises that is none, is cut off, was altered or wants a password."""

_UNFINISHED = Diagnosis(
    "unfinished",
    "It was packed before it was done.",
    "Resume it; it goes on from its newest checkpoint.",
    witnessed=True,
)
_MOST_FILES = 20_000
_MOST_RATIO = 200
"""A file that unpacks to more than so many times its size is a trap: nothing in a run packs so well."""


def _any(config: RunConfig) -> None:
    """Take all settings."""


def write_archive(run: RunFolder, folder: Path) -> Path:
    """Pack a run into `folder`, whole or not at all, and return the zip. Raises RunError when the disk is full."""
    target = folder / f"{run.id}.run.zip"
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
            for path in sorted(run.path.rglob("*")):
                inner = path.relative_to(run.path)
                hidden = any(part.startswith(".") for part in inner.parts) or path.suffix in _OF_THIS_MACHINE
                if path.is_file() and not path.is_symlink() and not hidden and inner.parts[0] not in _LEFT_OUT:
                    packed = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
                    archive.write(path, Path(run.id) / inner, compress_type=packed)
        os.replace(temporary, target)
    except OSError as error:
        raise RunError(f"The run could not be packed: {error.strerror or error}.", _FREE_SPACE) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target


def read_archive(path: Path, runs: RunStore, *, check: Callable[[RunConfig], None] = _any) -> RunFolder:
    """Unpack a run and take it among the others; `check` raises a StudioError for settings that are not taken.

    Raises RunError when the file is no run, or cannot be unpacked.
    """
    try:
        runs.folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=runs.folder, prefix=".new-"))
    except OSError as error:
        raise RunError(f"The run could not be unpacked: {error.strerror or error}.", _FREE_SPACE) from error
    try:
        with zipfile.ZipFile(path) as archive:
            top = _checked(archive, path, room=shutil.disk_usage(runs.folder).free)
            archive.extractall(temporary)
        folder = temporary / top
        (folder / "exports").mkdir(exist_ok=True)
        check(RunFolder(folder).config)
        _rest(RunFolder(folder))
        return runs.take_in(folder)
    except _DAMAGED as error:
        raise RunError(f"'{path.name}' is no zip file, or a damaged one.", _CHOOSE) from error
    except OSError as error:
        raise RunError(f"The run could not be unpacked: {error.strerror or error}.", _FREE_SPACE) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rest(run: RunFolder) -> None:
    """Have a run that was packed at work wait for the person: it was not lost here."""
    if run.was_launched and not isinstance(last_event(run.events_path), Finished | Failed):
        run.lost_path.write_text(codec.dumps(_UNFINISHED) + "\n", encoding="utf-8")


def _checked(archive: zipfile.ZipFile, path: Path, *, room: int) -> str:
    """Return the one folder that everything lies in. Raises RunError for what is no archive of a run."""
    entries = archive.infolist()
    tops = {entry.filename.split("/", 1)[0] for entry in entries}
    names = {entry.filename.partition("/")[2] for entry in entries}
    if len(tops) != 1 or any(map(_is_strange, entries)) or not {"config.json", "origin.json", "train.jsonl"} <= names:
        raise RunError(f"'{path.name}' is not the archive of a run.", _CHOOSE)
    whole = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_FILES or whole > _MOST_RATIO * max(1, path.stat().st_size):
        raise RunError(f"'{path.name}' holds far more than a run does, and was not unpacked.")
    if whole > room:
        raise RunError(f"'{path.name}' needs {size(whole)}, and the disk has {size(room)}.", "Free some space first.")
    return tops.pop()


def _is_strange(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is of no kind that a run has, or would be written elsewhere."""
    parts = entry.filename.replace("\\", "/").split("/")
    leaves = ".." in parts or not parts[0] or ":" in parts[0] or "\0" in entry.filename
    known = entry.is_dir() or Path(entry.filename).suffix in _KINDS
    return leaves or not known or stat.S_ISLNK(entry.external_attr >> 16)
