"""Rows that hang together, put together into conversations: a question that follows an earlier one needs it.

A row names the one before it by its id (`parent`), or shares a value with the others of its conversation (`thread`).
Each branch becomes one conversation, and an answer in several of them is learned in the first alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from studio.data.conversion.cells import is_empty, quoted
from studio.data.conversion.roles import Roles
from studio.data.examples import Example, Message
from studio.data.rows import Row, RowProblem
from studio.errors import DataError

_LONGEST = 1_000
"""So many rows may follow one another."""
_MOST_ROWS = 500_000
_MOST_LETTERS = 200_000_000
_ROOTS = frozenset(("", "0", "-1", "none", "null", "nan", "n/a", "root"))
"""What stands for no parent, unless a row has it for an id."""
_TOO_LONG = f"It comes after {_LONGEST:,} others that follow one another, too many for a conversation."
_CIRCLE = "The rows that it follows follow one another in a circle."
_WHOLE = re.compile(r"(-?\d+)\.0+")

_Key = tuple[str, str]


@dataclass(frozen=True)
class _Node:
    """A row with its own turns, and the key of the row before it, or None."""

    example: Example
    parent: _Key | None


class Threads:
    """Keeps the rows of a data set until all are there, and puts them together then."""

    def __init__(self, roles: Roles, *, most_rows: int = _MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._roles = roles
        self._nodes: dict[_Key, _Node] = {}
        self._newest: dict[_Key, _Key] = {}
        self._letters = 0

    def add(self, row: Row, drafted: Iterable[Example | RowProblem]) -> Iterator[RowProblem]:
        """Keep what a row gives; what is wrong with it is yielded at once.

        Raises DataError when there is more than can be kept.
        """
        key, parent = self._place(row)
        for item in drafted:
            if isinstance(item, RowProblem):
                yield item
            elif key in self._nodes:
                yield _problem(item, f"Its id {quoted(key[1])} is that of an earlier row.")
            else:
                self._nodes[key] = _Node(item, parent)
                self._letters += sum(len(message.content) for message in item.messages)
        if len(self._nodes) > self._most_rows or self._letters > _MOST_LETTERS:
            raise DataError(
                "There are more rows than can be put together into conversations.",
                f"Set the column {quoted(self._roles.parent or self._roles.thread)} to ignore, or bring fewer rows.",
            )

    def joined(self) -> Iterator[Example | RowProblem]:
        """Yield a conversation for every row that none follows, and a problem for every row that is in none."""
        troubles = self._troubles()
        followed = {node.parent for key, node in self._nodes.items() if key not in troubles}
        told: set[_Key] = set()
        letters = 0
        for key, node in self._nodes.items():
            if key in troubles:
                yield _problem(node.example, troubles[key])
            elif key not in followed:
                path = self._path(key)
                conversation = _conversation([(self._nodes[each].example, each in told) for each in path])
                told.update(path)
                letters += sum(len(message.content) for message in conversation.messages)
                if letters > 20 * self._letters + 10_000:
                    raise DataError(
                        "The rows branch so often that their conversations would be far larger than the file.",
                        f"Set the column {quoted(self._roles.parent)} to ignore.",
                    )
                yield conversation

    def _place(self, row: Row) -> tuple[_Key, _Key | None]:
        """Return the key of a row, and that of the row before it; None for the first of a conversation."""
        if self._roles.thread:
            key, shared = (row.file, str(row.number)), (row.file, plain_id(row.cells.get(self._roles.thread)))
            before = self._newest.get(shared) if shared[1] else None
            self._newest[shared] = key
            return key, before
        own, parent = (plain_id(row.cells.get(name)) for name in (self._roles.id, self._roles.parent))
        key = (row.file, own or f"row {row.number}")
        return key, None if parent in ("", own) else (row.file, parent)

    def _path(self, key: _Key) -> list[_Key]:
        """Return the rows up to this one, the first of them first. None of them has a trouble."""
        path: list[_Key] = []
        at: _Key | None = key
        while at is not None and at in self._nodes:
            path.append(at)
            at = self._nodes[at].parent
        return path[::-1]

    def _troubles(self) -> dict[_Key, str]:
        """Say of each row that cannot be in a conversation why not."""
        depths: dict[_Key, int] = {}
        troubles: dict[_Key, str] = {}
        for key in self._nodes:
            trail: dict[_Key, None] = {}
            at: _Key | None = key
            while at is not None and at in self._nodes and at not in depths and at not in trail:
                trail[at] = None
                at = self._nodes[at].parent
            trouble = _CIRCLE if at in trail else troubles.get(at, "") if at in depths else self._missing(at)
            depth = depths.get(at, 0) if at is not None else 0
            for each in reversed(trail):
                depth += 1
                depths[each] = depth
                if trouble or depth > _LONGEST:
                    troubles[each] = trouble or _TOO_LONG
        return troubles

    def _missing(self, at: _Key | None) -> str:
        """Say that the row before is not there, or "" where none is named."""
        if at is None or (not self._roles.thread and at[1].lower() in _ROOTS):
            return ""
        before = "An earlier row" if self._roles.thread else f"The row {quoted(at[1])}"
        return f"{before} that it follows is missing or left out, so what it is about is not known."


def _conversation(rows: list[tuple[Example, bool]]) -> Example:
    """Put the turns of rows together. Those that are in an earlier conversation are context here."""
    first, last = rows[0][0], rows[-1][0]
    system = first.messages[0] if first.messages[0].role == "system" else None
    messages: list[Message] = []
    for example, is_known in rows:
        for message in example.messages:
            if not messages or message != system:
                messages.append(replace(message, learned=False) if is_known else message)
    return replace(first, messages=tuple(messages), tools=last.tools)


def _problem(example: Example, text: str) -> RowProblem:
    return RowProblem(example.row, text, example.file, "thread")


def plain_id(cell: object) -> str:
    """Return the id in a cell as text; pandas writes whole numbers as 7.0 where some are missing."""
    text = "" if is_empty(cell) else str(cell).strip()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else text
