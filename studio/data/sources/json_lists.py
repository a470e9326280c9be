"""Several lists of rows in one JSON document: which of them are read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.data.reading_choices import ALL, EVERY_LIST, LIST, Choices, Option, Question, first_lines
from studio.data.sources.split_names import is_for_tests, is_for_training, splits_question
from studio.errors import DataError

_MOST_OPTIONS = 50
_MOST_NAMED = 5


@dataclass(frozen=True)
class ChosenLists:
    """The names of the lists that are read, sentences on it, and what can be read otherwise."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


def choose_lists(samples: Mapping[str, Sequence[object]], choices: Choices) -> ChosenLists:
    """Choose among several lists, of which `samples` has the first rows by name.

    Lists for training are read, and those for tests beside them as a person chose. Of lists with other names the person
    chooses one, or all where their rows have the same fields. Raises DataError when the chosen one is not there.
    """
    tests = [name for name in samples if is_for_tests(name)]
    others = [name for name in samples if name not in tests]
    training = [name for name in others if is_for_training(name)] or (others if len(others) == 1 and tests else [])
    splits = (splits_question("lists", tests, choices.splits),) if tests and training else ()
    if splits and choices.splits == ALL:
        names = [name for name in samples if name in tests or name in training]
    elif choices.list == EVERY_LIST and _are_alike(samples):
        names = list(samples)
    elif choices.list:
        if choices.list not in samples:
            found = f"The JSON has no list '{choices.list[:80]}'. It has: {_listed(tuple(samples))}."
            raise DataError(found, "Choose one of these lists.")
        names = [choices.list]
    else:
        names = training or ([] if others else tests)
    left = [name for name in samples if name not in names]
    questions = (*splits, *_list_question(samples, names))
    if not names:
        return ChosenLists((next(iter(samples)),), (), questions)
    said = f"The rows are those of {'the list' if len(names) == 1 else 'the lists'} {_listed(names)}"
    rest = f"; {_listed(left)} {'was' if len(left) == 1 else 'were'} not read" if left else ""
    return ChosenLists(tuple(names), (f"{said}{rest}.",), questions)


def _list_question(samples: Mapping[str, Sequence[object]], names: Sequence[str]) -> tuple[Question, ...]:
    """Offer each list; openly where none is chosen, and not at all where several are read."""
    is_every = len(names) == len(samples) and _are_alike(samples)
    if len(names) > 1 and not is_every:
        return ()
    offered = list(samples)[:_MOST_OPTIONS]
    options = tuple(Option(name, name[:80], _first_rows(samples[name])) for name in offered)
    if _are_alike(samples):
        options = (Option(EVERY_LIST, "All of them", ("Every list, one after the other",)), *options)
    if is_every:
        return (Question(LIST, "All lists are read.", EVERY_LIST, options),)
    if names:
        return (Question(LIST, f"The list '{names[0][:80]}' is read.", names[0], options),)
    text = f"The JSON holds several lists: {_listed(tuple(samples))}. Choose the one to learn from."
    return (Question(LIST, text, "", options, is_open=True),)


def _are_alike(samples: Mapping[str, Sequence[object]]) -> bool:
    """Say whether the rows of lists that are not told apart by splits have the same fields."""
    fields = {frozenset(row) if isinstance(row, dict) else None for rows in samples.values() for row in rows}
    return len(fields) == 1 and not any(is_for_tests(name) or is_for_training(name) for name in samples)


def _first_rows(rows: Sequence[object]) -> tuple[str, ...]:
    return first_lines(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode() for row in rows)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:80]}'" for name in names[:_MOST_NAMED])
    return shown + (f" and {len(names) - _MOST_NAMED:,} others" if len(names) > _MOST_NAMED else "")
