import json
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from studio.data.examples import TEXT, Example, Message
from studio.data.rows import CancelledError, RowProblem
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.data.tokenizing.tokens import (
    BATCH,
    Bucket,
    TokenCounts,
    TokenStatistics,
    count_tokens,
    load,
    save,
    statistics,
)
from studio.errors import DataError

ModelFolder = Callable[..., Path]
BARE = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}\
{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"


class Lengths:
    """A renderer that makes as many tokens of an example as its row says; learned are the last but one and before."""

    def render_each(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Rendered | DataError]]:
        return ((example, self._render(example.row)) for example in examples)

    def _render(self, length: int) -> Rendered | DataError:
        if length == 0:
            return DataError("No.", "Never.")
        return Rendered((7,) * length, tuple(0 < place < length - 1 for place in range(length)))


def counts_of(*lengths: int) -> TokenCounts:
    return count_tokens((Example((), row=length) for length in lengths), total=len(lengths), renderer=Lengths())


def test_counts_by_position(model_folder: ModelFolder) -> None:
    renderer = ChatRenderer.load(model_folder(BARE, bytes_only=True))
    user, answer = Message("user", "ab"), Message("assistant", "cde")
    examples = (
        Example((user, answer), row=4),
        Example((Message("system", "x"), user, answer), row=5, file="a.csv"),
        Example((user, answer, Message("user", "again"), Message("assistant", "f")), row=6),
        Example((Message(TEXT, "hello"),), row=7),
    )
    counts = count_tokens(iter(examples), total=4, renderer=renderer)
    assert counts.lengths.tolist() == [6, 0, 13, 6]
    assert counts.learned.tolist() == [4, 0, 6, 6]
    assert counts.answer_ends.tolist() == [6, 0, 13, 6]
    assert counts.refused_count == 1
    (problem,) = counts.refused
    assert (problem.row, problem.file, problem.kind) == (5, "a.csv", "refused")
    assert "no system" in problem.text
    assert {counts.lengths.dtype, counts.learned.dtype, counts.answer_ends.dtype} == {np.dtype("uint32")}


def test_statistics_say_what_a_limit_does() -> None:
    counts = counts_of(5, 9, 10, 0, 30)
    found = statistics(counts, max_length=9)
    assert (found.longest, found.median, found.total, found.learned) == (30, 10, 54, 46)
    assert (found.too_long, found.answer_cut, found.refused) == (2, 1, 1)
    assert statistics(counts, max_length=30).too_long == 0
    assert statistics(counts_of(0, 0), max_length=9) == TokenStatistics(0, 0, 0, 0, 0, refused=2)
    assert statistics(counts_of(), max_length=9) == TokenStatistics(0, 0, 0, 0, 0)


def test_the_histogram_has_round_bars_that_hold_every_example() -> None:
    for lengths in ([3], [1, 2, 3], list(range(1, 500)), [17] * 9, [40, 60, 80] * 200 + [90_000]):
        bars = statistics(counts_of(*lengths), max_length=9).histogram
        assert sum(bar.count for bar in bars) == len(lengths)
        assert 1 <= len(bars) <= 26
        assert all(one.high == other.low for one, other in pairwise(bars))
        assert bars[0].low == 0
        assert bars[-2 if len(bars) > 1 else -1].low <= max(lengths) < bars[-1].high
    assert bars[1].high - bars[1].low == 10
    assert bars[-1] == Bucket(160, 90_010, 1)
    bars = statistics(counts_of(*range(1, 500)), max_length=9).histogram
    assert bars[0] == Bucket(0, 25, 24)
    assert bars[1] == Bucket(25, 50, 25)


def test_reports_and_can_be_cancelled() -> None:
    told: list[tuple[str, int, int]] = []
    examples = [Example((), row=1)] * (BATCH * 2)
    count_tokens(examples, total=len(examples), renderer=Lengths(), report=lambda *each: told.append(each))
    assert told[0] == ("Counting tokens", 0, BATCH * 2)
    assert told[-1] == ("Counting tokens", BATCH * 2, BATCH * 2)
    assert len(told) > 3

    def cancel(what: str, done: int, total: int) -> None:
        raise CancelledError("Not any more.")

    with pytest.raises(CancelledError):
        count_tokens(examples, total=len(examples), renderer=Lengths(), report=cancel)


def test_more_examples_than_were_announced_are_all_counted() -> None:
    examples = [Example((), row=place + 1) for place in range(BATCH * 3)]
    counts = count_tokens(examples, total=1, renderer=Lengths())
    assert counts.lengths.tolist() == list(range(1, BATCH * 3 + 1))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    counts = counts_of(5, 0, 300)
    save(counts, tmp_path / "counts.npz")
    again = load(tmp_path / "counts.npz")
    assert again.lengths.tolist() == [5, 0, 300]
    assert again.learned.tolist() == counts.learned.tolist()
    assert again.answer_ends.tolist() == counts.answer_ends.tolist()
    assert again.refused == (RowProblem(0, "No.", kind="refused"),)
    assert again.refused_count == 1
    assert [file.name for file in tmp_path.iterdir()] == ["counts.npz"]


def test_damaged_counts_are_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "counts.npz"
    save(counts_of(5), path)
    whole = path.read_bytes()
    with path.open("wb") as file:
        np.savez(file, lengths=np.zeros(1), refused=np.frombuffer(json.dumps([]).encode(), dtype=np.uint8))
    with pytest.raises(DataError, match="cannot be read"):
        load(path)
    with path.open("wb") as file:
        np.savez(file, lengths=np.array([object()]))
    for content in (path.read_bytes(), b"", b"PK\x03\x04", whole[: len(whole) // 2], b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            load(path)
    with pytest.raises(DataError):
        load(tmp_path / "nothing.npz")
