"""Which rows an evaluation asks: all where the time allows, and what is said where it does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio.data.example_files import write_examples
from studio.data.examples import Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.models.forecast.answers import FEWEST_ROWS, AnswerClock
from studio.models.machine import Machine
from studio.runs.store import RunFolder, RunGroup, write_settings
from studio.workers.eval_rows import EvalRows, choose_rows
from studio.workers.job import Job
from tests.workers.conftest import examples

MakeRun = Callable[..., RunFolder]


@pytest.fixture
def ask(make_run: MakeRun, tiny_model: Path, tmp_path: Path) -> Callable[..., EvalRows]:
    renderer = ChatRenderer.load(tiny_model)
    run = make_run(rows=4, held_out=1)

    def with_size(
        parameters: float, *, rows: int = 0, longest: int = 0, given: tuple[Example, ...] = examples(100)
    ) -> EvalRows:
        data = tmp_path / "own.jsonl"
        write_examples(data, given)
        clock = AnswerClock(parameters, 2, "fp32", Machine("cpu", "", 2**33, False, 1, (), "now"))
        return choose_rows(
            run, renderer, data=data, rows=rows, longest=longest, clock=clock, job=Job(lambda event: None)
        )

    return with_size


def test_all_rows_of_a_file_are_asked_when_the_time_allows(ask: Callable[..., EvalRows]) -> None:
    """A file of 100 rows was scored on 32 of them, and the headline did not say so."""
    asked = ask(135e6)
    assert (len(asked.rows), asked.available, asked.left_out) == (100, 100, 0)
    assert asked.sentence(0.0) == "All 100 rows, estimated to take about 2 minutes."
    assert asked.sentence(180.0) == "All 100 rows, estimated to take about 5 minutes."


def test_where_it_does_not_as_many_as_do_are_and_it_is_said(ask: Callable[..., EvalRows]) -> None:
    asked = ask(135e7)
    assert (len(asked.rows), asked.available) == (32, 100)
    assert asked.sentence(0.0).startswith(
        "32 of 100 rows, estimated to take about 5 minutes; all of them would take about 16"
    )
    assert len(ask(1e12).rows) == FEWEST_ROWS
    assert len(ask(1e12, rows=40).rows) == 40
    assert len(ask(1e12, rows=2**31 - 1).rows) == 100


def test_rows_that_cannot_be_asked_are_counted(ask: Callable[..., EvalRows]) -> None:
    long = Example((Message("user", "Why?"), Message("assistant", "So." * 200)))
    asked = ask(135e6, given=(*examples(3), long))
    assert (len(asked.rows), asked.left_out) == (3, 1)
    assert asked.sentence(0.0) == "3 rows, estimated to take less than a minute. 1 row cannot be asked."


@pytest.mark.case("72-eval-file-is-the-data")
def test_rows_that_the_training_learned_from_are_counted(ask: Callable[..., EvalRows]) -> None:
    assert ask(135e6).learned == 4
    assert ask(135e6, given=(*examples(2), *examples(2))).learned == 4


def test_runs_of_a_group_are_asked_the_same_rows(make_run: MakeRun, tiny_model: Path) -> None:
    """Their own seeds differ where the seed is tried."""
    renderer = ChatRenderer.load(tiny_model)
    clock = AnswerClock(1e3, 2, "fp32", Machine("cpu", "", 2**33, False, 1, (), "now"))
    asked = []
    for seed in (1, 2):
        run = make_run(rows=4, held_out=40, seed=seed)
        group = RunGroup("0123456789abcdef", "seeds", ("seed",), seed=7)
        write_settings(run, run.config, replace(run.origin, group=group))
        chosen = choose_rows(
            RunFolder(run.path), renderer, data=None, rows=10, clock=clock, job=Job(lambda event: None)
        )
        asked.append([row.number for row in chosen.rows])
    assert asked[0] == asked[1]


def test_the_longest_answer_can_be_chosen(ask: Callable[..., EvalRows]) -> None:
    usual, short = ask(135e6), ask(135e6, longest=2)
    assert all(row.limit > 16 and not row.is_too_long for row in usual.rows)
    assert all(row.limit == 2 and row.is_too_long for row in short.rows)
