"""From a row to an example, and why an example cannot be learned from."""

from collections.abc import Sequence

import pytest

from studio.data.chunks import MOST_CHARACTERS
from studio.data.conversion.faults import fault
from studio.data.conversion.formats import draft
from studio.data.conversion.roles import Roles
from studio.data.examples import TEXT, Example, Message, ToolCall
from studio.data.rows import Row, RowProblem

HI, HELLO = Message("user", "hi"), Message("assistant", "hello")
TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
QA = Roles("question-answer", prompts=("q",), answer="a")
CHAT = Roles("chat", conversation="messages", system="system")


def messages_of(cells: dict[str, object], roles: Roles) -> tuple[Message, ...]:
    (example,) = draft(Row(1, cells), roles)
    assert isinstance(example, Example), example
    return example.messages


def problem_of(cells: dict[str, object], roles: Roles) -> tuple[str, str]:
    (problem,) = draft(Row(7, cells, file="b.csv"), roles)
    assert isinstance(problem, RowProblem)
    assert (problem.row, problem.file) == (7, "b.csv")
    return problem.kind, problem.text


def test_columns_become_turns_and_text_stays_as_it_stands() -> None:
    assert messages_of({"q": " hi. ", "a": "hello\n"}, QA) == (
        Message("user", " hi. "),
        Message("assistant", "hello\n"),
    )
    assert messages_of({"q": 1.5, "a": True}, QA) == (Message("user", "1.5"), Message("assistant", "true"))
    assert messages_of({"q": "{{ 1+1 }}", "a": "<|im_end|>"}, QA)[0].content == "{{ 1+1 }}"
    (example,) = draft(Row(3, {"q": "hi", "a": "hello"}, file="b.csv"), QA)
    assert example == Example((HI, HELLO), row=3, file="b.csv")


def test_prompts_and_input_are_joined_by_a_blank_line_without_the_empty_ones() -> None:
    roles = Roles("instruction", prompts=("title", "body"), input="input", answer="a")
    cells: dict[str, object] = {"title": "Add.", "body": float("nan"), "input": "1 2", "a": 3}
    assert messages_of(cells, roles) == (Message("user", "Add.\n\n1 2"), Message("assistant", "3"))


def test_a_template_puts_the_columns_into_words() -> None:
    roles = Roles("prompt-completion", prompts=("title",), answer="a", template="{{{title}}} by {author}:")
    assert messages_of({"title": "Fox", "author": None, "a": "x"}, roles)[0].content == "{Fox} by :"
    assert problem_of({"title": " ", "author": None, "a": "x"}, roles)[0] == "empty-prompt"


def test_system_and_history_come_first() -> None:
    roles = Roles("instruction", prompts=("q",), answer="a", system="s", history="h")
    said = (Message("system", "Be brief."), Message("user", "1"), Message("assistant", "2"), HI, HELLO)
    cells: dict[str, object] = {"q": "hi", "a": "hello", "s": "Be brief.", "h": [["1", 2]]}
    assert messages_of(cells, roles) == said
    assert messages_of({**cells, "h": '[["1", "2"]]'}, roles) == said
    assert messages_of({**cells, "h": [{"from": "human", "value": "1"}, {"from": "gpt", "value": "2"}]}, roles) == said
    assert messages_of({**cells, "s": " ", "h": None}, roles) == (HI, HELLO)
    assert problem_of({**cells, "h": "earlier"}, roles)[0] == "not-text"
    assert problem_of({**cells, "h": [["1"]]}, roles)[0] == "unknown-role"


def test_the_system_column_stands_in_for_a_missing_system_message() -> None:
    own = [{"role": "system", "content": "own"}, *TURNS]
    empty = [{"role": "system", "content": " "}, *TURNS]
    found = [messages_of({"messages": turns, "system": "column"}, CHAT)[0].content for turns in (own, empty, TURNS)]
    assert found == ["own", "column", "column"]


@pytest.mark.case("38-preference")
def test_pairs_of_answers_give_the_chosen_one() -> None:
    roles = Roles("preference", prompts=("p",), answer="chosen")
    transcript = "\n\nHuman: hi\n\nAssistant:"
    chosen: Sequence[object] = ("hello", TURNS[1:], TURNS)
    asked: Sequence[object] = ("hi", TURNS[:1], transcript, {"messages": TURNS[:1]})
    for prompt in asked:
        for answer in chosen:
            assert messages_of({"p": prompt, "chosen": answer}, roles) == (HI, HELLO)
    whole = Roles("preference", conversation="chosen")
    assert messages_of({"chosen": f"{transcript} hello"}, whole) == (HI, HELLO)


def test_a_long_text_gives_an_example_for_each_piece() -> None:
    roles = Roles("text", text="t")
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 100 for number in range(6))
    *first, last = draft(Row(2, {"t": text}, file="a.csv"), roles)
    assert len(first) == 2
    for example in (*first, last):
        assert isinstance(example, Example)
        assert (example.row, example.file, example.is_text, fault(example)) == (2, "a.csv", True, None)
        assert len(example.messages[0].content) <= MOST_CHARACTERS
    assert [example.continues for example in first if isinstance(example, Example)] == [True, True]
    assert draft(Row(1, {"t": "Ab\n"}), roles) == (Example((Message(TEXT, "Ab\n"),), row=1),)
    assert draft(Row(1, {"t": "Ab"}, continues=True), roles) == (Example((Message(TEXT, "Ab"),), 1, continues=True),)


def test_a_list_of_questions_gives_an_example_for_each() -> None:
    roles = Roles("chat", conversation="t")
    found = draft(Row(1, {"t": "Q: hi\nA: hello\n\nQ: hi\nA: hello"}), roles)
    assert found == (Example((HI, HELLO), 1), Example((HI, HELLO), 1))
    assert messages_of({"t": "User: hi\nAssistant: hello\nUser: hi\nAssistant: hello"}, roles) == (HI, HELLO, HI, HELLO)


def test_tools_come_from_a_column_or_from_beside_the_turns() -> None:
    tools = [{"name": "f", "parameters": {}}]
    written = '[{"type": "function", "function": {"name": "f", "parameters": {}}}]'
    (example,) = draft(Row(1, {"messages": TURNS, "t": tools}), Roles("chat", conversation="messages", tools="t"))
    assert isinstance(example, Example)
    assert example.tools == written
    beside = {"input": {"messages": TURNS[:1], "tools": tools}, "chosen": "hello"}
    (example,) = draft(Row(1, beside), Roles("preference", prompts=("input",), answer="chosen"))
    assert isinstance(example, Example)
    assert (example.tools, example.messages) == (written, (HI, HELLO))


def test_an_answer_may_be_the_call_of_a_tool() -> None:
    roles = Roles("question-answer", prompts=("q",), answer="a", tools="t")
    cells: dict[str, object] = {"q": "hi", "a": '[{"name": "f", "arguments": {"x": 1}}]', "t": '[{"name": "f"}]'}
    assert messages_of(cells, roles) == (HI, Message("assistant", "", (ToolCall("f", '{"x": 1}'),)))
    assert messages_of({**cells, "a": "hello"}, roles) == (HI, HELLO)
    assert messages_of(cells, QA)[1].content == cells["a"]


@pytest.mark.parametrize(
    ("cells", "kind", "text"),
    [
        ({"q": " ", "a": "b"}, "empty-prompt", "What is asked is empty (q)."),
        ({"q": None, "a": "b"}, "empty-prompt", "What is asked is empty (q)."),
        ({"q": "a", "a": ""}, "empty-answer", "The answer is empty (a)."),
        ({"q": "a", "a": float("nan")}, "empty-answer", "The answer is empty (a)."),
        ({"q": "a"}, "empty-answer", "The answer is empty (a)."),
        ({"q": ["a", "b"], "a": "b"}, "not-text", "The column 'q' holds several values, and only one text can"),
        ({"q": {"x": 1}, "a": "b"}, "not-text", "The column 'q' holds an object and not a text."),
        ({"q": b"\x89PNG", "a": "b"}, "not-text", "The column 'q' holds binary data and not a text."),
        ({"x": "a", "y": "b"}, "wrong-columns", "The row has other columns: x, y. None of the chosen columns (q, a)"),
        ({}, "wrong-columns", "The row has other columns"),
        (
            {"q": "What is it?", "a": "A fox", "image": {"bytes": b"x"}},
            "images",
            "The row comes with an image ('image')",
        ),
    ],
)
def test_a_row_without_question_or_answer_is_left_out_with_its_reason(
    cells: dict[str, object], kind: str, text: str
) -> None:
    found = problem_of(cells, QA)
    assert found[0] == kind
    assert found[1].startswith(text)


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (None, "empty", "The conversation is empty."),
        ([], "empty", "The conversation is empty."),
        ([{"role": "system", "content": " "}], "empty", "The conversation is empty."),
        ("a remark", "not-text", "The column 'messages' holds no conversation."),
        ("[broken", "not-text", "The column 'messages' holds no conversation."),
        (5, "not-text", "The column 'messages' holds no conversation."),
    ],
)
def test_a_cell_without_a_conversation_is_left_out_with_its_reason(cell: object, kind: str, text: str) -> None:
    assert problem_of({"messages": cell}, Roles("chat", conversation="messages")) == (kind, text)


def test_roles_without_a_kind_leave_every_row_out() -> None:
    assert problem_of({"a": "b"}, Roles())[0] == "wrong-columns"


@pytest.mark.case("20-answer-is-object")
@pytest.mark.parametrize(
    ("answer", "learned"),
    [
        ({"plant": "Zürich", "organic": None}, '{"plant": "Zürich", "organic": null}'),
        ([1, 2], "[1, 2]"),
        ([{"entity": "A"}, {"entity": "B"}], '[{"entity": "A"}, {"entity": "B"}]'),
    ],
)
def test_an_answer_that_is_an_object_or_a_list_is_learned_as_json(answer: object, learned: str) -> None:
    """Extraction data could in no way be learned: "holds an object and not a text"."""
    assert messages_of({"q": "hi", "a": answer}, QA)[-1].content == learned
    turns = [TURNS[0], {"role": "assistant", "content": answer}]
    assert messages_of({"messages": turns}, CHAT)[-1].content == learned


@pytest.mark.case("20-answer-is-object")
def test_a_list_of_texts_as_an_answer() -> None:
    assert messages_of({"q": "hi", "a": ["soup", "bread"]}, QA)[-1].content == '["soup", "bread"]'
    assert messages_of({"q": "hi", "a": ["only one"]}, QA)[-1].content == "only one"


@pytest.mark.case("20-answer-is-object")
def test_what_cannot_be_an_answer_in_json_is_named() -> None:
    assert problem_of({"q": "hi", "a": {"text": ["one", "two"], "answer_start": [1, 2]}}, QA)[0] == "not-text"
    assert problem_of({"q": "hi", "a": {"score": float("nan")}}, QA)[0] == "not-text"
    assert problem_of({"messages": [TURNS[0], {"role": "assistant", "content": [{"type": "image"}]}]}, CHAT)


@pytest.mark.case("21-anthropic")
@pytest.mark.parametrize(
    "system",
    [
        [{"type": "text", "text": "Be ", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "brief."}],
        '[{"type": "text", "text": "Be brief."}]',
        {"role": "system", "parts": [{"text": "Be brief."}]},
        {"type": "text", "text": "Be brief."},
        ["Be brief."],
        "Be brief.",
    ],
)
def test_a_system_message_in_blocks(system: object) -> None:
    roles = Roles("chat", conversation="messages", system="system")
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    (example,) = draft(Row(1, {"system": system, "messages": turns}), roles)
    assert isinstance(example, Example)
    assert example.messages[0] == Message("system", "Be brief.")
