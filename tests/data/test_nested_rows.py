"""Rows that hold several examples each, as people's lists of questions, intents and reading tests do."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from studio.data.conversion.roles import Roles, assign
from studio.data.example_files import ExampleFile
from studio.data.inspection import Inspection, inspect_files

pytestmark = pytest.mark.case("34-wrappers")


def inspect(path: Path, value: object, roles: Roles | None = None) -> tuple[Inspection, list[tuple[str, ...]]]:
    file, into = path / "data.json", path / "examples.jsonl"
    file.write_text(json.dumps(value))
    found, _ = inspect_files([file], into=into, roles=roles)
    examples = ExampleFile(into)
    return found, [tuple(message.content for message in example.messages) for example in examples]


def faq(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"q": f"Is {name} hardy?", "a": f"{name} is half hardy."} for name in names]


def test_lists_of_questions_under_their_headings_are_read(tmp_path: Path) -> None:
    """The heading was said to be what is to be answered."""
    groups = [{"category": "Care", "items": faq(["basil", "mint"])}, {"category": "Use", "items": faq(["dill"])}]
    found, said = inspect(tmp_path, {"faq": groups})
    assert said == [tuple(row.values()) for row in faq(["basil", "mint", "dill"])]
    assert (found.columns, found.rows_read, found.left_out) == (("category", "q", "a"), 3, 0)
    assert "lists in items is read as a row" in found.notes[1]
    again, _ = inspect(tmp_path, {"faq": groups}, found.roles)
    assert again.usable == 3


def test_lists_in_lists_are_read_with_the_text_they_are_about(tmp_path: Path) -> None:
    def asked(question: str, answers: Sequence[str]) -> dict[str, object]:
        return {"question": question, "id": question, "answers": [{"text": a, "answer_start": 0} for a in answers]}

    pages = [
        {"title": "Herbs", "paragraphs": [{"context": "Mint is green.", "qas": [asked("Colour of mint?", ["green"])]}]},
        {"title": "Roots", "paragraphs": [{"context": "Beet is red.", "qas": [asked("Colour of beet?", ["red"] * 2)]}]},
    ]
    found, said = inspect(tmp_path, {"version": "2", "data": pages})
    assert said[1] == ("Colour of beet?\n\nBeet is red.", "red")
    assert (found.usable, found.roles.input) == (2, "context")


@pytest.mark.parametrize("name", ["patterns", "questions", "utterances"])
def test_phrasings_that_share_answers_are_examples_of_their_own(name: str, tmp_path: Path) -> None:
    """Nothing was said of why the lists were not read."""
    intents = [
        {"tag": "mint", name: ["Tell me of mint", "What about mint", "Mint?"], "responses": ["Green.", "I like it."]},
        {"tag": "dill", name: ["Tell me of dill"], "responses": ["Feathery.", "I grow it."]},
        {"tag": "sage", name: "Tell me of sage", "responses": ["Grey."]},
    ]
    found, said = inspect(tmp_path, {"intents": intents * 4})
    assert said[:6] == [
        ("Tell me of mint", "Green."),
        ("What about mint", "I like it."),
        ("Mint?", "Green."),
        ("Tell me of dill", "Feathery."),
        ("Tell me of dill", "I grow it."),
        ("Tell me of sage", "Grey."),
    ]
    assert f"'{name}' are read as questions, an example each, and answered by 'responses'" in found.notes[1]


def test_phrasings_with_one_answer(tmp_path: Path) -> None:
    rows = [{"questions": [f"Why {n}?", f"What for {n}?"], "answer": f"Because of {n}."} for n in range(3)]
    _, said = inspect(tmp_path, rows)
    assert said[:3] == [("Why 0?", "Because of 0."), ("What for 0?", "Because of 0."), ("Why 1?", "Because of 1.")]


def test_an_entry_that_is_no_object_and_a_row_without_a_list_are_left_out_with_a_reason(tmp_path: Path) -> None:
    groups = [{"name": str(n), "items": faq([f"herb {n}"])} for n in range(20)]
    groups[7]["items"] = []
    groups[8]["items"] = [*faq(["mint"]), "and so on"]  # type: ignore[list-item]
    found, said = inspect(tmp_path, groups)
    assert (len(said), [problem.row for problem in found.problems]) == (19, [8, 9])
    assert "no object with named fields" in found.problems[1].text


def test_columns_that_a_person_chose_are_not_taken_apart(tmp_path: Path) -> None:
    groups = [{"name": f"Herb {n}", "items": faq([f"herb {n}"])} for n in range(3)]
    _, said = inspect(tmp_path, groups, assign({"name": "prompt", "items": "answer"}))
    assert said[0] == ("Herb 0", json.dumps(groups[0]["items"]))


def test_what_stays_unclear_is_described(tmp_path: Path) -> None:
    rows = [{"tag": "x", "parts": [{"from_page": 1, "words": 2}], "marks": ["a", "b"]} for _ in range(3)]
    found, _ = inspect(tmp_path, rows)
    assert found.verdict
    assert "The column 'parts' holds lists of objects (from_page, words)." in found.notes[0]
    assert "The column 'marks' holds lists." in found.notes[1]


def test_labels_outside_of_their_texts_are_not_guessed_to_be_answers(tmp_path: Path) -> None:
    rows = [{"category": name, "items": [{"text": f"{name} is a fine herb to grow."}]} for name in ("mint", "dill")]
    found, _ = inspect(tmp_path, rows)
    assert (found.kind, found.columns) == ("", ("category", "items"))
