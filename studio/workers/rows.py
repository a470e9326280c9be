"""From a run's examples to the rows of tokens that are trained on, and how many were left out or cut."""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.config import RunConfig
from studio.data.checking.checks import overlap
from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.data.mask_findings import mask_findings
from studio.data.tokenizing.doubts import DoubtTally
from studio.data.tokenizing.kept_tokens import REFUSED, KeptTokens, render_kept
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.errors import DataError
from studio.events import Loading, Noted, Prepared
from studio.models.starter import Stopped
from studio.runs.store import RunFolder
from studio.workers.job import Job

if TYPE_CHECKING:
    from studio.ml.batches import TokenRow
    from studio.ml.stored_rows import StoredRows

CUT = "cut"
"""The setting with which a longer example is cut and not left out."""

TEXT_PROMPT = 8
"""How many tokens of a plain text are given as the prompt when the model is asked to go on with it."""


@dataclass(frozen=True)
class Rows:
    """The run's examples as rows of tokens, and what is told of them."""

    train: Sequence["TokenRow"]
    validation: Sequence["TokenRow"]
    prepared: Prepared


@dataclass
class RowCounts:
    """How many examples gave no row, or only a part of one."""

    examples: int = 0
    cut: int = 0
    left_out: int = 0
    refused: int = 0
    refusal: str = ""
    """Why the first of the refused was."""
    doubts: DoubtTally = field(default_factory=DoubtTally, compare=False)


def prepare_rows(job: Job, *, run: RunFolder, renderer: ChatRenderer, kept: Path) -> Rows:
    """Turn the run's examples into rows, with the tokens that an earlier run left in the folder `kept`.

    Raises DataError when none is left to train on.
    """
    from studio.ml.batches import learned_in, lengths_of

    config = run.config
    train_examples, held_out_examples = ExampleFile(run.train_path), ExampleFile(run.validation_path)
    tell = _telling(job, total=len(train_examples) + len(held_out_examples))
    tokens = render_kept(train_examples, renderer=renderer, folder=kept, tell=tell)
    held_out_tokens = render_kept(
        held_out_examples, renderer=renderer, folder=kept, tell=lambda done: tell(len(train_examples) + done)
    )
    train, tally = _fitting(tokens, config)
    validation, held_out = _fitting(held_out_tokens, config)
    if not train:
        raise _nothing_to_train_on(tally, config)
    for note in _notes(tally, held_out, config=config, renderer=renderer, scored=bool(validation)):
        job.emit(note)
    leaked = overlap(train_examples, held_out_examples) if validation else None
    if leaked is not None:
        job.emit(Noted("warning", f"{leaked.title}. {leaked.text}"))
    prepared = Prepared(
        train_examples=len(train),
        validation_examples=len(validation),
        left_out=tally.left_out + held_out.left_out,
        tokens=int(lengths_of(train).sum()),
        learned_tokens=learned_in(train),
        total_steps=config.total_steps(len(train)),
    )
    return Rows(train, validation, prepared)


def rows_of(
    examples: Iterable[Example],
    *,
    renderer: ChatRenderer,
    config: RunConfig,
    tally: RowCounts | None = None,
) -> Iterator["TokenRow"]:
    """Yield the row of every example that can be trained on, in order; `tally` counts the others.

    Examples that the chat template refuses, that have nothing to learn, or that have more tokens than
    `config.max_length` are left out. When long ones are to be cut, they end there if something learned is left.
    """
    tally = tally or RowCounts()
    for _, rendered in renderer.render_each(examples):
        tally.examples += 1
        if isinstance(rendered, DataError):
            tally.refused += 1
            tally.refusal = tally.refusal or str(rendered)
            tally.left_out += 1
            continue
        tally.doubts.add(tally.examples, rendered.doubts)
        row = _fit(rendered, config)
        if row is None:
            tally.left_out += 1
            continue
        tally.cut += len(row.ids) < len(rendered.ids)
        yield row


def prompt_length(row: "TokenRow") -> int:
    """Return how many tokens of a row are its prompt: all before the last answer.

    A row that is learned from its first token on is plain text: `TEXT_PROMPT` tokens of it, at most half.
    """
    from studio.ml.batches import IGNORED

    place = len(row.labels)
    while place and row.labels[place - 1] == IGNORED:
        place -= 1
    while place and row.labels[place - 1] != IGNORED:
        place -= 1
    return place or max(1, min(TEXT_PROMPT, len(row.ids) // 2))


def _fitting(tokens: KeptTokens, config: RunConfig) -> tuple["StoredRows", RowCounts]:
    """Take the examples that `rows_of` makes rows of, without reading them, and count the others."""
    from studio.ml.stored_rows import StoredRows

    rows = StoredRows.of(tokens, longest=config.max_length, cuts=config.overlong == CUT)
    index = tokens.index
    tally = RowCounts(
        examples=len(tokens),
        cut=int((index.lengths[rows.places] > config.max_length).sum()),
        left_out=len(tokens) - len(rows),
        refused=int((index.outcomes == REFUSED).sum()),
        refusal=str(DataError(*index.refusal)),
    )
    for place in np.flatnonzero(index.outcomes > 0):
        tally.doubts.add(int(place) + 1, index.doubts[index.outcomes[place] - 1])
    return rows, tally


def _fit(rendered: Rendered, config: RunConfig) -> "TokenRow | None":
    """Make the row of an example; None when it is too long or has nothing to learn."""
    from studio.ml.batches import TokenRow

    if len(rendered.ids) > config.max_length and config.overlong != CUT:
        return None
    # Arrays of four bytes a number: a tuple would take ten times the memory of a large data set.
    ids, labels = (array("i", numbers[: config.max_length]) for numbers in (rendered.ids, rendered.labels))
    row = TokenRow(ids=ids, labels=labels)
    return row if row.learned else None


def _telling(job: Job, *, total: int) -> Callable[[int], None]:
    """Make what tells the page about once a second how far the rendering is. It raises Stopped when asked to stop."""
    told_at = float("-inf")

    def tell(done: int) -> None:
        nonlocal told_at
        if job.should_stop():
            raise Stopped
        if time.monotonic() - told_at >= 1:
            told_at = time.monotonic()
            job.emit(Loading(what=f"Turning the examples into tokens, {done:,} of {total:,}"))

    return tell


def _nothing_to_train_on(tally: RowCounts, config: RunConfig) -> DataError:
    if tally.refused and tally.refused == tally.examples:
        return DataError(f"None of the {tally.examples:,} examples can be used: {tally.refusal}")
    if config.overlong == CUT:
        message = f"None of the {tally.examples:,} examples has its answer within {config.max_length} tokens."
    else:
        message = f"None of the {tally.examples:,} examples fits into {config.max_length} tokens."
    return DataError(message, "Raise 'longest example', or shorten the examples.")


def _notes(
    tally: RowCounts, held_out: RowCounts, *, config: RunConfig, renderer: ChatRenderer, scored: bool
) -> Iterator[Noted]:
    if held_out.examples and not scored:
        yield Noted("warning", f"None of the {held_out.examples:,} held-out examples can be used: nothing is scored.")
    if refused := tally.refused + held_out.refused:
        yield Noted("warning", f"{_examples(refused)} left out: {tally.refusal or held_out.refusal}")
    if cut := tally.cut + held_out.cut:
        yield Noted("info", f"{_examples(cut)} cut after {config.max_length} tokens; what comes later is not learned.")
    for found in mask_findings(tally.doubts.counted()):
        yield Noted(found.level, f"{found.title}. {found.text}")
    if renderer.uses_plain_template:
        text = "This model has no chat template, so the studio's plain one (User: / Assistant:) is used."
        yield Noted("info", text)


def _examples(count: int) -> str:
    return "1 example is" if count == 1 else f"{count:,} examples are"
