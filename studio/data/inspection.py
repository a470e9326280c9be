"""What is known of files of examples before anything is learned from them: format, columns, rows, doubts.

    files -> rows -> drafts -> fixed -> judged -> examples

One pass, and the examples go to a file as they come, so that a million rows need no memory. The page and the command
line both use `inspect_files`.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from studio.data.checking.checks import Checker
from studio.data.checking.findings import Finding
from studio.data.checking.fixes import Fixer
from studio.data.conversion.cells import is_json, quoted
from studio.data.conversion.column_names import MOST_COLUMNS
from studio.data.conversion.conversations import are_turns, turns_in
from studio.data.conversion.faults import fault
from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.prompt_templates import names_in
from studio.data.conversion.roles import IGNORE, Roles, missing, notes_on, parts_of
from studio.data.conversion.threads import Threads
from studio.data.conversion.unread_fields import UnreadFields, passed_over
from studio.data.example_files import ExampleWriter
from studio.data.examples import Example
from studio.data.nested_rows import MixedFormats, examples_apart, notes_on_lists
from studio.data.questions import Questions, write_questions
from studio.data.reading_choices import GUESSED, Change, Choices, Question
from studio.data.rows import Report, Row, RowProblem, silent
from studio.data.sources.readers import Source, open_source
from studio.data.tokenizing.tokens import TokenStatistics
from studio.wording import counted

MOST_PROBLEMS = 100_000
"""So many left-out rows are listed one by one; beyond that they are only counted."""

PREVIEW_ROWS = 5
MOST_COLUMNS_SHOWN = 100
_LONGEST_CELL = 300


@dataclass(frozen=True)
class Inspection:
    """What files hold.

    `kind` and `roles` say how the columns are read; both are empty while nobody has assigned them, and `verdict` says
    what to assign. `columns` are all of a file, or of very many the chosen and the first others; `preview` has the
    first rows, one text for each of them. `problems` are the rows left out, of
    which `left_out` is the number; `findings` are doubts about the usable examples, `notes` about the reading.
    `sha256` is that of the files, `tokens` is there when they were counted for a model. `choices` are what a person
    chose of the `questions` on how the files are read.
    """

    format: str
    kind: str
    roles: Roles
    rows_read: int
    usable: int
    problems: tuple[RowProblem, ...]
    sha256: str
    files: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    preview: tuple[tuple[str, ...], ...] = ()
    left_out: int = 0
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    verdict: str = ""
    changes: tuple[Change, ...] = ()
    tokens: TokenStatistics | None = None
    choices: Choices = GUESSED
    questions: tuple[Question, ...] = ()


def inspect_files(
    paths: Sequence[Path],
    *,
    into: Path,
    roles: Roles | None = None,
    changes: Sequence[Change] = (),
    choices: Choices = GUESSED,
    report: Report = silent,
) -> tuple[Inspection, str]:
    """Read files as one data set and write the usable examples to `into`; return also the hash of what was written.

    Without `roles` they are guessed. `changes` are applied on the way, and come back with their counts. While a
    question on how the files are read is open there are no examples.

    Raises DataError when the files cannot be read, CancelledError from `report`, OSError when `into` is not writable.
    """
    with open_source(paths, choices=choices, report=report) as opened, ExampleWriter(into) as writer:
        source = examples_apart(opened, roles)
        chosen = guess_roles(source.columns, source.sample) if roles is None else roles
        verdict = next((each.text for each in source.questions if each.is_open), "") or missing(chosen, source.columns)
        sample = _sample(source, chosen) if not verdict else ()
        gathered = _Gathered(writer, Fixer(changes, sample=sample), Checker(sample=sample), chosen)
        formats = MixedFormats(chosen, source.sample)
        threads = Threads(chosen) if chosen.hangs_together else None
        with closing(_items(source, formats if not verdict else None, threads, report)) as items:
            for item in items:
                gathered.take(item)
        findings = gathered.checker.findings(report) if not verdict else ()
        write_questions(into, gathered.questions.numbers)
        if not verdict and not len(writer):
            verdict = gathered.why_nothing()
        shown = _columns_shown(source.columns, chosen)
        inspection = Inspection(
            files=tuple(_clean(name) for name in source.files),
            format=source.format,
            kind=chosen.kind,
            roles=chosen,
            columns=tuple(_clean(column) for column in shown),
            preview=tuple(tuple(_shown(row.cells.get(each)) for each in shown) for row in source.sample[:PREVIEW_ROWS]),
            rows_read=gathered.rows_read,
            usable=len(writer),
            left_out=gathered.left_out,
            problems=tuple(gathered.problems),
            findings=findings,
            notes=(*_notes_on(source, chosen, shown, guessed=roles is None), *formats.notes(), *gathered.notes()),
            verdict=verdict,
            sha256=source.sha256,
            changes=gathered.fixer.applied(),
            choices=choices,
            questions=source.questions,
        )
        return inspection, writer.sha256


def _notes_on(source: Source, chosen: Roles, shown: Sequence[str], *, guessed: bool) -> Iterator[str]:
    """Say how the files were read; `guessed` is for roles that nobody has chosen."""
    yield from source.notes
    yield from _notes_on_columns(source.columns, shown, guessed=guessed)
    yield from notes_on(chosen)
    if guessed:
        yield from passed_over(source.columns, source.sample, chosen)
    if guessed and not chosen.kind:
        yield from notes_on_lists(source)
    yield from _notes_on_answers(source, chosen)


class _Gathered:
    """What one pass over the rows has found until now."""

    def __init__(self, writer: ExampleWriter, fixer: Fixer, checker: Checker, roles: Roles) -> None:
        self._is_joined = roles.hangs_together
        self.writer = writer
        self.fixer = fixer
        self.checker = checker
        self.problems: list[RowProblem] = []
        self.left_out = 0
        self.rows_read = 0
        self.answers_as_context = 0
        self.reasoned = 0
        self.unread = UnreadFields()
        self.questions = Questions()
        self._spoken = [name for name in (roles.conversation, *roles.prompts, roles.answer, roles.history) if name]

    def take(self, item: Row | RowProblem | Example) -> None:
        """Count a row, or leave out what has a problem, or fix, judge and write an example."""
        if isinstance(item, Row):
            self.rows_read += 1
            for name in self._spoken:
                self.unread.add(item.cells.get(name))
            return
        if isinstance(item, Example):
            example = self.fixer.repair(item)
            found = fault(example)
            if found is None:
                if self.fixer.keep(example):
                    self.writer.add(example)
                    self.checker.add(example)
                    self.questions.add(example)
                    self.answers_as_context += sum(not message.learned for message in example.messages)
                    self.reasoned += sum(bool(message.reasoning) for message in example.messages)
                return
            item = found
        self.left_out += 1
        self.checker.leave_out(item)
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(RowProblem(item.row, _clean(item.text), _clean(item.file), item.kind))

    def notes(self) -> Iterator[str]:
        """Say what is learned otherwise than it might seem."""
        if self.answers_as_context:
            marked = counted(self.answers_as_context, "answer")
            why = " or in another conversation already" if self._is_joined else ""
            yield f"{marked} marked in the data as not to be learned{why}: kept as context."
        if self.reasoned:
            yield (
                f"Reasoning stands apart before {counted(self.reasoned, 'answer')}: it is learned where the chat "
                "template of the base model has a place for it, and else not read."
            )
        yield from self.unread.notes()

    def why_nothing(self) -> str:
        """Say why no example can be used though the columns are assigned."""
        if not self.problems:
            return "Nothing is left to learn from: the changes leave every example out. Undo one of them."
        first = self.problems[0]
        return f"None of the {self.left_out:,} rows can be learned from. Row {first.row:,}: {first.text}"


def _items(
    source: Source, formats: MixedFormats | None, threads: Threads | None, report: Report
) -> Generator[Row | RowProblem | Example]:
    """Yield every row, followed by the examples that it gives; without `formats` only the rows, to count them."""
    for row in source.rows(report):
        if isinstance(row, RowProblem):
            yield Row(row.row, {})
            yield row
            continue
        yield row
        if formats is not None:
            drafted = draft(row, formats.of(row))
            yield from threads.add(row, drafted) if threads is not None else drafted
    if formats is not None and threads is not None:
        yield from threads.joined()


def _sample(source: Source, roles: Roles) -> tuple[Example, ...]:
    """Return the first examples as they were brought: they show what all have in common, such as an instruction."""
    found = ((row, draft(row, roles)) for row in source.sample)
    if not roles.message:
        return tuple(item for _, drafted in found for item in drafted if isinstance(item, Example))
    threads = Threads(roles)
    for row, drafted in found:
        tuple(threads.add(row, drafted))
    return tuple(item for item in threads.joined() if isinstance(item, Example))


def _columns_shown(columns: Sequence[str], roles: Roles) -> tuple[str, ...]:
    """Return the columns; of very many those that are chosen or named in the template, and the first others."""
    if len(columns) <= MOST_COLUMNS_SHOWN:
        return tuple(columns)
    named = frozenset(names_in(roles.template))
    chosen = {column for column, part in parts_of(roles, columns).items() if part != IGNORE or column in named}
    others = islice((column for column in columns if column not in chosen), max(MOST_COLUMNS_SHOWN - len(chosen), 0))
    kept = chosen.union(others)
    return tuple(column for column in columns if column in kept)


def _notes_on_columns(columns: Sequence[str], shown: Sequence[str], *, guessed: bool) -> Iterator[str]:
    """Say which columns of very many are shown, and which are looked at."""
    if len(shown) < len(columns):
        first = tuple(shown) == tuple(columns[: len(shown)])
        which = f"the first {len(shown)} are" if first else f"{len(shown)} are"
        yield f"The file has {len(columns):,} columns; {which} shown."
    if guessed and len(columns) > MOST_COLUMNS:
        yield f"Only the first {MOST_COLUMNS:,} columns were looked at to find out what they hold."


def _notes_on_answers(source: Source, roles: Roles) -> Iterator[str]:
    answers = [cell for row in source.sample if is_json(cell := row.cells.get(roles.answer))]
    if any(not are_turns(turns_in(cell) or ()) for cell in answers):
        yield f"Answers in the column {quoted(roles.answer)} that are objects or lists are learned as JSON on one line."


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str):
        cell = json.dumps(cell, ensure_ascii=False, default=str)
    return _clean(cell if len(cell) <= _LONGEST_CELL else f"{cell[:_LONGEST_CELL]}…")


def _clean(text: str) -> str:
    """Make a text fit to be stored and shown: a name or a cell may hold half a character."""
    return text.encode("utf-8", "replace").decode()
