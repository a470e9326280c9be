"""What is not read though it might belong to an example: columns, fields and parts of turns, named and counted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from studio.data.conversion.cells import listed, opened, quoted
from studio.data.conversion.column_names import ANSWERING, MOST_COLUMNS
from studio.data.conversion.conversations import are_turns, parts_left_out, reads_field, turns_in
from studio.data.conversion.learning_marks import is_mark
from studio.data.conversion.reasoning import is_hidden
from studio.data.conversion.reply_trees import is_reply_tree, replies_left_out
from studio.data.conversion.roles import IGNORE, Roles, parts_of
from studio.data.conversion.sampled_columns import sampled
from studio.data.rows import Row
from studio.wording import counted

_MOST_NAMES = 1_000
_DEEPEST = 3
_DEEPEST_PART = 6
_FEWEST_WORDS = 3


class UnreadFields:
    """Counts the turns of each field that is not read, the parts of each type, and the replies that are not best."""

    def __init__(self) -> None:
        self._turns: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._hidden = 0
        self._replies = 0

    def add(self, cell: object) -> None:
        """Take the cell of a row that may hold a conversation."""
        found = opened(cell)
        if not isinstance(found, list | Mapping):
            return
        if isinstance(found, Mapping) and is_reply_tree(found):
            self._replies += replies_left_out(found)
        turns = turns_in(found)
        if turns is None or not are_turns(turns):
            return
        self._hidden += _hidden_in(found)
        for turn in turns:
            if isinstance(turn, Mapping):
                self._parts.update(parts_left_out(turn))
                if len(turn) > 2:
                    self._take(turn)

    def notes(self) -> Iterator[str]:
        """Name the fields, the most frequent first, with the number of turns that have them."""
        if self._replies:
            yield f"Of several replies to a message the best alone is learned; {self._replies:,} others are not read."
        if self._hidden:
            yield f"Reasoning that is redacted or encrypted cannot be read: {counted(self._hidden, 'part')} left out."
        if self._parts:
            parts = ", ".join(f"{listed([kind])} ({count:,})" for kind, count in self._parts.most_common())
            yield f"Of answers that hold the results of tools only what was said is learned. Not read: {parts}."
        if self._turns:
            names = [f"{listed([name])} ({count:,})" for name, count in self._turns.most_common(12)]
            more = f" and {len(self._turns) - 12:,} other fields" if len(self._turns) > 12 else ""
            yield f"Fields of turns that are not read, with the number of turns: {', '.join(names)}{more}."

    def _take(self, turn: Mapping[str, object]) -> None:
        for name, value in turn.items():
            known = not isinstance(name, str) or reads_field(name) or is_mark(name)
            if not known and (name in self._turns or len(self._turns) < _MOST_NAMES) and _says_something(value):
                self._turns[name] += 1


def _hidden_in(found: object, depth: int = 0) -> int:
    """Count the parts of reasoning that nobody can read, wherever in a conversation they stand."""
    if is_hidden(found):
        return 1
    inner = found.values() if isinstance(found, Mapping) else found if isinstance(found, list) else ()
    return sum(_hidden_in(each, depth + 1) for each in inner) if depth < _DEEPEST_PART else 0


def _says_something(value: object, depth: int = 0) -> bool:
    """Tell whether words stand here, and not only ids, times and figures."""
    if isinstance(value, str):
        words = value.split(maxsplit=_FEWEST_WORDS)
        return len(words) >= _FEWEST_WORDS and any(word.isalpha() for word in words[:_FEWEST_WORDS])
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return depth < _DEEPEST and any(_says_something(each, depth + 1) for each in inner)


def passed_over(columns: Sequence[str], sample: Sequence[Row], roles: Roles) -> Iterator[str]:
    """Say which columns are named like a part and yet were not guessed to be one, and why."""
    free = [name for name, part in parts_of(roles, columns[:MOST_COLUMNS]).items() if part == IGNORE]
    for column in sampled([name for name in free if name], sample):
        part = next((part for part in ("system", "history", "tools", "reasoning") if column.is_called(part)), "")
        if column.is_called(*ANSWERING) and column.holds_several_texts and not roles.kind:
            yield (
                f"The column {quoted(column.name)} holds several texts in a list, and it is not clear which of them is "
                "the answer: bring the best one alone. Chosen as the answer, the whole list is learned as JSON."
            )
        if part and column.cells and roles.kind:
            yield (
                f"The column {quoted(column.name)} is not read, though it is called so: it is not clear that it holds "
                f"what belongs there. Choose the part '{part}' for it if it does."
            )
