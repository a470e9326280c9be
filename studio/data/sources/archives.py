"""Archives and compressed files, unpacked into a folder under names of our own.

Archives are untrusted: their names are never used as paths, and what they unpack to is counted while it is written.
"""

import bz2
import errno
import gzip
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from studio.data.sources.file_bytes import BLOCK_BYTES, Progress, shown, silence
from studio.errors import DataError

_XZ_MEMORY = 256 << 20
_HIDDEN = ("__MACOSX/", ".", "Thumbs.db", "desktop.ini")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    NotImplementedError,
    RuntimeError,
)
"""What reading a damaged archive can raise; the last two for a version or a method that Python does not know."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to: bytes in all, files, and times its own size.

    The last only counts beyond `always_bytes`: a small file may be packed very tightly.
    """

    total_bytes: int = 8 << 30
    files: int = 2_000
    ratio: int = 200
    always_bytes: int = 64 << 20


@dataclass(frozen=True)
class Unpacked:
    """A file that was unpacked: where it lies, and its name in the archive, for people."""

    path: Path
    name: str


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""


class _Room:
    """Counts what is unpacked against the limits."""

    def __init__(self, packed: Path, limits: Limits, progress: Progress) -> None:
        self._packed = packed.stat().st_size
        self._limits = limits
        self._name = shown(packed)
        self._progress = progress
        self._written = 0

    def check(self, total: int) -> None:
        """Raise DataError when `total` bytes are more than the limits allow."""
        limits = self._limits
        if total > limits.total_bytes:
            size = f"{limits.total_bytes / (1 << 30):.3g} GB"
            raise DataError(
                f"'{self._name}' unpacks to more than {size}, which is too much to take in at once.",
                "Unpack it and choose the files that you need.",
            )
        if total > limits.always_bytes and total > limits.ratio * self._packed:
            raise DataError(
                f"'{self._name}' unpacks to more than {limits.ratio} times its size, as only harmful archives do.",
                "Make sure that you trust where it comes from, unpack it yourself and choose the files inside.",
            )

    def copy(self, source: Readable, target: Path, packed: IO[bytes]) -> None:
        """Write all of `source`, which reads from `packed`, to `target`.

        Raises DataError beyond the limits, and when the disk is full.
        """
        with target.open("wb") as file:
            while block := source.read(BLOCK_BYTES):
                self._written += len(block)
                self.check(self._written)
                try:
                    file.write(block)
                except OSError as error:
                    raise DataError(
                        f"'{self._name}' cannot be unpacked: {error.strerror or error}.", "Make room on the disk."
                    ) from error
                self._progress.at(packed.tell())


def compression(head: bytes) -> str:
    """Return how a file that begins so is compressed: "gzip", "bzip2", "xz", "zstd", "lz4", or nothing."""
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bzip2"
    marks = {b"\x1f\x8b\x08": "gzip", b"\xfd7zXZ\x00": "xz", b"(\xb5/\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
    return next((name for mark, name in marks.items() if head.startswith(mark)), "")


def decompress(path: Path, kind: str, folder: Path, *, limits: Limits, progress: Progress) -> Unpacked:
    """Unpack a compressed file into a folder. Raises DataError when it is damaged or beyond the limits."""
    name = shown(path)
    inner = name.rpartition(".")[0] or name
    target = folder / "file"
    room = _Room(path, limits, progress)
    try:
        with path.open("rb") as packed:
            room.copy(_decompressed(packed, kind), target, packed)
    except _DAMAGED as error:
        _check_room(error, folder)
        raise DataError(
            f"'{name}' is damaged, its end or a part of it is missing.", "Fetch or pack it again."
        ) from error
    return Unpacked(target, inner)


def _check_room(error: Exception, folder: Path) -> None:
    """Raise DataError when a file was not unpacked because the disk is full: then nothing is wrong with it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DataError(
            f"There is no room to unpack the file: the disk of {folder} is full.",
            "Free some space on it and try again.",
        ) from error


def _decompressed(packed: IO[bytes], kind: str) -> Readable:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=packed)
    if kind == "bzip2":
        return bz2.BZ2File(packed)
    if kind == "xz":
        return _XzFile(packed)
    import pyarrow

    stream: Readable = pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, "r"), kind)
    return stream


class _XzFile:
    """Reads xz with a limit on memory, which Python's own LZMAFile has not: a harmful file may ask for gigabytes."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._inner = self._new()

    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes. Raises LZMAError or EOFError when the file is damaged."""
        data = b""
        while not data:
            block = b""
            if self._inner.eof:
                block = self._inner.unused_data.lstrip(b"\x00") or self._packed.read(BLOCK_BYTES)
                if not block.strip(b"\x00"):
                    return b""
                self._inner = self._new()
            elif self._inner.needs_input:
                block = self._packed.read(BLOCK_BYTES)
                if not block:
                    raise EOFError
            data = self._inner.decompress(block, size)
        return data


def names_in_zip(path: Path) -> tuple[str, ...]:
    """Return the names in a zip archive. Raises DataError when it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist())
    except _DAMAGED as error:
        raise _damaged_zip(path) from error


def check_zip(path: Path, limits: Limits) -> None:
    """Check a file that is a zip archive inside, as .xlsx is. Raises DataError when damaged or past the limits."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except _DAMAGED as error:
        raise _damaged_zip(path) from error
    _Room(path, limits, silence()).check(total)


def unpack_zip(path: Path, folder: Path, *, limits: Limits, progress: Progress) -> tuple[Unpacked, ...]:
    """Unpack the files of a zip archive into a folder, but for those that only a system puts there.

    Raises DataError when it is damaged, needs a password, is empty or beyond the limits.
    """
    room = _Room(path, limits, progress)
    try:
        with path.open("rb") as packed, zipfile.ZipFile(packed) as archive:
            members = [member for member in archive.infolist() if _is_wanted(member)]
            _check_members(path, members, limits)
            room.check(sum(member.file_size for member in members))
            for place, member in enumerate(members):
                with archive.open(member) as source:
                    room.copy(source, folder / str(place), packed)
    except NotImplementedError as error:
        raise DataError(
            f"The archive '{shown(path)}' is packed in a way that cannot be read here.",
            "Pack it again as a .zip.",
        ) from error
    except _DAMAGED as error:
        _check_room(error, folder)
        raise _damaged_zip(path) from error
    return tuple(Unpacked(folder / str(place), shown(member.filename)) for place, member in enumerate(members))


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    name = member.filename.replace("\\", "/").rpartition("/")[2]
    return not (member.is_dir() or member.filename.startswith("__MACOSX/") or name.startswith(_HIDDEN) or not name)


def _check_members(path: Path, members: list[zipfile.ZipInfo], limits: Limits) -> None:
    name = shown(path)
    if not members:
        raise DataError(f"The archive '{name}' holds no files.", "Choose the file with your examples.")
    if len(members) > limits.files:
        raise DataError(
            f"The archive '{name}' holds {len(members):,} files; at most {limits.files:,} can be taken in at once.",
            "Put the examples together in fewer files.",
        )
    if any(member.flag_bits & 1 for member in members):
        raise DataError(f"The archive '{name}' needs a password.", "Unpack it and choose the files inside.")


def _damaged_zip(path: Path) -> DataError:
    return DataError(
        f"'{shown(path)}' is a damaged archive, its end or a part of it is missing.", "Fetch or pack it again."
    )
