"""A whole run as one zip file, and back. `archive_paths` says what goes with a run; nothing else is packed or taken.

What is brought in is checked before it is among the runs: names that leave the folder, links, sizes that the disk
cannot take, and files that cannot be read are refused.
"""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from studio import codec
from studio.config import RunConfig
from studio.errors import RunError
from studio.events import Failed, Finished
from studio.files import disk_trouble, whole_file, write_whole
from studio.runs import archive_paths
from studio.runs.archive_checks import check_files
from studio.runs.archive_paths import forget_places, packed_content
from studio.runs.diagnosis import Diagnosis
from studio.runs.event_log import last_event
from studio.runs.store import RunFolder, RunStore
from studio.wording import size

_KINDS = (".json", ".jsonl", ".npy", ".safetensors", ".jinja", ".later", ".log", ".md", ".model", ".old", ".txt")
"""No studio ever packed anything else; above all no file from which Python would load code."""

_CHOOSE = "Choose a run that was downloaded here."
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
    with disk_trouble("The packed run", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (
            whole_file(target, shared=True) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive,
        ):
            for path in sorted(run.path.rglob("*")):
                inner = path.relative_to(run.path).as_posix()
                if archive_paths.is_own(inner) and path.is_file() and not path.is_symlink():
                    _pack(archive, path, run=run, inner=inner)
    return target


def _pack(archive: zipfile.ZipFile, path: Path, *, run: RunFolder, inner: str) -> None:
    packed = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
    content = packed_content(path, inner)
    if content is None:
        archive.write(path, f"{run.id}/{inner}", compress_type=packed)
    else:
        archive.writestr(f"{run.id}/{inner}", content, compress_type=packed)


def read_archive(path: Path, runs: RunStore, *, check: Callable[[RunConfig], None] = _any) -> RunFolder:
    """Unpack a run and take it among the others; `check` raises a StudioError for settings that are not taken.

    Raises RunError when the file is no run, or cannot be unpacked.
    """
    try:
        with runs.new_folder() as run:
            with zipfile.ZipFile(path) as archive:
                _check_entries(archive, path, room=shutil.disk_usage(runs.folder).free)
                _unpack(archive, run.path)
            check_files(run.path)
            forget_places(run.path)
            check(run.config)
            _complete(run)
            _leave_group(run)
            _name_apart(run, runs.free_name(run.name))
            return runs.take_in(run)
    except _DAMAGED as error:
        raise RunError(f"'{path.name}' is no zip file, or a damaged one.", _CHOOSE) from error


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Write the run's own files below `folder`. What else an older studio packed is left out."""
    for entry in archive.infolist():
        inner = entry.filename.partition("/")[2]
        if archive_paths.is_own(inner):
            target = folder / PurePosixPath(inner)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file)


def _complete(run: RunFolder) -> None:
    """Add what every run has. One that was packed at work waits for the person: it was not lost here."""
    run.validation_path.touch()
    if run.was_launched and not isinstance(last_event(run.events_path), Finished | Failed):
        run.lost_path.write_text(codec.dumps(_UNFINISHED) + "\n", encoding="utf-8")


def _leave_group(run: RunFolder) -> None:
    """Let a run stand for itself: what it says of a group is not known to be true here."""
    if run.origin.group is not None:
        write_whole(run.path / archive_paths.ORIGIN, codec.dumps(replace(run.origin, group=None)))


def _name_apart(run: RunFolder, name: str) -> None:
    """Give a run that comes back, or comes twice, a name of its own."""
    if name != run.name:
        write_whole(run.path / "about.json", codec.dumps(replace(run.about, name=name)))


def _check_entries(archive: zipfile.ZipFile, path: Path, *, room: int) -> None:
    """Raise RunError for what is no archive of a run, holds a name twice, or needs more room than there is."""
    entries = archive.infolist()
    tops = {entry.filename.split("/", 1)[0] for entry in entries}
    names = {entry.filename.partition("/")[2] for entry in entries}
    if len(tops) != 1 or any(map(_is_strange, entries)) or not names >= archive_paths.NEEDED:
        raise RunError(f"'{path.name}' is not the archive of a run.", _CHOOSE)
    if len(names) != len(entries):
        raise RunError(f"'{path.name}' holds two files of one name, and was not unpacked.", _CHOOSE)
    whole = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_FILES or whole > _MOST_RATIO * max(1, path.stat().st_size):
        raise RunError(f"'{path.name}' holds far more than a run does, and was not unpacked.")
    if whole > room:
        raise RunError(f"'{path.name}' needs {size(whole)}, and the disk has {size(room)}.", "Free some space first.")


def _is_strange(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is of no kind that a run has, or would be written elsewhere."""
    parts = entry.filename.replace("\\", "/").split("/")
    leaves = ".." in parts or not parts[0] or ":" in parts[0] or "\0" in entry.filename
    known = entry.is_dir() or Path(entry.filename).suffix in _KINDS
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return leaves or not known or kind not in (0, stat.S_IFREG, stat.S_IFDIR)
