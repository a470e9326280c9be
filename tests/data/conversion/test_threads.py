"""Rows that hang together become conversations, so that no question is learned without what it is about."""

from collections.abc import Mapping, Sequence

import pytest

from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import Roles, assign, missing, notes_on
from studio.data.conversion.threads import Threads
from studio.data.examples import Example
from studio.data.rows import Row, RowProblem
from studio.errors import DataError

PARTS = {"q": "prompt", "a": "answer", "id": "id", "parent": "parent"}
BY_PARENT = assign(PARTS)
BY_THREAD = assign({"q": "prompt", "a": "answer", "chat": "thread"})


def row(number: int, **cells: object) -> Row:
    return Row(number, {"q": f"q{number}", "a": f"a{number}", **cells})


def joined(rows: Sequence[Row], roles: Roles = BY_PARENT, most_rows: int = 10_000) -> list[Example | RowProblem]:
    kept = Threads(roles, most_rows=most_rows)
    found: list[Example | RowProblem] = []
    for each in rows:
        found += kept.add(each, draft(each, roles))
    return [*found, *kept.joined()]


def said(found: Example | RowProblem) -> str:
    if isinstance(found, RowProblem):
        return f"{found.row}: {found.text}"
    return " ".join(message.content if message.learned else f"({message.content})" for message in found.messages)


@pytest.mark.case("36-parent-id")
def test_a_question_follows_the_one_it_belongs_to() -> None:
    """It was learned alone, as if nothing had been said before, and its copies were offered to be dropped."""
    rows = [row(1, id="x"), row(2, id="y", parent="x"), row(3, id="z"), row(4, id="w", parent="y")]
    assert [said(found) for found in joined(rows)] == ["q3 a3", "q1 a1 q2 a2 q4 a4"]
    backwards = [row(1, id=1, parent=2.0), row(2, id="2.0", parent="0")]
    assert [said(found) for found in joined(backwards)] == ["q2 a2 q1 a1"]


@pytest.mark.case("36-parent-id")
def test_an_answer_of_two_branches_is_learned_once() -> None:
    rows = [row(1, id="x"), row(2, id="y", parent="x"), row(3, id="z", parent="x")]
    assert [said(found) for found in joined(rows)] == ["q1 a1 q2 a2", "(q1) (a1) q3 a3"]


@pytest.mark.case("36-parent-id")
def test_rows_that_are_in_no_conversation_are_named() -> None:
    rows = [
        row(1, id="x", parent="gone"),
        row(2, id="y", parent="x"),
        row(3, id="c", parent="d"),
        row(4, id="d", parent="c"),
        row(5, id="e"),
        row(6, id="e"),
        row(7, id="f", a=""),
        row(8, id="g", parent="f"),
        row(9, parent="d"),
    ]
    found = [said(each) for each in joined(rows)]
    assert found[:2] == ["6: Its id 'e' is that of an earlier row.", "7: The answer is empty (a)."]
    lost = "that it follows is missing or left out, so what it is about is not known."
    assert {text for text in found if "missing" in text} == {
        f"1: The row 'gone' {lost}",
        f"2: The row 'gone' {lost}",
        f"8: The row 'f' {lost}",
    }
    assert {text[0] for text in found if "circle" in text} == {"3", "4", "9"}
    assert "q5 a5" in found
    assert len(found) == len(rows)


@pytest.mark.case("36-parent-id")
def test_rows_of_one_conversation_follow_one_another() -> None:
    rows = [row(1, chat=1), row(2, chat=2), row(3, chat=1), row(4), row(5, chat=2, a=""), row(6, chat=2)]
    assert [said(found) for found in joined(rows, BY_THREAD)] == [
        "5: The answer is empty (a).",
        "q2 a2",
        "q1 a1 q3 a3",
        "q4 a4",
        "6: An earlier row that it follows is missing or left out, so what it is about is not known.",
    ]


def test_one_system_message_is_enough() -> None:
    roles = assign({**PARTS, "s": "system"})
    rows = [row(1, id=1, s="Be brief."), row(2, id=2, parent=1, s="Be brief."), row(3, id=3, parent=1)]
    assert [said(found) for found in joined(rows, roles)] == [
        "Be brief. q1 a1 q2 a2",
        "(Be brief.) (q1) (a1) q3 a3",
    ]


def test_what_grows_without_end_is_refused() -> None:
    chain = [row(number, id=number, parent=number - 1 or None) for number in range(1, 1_003)]
    *whole, first, last = joined(chain)
    assert (len(whole), said(first)[:2], said(last)[:5]) == (1, "10", "1002:")
    assert isinstance(whole[0], Example)
    assert len(whole[0].messages) == 2_000
    with pytest.raises(DataError, match="more rows than can be put together"):
        joined(chain, most_rows=50)
    star = [row(1, id="x", a="long" * 5_000), *(row(number, id=number, parent="x") for number in range(2, 40))]
    with pytest.raises(DataError, match="branch so often"):
        joined(star)


@pytest.mark.case("36-parent-id")
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([{"id": 1}, {"id": 2, "parent_id": 1}], {"id": "id", "parent_id": "parent"}),
        ([{"message_id": "x", "reply_to": None}, {"message_id": "y", "reply_to": "x"}], {"reply_to": "parent"}),
        ([{"conversation_id": "x"}, {"conversation_id": "x"}], {"conversation_id": "thread"}),
        ([{"id": 1}, {"id": 1, "parent_id": 1}], {"parent_id": "ignore"}),
        ([{"id": 1}, {"id": 2, "parent_id": 7}], {"parent_id": "ignore"}),
        ([{"session_id": 1}, {"session_id": 2}], {"session_id": "ignore"}),
        ([{"session_id": 1, "question": "Why?"}, {"session_id": 1, "question": "Why?"}], {"session_id": "ignore"}),
    ],
)
def test_columns_that_tie_rows_together_are_seen(cells: list[Mapping[str, object]], expected: dict[str, str]) -> None:
    rows = [Row(n, {"question": f"Why {n}?", "answer": "So.", **more}) for n, more in enumerate(cells)]
    columns = tuple(dict.fromkeys(name for each in rows for name in each.cells))
    roles = guess_roles(columns, rows)
    played = {part: getattr(roles, part) for part in ("id", "parent", "thread")}
    for name, part in expected.items():
        assert name not in played.values() if part == "ignore" else played[part] == name
    assert any("put together" in note for note in notes_on(roles)) is roles.hangs_together


def test_half_a_tie_is_asked_about() -> None:
    columns = tuple(PARTS)
    assert missing(BY_PARENT, columns) == ""
    assert "Choose both" in missing(assign({**PARTS, "id": "ignore"}), columns)
    assert "not by both" in missing(assign({**PARTS, "chat": "thread"}), (*columns, "chat"))
