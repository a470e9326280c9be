import pytest

from studio.data.question_lists import is_question_list, question_rows
from studio.data.rows import Row, RowProblem


def rows(text: str) -> list[tuple[int, object, object]]:
    found = question_rows(text.splitlines(keepends=True))
    return [(row.number, row.cells["question"], row.cells["answer"]) for row in found if isinstance(row, Row)]


@pytest.mark.parametrize(
    "text",
    [
        "Q: When?\nA: At nine.\n\nQ: Where?\nA: Here.",
        "Q1: When?\nA1: At nine.\nQ2: Where?\nA2: Here.\n",
        "1. Q: When?\nA: At nine.\n2. Q: Where?\nA: Here.",
        "**Q:** When?\n**A:** At nine.\n\n**Q:** Where?\n**A:** Here.",
        "**Q**: When?\r\n\r\nA: At nine.\r\nQ: Where?\r\n\r\nA: Here.",
        "Question: When?\nAnswer: At nine.\nQuestion: Where?\nAnswer: Here.",
        "Frage 1: When?\nAntwort 1: At nine.\nFrage 2: Where?\nAntwort 2: Here.",
        "# Our shop\n\nQ: When?\nA: At nine.\n\n## Places\n\nQ: Where?\nA: Here.",
    ],
)
def test_the_usual_marks(text: str) -> None:
    assert is_question_list(text, at_least=2)
    assert [row[1:] for row in rows(text)] == [("When?", "At nine."), ("Where?", "Here.")]


def test_rows_are_numbered_by_line_and_keep_inner_lines() -> None:
    text = "\nQ: When\nexactly?\n\nA: At nine.\n\n- but not\n  on Sunday\nQ: And?\n"
    assert rows(text) == [(2, "When\nexactly?", "At nine.\n\n- but not\n  on Sunday"), (9, "And?", "")]


def test_a_line_in_parts_is_one_line() -> None:
    found = list(question_rows(["Q: Wh", "en?\n", "A: At", " nine. Q: ", "no mark\n"]))
    assert found == [Row(1, {"question": "When?", "answer": "At nine. Q: no mark"})]


def test_what_belongs_to_no_question_is_reported_once() -> None:
    found = list(question_rows("Welcome.\nTo us.\n\nQ: a\nA: b\n# Rest\nThe end.\nReally.".splitlines(keepends=True)))
    reason = "This text belongs to no question."
    assert found == [
        RowProblem(1, reason, kind="unreadable"),
        Row(4, {"question": "a", "answer": "b"}),
        RowProblem(7, reason, kind="unreadable"),
    ]


def test_a_pair_that_is_too_long_is_reported() -> None:
    (found,) = question_rows(["Q: a\n", "A: ", *["x" * 100_000] * 20])
    assert isinstance(found, RowProblem)
    assert "longer than 1,000,000 characters" in found.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Once there was a fox.",
        "A: At nine.\nQ: When?",
        "Q: When?",
        "Quick: no\nAnt: no",
        "User: hi\nAssistant: hello",
        "Q: Which?\nA: One\nB: Two\nC: Three",
        "Q: Which?\nA) One\nB) Two",
        "Some words before.\nAnd more.\n# And\nmore\nQ: a\nA: b",
    ],
)
def test_what_is_no_list_of_questions(text: str) -> None:
    assert not is_question_list(text)


@pytest.mark.parametrize("text", ["*" * 300_000 + "Q:", "1" * 300_000 + ". Q:", "Q:" * 200_000, "Q:\n" * 100_000])
@pytest.mark.timeout(20)
def test_no_text_takes_long(text: str) -> None:
    assert not is_question_list(text)
