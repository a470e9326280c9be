"""Files whose rows are of several formats, as when data sets of different origin were put together line by line."""

from collections import Counter
from collections.abc import Iterator, Sequence

from studio.data.conversion.cells import listed
from studio.data.conversion.formats import has_columns
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import IGNORE, TEXT, Roles, missing, parts_of
from studio.data.rows import Row
from studio.wording import counted

_MOST_FORMATS = 50
_MOST_COLUMNS = 100


class MixedFormats:
    """How the columns of each row are read: as chosen, or by a guess in rows that have none of the chosen columns."""

    def __init__(self, roles: Roles, sample: Sequence[Row]) -> None:
        self._roles = roles
        self._sample = sample
        self._others: dict[tuple[str, ...], Roles] = {}
        self._counts: Counter[str] = Counter()

    def of(self, row: Row) -> Roles:
        """Return how a row is read."""
        if has_columns(row, self._roles) or len(row.cells) > _MOST_COLUMNS:
            return self._roles
        columns = tuple(row.cells)
        if columns not in self._others:
            if len(self._others) == _MOST_FORMATS:
                return self._roles
            alike = [each for each in self._sample if tuple(each.cells) == columns]
            self._others[columns] = guess_roles(columns, alike or [row])
        found = self._others[columns]
        is_stray = found.kind == TEXT and self._roles.kind != TEXT  # a remark between examples is no example
        if not found.kind or is_stray or missing(found, columns):
            return self._roles
        self._counts[listed([column for column, part in parts_of(found, columns).items() if part != IGNORE])] += 1
        return found

    def notes(self) -> Iterator[str]:
        """Say how many rows are read by other columns."""
        for columns, count in self._counts.items():
            yield f"{counted(count, 'row')} of another format {'is' if count == 1 else 'are'} read by: {columns}."
