"""Tokens are made once for the same examples and the same model, and again when either is another one."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.data.array_files import read_arrays
from studio.data.example_files import ExampleFile, ExampleWriter
from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing import kept_tokens
from studio.data.tokenizing.doubts import SPELLED, Doubt
from studio.data.tokenizing.kept_tokens import REFUSED, KeptTokens, render_kept
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.errors import DataError
from studio.models.starter import Stopped


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


def told(found: KeptTokens) -> list[Any]:
    refusal = str(DataError(*found.index.refusal))
    return [
        refusal if outcome == REFUSED else tuple(map(tuple, found.read(place)))
        for place, outcome in enumerate(found.index.outcomes)
    ]


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
    told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    renderer.fingerprint = "b"
    told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert renderer.asked == 6
    others = write(tmp_path / "other.jsonl", *[chat("Why?", "No.") for _ in range(3)])
    told(render_kept(others, renderer=renderer, folder=tmp_path / "kept"))
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
    def tell(done: int) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        render_kept(examples, renderer=renderer, folder=tmp_path / "kept", tell=tell)
    assert list((tmp_path / "kept").iterdir()) == []


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
        told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
        for path in (tmp_path / "kept").glob("*.npz"):
            if path.stat().st_mtime > 1_000_000:  # it was written just now
                os.utime(path, (number, number))
    left = list((tmp_path / "kept").glob("*.npz"))
    assert left
    assert sum(path.stat().st_size for path in left) <= 3_000
    renderer.asked = 0
    told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    assert renderer.asked == 0, "the newest is still there"


def kept_file(folder: Path) -> Path:
    (kept,) = folder.glob("*.npz")
    return kept


def test_what_is_kept_is_what_is_rendered(examples: ExampleFile, renderer: Any, tmp_path: Path) -> None:
    rendered = [made for _, made in renderer.inner.render_each(examples)]
    found = render_kept(examples, renderer=renderer, folder=tmp_path / "kept")
    assert told(found) == [str(e) if isinstance(e, DataError) else (e.ids, e.learned) for e in rendered]
    assert found.index.lengths.tolist() == [0 if isinstance(e, DataError) else len(e.ids) for e in rendered]
    assert found.index.learned.tolist() == [0 if isinstance(e, DataError) else sum(e.learned[1:]) for e in rendered]


@pytest.mark.parametrize("damage", ["altered", "truncated", "replaced"])
def test_a_file_that_is_changed_while_it_is_read_gives_no_wrong_tokens(
    examples: ExampleFile, renderer: Any, tmp_path: Path, damage: str
) -> None:
    first = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    again = render_kept(examples, renderer=renderer, folder=tmp_path / "kept")
    kept = kept_file(tmp_path / "kept")
    if damage == "altered":
        with kept.open("r+b") as file:
            file.write(b"\x07")
    elif damage == "truncated":
        os.truncate(kept, 10)
    else:
        (tmp_path / "other").write_bytes(b"nothing")
        os.replace(tmp_path / "other", kept)
    assert told(again) == first
    renderer.asked = 0
    assert told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept")) == first
    assert renderer.asked == 3, "all of it is made again, since it cannot be trusted"


def test_a_row_that_was_altered_before_the_file_was_opened_is_made_again(
    examples: ExampleFile, renderer: Any, tmp_path: Path
) -> None:
    first = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    with kept_file(tmp_path / "kept").open("r+b") as file:
        file.write(b"\x07")
    again = render_kept(examples, renderer=renderer, folder=tmp_path / "kept")
    assert renderer.asked == 3
    assert told(again) == first
    assert renderer.asked == 4, "only that row"


def test_examples_that_changed_with_their_tokens_end_the_run_in_words(
    examples: ExampleFile, renderer: Any, tmp_path: Path
) -> None:
    found = render_kept(examples, renderer=renderer, folder=tmp_path / "kept")
    with kept_file(tmp_path / "kept").open("r+b") as file:
        file.write(b"\x07")
    examples.path.write_bytes(examples.path.read_bytes().replace(b'"So."', b'""   '))
    with pytest.raises(DataError, match="were changed while it read them"):
        found.read(0)


@pytest.mark.parametrize("change", ["shorter", "other", "gone", "swapped", "empty"])
def test_a_row_is_never_made_again_of_other_examples(
    examples: ExampleFile, renderer: Any, tmp_path: Path, change: str
) -> None:
    """Where the file was shorter, the place was none; where an example was as long, it was trained on instead."""
    found = render_kept(examples, renderer=renderer, folder=tmp_path / "kept")
    os.truncate(kept_file(tmp_path / "kept"), 10)
    assert [tuple(map(tuple, found.read(place))) for place in (0, 2)], "what is still there is made again"
    content = examples.path.read_bytes()
    lines = content.splitlines(keepends=True)
    changed = {
        "shorter": lines[0],
        "other": content.replace(b"Why?", b"Yhw?"),
        "swapped": b"".join([lines[2], lines[1], lines[0]]),
        "empty": b"",
        "gone": None,
    }[change]
    examples.path.unlink()
    if changed is not None:
        assert changed != content
        examples.path.write_bytes(changed)
    for place in (0, 2):
        with pytest.raises(DataError, match="were changed while it read them"):
            found.read(place)


def test_the_examples_are_read_once_however_many_rows_are_made_again(
    renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = write(tmp_path / "many.jsonl", *[chat(f"Why {number}?", "So.") for number in range(20)])
    first = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    found = render_kept(examples, renderer=renderer, folder=tmp_path / "kept")
    os.truncate(kept_file(tmp_path / "kept"), 10)
    hashed: list[Path] = []
    inner = kept_tokens.hash_file
    monkeypatch.setattr(kept_tokens, "hash_file", lambda path: [hashed.append(path), inner(path)][1])
    assert told(found) == first
    assert hashed == [examples.path]


@pytest.mark.parametrize("part", ["ends", "learned", "sums", "outcomes"])
@pytest.mark.parametrize("wrong", ["short", "kind", "large"])
def test_numbers_that_do_not_fit_together_are_made_again(
    examples: ExampleFile, renderer: Any, tmp_path: Path, part: str, wrong: str
) -> None:
    first = told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept"))
    kept = kept_file(tmp_path / "kept")
    with kept.open("rb") as file:
        arrays = read_arrays(file, ("ends", "learned", "sums", "outcomes", "told"))
    rows = kept.read_bytes()[: 5 * int(arrays["ends"][-1])]
    numbers = arrays[part]
    changed = {"short": numbers[:-1], "kind": numbers.astype(np.float64), "large": numbers + 1_000}[wrong]
    with kept.open("wb") as file:
        file.write(rows)
        np.savez(file, **{**arrays, part: changed})
    assert told(render_kept(examples, renderer=renderer, folder=tmp_path / "kept")) == first
    assert renderer.asked > 3


def test_as_many_doubts_as_examples_take_no_more_memory_than_a_few(renderer: Any, tmp_path: Path) -> None:
    """A set of doubts was kept as an object for each example."""
    doubtful = write(tmp_path / "many.jsonl", *[Example((Message(TEXT, f"Sea {n}"),)) for n in range(50)])

    class Doubtful(Counting):
        def render_each(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Rendered | DataError]]:
            for number, (example, made) in enumerate(super().render_each(examples)):
                assert isinstance(made, Rendered)
                yield example, replace(made, doubts=(Doubt(SPELLED, f"The {number}th holds a special token."),))

    for _ in range(2):
        found = render_kept(doubtful, renderer=Doubtful(renderer.inner), folder=tmp_path / "kept")  # type: ignore[arg-type]
        assert found.index.doubts == ((Doubt(SPELLED, "The 0th holds a special token."),),)
        assert found.index.outcomes.tolist() == [1] * 50
