import json
import re
from collections import Counter
from pathlib import Path

import pytest

from studio.data.scoring.probes import Question, Text, prompt_of, read_questions, read_texts
from studio.errors import DataError

PROBES = Path(__file__).resolve().parents[3] / "assets" / "probes"
QUESTION = {"subject": "sums", "question": "How much is 1 + 1?", "choices": ["1", "2", "3", "4"], "answer": 1}


def write(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def test_reads_all_files_of_questions_by_name(tmp_path: Path) -> None:
    write(tmp_path / "knowledge-b.jsonl", {**QUESTION, "subject": "b"})
    write(tmp_path / "knowledge-a.jsonl", {**QUESTION, "question": "a\u2028b"}, QUESTION)
    found = read_questions(tmp_path)
    assert [(each.subject, each.question) for each in found] == [
        ("sums", "a\u2028b"),
        ("sums", "How much is 1 + 1?"),
        ("b", "How much is 1 + 1?"),
    ]
    assert found[1] == Question("sums", "How much is 1 + 1?", ("1", "2", "3", "4"), 1)


def test_reads_texts(tmp_path: Path) -> None:
    write(tmp_path / "language.jsonl", {"genre": "letters", "text": "Dear Ann,\nthe roof holds."})
    assert read_texts(tmp_path) == (Text("letters", "Dear Ann,\nthe roof holds."),)


def test_what_a_model_reads() -> None:
    question = Question(**{**QUESTION, "choices": tuple(QUESTION["choices"])})
    assert prompt_of(question) == "Question: How much is 1 + 1?\nAnswer:"


@pytest.mark.parametrize(
    "damaged",
    [
        {**QUESTION, "answer": 4},
        {**QUESTION, "answer": -1},
        {**QUESTION, "answer": "1"},
        {**QUESTION, "choices": ["1", "2", "3"]},
        {**QUESTION, "choices": ["1", "2", "3", " "]},
        {**QUESTION, "question": ""},
        {"subject": "sums"},
        [],
        "text",
    ],
)
def test_says_that_a_file_of_questions_is_damaged(tmp_path: Path, damaged: object) -> None:
    write(tmp_path / "knowledge.jsonl", QUESTION, damaged)
    with pytest.raises(DataError, match="damaged"):
        read_questions(tmp_path)


def test_says_what_is_missing_cut_off_or_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="questions of the knowledge probe are not in"):
        read_questions(tmp_path)
    with pytest.raises(DataError, match=r"language\.jsonl cannot be read"):
        read_texts(tmp_path)
    (tmp_path / "language.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"language\.jsonl is empty"):
        read_texts(tmp_path)
    write(tmp_path / "language.jsonl", {"genre": "news", "text": " "})
    with pytest.raises(DataError, match="A text of the language probe is empty"):
        read_texts(tmp_path)
    (tmp_path / "language.jsonl").write_text('{"genre": "news", "text": "Rain."}\n{"genre": "ne')
    with pytest.raises(DataError, match=r"damaged in line 2"):
        read_texts(tmp_path)


def same(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def test_the_questions_of_the_studio() -> None:
    """Balanced places keep a model that always says the same letter at a quarter."""
    questions = read_questions(PROBES)
    assert len(questions) >= 300
    places = Counter(question.answer for question in questions)
    assert all(0.22 <= places[place] / len(questions) <= 0.28 for place in range(4)), places
    asked = Counter(same(question.question) for question in questions)
    assert not [question for question, times in asked.items() if times > 1]
    for question in questions:
        assert len({same(choice) for choice in question.choices}) == 4, question
        assert all(choice == choice.strip() for choice in question.choices), question


def test_the_texts_of_the_studio() -> None:
    texts = read_texts(PROBES)
    assert len(texts) >= 200
    assert not [text for text, times in Counter(same(each.text) for each in texts).items() if times > 1]
