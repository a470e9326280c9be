"""The shapes in which services log what was said, trainers pair answers, and people rank replies."""

import json

import pytest

from studio.data.conversion.faults import fault
from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import Roles, missing
from studio.data.conversion.unread_fields import UnreadFields, passed_over
from studio.data.examples import Example, Message, ToolCall
from studio.data.rows import Row, RowProblem

Cells = dict[str, object]
ASKED = {"role": "user", "content": "Why?"}
SAID = {"role": "assistant", "content": "So."}
CALL = {"type": "function_call", "call_id": "1", "name": "look", "arguments": '{"at": "it"}'}
RESULT = {"type": "function_call_output", "call_id": "1", "output": "seen"}
THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
OUTPUT = [THOUGHT, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]}]


def read(*cells: Cells) -> list[Example | RowProblem]:
    rows = [Row(number, each) for number, each in enumerate(cells, start=1)]
    columns = tuple(dict.fromkeys(name for each in cells for name in each))
    roles = guess_roles(columns, rows)
    assert missing(roles, columns) == ""
    return [item for row in rows for item in draft(row, roles)]


def messages_of(cells: Cells) -> tuple[Message, ...]:
    (example,) = read(cells)
    assert isinstance(example, Example), example
    assert fault(example) is None
    return example.messages


@pytest.mark.case("22-openai-logs")
@pytest.mark.parametrize(
    "cells",
    [
        {"instructions": "Be brief.", "input": [ASKED], "output": OUTPUT},
        {"instructions": "Be brief.", "input": "Why?", "output": OUTPUT},
        {"id": "r1", "system": "Be brief.", "input": [ASKED], "output": SAID},
        {
            "request": {"messages": [{"role": "system", "content": "Be brief."}, ASKED]},
            "response": {"choices": [{"message": SAID}]},
        },
        {"messages": [{"role": "developer", "content": "Be brief."}, ASKED], "completion": "So."},
        {"system": "Be brief.", "messages": [ASKED], "response": {"object": "response", "output": OUTPUT}},
    ],
)
def test_logs_of_services_are_read(cells: Cells) -> None:
    """They were asked about without a hint, and no choice of columns read the items of an answer."""
    told, asked, said = messages_of(cells)
    assert (told, asked) == (Message("system", "Be brief."), Message("user", "Why?"))
    assert (said.role, said.content) == ("assistant", "So.")
    assert said.reasoning in ("", "Hm.")


@pytest.mark.case("22-openai-logs")
def test_items_are_calls_results_and_reasoning() -> None:
    again = {**CALL, "call_id": "2"}
    found = messages_of({"messages": [ASKED, THOUGHT, CALL, again, RESULT, {**RESULT, "call_id": "2"}, THOUGHT, SAID]})
    assert found[1] == Message(
        "assistant", "", tuple(ToolCall("look", '{"at": "it"}', id) for id in ("1", "2")), reasoning="Hm."
    )
    assert found[2] == Message("tool", "seen", tool_call_id="1")
    assert found[4] == Message("assistant", "So.", reasoning="Hm.")
    spoken = [{"from": "human", "value": "Why?"}, {"from": "thinking", "value": "Hm."}, {"from": "gpt", "value": "So."}]
    assert messages_of({"conversations": spoken})[1] == Message("assistant", "So.", reasoning="Hm.")


@pytest.mark.case("03-text-and-tool-call")
def test_a_call_after_reasoning_is_a_call() -> None:
    """With <think> before its JSON a call was learned as plain text."""
    said = '<think>\nHm.\n</think>\n\n{"name": "look", "arguments": {}}'
    turns = [{"from": "human", "value": "Why?"}, {"from": "function_call", "value": said}]
    assert messages_of({"conversations": turns})[1] == Message(
        "assistant", "<think>\nHm.\n</think>", (ToolCall("look", "{}"),)
    )
    several = '{"name": "look", "arguments": {}}\n{"name": "see", "arguments": {}}'
    turns = [turns[0], {"from": "function_call", "value": several}]
    assert messages_of({"conversations": turns})[1].tool_calls == (ToolCall("look", "{}"), ToolCall("see", "{}"))


@pytest.mark.case("25-content-parts")
def test_parts_whose_text_stands_under_value() -> None:
    call = {"type": "tool_call", "value": json.dumps({"name": "look", "arguments": {"at": "it"}})}
    thought = {"type": "reasoning", "value": "Hm."}
    turns = [
        {
            "role": "user",
            "content": [{"type": "text", "value": "Wh"}, {"type": "text", "value": "y?"}],
            "loss_weight": 0.0,
        },
        {"role": "assistant", "content": [thought, call], "loss_weight": 1.0},
        {"role": "tool", "content": [{"type": "text", "value": "seen"}]},
        {"role": "assistant", "content": [{"type": "text", "value": "So."}], "loss_weight": 1.0},
    ]
    assert messages_of({"messages": turns}) == (
        Message("user", "Why?"),
        Message("assistant", "", (ToolCall("look", '{"at": "it"}'),), reasoning="Hm."),
        Message("tool", "seen"),
        Message("assistant", "So."),
    )


@pytest.mark.case("38-preference")
@pytest.mark.parametrize(
    "cells",
    [
        {
            "conversations": [{"from": "human", "value": "Why?"}],
            "chosen": {"from": "gpt", "value": "So."},
            "rejected": {"from": "gpt", "value": "No."},
        },
        {"conversations": [{"from": "human", "value": "Why?"}], "chosen": "So.", "rejected": "No."},
        {"messages": [ASKED], "chosen": [SAID], "rejected": [{**SAID, "content": "No."}]},
        {"chosen_messages": [ASKED, SAID], "rejected_messages": [ASKED, {**SAID, "content": "No."}]},
        {"prompt": [ASKED], "chosen_response": "So.", "rejected_response": "No."},
    ],
)
def test_of_a_pair_the_chosen_answer_is_learned(cells: Cells) -> None:
    """Beside a conversation a chosen answer was asked about, and no choice of columns fitted."""
    assert messages_of(cells) == (Message("user", "Why?"), Message("assistant", "So."))


@pytest.mark.case("02-kto-labels")
def test_a_conversation_with_a_label_is_learned_where_it_is_good() -> None:
    for shape in (
        {"messages": [ASKED, SAID]},
        {"prompt": "Why?", "completion": "So."},
        {"prompt": [ASKED], "completion": [SAID]},
    ):
        good, bad = read({**shape, "label": True}, {**shape, "label": False})
        assert isinstance(good, Example)
        assert isinstance(bad, RowProblem)
        assert bad.kind == "not-to-be-learned"


@pytest.mark.case("38-preference")
def test_ranked_answers_in_a_list_are_asked_about_with_a_reason() -> None:
    rows = [Row(n, {"instruction": f"Why {n}?", "output": ["It is so, because.", "BAD"]}) for n in range(4)]
    columns = ("instruction", "output")
    assert guess_roles(columns, rows) == Roles()
    (note,) = passed_over(columns, rows, Roles())
    assert "which of them is the answer" in note
    names = [Row(n, {"instruction": f"Name {n}", "output": ["soup", "bread"]}) for n in range(4)]
    assert guess_roles(columns, names).answer == "output"


def reply(text: str, *replies: Cells, **more: object) -> Cells:
    return {"text": text, "role": "assistant", "replies": list(replies), **more}


@pytest.mark.case("37-oasst-tree")
def test_the_best_branch_of_a_tree_of_replies_is_read() -> None:
    thanks = {**reply("Thanks.", reply("Welcome.", {**reply("Bye."), "role": "prompter"})), "role": "prompter"}
    tree = {
        **reply("Why?", reply("BAD", rank=1), reply("So.", thanks, rank=0), reply("gone", rank=-1, deleted=True)),
        "role": "prompter",
    }
    cells: Cells = {"message_tree_id": "x", "tree_state": "ready_for_export", "prompt": tree}
    assert [message.content for message in messages_of(cells)] == ["Why?", "So.", "Thanks.", "Welcome."]
    unread = UnreadFields()
    unread.add(tree)
    assert list(unread.notes()) == ["Of several replies to a message the best alone is learned; 2 others are not read."]


def test_a_tree_as_deep_as_can_be_is_no_trap() -> None:
    tree = reply("end")
    for _ in range(3_000):
        tree = reply("on", tree)
    unread = UnreadFields()
    unread.add({**tree, "role": "prompter"})
    assert list(unread.notes()) == []


@pytest.mark.case("24-context-question")
def test_a_question_comes_before_what_it_is_about() -> None:
    cells: Cells = {"context": "The bed lies in the north.", "question": "Where?", "answer": "In the north."}
    assert messages_of(cells)[0].content == "Where?\n\nThe bed lies in the north."


@pytest.mark.case("35-squad-rows")
def test_several_people_who_say_the_same_gave_one_answer() -> None:
    def cells(*texts: str) -> Cells:
        answers = {"text": list(texts), "answer_start": list(range(len(texts)))}
        return {"id": "1", "context": "In the north.", "question": "Where?", "answers": answers}

    same, *_, none, two = read(*[cells("North", "North")] * 3, cells(), cells("North", "South"))
    assert isinstance(same, Example)
    assert same.messages[1].content == "North"
    assert [each.kind for each in (none, two) if isinstance(each, RowProblem)] == ["empty-answer", "not-text"]


@pytest.mark.case("09-environment-role")
def test_an_environment_gives_results_and_no_call_is_lost() -> None:
    call = {"role": "assistant", "content": None, "function_calls": '[{"name": "look", "arguments": {}}]'}
    found = messages_of({"messages": [ASKED, call, {"role": "environment", "content": "seen"}, SAID]})
    assert [message.role for message in found] == ["user", "assistant", "tool", "assistant"]
    assert found[1].tool_calls == (ToolCall("look", "{}"),)
    unclear = {**call, "function_calls": 'look(at="it")'}
    (problem,) = read({"messages": [ASKED, unclear, {"role": "environment", "content": "seen"}, SAID]})
    assert isinstance(problem, RowProblem)
