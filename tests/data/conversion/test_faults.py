"""Why an example cannot be learned from as it stands."""

import pytest

from studio.data.conversion.faults import fault
from studio.data.examples import TEXT, Example, Message, ToolCall

HI, HELLO = Message("user", "hi"), Message("assistant", "hello")


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ((), "empty"),
        ((Message("system", "be"),), "empty"),
        ((HI,), "no-answer-at-end"),
        ((HI, HELLO, HI), "no-answer-at-end"),
        ((HI, HELLO, Message("tool", "x")), "no-answer-at-end"),
        ((HELLO,), "starts-with-answer"),
        ((Message("system", "be"), HELLO), "starts-with-answer"),
        ((Message("tool", "x"), HELLO), "starts-with-answer"),
        ((HI, Message("system", "be"), HELLO), "system-in-the-middle"),
        ((Message("system", "be"), Message("system", "so"), HI, HELLO), "system-in-the-middle"),
        ((HI, Message("narrator", "x"), HELLO), "unknown-role"),
        ((HI, Message("assistant", "\n")), "empty-answer"),
        ((Message("user", " "), HELLO), "empty-prompt"),
        ((HI, Message("assistant", "half \ud83d")), "broken-character"),
        ((HI, Message("assistant", "", (ToolCall("f", '{"x": "\udc00"}'),))), "broken-character"),
        ((Message(TEXT, " "),), "empty"),
        ((Message(TEXT, "\ud83d"),), "broken-character"),
    ],
)
def test_a_conversation_that_cannot_be_learned_from(messages: tuple[Message, ...], kind: str) -> None:
    problem = fault(Example(messages, row=4, file="a.json"))
    assert problem is not None
    assert (problem.kind, problem.row, problem.file) == (kind, 4, "a.json")
    assert problem.text.endswith(".")


@pytest.mark.parametrize(
    "messages",
    [
        (HI, HELLO),
        (HI, HI, HELLO, HELLO),
        (Message("system", "be"), HI, Message("assistant", "", (ToolCall("f", "{}"),)), Message("tool", ""), HELLO),
        (HI, Message("assistant", "", (ToolCall("f", "{}"),))),
        (Message(TEXT, "whole 😀"),),
    ],
)
def test_what_can_be_learned_from(messages: tuple[Message, ...]) -> None:
    assert fault(Example(messages)) is None
