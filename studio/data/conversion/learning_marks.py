"""Marks in people's files that say which answers are to be learned, under the names that trainers use for them.

A marked answer stays in its conversation as context. Marks on the turns of a person mean nothing: these are never
learned.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from studio.data.conversion.cells import UnusableError, opened, quoted
from studio.data.conversion.column_names import means, plain
from studio.data.examples import Message

_LEARN = frozenset(
    "train training trainable trainon trainonturn traindetail trainingdetail learn learned loss lossmask lossweight "
    "lossscale computeloss calculateloss weight".split()
)
"""Names of marks that say no by 0 or false: OpenAI's weight, axolotl's train, ms-swift's loss, verl's loss_mask..."""
_SKIP = frozenset("mask masked ignore ignored ignoreloss skiploss noloss masklabels donotlearn donottrain".split())
"""Names of marks that say no by 1 or true, such as torchtune's masked."""
_YES, _NO = frozenset(("true", "yes", "1", "1.0")), frozenset(("false", "no", "0", "0.0"))


def is_left_out(marked: Mapping[str, object]) -> bool:
    """Tell whether a turn, or a row, bears a mark that it is not to be learned."""
    return any(_says(value, words) for name, value in marked.items() if (words := _saying_no(str(name))))


def apply_marks(cells: Mapping[str, object], used: Sequence[str], messages: list[Message]) -> list[Message]:
    """Apply the marks of a whole row to its messages: one for all of them, or a list with one for each.

    `used` are the columns that play another part. What follows the last answer that is learned is left out, because
    nothing after it has an effect. Raises UnusableError where no answer is left to learn.
    """
    marks = {name: opened(cells[name]) for name in cells if name not in used and is_mark(name)}
    if name := next((name for name, mark in marks.items() if _is_bad_verdict(name, mark)), ""):
        raise UnusableError("not-to-be-learned", f"The column {quoted(name)} says that this is not a good answer.")
    if name := next((name for name, mark in marks.items() if is_left_out({name: mark})), ""):
        raise UnusableError("not-to-be-learned", f"The column {quoted(name)} says that this row is not to be learned.")
    for name, mark in marks.items():
        if isinstance(mark, list) and len(mark) == len(messages):
            pairs = zip(messages, mark, strict=True)
            messages = [replace(each, learned=False) if is_left_out({name: one}) else each for each, one in pairs]
    answers = [place for place, message in enumerate(messages, start=1) if message.role == "assistant"]
    learned = [place for place in answers if messages[place - 1].learned]
    if answers and not learned:
        raise UnusableError("not-to-be-learned", "Every answer is marked as not to be learned.")
    return messages if learned == answers else messages[: learned[-1]]


def is_marked_bad(cells: Mapping[str, object]) -> bool:
    """Tell whether a column of a row says that it is not good."""
    return any(_is_bad_verdict(name, opened(cell)) for name, cell in cells.items() if is_mark(name))


@functools.lru_cache(maxsize=4096)
def _saying_no(name: str) -> frozenset[str]:
    """Return the words by which a mark of this name says no; none where it is the name of something else."""
    known = plain(name)
    return _NO if known in _LEARN else _YES if known in _SKIP else frozenset()


@functools.lru_cache(maxsize=4096)
def is_mark(name: str) -> bool:
    """Tell whether a field or a column of this name says what is to be learned."""
    return bool(_saying_no(name)) or means(name, "verdict") or means(name, "label")


def _is_bad_verdict(name: str, mark: object) -> bool:
    """Tell whether a column judges the answer, and says that it is bad. A label of 0 may be the name of a class."""
    if means(name, "verdict"):
        return _says(mark, _NO)
    return means(name, "label") and (mark is False or (isinstance(mark, str) and mark.strip().lower() == "false"))


def _says(value: object, words: frozenset[str]) -> bool:
    """Tell whether a mark says one of these words; a list of the parts of a turn does where any part does."""
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        return any(is_left_out(part) for part in value)
    return isinstance(value, str | int | float) and str(value).strip().lower() in words
