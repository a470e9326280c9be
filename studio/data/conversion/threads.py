"""Rows that hang together, put together into conversations: a question that follows an earlier one needs it.

A row is a question with its answer, or one message. It names the one before it by its id (`parent`), or shares a value
with the others of its conversation (`thread`), in the order of the rows or of a column. Each branch becomes one
conversation, and an answer in several of them is learned in the first alone. Of replies with ranks the best is read.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf

from studio.data.conversion.cells import is_empty, quoted
from studio.data.conversion.conversations import ASSISTANT, SYSTEM, TOOL, USER
from studio.data.conversion.reply_trees import rank_of
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
_TOO_LONG = "thread", f"It comes after {_LONGEST:,} others that follow one another, too many for a conversation."
_CIRCLE = "thread", "The rows that it follows follow one another in a circle."
_UNANSWERED = "unanswered", "No answer that is learned comes with it or after it."
_OUTRANKED = "reply", "It is, or it follows, a reply to a message to which another reply has a better rank."
_SPEAKING = (SYSTEM, USER, ASSISTANT, TOOL)
"""In which order the messages of one turn follow one another."""
_WHOLE = re.compile(r"(-?\d+)\.0+")

_Key = tuple[str, str]
Place = tuple[int, float, str]
NUMBER, _TIME = 0, 1
_NOWHERE: Place = (2, 0.0, "")
_Trouble = tuple[str, str]
"""The kind of a problem, and its text."""


class Threads:
    """Keeps the rows of a data set until all are there, and puts them together then."""

    def __init__(self, roles: Roles, *, most_rows: int = _MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._roles = roles
        self._nodes: dict[_Key, Example] = {}
        self._before: dict[_Key, _Key | None] = {}
        self._ranks: dict[_Key, float] = {}
        self._shared: dict[_Key, list[tuple[Place, int, int, _Key]]] = {}
        self._letters = 0

    def add(self, row: Row, drafted: Iterable[Example | RowProblem]) -> Iterator[RowProblem]:
        """Keep what a row gives; what is wrong with it is yielded at once.

        Raises DataError when there is more than can be kept.
        """
        drafted = tuple(drafted)
        key = self._key(row, drafted)
        for item in drafted:
            if isinstance(item, RowProblem):
                yield item
            elif key in self._nodes:
                yield _problem(item, ("thread", f"Its id {quoted(key[1])} is that of an earlier row."))
            else:
                self._keep(key, row, item)
        if len(self._nodes) > self._most_rows or self._letters > _MOST_LETTERS:
            raise DataError(
                "There are more rows than can be put together into conversations.",
                f"Set the column {quoted(self._roles.parent or self._roles.thread)} to ignore, or bring fewer rows.",
            )

    def joined(self) -> Iterator[Example | RowProblem]:
        """Yield a conversation for every answer that none follows, and a problem for every row that is in none."""
        self._follow()
        troubles = self._not_whole()
        if self._roles.message:
            self._leave_unanswered(troubles)
            self._leave_outranked(troubles)
        followed = {self._before[key] for key in self._nodes if key not in troubles}
        told: set[_Key] = set()
        letters = 0
        for key, example in self._nodes.items():
            if key in troubles:
                yield _problem(example, troubles[key])
            elif key not in followed:
                path = self._path(key)
                conversation = _conversation([(self._nodes[each], each in told) for each in path])
                told.update(path)
                letters += sum(len(message.content) for message in conversation.messages)
                if letters > 20 * self._letters + 10_000:
                    raise DataError(
                        "The rows branch so often that their conversations would be far larger than the file.",
                        f"Set the column {quoted(self._roles.parent)} to ignore.",
                    )
                yield conversation

    def _key(self, row: Row, drafted: Sequence[Example | RowProblem]) -> _Key:
        """Return what a row is called here. One that shares its conversation takes its place among the others."""
        if not self._roles.thread:
            return row.file, plain_id(row.cells.get(self._roles.id)) or f"row {row.number}"
        key = (row.file, str(row.number))
        if shared := plain_id(row.cells.get(self._roles.thread)):
            others = self._shared.setdefault((row.file, shared), [])
            spoken = [message.role for item in drafted if isinstance(item, Example) for message in item.messages]
            place = place_of(row.cells.get(self._roles.order) if self._roles.order else None)
            turn = _SPEAKING.index(spoken[-1]) if self._roles.message and spoken and place != _NOWHERE else 0
            others.append((place, turn, len(others), key))
        return key

    def _keep(self, key: _Key, row: Row, example: Example) -> None:
        parent = plain_id(row.cells.get(self._roles.parent)) if self._roles.parent else ""
        self._nodes[key] = example
        self._before[key] = None if parent in ("", key[1]) else (row.file, parent)
        self._ranks[key] = rank_of(row.cells) if self._roles.message else inf
        self._letters += sum(len(message.content) for message in example.messages)

    def _follow(self) -> None:
        """Let the rows of each shared conversation follow one another, also those that cannot be read."""
        for others in self._shared.values():
            keys = [key for *_, key in sorted(others)]
            self._before.update(zip(keys[1:], keys, strict=False))
        self._shared.clear()

    def _path(self, key: _Key) -> list[_Key]:
        """Return the rows up to this one, the first of them first. None of them has a trouble."""
        path: list[_Key] = []
        at: _Key | None = key
        while at is not None and at in self._nodes:
            path.append(at)
            at = self._before[at]
        return path[::-1]

    def _not_whole(self) -> dict[_Key, _Trouble]:
        """Say of each row that cannot be in a conversation why not."""
        depths: dict[_Key, int] = {}
        troubles: dict[_Key, _Trouble] = {}
        for key in self._nodes:
            trail: dict[_Key, None] = {}
            at: _Key | None = key
            while at is not None and at in self._nodes and at not in depths and at not in trail:
                trail[at] = None
                at = self._before[at]
            known = troubles.get(at) if at is not None else None
            trouble = _CIRCLE if at in trail else known if at in depths else self._missing(at)
            depth = depths.get(at, 0) if at is not None else 0
            for each in reversed(trail):
                depth += 1
                depths[each] = depth
                if trouble or depth > _LONGEST:
                    troubles[each] = trouble or _TOO_LONG
        return troubles

    def _missing(self, at: _Key | None) -> _Trouble | None:
        """Say that the row before is not there, or None where none is named."""
        if at is None or (not self._roles.thread and at[1].lower() in _ROOTS):
            return None
        before = "An earlier row" if self._roles.thread else f"The row {quoted(at[1])}"
        return "thread", f"{before} that it follows is missing or left out, so what it is about is not known."

    def _leave_unanswered(self, troubles: dict[_Key, _Trouble]) -> None:
        """Take out the rows after which comes no answer that is learned, from the ends of the conversations on."""
        following = Counter(self._before[key] for key in self._nodes if key not in troubles)
        ends = [key for key in self._nodes if key not in troubles and not following[key]]
        while ends:
            key = ends.pop()
            last = self._nodes[key].messages[-1]
            if last.role == ASSISTANT and last.learned:
                continue
            troubles[key] = _UNANSWERED
            before = self._before[key]
            following[before] -= 1
            if before is not None and before in self._nodes and not following[before]:
                ends.append(before)

    def _leave_outranked(self, troubles: dict[_Key, _Trouble]) -> None:
        """Take out the replies to a message beside the one of the best rank, with all that follows them."""
        replies: dict[_Key, list[_Key]] = {}
        for key in self._nodes:
            before = self._before[key]
            if before is not None and before in self._nodes and key not in troubles:
                replies.setdefault(before, []).append(key)
        beaten: list[_Key] = []
        for group in replies.values():
            best = min(group, key=self._ranks.__getitem__)
            beaten += (key for key in group if key != best and self._ranks[best] < inf)
        while beaten:
            key = beaten.pop()
            if key not in troubles:
                troubles[key] = _OUTRANKED
                beaten += replies.get(key, ())


def _conversation(rows: list[tuple[Example, bool]]) -> Example:
    """Put the turns of rows together. Those that are in an earlier conversation are context here."""
    first = rows[0][0].messages[0]
    system = first if first.role == SYSTEM else None
    messages: list[Message] = []
    for example, is_known in rows:
        for message in example.messages:
            if not messages or message != system:
                messages.append(replace(message, learned=False) if is_known else message)
    said = tuple(message for message in messages if message.role != SYSTEM or not is_empty(message.content))
    tools = next((example.tools for example, _ in reversed(rows) if example.tools), "")
    return replace(rows[0][0], messages=said, tools=tools)


def _problem(example: Example, trouble: _Trouble) -> RowProblem:
    kind, text = trouble
    return RowProblem(example.row, text, example.file, kind)


def plain_id(cell: object) -> str:
    """Return the id in a cell as text; pandas writes whole numbers as 7.0 where some are missing."""
    text = "" if is_empty(cell) else str(cell).strip()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else text


def place_of(cell: object) -> Place:
    """Return where a number or a time puts a row among the others: numbers first, what is empty last."""
    text = "" if is_empty(cell) else str(cell).strip()
    try:
        number = float(text)
    except ValueError:
        number = inf
    if number == number and number != inf:
        return NUMBER, number, ""
    return (_TIME, 0.0, text) if text else _NOWHERE
