"""The guess, on small copies of the shapes in which people hold their data."""

from collections.abc import Sequence

import pytest

from studio.data.conversion.faults import fault
from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import Roles, missing, parts_of
from studio.data.examples import Example
from studio.data.rows import Row
from tests.data.conversion.exported_shapes import EXPORTED
from tests.data.conversion.published_shapes import CHAT, PUBLISHED, TURNS, Cells, qa
from tests.data.conversion.unclear_shapes import UNCLEAR


def rows_of(cells: Sequence[Cells]) -> list[Row]:
    return [Row(number, row) for number, row in enumerate(cells, start=1)]


def columns_of(cells: Sequence[Cells]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in cells for name in row))


def guess(*cells: Cells) -> Roles:
    return guess_roles(columns_of(cells), rows_of(cells))


@pytest.mark.parametrize("name", [*PUBLISHED, *EXPORTED])
def test_what_is_clear_is_guessed_and_gives_an_example(name: str) -> None:
    cells, expected = {**PUBLISHED, **EXPORTED}[name]
    roles = guess(cells)
    assert roles == expected
    assert missing(roles, tuple(cells)) == ""
    (example,) = draft(Row(1, cells), roles)
    assert isinstance(example, Example)
    assert fault(example) is None


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_not_clear_is_asked(name: str) -> None:
    cells = UNCLEAR[name]
    assert guess(*cells) == Roles()
    assert missing(Roles(), columns_of(cells)).startswith("Choose ")


def test_every_column_of_a_guess_has_its_part() -> None:
    cells = PUBLISHED["databricks-dolly-15k"][0]
    assert parts_of(guess(cells), tuple(cells)) == {
        "instruction": "prompt",
        "context": "input",
        "response": "answer",
        "category": "ignore",
    }


def test_names_are_enough_where_there_are_no_cells_yet() -> None:
    assert guess_roles(("question", "answer"), ()) == qa("question", "answer")
    assert guess({"question": None, "answer": ""}) == qa("question", "answer")
    assert guess_roles(("text",), ()) == Roles()
    assert guess_roles((), ()) == Roles()


def test_names_are_not_enough_where_the_cells_hold_something_else() -> None:
    assert guess({"question": ["a", "b"], "answer": ["c", "d"]}) == Roles()
    assert guess({"messages": "a remark", "question": "Who?", "answer": "Ann"}) == qa("question", "answer")
    assert guess({"chat": ["red", "blue", "green"], "id": 1}) == Roles()
    windows = {"system": "Windows", "question": "Who?", "answer": "Ann"}
    assert guess(windows) == qa("question", "answer")


def test_the_text_that_an_instruction_is_about_is_found() -> None:
    cells = [{"instruction": "Sum it up.", "text": f"Text {row}", "output": f"Sum {row}"} for row in range(6)]
    assert guess(*cells) == Roles("instruction", prompts=("instruction",), input="text", answer="output")


def test_a_long_text_in_pieces_stays_text_though_people_speak_in_it() -> None:
    said = "User: Who is there?\n\nAssistant: It is me, the fox."
    whole, piece = Row(1, {"text": said}), Row(1, {"text": said}, continues=True)
    assert guess_roles(("text",), [whole]).kind == "chat"
    assert guess_roles(("text",), [piece, Row(5, {"text": said})]) == Roles("text", text="text")


def test_few_odd_rows_do_not_change_the_guess() -> None:
    odd: list[Cells] = [{"messages": None}, {"messages": "?"}, {"other": 1}, {"messages": [{"role": "narrator"}]}]
    assert guess(*odd[:2], {"messages": TURNS}, {"messages": TURNS}, *odd[2:], {"messages": TURNS}) == CHAT


@pytest.mark.case("08-misspelt-role")
def test_what_is_called_messages_is_read_as_such_though_its_speakers_are_unknown() -> None:
    """Every row is reported then, instead of a general question about the columns."""
    cells = {"messages": [{"role": "narrator", "content": "x"}]}
    assert guess(cells) == CHAT


def test_short_answers_are_sentences_when_they_end_like_one() -> None:
    """A list of questions with short answers and no header was not recognised."""
    rows = [Row(n, {"column 1": f"How old is tree {n}?", "column 2": f"Tree {n} is {n} years old."}) for n in range(8)]
    roles = guess_roles(("column 1", "column 2"), rows)
    assert (roles.prompts, roles.answer) == (("column 1",), "column 2")


@pytest.mark.case("20-answer-is-object")
@pytest.mark.parametrize("answer", [{"plant": "basil"}, [{"entity": "basil"}], ["soup", "bread"]])
def test_answers_in_json_are_guessed(answer: object) -> None:
    assert guess(*({"instruction": f"Extract {place}", "output": answer} for place in range(6))).answer == "output"


def test_numbers_of_classes_are_asked_about_with_a_reason() -> None:
    cells: list[Cells] = [{"text": f"A film like {place} others.", "label": place % 2} for place in range(4)]
    assert guess(*cells) == Roles()
    assert "write the names of the classes" in missing(Roles(), columns_of(cells))
    assert guess(*({"text": f"Film {place} was good.", "label": "good"} for place in range(6))) == Roles()


@pytest.mark.parametrize(
    ("answers", "is_clear"),
    [
        (["At nine.", "Yes, we do.", "Card is fine.", "Sure!", "No.", "Main Street 4."], True),
        (["Paris", "Rome", "Dr. No", "Oslo", "Bern", "Wien"], False),
        (["Prices.", "Prices.", "Hours.", "Prices.", "Hours.", "Hours."], False),
    ],
)
def test_short_answers_beside_questions_are_known_by_how_they_end(answers: list[str], is_clear: bool) -> None:
    """A file with the headings "Customer asks" and "We say" was not recognised, because its answers were short."""
    sample = [Row(n, {"Customer asks": f"Is it {n}?", "We say": said}) for n, said in enumerate(answers)]
    found = guess_roles(["Customer asks", "We say"], sample)
    assert (found.prompts, found.answer) == ((("Customer asks",), "We say") if is_clear else ((), ""))
    beside = [Row(row.number, {**row.cells, "Where": f"Shop {row.number}"}) for row in sample]
    assert not guess_roles(["Customer asks", "We say", "Where"], beside).kind
