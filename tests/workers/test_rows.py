"""Which examples become rows of tokens, whole or cut, and what is told of the others."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.example_files import write_examples
from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import DataError
from studio.events import Event, Noted, Prepared
from studio.ml.batches import IGNORED, TokenRow, cut, epoch_steps, lengths_of
from studio.ml.held_out import HeldOut
from studio.ml.stored_rows import StoredRows
from studio.models.starter import Stopped
from studio.runs.store import RunFolder, RunStore
from studio.workers.job import Job
from studio.workers.rows import RowCounts, prepare_rows, prompt_length, rows_of
from tests.workers.conftest import examples

MakeRun = Callable[..., RunFolder]


def chat(question: str, answer: str) -> Example:
    return Example((Message("user", question), Message("assistant", answer)))


def text(content: str, *, continues: bool = False) -> Example:
    return Example((Message(TEXT, content),), continues=continues)


@pytest.fixture(scope="module")
def renderer(tiny_model: Path) -> ChatRenderer:
    return ChatRenderer.load(tiny_model)


def rows(renderer: ChatRenderer, *given: Example, **settings: object) -> tuple[list[TokenRow], RowCounts]:
    tally = RowCounts()
    config = RunConfig(**settings)  # type: ignore[arg-type]
    return list(rows_of(given, renderer=renderer, config=config, tally=tally)), tally


def test_a_row_is_what_is_rendered(renderer: ChatRenderer) -> None:
    example = chat("Why?", "So.")
    (row,), tally = rows(renderer, example)
    rendered = renderer.render(example)
    assert (tuple(row.ids), tuple(row.labels)) == (rendered.ids, rendered.labels)
    assert tally == RowCounts(examples=1)


def test_a_longer_example_is_left_out(renderer: ChatRenderer) -> None:
    short, long = chat("Why?", "So."), chat("Why?", "So." * 100)
    found, tally = rows(renderer, long, short, long, max_length=64)
    assert [len(row.ids) for row in found] == [len(renderer.render(short).ids)]
    assert (tally.examples, tally.left_out, tally.cut, tally.refused) == (3, 2, 0, 0)


def test_a_longer_example_is_cut_while_something_learned_is_left(renderer: ChatRenderer) -> None:
    answer_cut, answer_gone, short = chat("Why?", "So." * 100), chat("Why?" * 100, "So."), chat("Why?", "So.")
    found, tally = rows(renderer, answer_cut, answer_gone, short, max_length=64, overlong="cut")
    whole = renderer.render(answer_cut)
    assert [tuple(row.ids) for row in found] == [whole.ids[:64], renderer.render(short).ids]
    assert tuple(found[0].labels) == whole.labels[:64]
    assert (tally.examples, tally.left_out, tally.cut) == (3, 1, 1)
    exact = len(renderer.render(short).ids)
    assert rows(renderer, short, max_length=exact, overlong="cut")[1].cut == 0


def test_a_row_with_one_learned_token_is_kept(renderer: ChatRenderer) -> None:
    example = chat("Why?", "So.")
    first = renderer.render(example).learned.index(True)
    assert len(rows(renderer, example, max_length=first + 1, overlong="cut")[0]) == 1
    assert len(rows(renderer, example, max_length=first, overlong="cut")[0]) == 0


def test_what_the_template_refuses_is_counted(renderer: ChatRenderer) -> None:
    found, tally = rows(renderer, Example((Message("user", "Why?"),)), chat("Why?", "So."))
    assert len(found) == 1
    assert (tally.refused, tally.left_out) == (1, 1)
    assert "no answer to learn" in tally.refusal


def test_the_prompt_of_a_row_is_all_before_its_last_answer(renderer: ChatRenderer) -> None:
    messages = (*chat("Why?", "So.").messages, *chat("How?", "Thus.").messages)
    tool_free, _ = rows(renderer, Example(messages))
    assert tuple(tool_free[0].ids[: prompt_length(tool_free[0])]) == renderer.prompt(messages[:-1])
    long, short = rows(renderer, text("A storm is near the light."), text("Sea"))[0]
    assert (prompt_length(long), prompt_length(short)) == (8, 2)
    assert prompt_length(TokenRow(ids=(1,), labels=(1,))) == 1
    assert prompt_length(TokenRow(ids=(1, 2, 3), labels=(IGNORED, 2, IGNORED))) == 1


def prepared(tmp_path: Path, tiny_model: Path, *given: Example, held_out: int = 2, **settings: object) -> list[Event]:
    config = RunConfig(**{"model": str(tiny_model), "max_length": 64, **settings})  # type: ignore[arg-type]
    run = RunStore(tmp_path).create(
        config,
        dataset_id="set",
        dataset_name="Set",
        dataset_sha256="0" * 64,
        train=given,
        validation=examples(held_out),
    )
    told: list[Event] = []
    told.append(prepare_rows(Job(told.append), run=run, renderer=ChatRenderer.load(tiny_model), kept=tmp_path).prepared)
    return told


def test_what_is_prepared_is_counted_as_it_is_trained_on(tmp_path: Path, tiny_model: Path) -> None:
    given = (
        chat("Why?", "So." * 100),
        chat("Why?" * 100, "So."),
        chat("Why?", "So."),
        Example((Message("user", "?"),)),
    )
    told = prepared(tmp_path, tiny_model, *given, overlong="cut")
    found = told[-1]
    assert isinstance(found, Prepared)
    assert (found.train_examples, found.validation_examples, found.left_out) == (2, 2, 2)
    short, before_answer = len(ChatRenderer.load(tiny_model).render(given[2]).ids), 23
    assert found.tokens == 64 + short
    assert found.learned_tokens == 64 - before_answer + 4
    notes = [event.text for event in told if isinstance(event, Noted)]
    assert any("1 example is left out: The conversation has no answer" in note for note in notes)
    assert any("1 example is cut after 64 tokens" in note for note in notes)


@pytest.mark.parametrize("overlong", ["leave-out", "cut"])
def test_the_rows_of_a_run_are_those_of_its_examples(make_run: MakeRun, renderer: ChatRenderer, overlong: str) -> None:
    """They stay on disk, with figures by which steps are planned: each as it would be in memory."""
    given = (
        chat("Why?", "So." * 100),
        chat("Why?", "So."),
        chat("Why?" * 100, "So."),
        Example((Message("user", "?"),)),
        text("A storm is near the light."),
        *examples(9),
    )
    run = make_run(max_length=64, overlong=overlong)
    write_examples(run.train_path, given)
    expected, counts = rows(renderer, *given, max_length=64, overlong=overlong)
    for _ in range(2):  # rendered, and kept
        found = prepare_rows(Job(lambda event: None), run=run, renderer=renderer, kept=run.path / "kept")
        assert list(found.train) == expected
        assert lengths_of(found.train).tolist() == [len(row.ids) for row in expected]
        assert isinstance(found.train, StoredRows)
        assert found.train.learned.tolist() == [row.learned for row in expected]
        assert found.prepared.left_out == counts.left_out
        for packed in (True, False):
            cuts = [cut(each, token_budget=100, packed=packed, parts=2) for each in (found.train, expected)]
            assert [list(group) for group in cuts[0]] == cuts[1]
        steps = [list(epoch_steps(each, batch_size=4, seed=3, epoch=1)) for each in (found.train, expected)]
        assert steps[0] == steps[1]
        parts = [HeldOut.of(each, count=3, seed=3) for each in (found.train, expected)]
        assert [list(parts[0].part), list(parts[0].rest)] == [parts[1].part, parts[1].rest]
        assert parts[0].learned == parts[1].learned


def test_rows_take_a_few_bytes_each_however_long_they_are(make_run: MakeRun, renderer: ChatRenderer) -> None:
    """The tokens of all rows were in memory: 1.6 GB of a million conversations."""
    run = make_run(max_length=4_096)

    def held(count: int) -> int:
        """Measure what is kept in memory of so many rows of 250 tokens, with a tenth of them held out besides."""
        write_examples(run.train_path, (chat(f"{number}?", "So. " * 60) for number in range(count)))
        write_examples(run.validation_path, (chat(f"{number}!", "So. " * 60) for number in range(count // 10)))
        found = None
        tracemalloc.start()
        try:
            for _ in range(2):  # rendered, and kept
                found = prepare_rows(Job(lambda event: None), run=run, renderer=renderer, kept=run.path / "kept")
            assert found is not None
            assert found.prepared.tokens > 200 * count
            HeldOut.of(found.validation, count=count // 20, seed=1)
            next(epoch_steps(found.train, batch_size=8, seed=1, epoch=0))
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    held(30)  # what is kept once is kept from here on
    few, many = held(300), held(1_500)
    assert (many - few) / 1_200 < 100


def test_nothing_to_train_on_is_a_sentence_that_says_why(tmp_path: Path, tiny_model: Path) -> None:
    gone = chat("Why?" * 100, "So.")
    with pytest.raises(DataError, match="None of the 1 examples fits into 64 tokens"):
        prepared(tmp_path / "a", tiny_model, gone)
    with pytest.raises(DataError, match="has its answer within 64 tokens"):
        prepared(tmp_path / "b", tiny_model, gone, overlong="cut")
    with pytest.raises(DataError, match="None of the 1 examples can be used: The conversation has no answer"):
        prepared(tmp_path / "c", tiny_model, Example((Message("user", "?"),)))


def test_held_out_examples_that_cannot_be_used_are_told(tmp_path: Path, tiny_model: Path) -> None:
    told = prepared(tmp_path, tiny_model, text("Sea"), max_length=16)
    assert any("None of the 2 held-out examples can be used" in each.text for each in told if isinstance(each, Noted))


def test_rendering_ends_when_the_run_is_stopped(make_run: MakeRun, renderer: ChatRenderer, tmp_path: Path) -> None:
    job = Job(lambda event: None)
    job.ask_to_stop()
    with pytest.raises(Stopped):
        prepare_rows(job, run=make_run(), renderer=renderer, kept=tmp_path)
