import json
from collections.abc import Mapping

import pytest

from studio.data.examples import Example, Message
from studio.data.formats import Roles, guess_roles, to_examples
from studio.data.readers import Table
from studio.data.rows import Row, RowProblem
from studio.errors import DataError

GOOD_TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def table_of(*rows: Mapping[str, object]) -> Table:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table("JSON", columns, tuple(Row(number, row) for number, row in enumerate(rows, start=1)), ())


def convert(*rows: Mapping[str, object]) -> tuple[Example, ...]:
    table = table_of(*rows)
    return to_examples(table, guess_roles(table)).examples


@pytest.mark.parametrize(
    ("row", "roles"),
    [
        ({"messages": GOOD_TURNS}, Roles("chat", messages="messages")),
        ({"Conversations": GOOD_TURNS, "system": ""}, Roles("chat", messages="Conversations", system="system")),
        (
            {"Instruction": "", "input": "", "output": ""},
            Roles("instruction", prompt="Instruction", input="input", answer="output"),
        ),
        ({"instruction": "", "Response ": ""}, Roles("instruction", prompt="instruction", answer="Response ")),
        (
            {"System Prompt": "", "prompt": "", "completion": ""},
            Roles("prompt-completion", system="System Prompt", prompt="prompt", answer="completion"),
        ),
        ({"QUESTION": "", "id": 1, "AN_SWER": ""}, Roles("question-answer", prompt="QUESTION", answer="AN_SWER")),
        ({"input": "", "output": ""}, Roles("prompt-completion", prompt="input", answer="output")),
        (
            {"messages": "a remark", "question": "", "answer": ""},
            Roles("question-answer", prompt="question", answer="answer"),
        ),
    ],
)
def test_guesses_roles_from_names(row: Mapping[str, object], roles: Roles) -> None:
    assert guess_roles(table_of(row)) == roles


def test_names_what_was_found_when_nothing_fits() -> None:
    with pytest.raises(DataError, match=r"The file has: text, label\.") as caught:
        guess_roles(table_of({"text": "x", "label": 1}))
    assert "question and answer" in caught.value.hint
    with pytest.raises(DataError, match="Column 'messages' holds no conversations"):
        guess_roles(table_of({"messages": "hello"}))
    with pytest.raises(DataError, match="column 11 and 88 more"):
        guess_roles(table_of({f"column {number}": "" for number in range(100)}))


def test_columns_become_turns() -> None:
    assert convert({"instruction": "Add.", "input": "1 2", "output": 3}) == (
        Example((Message("user", "Add.\n\n1 2"), Message("assistant", "3")), row=1),
    )
    assert convert({"instruction": "Say hi. ", "input": None, "output": " hi\n"}) == (
        Example((Message("user", "Say hi. "), Message("assistant", " hi\n")), row=1),
    )
    assert convert({"system": "Be brief.", "question": 1.5, "answer": True}) == (
        Example((Message("system", "Be brief."), Message("user", "1.5"), Message("assistant", "true")), row=1),
    )


def test_sharegpt_and_openai_wordings() -> None:
    shared = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]
    other = [{"from": "user", "value": "hi"}, {"from": "bing", "value": "hello"}]
    parts = [
        {"role": "developer", "content": "Be kind."},
        {"role": "User", "content": [{"type": "text", "text": "h"}, "i"]},
        {"role": "assistant", "content": "hello", "tool_calls": None},
    ]
    found = convert({"conversations": shared}, {"conversations": other}, {"conversations": json.dumps(parts)})
    said = (Message("user", "hi"), Message("assistant", "hello"))
    assert [example.messages for example in found] == [said, said, (Message("system", "Be kind."), *said)]


def test_the_system_column_stands_in_for_a_missing_system_message() -> None:
    own = [{"role": "system", "content": "own"}, *GOOD_TURNS]
    empty = [{"role": "system", "content": " "}, *GOOD_TURNS]
    rows = [{"messages": turns, "system": "column"} for turns in (own, empty, GOOD_TURNS)]
    assert [example.messages[0].content for example in convert(*rows)] == ["own", "column", "column"]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        (None, "The messages are not a list of turns."),
        ("[broken", "The messages are not a list of turns."),
        ([], "The conversation is empty."),
        ([{"role": "system", "content": "be"}], "The conversation is empty."),
        (["hi"], "Turn 1 is not an object with a role and a content."),
        (
            [{"role": "narrator", "content": "x"}],
            "Turn 1 has the role 'narrator'; known are system, user and assistant.",
        ),
        ([{"role": ["x"], "content": "x"}], "Turn 1 has the role '['x']'; known are system, user and assistant."),
        (GOOD_TURNS[:1], "The conversation does not end with an answer of the assistant."),
        (GOOD_TURNS[1:], "The conversation starts with the assistant, so there is nothing to answer."),
        (
            [*GOOD_TURNS, {"role": "system", "content": "x"}],
            "A system message stands in the middle; it can only come first.",
        ),
        ([GOOD_TURNS[0], {"role": "assistant", "content": "\n"}], "An answer is empty."),
        ([GOOD_TURNS[0], {"role": "assistant"}], "An answer is empty."),
        ([{"role": "user", "content": None}, GOOD_TURNS[1]], "A question is empty."),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, GOOD_TURNS[1]],
            "Turn 1 holds something other than text ('image_url').",
        ),
        ([{"role": "user", "content": {"a": 1}}, GOOD_TURNS[1]], "The content of turn 1 is not text."),
        (
            [GOOD_TURNS[0], {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}],
            "Turn 2 calls a tool, which cannot be learned yet.",
        ),
        ([*GOOD_TURNS, {"role": "tool", "content": "x"}], "Turn 3 calls a tool, which cannot be learned yet."),
        (
            [GOOD_TURNS[0], {"role": "assistant", "content": "\ud83d"}],
            "The content of turn 2 holds half of a character, such as a broken emoji.",
        ),
    ],
)
def test_an_unusable_conversation_is_left_out_with_its_reason(turns: object, reason: str) -> None:
    conversion = to_examples(
        table_of({"messages": turns}, {"messages": GOOD_TURNS}), Roles("chat", messages="messages")
    )
    assert conversion.problems == (RowProblem(1, reason),)
    assert [example.row for example in conversion.examples] == [2]


def test_an_unusable_row_is_left_out_with_its_reason() -> None:
    table = table_of(
        {"question": "a", "answer": "b"},
        {"question": " ", "answer": "b"},
        {"question": "a", "answer": ""},
        {"question": "a"},
        {"question": ["a"], "answer": "b"},
    )
    conversion = to_examples(table, guess_roles(table))
    assert [example.row for example in conversion.examples] == [1]
    assert conversion.problems == (
        RowProblem(2, "The question is empty."),
        RowProblem(3, "The answer is empty."),
        RowProblem(4, "The answer is empty."),
        RowProblem(5, "The question is not text."),
    )


def test_no_usable_row_is_an_error() -> None:
    with pytest.raises(DataError, match=r"None of the 2 rows can be learned from\. Row 1: The answer is empty\."):
        convert({"question": "a", "answer": ""}, {"question": "b", "answer": None})


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        (Roles("poem", prompt="a", answer="b"), "'poem' is not a kind of data set"),
        (Roles("question-answer", prompt="a", answer="output"), "Column 'output' not found. The file has: a, b."),
        (Roles("question-answer", prompt="a"), "No column is chosen for the answer"),
        (Roles("chat"), "No column is chosen for the messages"),
        (Roles("question-answer", prompt="a", answer="a"), "Column 'a' is chosen for two parts"),
    ],
)
def test_roles_that_do_not_fit_the_table_are_refused(roles: Roles, found: str) -> None:
    with pytest.raises(DataError, match=found):
        to_examples(table_of({"a": "x", "b": "y"}), roles)


def test_template_text_stays_text() -> None:
    (example,) = convert({"question": "{{ 1+1 }}", "answer": "<|im_end|>"})
    assert [message.content for message in example.messages] == ["{{ 1+1 }}", "<|im_end|>"]
