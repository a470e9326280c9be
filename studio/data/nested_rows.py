"""Rows that are not one example each, or not of one format.

A row may hold a list of questions with answers, or phrasings that share an answer: such a shape is used where the rows
are no examples as they stand and surely are with it. And rows of several formats stand in one file where data sets of
different origin were put together line by line.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from studio.data.conversion.cells import is_empty, listed, quoted
from studio.data.conversion.column_names import MOST_COLUMNS, meanings, plain
from studio.data.conversion.conversations import are_turns
from studio.data.conversion.formats import has_columns
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import IGNORE, TEXT, Roles, missing, parts_of
from studio.data.rows import Row, RowProblem
from studio.data.sources.readers import Source
from studio.wording import counted

_ASKING = frozenset(("question", "prompt", "instruction", "input", "user", "q", "problem"))
_ANSWERING = frozenset(("answer", "response", "output", "completion", "assistant", "a", "solution"))
_PHRASINGS = frozenset("patterns utterances phrases phrasings trainingphrases usersays variants paraphrases".split())
_DEEPEST = 3
_SAMPLE = 200
_NEARLY_ALL = 0.9
_QUESTION = "question"

Rows = Iterator[Row | RowProblem]

_MOST_FORMATS = 50
_WIDEST_ROW = 100


@dataclass(frozen=True)
class _Shape:
    """The columns with lists of rows, from the outermost; or the columns of phrasings and of the answers they share."""

    path: tuple[str, ...] = ()
    phrasings: str = ""
    answers: str = ""

    def rows_in(self, row: Row) -> Rows:
        if self.phrasings:
            return _phrasings_apart(row, self.phrasings, self.answers)
        return _entries_apart(row, self.path)


def examples_apart(source: Source, roles: Roles | None) -> Source:
    """Return a source whose rows hold one example each, as far as it is clear how several stand in a row.

    Rows stay as they are where `roles`, which a person chose, name columns that would be taken apart.
    """
    apart = _examples_apart(source)
    chosen = parts_of(roles, source.columns).items() if roles is not None else ()
    return source if any(part != IGNORE and name not in apart.columns for name, part in chosen) else apart


def _examples_apart(source: Source) -> Source:
    sample = [row for row in source.sample if len(row.cells) <= MOST_COLUMNS]
    if not sample or len(source.columns) > MOST_COLUMNS or _is_clear(guess_roles(source.columns, sample)):
        return source
    path = _path(sample)
    if path:
        said = listed(path)
        note = f"Each entry of the lists in {said} is read as a row, beside the other columns of the row it stands in."
        return source.reshaped(_Shape(path).rows_in, note)
    shape = _shared_answers(sample)
    if shape is None:
        return source
    note = (
        f"The texts of a list in {quoted(shape.phrasings)} are read as questions, an example each, and answered by "
        f"{quoted(shape.answers)}: where that is a list too, by its texts in turn."
    )
    return source.reshaped(shape.rows_in, note)


def notes_on_lists(source: Source) -> Iterator[str]:
    """Say which columns hold lists or objects, with what is in them, where nobody knows what to do with the rows."""
    for column in source.columns[:MOST_COLUMNS]:
        cells = [cell for row in source.sample if not is_empty(cell := row.cells.get(column))]
        entries = [entry for cell in cells if isinstance(cell, list) for entry in cell[:1]]
        if not cells or len(entries) < _NEARLY_ALL * len(cells):
            continue
        fields = list(dict.fromkeys(str(name) for entry in entries if isinstance(entry, Mapping) for name in entry))
        what = f"lists of objects ({listed(fields)})" if fields else "lists"
        yield (
            f"The column {quoted(column)} holds {what}. What is asked and its answer have to stand in one row, in two "
            "columns: bring one such pair in each row."
        )


def _is_clear(roles: Roles) -> bool:
    return bool(roles.kind) and roles.kind != TEXT


def _path(sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns to open one after another until the rows are examples; nothing where that is not clear."""
    path: tuple[str, ...] = ()
    for _ in range(_DEEPEST):
        lists = [column for column in _columns(sample) if _mostly(sample, column, _is_list_of_rows)]
        if len(lists) != 1:
            return ()
        outer = set(_columns(sample)) - set(lists)
        path = (*path, lists[0])
        inner = (each for row in sample for each in _entries_apart(row, lists))
        sample = [each for each in islice(inner, _SAMPLE) if isinstance(each, Row)]
        roles = guess_roles(_columns(sample), sample)
        if _is_clear(roles) and (roles.conversation or roles.answer) not in outer:
            return path
    return ()


def _shared_answers(sample: Sequence[Row]) -> _Shape | None:
    """Find the one column with lists of phrasings, and the one with what answers them."""
    names = {column: meanings(column) for column in _columns(sample)}
    asking = [each for each, meant in names.items() if meant & _ASKING or plain(each) in _PHRASINGS]
    asking = [each for each in asking if _mostly(sample, each, _is_text_or_texts)]
    asking = [each for each in asking if any(isinstance(row.cells.get(each), list) for row in sample)]
    answering = [each for each, meant in names.items() if meant & _ANSWERING and each not in asking]
    answering = [each for each in answering if _mostly(sample, each, _is_text_or_texts)]
    if len(asking) != 1 or len(answering) != 1:
        return None
    shape = _Shape(phrasings=asking[0], answers=answering[0])
    rows = [each for row in sample for each in shape.rows_in(row) if isinstance(each, Row)][:_SAMPLE]
    roles = guess_roles(_columns(rows), rows)
    return shape if _is_clear(roles) and roles.answer == answering[0] else None


def _entries_apart(row: Row, path: Sequence[str]) -> Rows:
    """Yield the entries of a list as rows, with the other cells of the row; the row itself where there is no list."""
    entries = row.cells.get(path[0]) if path else None
    if not isinstance(entries, list) or not entries:
        yield row
        return
    beside = {name: cell for name, cell in row.cells.items() if name != path[0]}
    for entry in entries:
        if not isinstance(entry, Mapping):
            text = f"An entry of the list in {quoted(path[0])} is no object with named fields."
            yield RowProblem(row.number, text, row.file, "unreadable")
            continue
        inner = {str(name): _answers_of_several(cell) for name, cell in entry.items()}
        outer = {f"outer {name}" if name in inner else name: cell for name, cell in beside.items()}
        yield from _entries_apart(Row(row.number, {**outer, **inner}, row.file), path[1:])


def _phrasings_apart(row: Row, phrasings: str, answers: str) -> Rows:
    """Yield a row for each phrasing with an answer; several answers in turn, and each of them at least once."""
    asked, answered = row.cells.get(phrasings), row.cells.get(answers)
    asked = [asked] if isinstance(asked, str) else asked
    if not isinstance(asked, list) or not asked or not all(isinstance(text, str) for text in asked):
        yield row
        return
    replies = answered if isinstance(answered, list) and answered else [answered]
    name = phrasings if meanings(phrasings) & _ASKING or _QUESTION in row.cells else _QUESTION
    for place in range(max(len(asked), len(replies))):
        cells = {name if each == phrasings else each: cell for each, cell in row.cells.items()}
        cells[name], cells[answers] = asked[place % len(asked)], replies[place % len(replies)]
        yield Row(row.number, cells, row.file)


def _answers_of_several(cell: object) -> object:
    """Return the answers that several people marked in a text as one object, as the rows of SQuAD hold them."""
    if not isinstance(cell, list) or not cell or not all(isinstance(each, Mapping) for each in cell):
        return cell
    if not all({"text", "answer_start"} <= each.keys() for each in cell):
        return cell
    return {name: [each[name] for each in cell] for name in ("text", "answer_start")}


def _columns(sample: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in sample for name in row.cells))[:MOST_COLUMNS]


def _mostly(sample: Sequence[Row], column: str, holds: Callable[[object], bool]) -> bool:
    cells = [cell for row in sample if not is_empty(cell := row.cells.get(column))]
    return bool(cells) and sum(map(holds, cells)) >= _NEARLY_ALL * len(cells)


def _is_list_of_rows(cell: object) -> bool:
    return isinstance(cell, list) and all(isinstance(each, Mapping) for each in cell) and not are_turns(cell)


def _is_text_or_texts(cell: object) -> bool:
    return isinstance(cell, str) or (isinstance(cell, list) and all(isinstance(each, str) for each in cell))


class MixedFormats:
    """How the columns of each row are read: as chosen, or by a guess in rows that have none of the chosen columns."""

    def __init__(self, roles: Roles, sample: Sequence[Row]) -> None:
        self._roles = roles
        self._sample = sample
        self._others: dict[tuple[str, ...], Roles] = {}
        self._counts: Counter[str] = Counter()

    def of(self, row: Row) -> Roles:
        """Return how a row is read."""
        if has_columns(row, self._roles) or len(row.cells) > _WIDEST_ROW:
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
