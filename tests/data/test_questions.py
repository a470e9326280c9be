from pathlib import Path

import numpy as np
import pytest

from studio.data.example_files import ExampleFile, write_examples
from studio.data.examples import TEXT, Example, Message
from studio.data.questions import Repeated, question_number, questions_of, questions_path


def asking(*lines: str) -> Example:
    return Example(tuple(Message(role, text) for role, _, text in (line.partition(": ") for line in lines)))


def test_the_same_question_has_the_same_number() -> None:
    first = question_number(asking("user: Where is it?", "assistant: Here."))
    same = (
        asking("user:  where is  IT? ", "assistant: There."),
        asking("system: Be kind.", "user: Where is it?", "assistant: Here."),
    )
    others = (
        asking("user: Where was it?", "assistant: Here."),
        asking("user: Where is it?", "assistant: Here.", "user: And now?", "assistant: There."),
    )
    assert [question_number(each) for each in same] == [first, first]
    assert first not in [question_number(each) for each in others]


def test_plain_text_is_known_by_all_of_it() -> None:
    one, other = (Example((Message(TEXT, text),)) for text in ("Once.", "Twice."))
    assert question_number(one) != question_number(other)


def test_the_numbers_are_stored_and_made_again_where_they_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    write_examples(path, [asking(f"user: Why {n % 2}?", "assistant: So.") for n in range(4)])
    numbers = questions_of(ExampleFile(path))
    same = Repeated(numbers)
    assert (same.count, [same.with_same(place).tolist() for place in range(4)]) == (2, [[0, 2], [1, 3]] * 2)
    assert same.fewest(np.array([3, 0, 1, 2], dtype=np.int32)).tolist() == [1, 3]
    assert questions_of(ExampleFile(path)).tolist() == numbers.tolist()
    for damage in (b"", b"\x93NUMPY\x01\x00", questions_path(path).read_bytes()[:-8]):
        questions_path(path).write_bytes(damage)
        assert questions_of(ExampleFile(path)).tolist() == numbers.tolist()


def test_where_they_cannot_be_stored_they_are_given_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "examples.jsonl"
    write_examples(path, [asking("user: Why?", "assistant: So.")])
    questions_path(path).mkdir()
    assert len(questions_of(ExampleFile(path))) == 1
