from collections.abc import Sequence

import pytest

from studio.data.checking.answer_patterns import AnswerPatterns
from studio.data.checking.copies import answer_hash
from studio.data.checking.findings import Finding
from studio.data.examples import TEXT, Example, Message


def look(answers: Sequence[str]) -> list[Finding]:
    patterns = AnswerPatterns()
    for place, answer in enumerate(answers):
        example = Example((Message("user", f"question {place}"), Message("assistant", answer)))
        patterns.add(place, example, answer_hash(example))
    return list(patterns.findings())


def different(count: int) -> list[str]:
    return [f"{chr(97 + number % 26)}{number} says something of its own" for number in range(count)]


def test_every_answer_is_the_same() -> None:
    (finding,) = look(["I do not\nknow."] * 12)
    assert (finding.kind, finding.level, finding.count) == ("same-answer", "warning", 12)
    assert '"I do not know."' in finding.text
    assert finding.places == tuple(range(12))
    assert look(["I do not know."] * 9) == []


@pytest.mark.parametrize(
    "labels",
    [
        ["yes", "no"] * 50,
        ["yes"] * 70 + ["no"] * 30,
        ["positive", "negative", "neutral"] * 30,
        ["positive"] * 40 + ["negative"] * 30 + ["neutral"] * 30,
        [str(number % 10) for number in range(200)],
    ],
)
def test_labels_are_left_in_peace(labels: list[str]) -> None:
    assert look(labels) == []


@pytest.mark.parametrize(
    ("answers", "count"),
    [
        (["yes"] * 90 + ["no"] * 10, 90),
        (["spam"] * 60 + ["ham", "eggs"] * 20, 60),
        (["I cannot help with that."] * 30 + different(170), 30),
    ],
)
def test_one_answer_outweighs_the_others(answers: list[str], count: int) -> None:
    (finding,) = look(answers)
    assert (finding.kind, finding.level, finding.count) == ("frequent-answer", "info", count)
    assert finding.places == tuple(range(count))
    assert f"{100 * count // len(answers)} %" in finding.title


def test_answers_that_begin_alike() -> None:
    answers = [f"Sure, I can help you with {text}" for text in different(60)] + different(40)
    (finding,) = look(answers)
    assert (finding.kind, finding.count) == ("same-beginning", 60)
    assert '"Sure, I can help …"' in finding.text


def test_free_answers_are_left_in_peace() -> None:
    assert look(different(500)) == []
    assert look(["Yes.", "No.", "It depends on the day.", *different(40)]) == []
    assert look([]) == []


def test_plain_text_has_no_answers() -> None:
    patterns = AnswerPatterns()
    for place in range(20):
        patterns.add(place, Example((Message(TEXT, "the same"),)), 1)
    assert list(patterns.findings()) == []
