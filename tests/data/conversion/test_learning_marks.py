"""Marks that say which answers are to be learned: kept as context, never learned by mistake."""

import pytest

from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import Roles, missing
from studio.data.example_lines import as_messages, decode, encode
from studio.data.examples import Example, fingerprint
from studio.data.rows import Row, RowProblem

CHAT = Roles("chat", conversation="messages")
QA = Roles("question-answer", prompts=("q",), answer="a")


def turns(*marks: dict[str, object]) -> list[dict[str, object]]:
    """Make a question and an answer for each mark, which the answer bears."""
    said: list[dict[str, object]] = []
    for place, mark in enumerate(marks):
        said += [{"role": "user", "content": f"q{place}"}, {"role": "assistant", "content": f"a{place}", **mark}]
    return said


def example_of(cells: dict[str, object], roles: Roles = CHAT) -> Example:
    (example,) = draft(Row(1, cells), roles)
    assert isinstance(example, Example), example
    return example


def problem_of(cells: dict[str, object], roles: Roles = CHAT) -> str:
    (problem,) = draft(Row(1, cells), roles)
    assert isinstance(problem, RowProblem), problem
    assert problem.kind == "not-to-be-learned"
    return problem.text


@pytest.mark.case("01-message-flags")
@pytest.mark.parametrize(
    "mark",
    [
        {"weight": 0},
        {"weight": 0.0},
        {"weight": "0"},
        {"train": False},
        {"train": "no"},
        {"training": False},
        {"trainable": False},
        {"Train_On": "False"},
        {"loss": False},
        {"loss": 0},
        {"loss_mask": 0},
        {"loss_scale": 0.0},
        {"learn": False},
        {"masked": True},
        {"mask": 1},
        {"ignore_loss": "true"},
        {"train_detail": [{"begin_offset": 0, "end_offset": 1, "train": False}]},
    ],
)
def test_a_marked_answer_stays_as_context(mark: dict[str, object]) -> None:
    """Answers marked `train: false` were learned like the others, and one of weight 0 took its conversation with it."""
    messages = example_of({"messages": turns(mark, {})}).messages
    assert [(each.content, each.learned) for each in messages if each.role == "assistant"] == [
        ("a0", False),
        ("a1", True),
    ]


@pytest.mark.case("01-message-flags")
@pytest.mark.parametrize("mark", [{"weight": 1}, {"train": True}, {"loss": None}, {"masked": False}, {"score": 0}, {}])
def test_other_marks_change_nothing(mark: dict[str, object]) -> None:
    assert all(message.learned for message in example_of({"messages": turns(mark, {})}).messages)


@pytest.mark.case("01-message-flags")
def test_a_mark_on_a_question_changes_nothing() -> None:
    said = turns({}, {})
    said[0]["train"] = False
    assert all(message.learned for message in example_of({"messages": said}).messages)


@pytest.mark.case("01-message-flags")
def test_what_follows_the_last_learned_answer_is_left_out() -> None:
    messages = example_of({"messages": turns({}, {"weight": 0})}).messages
    assert [message.content for message in messages] == ["q0", "a0"]


@pytest.mark.case("01-message-flags")
def test_a_conversation_without_an_answer_to_learn_is_left_out() -> None:
    assert "Every answer" in problem_of({"messages": turns({"train": False}, {"weight": 0})})


@pytest.mark.case("01-message-flags")
def test_a_list_of_marks_beside_the_turns() -> None:
    messages = example_of({"messages": turns({}, {}), "loss_mask": [0, 0, 0, 1]}).messages
    assert [message.learned for message in messages if message.role == "assistant"] == [False, True]


@pytest.mark.case("01-message-flags")
@pytest.mark.parametrize("column", [{"train": False}, {"weight": 0}, {"masked": "true"}])
def test_a_marked_row_is_left_out(column: dict[str, object]) -> None:
    assert "this row is not to be learned" in problem_of({"messages": turns({}), **column})
    assert "this row is not to be learned" in problem_of({"q": "hi", "a": "hello", **column}, QA)


@pytest.mark.case("02-kto-labels")
@pytest.mark.parametrize("column", [{"label": False}, {"label": "false"}, {"is_good": 0}, {"thumbs_up": "no"}])
def test_an_answer_judged_as_bad_is_never_imitated(column: dict[str, object]) -> None:
    """Conversations with the label false were learned as if they were good."""
    assert "not a good answer" in problem_of({"messages": turns({}), **column})
    assert "not a good answer" in problem_of({"q": "hi", "a": "hello", **column}, QA)


@pytest.mark.case("02-kto-labels")
def test_a_class_numbered_0_is_no_verdict() -> None:
    assert example_of({"q": "hi", "a": "hello", "label": 0}, QA)
    assert example_of({"q": "Is it so?", "label": "false"}, Roles("question-answer", prompts=("q",), answer="label"))


@pytest.mark.case("02-kto-labels")
def test_conversations_with_a_verdict_in_numbers_are_asked_about() -> None:
    """The column with turns was taken before the column that judges was looked at."""
    rows = [Row(place, {"messages": turns({}), "label": place % 2}) for place in range(1, 9)]
    assert guess_roles(("messages", "label"), rows).kind == ""
    assert "may say which answers are good" in missing(Roles(), ("messages", "label"))
    rows = [Row(place, {"messages": turns({}), "label": place % 2 == 0}) for place in range(1, 9)]
    assert guess_roles(("messages", "label"), rows) == CHAT


@pytest.mark.case("01-message-flags")
def test_marks_survive_the_file_and_leave_it_as_openai_writes_them() -> None:
    example = example_of({"messages": turns({"train": False}, {})})
    assert decode(encode(example)) == example
    assert '"content": "a0", "weight": 0' in as_messages(example)
    assert fingerprint(example) != fingerprint(example_of({"messages": turns({}, {})}))
