"""Tokens are made once for the same examples and the same model, and again when either is another one."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.data.example_files import ExampleFile, ExampleWriter
from studio.data.examples import Example, Message
from studio.data.tokenizing import kept_tokens
from studio.data.tokenizing.kept_tokens import render_kept
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.errors import DataError


class Counting:
    """A renderer that counts what it is asked."""

    def __init__(self, inner: ChatRenderer, fingerprint: str = "a") -> None:
        self.inner = inner
        self.fingerprint = fingerprint
        self.asked = 0

    def render_each(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Rendered | DataError]]:
        for each in self.inner.render_each(examples):
            self.asked += 1
            yield each


def chat(question: str, answer: str) -> Example:
    return Example((Message("user", question), Message("assistant", answer)))


@pytest.fixture
def examples(tmp_path: Path) -> ExampleFile:
    return write(tmp_path / "train.jsonl", chat("Why?", "So."), Example((Message("user", "?"),)), chat("Où?", "Là."))


def write(path: Path, *examples: Example) -> ExampleFile:
    with ExampleWriter(path) as file:
        for each in examples:
            file.add(each)
    return ExampleFile(path)


def told(found: Iterable[Rendered | DataError]) -> list[Any]:
    return [str(each) if isinstance(each, DataError) else (each.ids, each.learned) for each in found]


@pytest.fixture
def renderer(tiny_model: Path) -> Any:
    return Counting(ChatRenderer.load(tiny_model))


def test_the_second_time_nothing_is_rendered_and_all_is_the_same(
    examples: ExampleFile, renderer: Any, tmp_path: Path
) -> None:
    first = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert renderer.asked == 3
    assert isinstance(first[1], str), "the example without an answer is refused"
    again = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert (again, renderer.asked) == (first, 3)


def test_other_examples_or_another_tokenizer_are_rendered_again(
    examples: ExampleFile, renderer: Any, tmp_path: Path
) -> None:
    list(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    renderer.fingerprint = "b"
    list(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert renderer.asked == 6
    others = write(tmp_path / "other.jsonl", *[chat("Why?", "No.") for _ in range(3)])
    list(render_kept(others, renderer=renderer, folder=tmp_path / "kept"))
    assert renderer.asked == 9


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_a_damaged_file_is_made_again(
    examples: ExampleFile, renderer: Any, tmp_path: Path, damage: bytes | None
) -> None:
    first = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    (kept,) = (tmp_path / "kept").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-200] if damage is None else damage)
    assert told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept")) == first
    assert renderer.asked == 6


def test_what_was_not_rendered_to_the_end_is_not_kept(examples: ExampleFile, renderer: Any, tmp_path: Path) -> None:
    next(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_keeps_nobody_from_training(
    examples: ExampleFile, renderer: Any, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    assert len(told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))) == 3


def test_the_oldest_go_when_the_folder_is_full(
    examples: ExampleFile, renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_tokens, "MOST_BYTES", 3_000)
    for number, fingerprint in enumerate("abcd"):
        renderer.fingerprint = fingerprint
        list(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
        for path in (tmp_path / "kept").glob("*.npz"):
            if path.stat().st_mtime > 1_000_000:  # it was written just now
                os.utime(path, (number, number))
    left = list((tmp_path / "kept").glob("*.npz"))
    assert left
    assert sum(path.stat().st_size for path in left) <= 3_000
    renderer.asked = 0
    list(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert renderer.asked == 0, "the newest is still there"
