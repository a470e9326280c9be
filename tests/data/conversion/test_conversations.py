"""The messages of a conversation, in the shapes in which files hold it."""

import json

import pytest

from studio.data.conversion.cells import UnusableError
from studio.data.conversion.conversations import are_turns, messages_in, turns_in
from studio.data.examples import Message, ToolCall

SAID = [Message("system", "Be kind."), Message("user", "hi"), Message("assistant", "hello")]
CALL = ToolCall("weather", '{"place": "Rome"}', "c1")


def said(cell: object) -> list[Message]:
    turns = turns_in(cell)
    assert turns is not None
    return messages_in(turns)


@pytest.mark.parametrize(
    "cell",
    [
        [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
        ],
        [
            {"role": "developer", "content": "Be kind.", "name": None},
            {"role": " User", "content": [{"type": "text", "text": "h"}, "i"]},
            {"role": "assistant", "content": {"type": "text", "text": "hello"}, "tool_calls": None, "weight": 1},
        ],
        [
            {"from": "system", "value": "Be kind."},
            {"from": "human", "value": "hi", "weight": 0},
            {"from": "bing", "value": "hello"},
        ],
        [
            {"role": "system", "parts": [{"text": "Be kind."}]},
            {"role": "user", "parts": [{"text": "h"}, {"text": "i"}]},
            {"role": "model", "parts": [{"text": "hello"}]},
        ],
        [
            {"sender": "system", "text": "Be kind."},
            {"sender": "human", "text": "hi"},
            {"sender": "agent", "message": "hello"},
        ],
        [
            {"author": {"role": "system"}, "content": {"content_type": "text", "parts": ["Be kind."]}},
            {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["hi"]}},
            {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["hello"]}},
        ],
        [{"system": "Be kind.", "user": "hi", "assistant": "hello"}],
        {"role": ["system", "user", "assistant"], "content": ["Be kind.", "hi", "hello"]},
        {"messages": [{"System": "Be kind."}, {"question": "hi"}, {"answer": "hello"}]},
        "System: Be kind.\nUser: hi\nAssistant: hello",
    ],
)
def test_one_conversation_in_many_shapes(cell: object) -> None:
    assert said(cell) == SAID
    if not isinstance(cell, str):
        assert said(json.dumps(cell)) == SAID
        assert said(str(cell)) == SAID


def test_lists_of_texts_and_pairs() -> None:
    assert said(["hi", "hello", "bye"]) == [*SAID[1:], Message("user", "bye")]
    assert said([["hi", "hello"], ["hi", "hello"]]) == [*SAID[1:], *SAID[1:]]
    assert said([{"input": "hi", "output": "hello"}]) == SAID[1:]
    assert said({"question": "hi", "answer": "hello"}) == SAID[1:]
    assert said({"role": "user", "content": "hi"}) == SAID[1:2]


def test_an_empty_system_message_says_nothing() -> None:
    assert said([{"role": "system", "content": " "}, {"role": "user", "content": "hi"}]) == [SAID[1]]
    assert said([]) == []


@pytest.mark.parametrize(
    "cell",
    [
        "a remark",
        None,
        5,
        {"a": 1},
        {"question": "hi"},
        {"question": "hi", "answer": "hello", "id": 1},
        '{"a": 1}',
        {"role": ["user"], "content": []},
    ],
)
def test_what_holds_no_turns(cell: object) -> None:
    assert turns_in(cell) is None


@pytest.mark.case("03-text-and-tool-call")
def test_calls_of_tools_in_the_usual_shapes() -> None:
    arguments = {"place": "Rome"}
    openai = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": CALL.arguments}}],
    }
    result = {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": [{"type": "text", "text": "sun"}]}
    found = said([openai, result])
    assert found == [Message("assistant", "", (CALL,)), Message("tool", "sun", (), "weather", "c1")]

    older = {"role": "assistant", "content": "", "function_call": {"name": "weather", "arguments": CALL.arguments}}
    assert said([older, {"role": "function", "name": "weather", "content": "sun"}]) == [
        Message("assistant", "", (ToolCall("weather", CALL.arguments),)),
        Message("tool", "sun", (), "weather"),
    ]

    call = json.dumps({"name": "weather", "arguments": arguments})
    assert said([{"from": "function_call", "value": call}, {"from": "observation", "value": "sun"}]) == [
        Message("assistant", "", (ToolCall("weather", CALL.arguments),)),
        Message("tool", "sun"),
    ]
    assert said([{"from": "function_call", "value": "weather(Rome)"}]) == [Message("assistant", "weather(Rome)")]

    blocks = [
        {"type": "text", "text": "Wait."},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": arguments},
    ]
    results = [{"type": "tool_result", "tool_use_id": "c1", "content": "sun"}, {"type": "text", "text": "And?"}]
    assert said([{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]) == [
        Message("assistant", "Wait.", (CALL,)),
        Message("tool", "sun", (), "", "c1"),
        Message("user", "And?"),
    ]
    seen = [*blocks, results[0], {"type": "text", "text": " Sun."}]
    assert said([{"sender": "assistant", "content": seen}]) == [Message("assistant", "Wait. Sun.")]


@pytest.mark.case("08-misspelt-role")
@pytest.mark.parametrize(
    ("turn", "kind", "reason"),
    [
        ("hi", "unknown-role", "Turn 1 does not say who speaks."),
        ({"content": "x"}, "unknown-role", "Turn 1 does not say who speaks."),
        ({}, "unknown-role", "Turn 1 does not say who speaks."),
        ({"role": ["x"], "content": "x"}, "unknown-role", "Turn 1 does not say who speaks."),
        (
            {"role": "narrator", "content": "x"},
            "unknown-role",
            "Turn 1 has the role 'narrator'; known are system, user, assistant and tool.",
        ),
        ({"role": "x" * 99, "content": "x"}, "unknown-role", "Turn 1 has the role '" + "x" * 40 + "...'"),
        ({"role": "user", "content": {"a": 1}}, "not-text", "Turn 1 holds something other than text."),
        ({"role": "user", "content": b"x"}, "not-text", "The content of turn 1 holds binary data and not a text."),
        (
            {"role": "user", "content": [{"type": "file"}]},
            "not-text",
            "Turn 1 holds something other than text",
        ),
        ({"role": "user", "content": [{"type": "image_url"}]}, "images", "Turn 1 holds an image, which cannot be"),
        ({"role": "user", "content": {"type": "image"}}, "images", "Turn 1 holds an image"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "audio", "Turn 1 holds a sound recording"),
        ({"role": "user", "content": [{"type": "video"}]}, "video", "Turn 1 holds a video"),
        ({"role": "user", "parts": [{"inlineData": {"mimeType": "image/png"}}]}, "images", "Turn 1 holds an image"),
        ({"sender": "human", "text": "x", "attachments": [{"id": 1}]}, "not-text", "Turn 1 comes with a file"),
        (
            {"role": "assistant", "tool_calls": [{"id": "1"}]},
            "not-text",
            "Turn 1 calls a tool without saying",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "x"}}]},
            "not-text",
            "Turn 1 calls a tool with arguments that are not a JSON object.",
        ),
    ],
)
def test_what_cannot_be_learned_is_named(turn: object, kind: str, reason: str) -> None:
    with pytest.raises(UnusableError) as caught:
        messages_in([turn, {"role": "user", "content": "x"}])
    assert caught.value.kind == kind
    assert caught.value.text.startswith(reason)


def test_which_lists_surely_are_turns() -> None:
    assert are_turns([{"role": "user", "content": "x"}])
    assert are_turns([{"from": "GPT", "value": None}])
    assert are_turns([{"role": "assistant", "tool_calls": []}])
    for turns in ([], ["a", "b"], [{"role": "narrator", "content": "x"}], [{"role": "user"}], [{"a": "b"}], [{}]):
        assert not are_turns(turns)
