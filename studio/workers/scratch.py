"""Where an export is made. What one that was killed had made whole is taken up by the next of the same."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.files import whole_folder, write_whole

_OF = "of"


@dataclass(frozen=True)
class Scratch:
    """A folder for the parts of an export, each a folder of its own."""

    folder: Path

    @property
    def size(self) -> int:
        """How many bytes lie here."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*"))

    def made(self, part: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of a part; `make` fills it first, unless it is here as a whole. Raises OSError."""
        folder = self.folder / part
        if not folder.exists():
            with whole_folder(folder) as filled:
                make(filled)
        return folder

    def drop(self, part: str) -> None:
        """Delete a part that nothing needs any more."""
        shutil.rmtree(self.folder / part, ignore_errors=True)


@contextmanager
def scratch(folder: Path, of: str) -> Iterator[Scratch]:
    """Give a folder that is gone afterwards, with the parts in it that an export `of` the same had made.

    Only a process that is killed leaves them: what fails or is stopped takes its own away.
    """
    known = folder / _OF
    if not known.is_file() or known.read_text(encoding="utf-8").strip() != of:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_whole(known, of)
    try:
        yield Scratch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
