from collections.abc import Sequence

import pytest

from studio.data.checking.text_structure import TextStructure
from studio.data.examples import TEXT, Example, Message

PROSE = "It was a bright cold day in April, and the clocks <b>were</b> striking thirteen [1]."


def text(said: str) -> Example:
    return Example((Message(TEXT, said),))


def ask(question: str, answer: str) -> Example:
    return Example((Message("user", question), Message("assistant", answer)))


def found(examples: Sequence[Example]) -> dict[str, tuple[int, ...]]:
    structure = TextStructure()
    for place, example in enumerate(examples):
        structure.add(place, example)
    return {finding.kind: finding.places for finding in structure.findings()}


@pytest.mark.case("15-templated-text")
@pytest.mark.parametrize(
    "marked",
    [
        text("<|foo|>user hi<|bar|>"),
        text("<\uff5cUser\uff5c>hi<\uff5cAssistant\uff5c>hello"),
        text("<|turn>narrator\nhi<turn|>"),
        text("[AVAILABLE_TOOLS][][/AVAILABLE_TOOLS][INST]hi[/INST]"),
        ask("<|im_start|>user\nhi<|im_end|>", "hello"),
        ask("hi", "<<SYS>>Be kind<</SYS>>"),
    ],
)
def test_marks_of_templates(marked: Example) -> None:
    """They were learned as text, without a word."""
    assert found([text(PROSE), marked]) == {"control-marks": (1,)}


@pytest.mark.case("15-templated-text")
def test_one_mark_counts_where_nearly_every_text_has_it() -> None:
    assert found([text(f"{PROSE}<|endoftext|>")] * 3) == {"control-marks": (0, 1, 2)}
    assert found([*[text(PROSE)] * 3, text(f"{PROSE}<|endoftext|>")]) == {}
    assert found([text("<user> hi <bot> hello")] * 6) == {"control-marks": (0, 1, 2, 3, 4, 5)}
    assert found([text("[USER] hi [BOT] hello")] * 6)
    assert not found([text("<p>It is <br>late.</p>")] * 6)


@pytest.mark.case("14-python-repr-in-csv")
@pytest.mark.parametrize(
    "printed",
    [
        text("[{'role': 'user', 'content': array([1])}]"),
        ask("hi", "[{'type': 'text', 'text': 'hello'}]"),
        text('[\n// first\n{"question": "a", "answer": "b"},\n{"question": "c", "answer": "d"}\n]'),
        text('"a": 1, "b": 2,\n"c": 3'),
        text("{question: 'Who?', answer: 'Me.', id: 1}"),
    ],
)
def test_printed_data(printed: Example) -> None:
    assert found([text(PROSE), printed]) == {"printed-data": (1,)}


def test_prose_code_and_answers_in_json_are_no_doubt() -> None:
    examples = [
        text(PROSE),
        text('settings = {"a": 1, "b": 2, "c": 3}\nprint(settings)'),
        ask("As JSON?", '{"name": "Ann", "age": 7, "town": "Rome"}'),
        ask("Write a dict.", "Use {'a': 1}, as in `x = {'a': 1}`."),
        ask("List three.", "[1, 2, 3]"),
    ]
    assert found(examples) == {}
