"""Reasoning that stands apart from an answer: read under every usual name, and kept through file, copy and repair."""

import pytest

from studio.data.checking.example_texts import change_texts, texts
from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.reasoning import reasoning_text
from studio.data.conversion.roles import Roles, assign
from studio.data.example_lines import as_messages, decode, encode
from studio.data.examples import Example, Message, fingerprint
from studio.data.rows import Row

CHAT = Roles("chat", conversation="messages")
ASKED = {"role": "user", "content": "How many?"}


def answer_of(turn: dict[str, object]) -> Message:
    (example,) = draft(Row(1, {"messages": [ASKED, turn]}), CHAT)
    assert isinstance(example, Example), example
    return example.messages[-1]


@pytest.mark.case("05-reasoning-fields")
@pytest.mark.parametrize(
    "turn",
    [
        {"content": "Five.", "reasoning_content": "Count them."},
        {"content": "Five.", "reasoning": "Count them."},
        {"content": "Five.", "thinking": "Count them."},
        {"content": "Five.", "thoughts": ["Count them."]},
        {"content": "Five.", "Chain_of_Thought": "Count them."},
        {
            "content": "Five.",
            "reasoning": None,
            "reasoning_details": [{"type": "reasoning.text", "text": "Count them."}],
        },
        {"content": "Five.", "reasoning": {"effort": "high", "summary": [{"text": "Count them."}]}},
        {"content": [{"type": "thinking", "thinking": "Count them."}, {"type": "text", "text": "Five."}]},
        {"content": [{"type": "reasoning", "text": "Count them."}, {"type": "text", "text": "Five."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Count them."}]}, "Five."]},
        {"parts": [{"text": "Count them.", "thought": True}, {"text": "Five."}]},
    ],
)
def test_reasoning_beside_an_answer_is_kept(turn: dict[str, object]) -> None:
    """It was dropped without a word, also for models whose template could write it."""
    assert answer_of({"role": "assistant", **turn}) == Message("assistant", "Five.", reasoning="Count them.")


@pytest.mark.case("05-reasoning-fields")
def test_settings_of_reasoning_are_none() -> None:
    for value in (True, 3, {"effort": "high"}, [], "  ", [[[[[["too deep"]]]]]]):
        assert answer_of({"role": "assistant", "content": "Five.", "reasoning": value}).reasoning == ""
    assert reasoning_text(["One.", {"text": "Two."}]) == "One.\n\nTwo."


@pytest.mark.case("03-text-and-tool-call")
def test_reasoning_before_the_call_of_a_tool() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "count", "arguments": "{}"}}
    made = answer_of({"role": "assistant", "content": "", "reasoning_content": "I count.", "tool_calls": [call]})
    assert (made.reasoning, made.tool_calls[0].name) == ("I count.", "count")
    shared = answer_of({"from": "function_call", "value": '{"name": "count", "arguments": {}}', "thinking": "I count."})
    assert (shared.reasoning, shared.tool_calls[0].name) == ("I count.", "count")


@pytest.mark.case("05-reasoning-fields")
def test_a_column_of_reasoning_goes_before_the_answer() -> None:
    rows = [Row(1, {"question": "How many?", "reasoning": "Count them.", "answer": "Five."})]
    roles = guess_roles(("question", "reasoning", "answer"), rows)
    assert roles == assign({"question": "prompt", "reasoning": "reasoning", "answer": "answer"})
    (example,) = draft(rows[0], roles)
    assert isinstance(example, Example)
    assert example.messages[1] == Message("assistant", "Five.", reasoning="Count them.")


@pytest.mark.case("05-reasoning-fields")
def test_reasoning_survives_the_file_and_is_looked_at_like_other_text() -> None:
    example = Example((Message("user", "a"), Message("assistant", "b", reasoning="c")))
    assert decode(encode(example)) == example
    assert '"reasoning_content": "c"' in as_messages(example)
    assert fingerprint(example) != fingerprint(Example((Message("user", "a"), Message("assistant", "b"))))
    assert list(texts(example)) == ["a", "c", "b"]
    assert change_texts(example, str.upper).messages[1] == Message("assistant", "B", reasoning="C")
    assert change_texts(example, str.lower) is example
