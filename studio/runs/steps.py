"""The steps of a run as a table that grows at its end: made for two hundred thousand of them, and for many readers.

One thread adds, any number read: `until_now` is a copy that costs nothing and never changes, because rows that were
shown once are never written again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from studio.events import Stepped

Numbers = NDArray[np.float64]

FIELDS = tuple(field.name for field in fields(Stepped))
_WHOLE = ("step", "tokens")
TIME, WORKED, ALL_TOKENS = "time", "worked", "all_tokens"
"""Three columns beside the fields of `Stepped`: when the step was done, in seconds since the epoch; the seconds that
were spent on the training until then, without the time between two workers; and the tokens that were read until then.
"""

COLUMNS = (*FIELDS, TIME, WORKED, ALL_TOKENS)
_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_FIRST_ROOM = 64


class Steps(Sequence[Stepped]):
    """The steps in ascending order of their number."""

    def __init__(self) -> None:
        self._table: Numbers = np.empty((len(COLUMNS), 0))
        self._length = 0
        self._room = 0
        """So many steps are this one's to write: what others were shown is not."""

    def append(self, event: Stepped, time: float, *, since: float) -> None:
        """Add one step that was done at `time` by a worker that began to train at `since`."""
        row = [getattr(event, name) for name in FIELDS]
        self.extend(np.array([[*row, time]], dtype=np.float64), since=since)

    def extend(self, rows: Numbers, *, since: float) -> None:
        """Add rows of the fields of `Stepped` and the time, all by a worker that began to train at `since`."""
        count = len(rows)
        if not count:
            return
        self._make_room(count)
        start, end = self._length, self._length + count
        before, worked, tokens = self._table[len(FIELDS) :, start - 1] if start else (since, 0.0, 0.0)
        target = self._table[:, start:end]
        target[: len(FIELDS) + 1] = rows.T
        times = rows[:, len(FIELDS)]
        earlier = np.maximum(np.concatenate(([before], times[:-1])), since)
        target[_PLACE[WORKED]] = worked + np.cumsum(np.maximum(times - earlier, 0.0))
        target[_PLACE[ALL_TOKENS]] = tokens + np.cumsum(rows[:, _PLACE["tokens"]])
        self._length = end

    def cut(self, length: int) -> None:
        """Forget all but the first `length` steps."""
        if length < self._length:
            self._length = self._room = max(0, length)

    def cut_behind(self, step: int) -> None:
        """Forget the steps with a number above `step`."""
        self.cut(self.count_until(step))

    def until_now(self) -> "Steps":
        """Return these steps as they are now, for good."""
        shown = Steps()
        shown._table, shown._length, shown._room = self._table, self._length, self._length
        return shown

    def column(self, name: str) -> Numbers:
        """Return one of `COLUMNS`, to be read only."""
        column = self._table[_PLACE[name], : self._length]
        column.flags.writeable = False
        return column

    def count_until(self, step: int) -> int:
        """Count the steps with a number of at most `step`."""
        if not self._length or self._table[0, self._length - 1] <= step:
            return self._length
        return int(np.searchsorted(self._table[0, : self._length], step, side="right"))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: SupportsIndex) -> Stepped: ...

    @overload
    def __getitem__(self, index: slice) -> list[Stepped]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Stepped | list[Stepped]:
        if isinstance(index, slice):
            return [_stepped(row) for row in self._table[:, : self._length][:, index].T.tolist()]
        return _stepped(self._table[:, range(self._length)[index]].tolist())

    def __iter__(self) -> Iterator[Stepped]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self[:] == list(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"Steps({self[:]!r})"

    def _make_room(self, count: int) -> None:
        needed = self._length + count
        if needed <= self._room:
            return
        room = max(_FIRST_ROOM, needed, 2 * self._length)
        table = np.empty((len(COLUMNS), room))
        table[:, : self._length] = self._table[:, : self._length]
        self._table, self._room = table, room


def _stepped(row: list[float]) -> Stepped:
    values: dict[str, Any] = dict(zip(FIELDS, row, strict=False))
    return Stepped(**values | {name: int(values[name]) for name in _WHOLE})
