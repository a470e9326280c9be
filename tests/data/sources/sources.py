"""Files for the tests of the readers, and what is read from them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.data.rows import Row, RowProblem
from studio.data.sources.archives import Limits
from studio.data.sources.readers import Source, open_source


@dataclass(frozen=True)
class Read:
    """All that a source gives."""

    source: Source
    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...]

    @property
    def cells(self) -> list[dict[str, object]]:
        return [dict(row.cells) for row in self.rows]

    @property
    def numbered(self) -> list[tuple[int, dict[str, object]]]:
        return [(row.number, dict(row.cells)) for row in self.rows]


def read(paths: Path | Sequence[Path], limits: Limits | None = None) -> Read:
    """Read files whole, twice, and see that both give the same."""
    with open_source([paths] if isinstance(paths, Path) else paths, limits=limits or Limits()) as source:
        found = list(source.rows())
        assert list(source.rows()) == found
        rows = tuple(item for item in found if isinstance(item, Row))
        problems = tuple(item for item in found if isinstance(item, RowProblem))
        if len(source.files) == 1:
            assert source.sample == rows[: len(source.sample)]
        return Read(source, rows, problems)


class Folder:
    """A folder in which a test writes its files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, content: str | bytes, name: str = "data.csv") -> Path:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, content: str | bytes, name: str = "data.csv") -> Read:
        return read(self.write(content, name))
