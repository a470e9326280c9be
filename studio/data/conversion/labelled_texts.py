"""The guess for texts that somebody has labelled, summed up or translated: the answer to learn."""

from collections.abc import Sequence

from studio.data.conversion.column_names import words_of
from studio.data.conversion.sampled_columns import Column

_NAMED = ("label", "target", "summary", "translation")
_QUESTIONS = ("instruction", "prompt", "question", "problem")
_TEXTS = (*_QUESTIONS, "input", "message", "context", "text", "heading", "user")
_ABOUT = frozenset(
    "date time timestamp created updated url link source path file name email author user location".split()
)
"""Words in the names of columns that are about a text and no part of it."""
_MOST_TEXTS = 3


def labelled_text(columns: Sequence[Column]) -> dict[str, str] | None:
    """Return the parts of the texts and of their only label in words; None where there is no such pair.

    A number for a class is not taken: a model that is to answer in words has nothing to do with it.
    """
    labels = [column for column in columns if column.is_called(*_NAMED) and column.is_prose]
    texts = [column for column in columns if column not in labels and _is_text(column)]
    if len(labels) != 1 or labels[0].is_constant or not 1 <= len(texts) <= _MOST_TEXTS:
        return None
    asking = [column for column in texts if column.is_called(*_QUESTIONS)]
    others = [column for column in texts if column not in asking]
    if len(asking) == 1 and len(others) == 1:
        parts = {asking[0].name: "prompt", others[0].name: "input"}
    else:
        parts = {column.name: "prompt" for column in (*asking, *others)}
    return {**parts, labels[0].name: "answer"}


def _is_text(column: Column) -> bool:
    """Tell whether texts to be labelled stand in a column: by its name, or because several words stand in it."""
    if not column.is_prose or column.is_called("id", "parent", "thread", "system", "rejected", "reasoning"):
        return False
    if column.is_called(*_TEXTS):
        return True
    return _ABOUT.isdisjoint(words_of(column.name)) and column.mostly(_has_words)


def _has_words(cell: object) -> bool:
    return isinstance(cell, str) and (len(cell.split(maxsplit=3)) > 3 or (not cell.isascii() and len(cell) > 10))
