"""The questions of an evaluation: rows of examples, with the answers that are expected."""

import itertools
import logging
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio import wording
from studio.config import RunConfig
from studio.data.checking.copies import shared
from studio.data.example_files import ExampleFile
from studio.data.examples import Example, Message
from studio.data.scoring.tasks import Task, task_of
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import DataError
from studio.events import Loading
from studio.files import hash_file
from studio.jobs.evaluation_report import NOTHING_HELD_OUT, NOTHING_HELD_OUT_HINT
from studio.models.forecast.answers import FEWEST_ROWS, MOST_SECONDS, AnswerClock, answer_limit
from studio.models.starter import Stopped
from studio.runs.store import RunFolder
from studio.workers.job import Job
from studio.workers.rows import prompt_length, rows_of

if TYPE_CHECKING:
    from studio.ml.batches import TokenRow

log = logging.getLogger(__name__)

_LOOKED_AT = 20_000
"""How many answers are looked at to tell what kind of task it is."""


@dataclass(frozen=True)
class EvalRow:
    """One row: `number` counts from 0 in its file, `prompt` and `expected` are what a person reads, `row` what the
    model does, of which the first `prompt_tokens` are the question. `limit` bounds the tokens of the answer;
    `is_too_long` says whether the expected one does not end within it.
    """

    number: int
    prompt: str
    expected: str
    row: "TokenRow"
    prompt_tokens: int
    limit: int
    is_too_long: bool = False


@dataclass(frozen=True)
class EvalRows:
    """The rows, of how many, of what kind they are, and the hash of the file. `labels` are the tokens of each label.

    `seconds` is how long asking them will take by the forecast, `learned` how many of them the training learned from,
    `seen` how many more have a question that it learned with another answer, and `left_out` how many could not be
    asked: too long, or refused by the chat template.
    """

    rows: tuple[EvalRow, ...]
    available: int
    task: Task
    labels: tuple[tuple[int, ...], ...]
    sha256: str
    seconds: float = 0.0
    learned: int = 0
    seen: int = 0
    left_out: int = 0

    def sentence(self, probe_seconds: float) -> str:
        """Say how many rows are asked, and how long that takes with the probes of both models, which take
        `probe_seconds`; and what a person can do about rows that are not asked.
        """
        count, took = len(self.rows), wording.duration(self.seconds + probe_seconds)
        if count + self.left_out >= self.available:
            text = f"{'All ' if not self.left_out else ''}{wording.counted(count, 'row')}, estimated to take {took}."
        else:
            whole = wording.duration(self.seconds * (self.available - self.left_out) / count + probe_seconds)
            text = (
                f"{count:,} of {self.available:,} rows, estimated to take {took}; all of them would take {whole}. "
                "You can choose another number of rows."
            )
        return text if not self.left_out else f"{text} {wording.counted(self.left_out, 'row')} cannot be asked."


def choose_rows(
    run: RunFolder,
    renderer: ChatRenderer,
    *,
    data: Path | None,
    rows: int,
    clock: AnswerClock,
    job: Job,
    longest: int = 0,
) -> EvalRows:
    """Choose at most `rows` rows of the run's held-out examples, or of the file `data`, by the seed that drew these.

    Without `rows` all of them are asked, or as many as take `MOST_SECONDS`. An answer may have `longest` tokens; 0
    gives it twice as many as the expected one and a few more, up to a bound. Raises DataError when there is
    none that fits.
    """
    job.emit(Loading(what="Reading the rows"))
    path = run.validation_path if data is None else data
    examples = ExampleFile(path)
    if not len(examples):
        raise DataError(
            NOTHING_HELD_OUT if data is None else "The file has no example.",
            NOTHING_HELD_OUT_HINT,
        )
    order = array("i", range(len(examples)))
    random.Random(f"evaluation/{run.drawn_by}").shuffle(order)
    found: list[EvalRow] = []
    seconds, left_out = 0.0, 0
    for number in order:
        if len(found) == rows > 0:
            break
        if job.should_stop():
            raise Stopped
        made = asked_row(number, examples[number], renderer, run.config, longest)
        if made is None:
            left_out += 1
            continue
        more = clock.row_seconds(prompt_tokens=made.prompt_tokens, answer_tokens=made.limit)
        if not rows and seconds + more > MOST_SECONDS and len(found) >= FEWEST_ROWS:
            break
        seconds += more
        found.append(made)
    if not found:
        raise DataError(
            f"None of the {len(examples):,} rows fits into {run.config.max_length:,} tokens.",
            "Choose a file with shorter examples.",
        )
    found.sort(key=lambda row: row.number)
    task = task_of_run(run, examples)
    labels = _label_tokens(task, examples[found[0].number], renderer)
    digest = hash_file(path)
    if task.kind == "labels" and not labels:
        task = Task("short")  # the template hides where a label begins
    learned, seen = shared(ExampleFile(run.train_path), [examples[row.number] for row in found])
    return EvalRows(tuple(found), len(examples), task, labels, digest, seconds, len(learned), len(seen), left_out)


def asked_row(number: int, example: Example, renderer: ChatRenderer, config: RunConfig, longest: int) -> EvalRow | None:
    """Make one row; None for an example that cannot be used. `longest` is that of `choose_rows`."""
    try:
        row = next(rows_of((example,), renderer=renderer, config=config), None)
    except DataError:
        log.debug("An example cannot be asked", exc_info=True)
        return None
    if row is None:
        return None
    prompt_tokens = prompt_length(row)
    answer = [id for id in row.ids[prompt_tokens:] if id not in renderer.end_ids]
    limit = longest or answer_limit(len(answer))
    users = [message.content for message in example.messages if message.role == "user"]
    return EvalRow(
        number=number,
        prompt=users[-1] if users else renderer.decode(row.ids[:prompt_tokens]),
        expected=renderer.decode(answer).strip(),
        row=row,
        prompt_tokens=prompt_tokens,
        limit=limit,
        is_too_long=len(answer) >= limit,
    )


def task_of_run(run: RunFolder, examples: ExampleFile) -> Task:
    """Tell what kind of task it is from what should be answered, in the rows and in the training."""
    if examples[0].is_text:
        return Task("text")
    answers = list(itertools.islice(_answers(ExampleFile(run.train_path)), _LOOKED_AT))
    return task_of([*answers, *itertools.islice(_answers(examples), _LOOKED_AT)])


def _answers(examples: ExampleFile) -> Iterator[str]:
    for example in examples:
        last = example.messages[-1]
        if last.role == "assistant" and not last.tool_calls:
            yield last.content


def _label_tokens(task: Task, example: Example, renderer: ChatRenderer) -> tuple[tuple[int, ...], ...]:
    """Return each label as the tokens of an answer, its end with it; none where one cannot be told from its prompt."""
    if task.kind != "labels":
        return ()
    found = []
    for label in task.labels:
        messages = (*example.messages[:-1], Message("assistant", label))
        try:
            rendered = renderer.render(Example(messages, tools=example.tools))
        except DataError:
            log.debug("The chat template refuses a label", exc_info=True)
            return ()
        learned = [place for place, is_learned in enumerate(rendered.learned) if is_learned]
        last = learned[-1] + 1 if learned else 0
        first = last
        while first and rendered.learned[first - 1]:
            first -= 1
        found.append(rendered.ids[first:last])
    return tuple(found) if all(found) else ()
