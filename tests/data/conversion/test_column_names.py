import pytest

from studio.data.conversion import column_names
from studio.data.conversion.column_names import hints_at, is_exactly, means, plain


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("System Prompt", "systemprompt"),
        ("AN_SWER ", "answer"),
        ("Réponse", "reponse"),
        ("Câu hỏi", "cauhoi"),
        ("プロンプト", "プロンプト"),
        ("प्रश्न", "प्रश्न"),
        ("答案", "答案"),
        ("", ""),
        ("\ud83d", ""),
    ],
)
def test_names_without_what_does_not_matter(name: str, found: str) -> None:
    assert plain(name) == found


def test_the_table_of_names_holds_plain_names() -> None:
    names = [name for group in column_names._NAMES.values() for name in group.split()]
    assert [name for name in names if plain(name) != name] == []


def test_whole_names_and_words_in_names() -> None:
    assert means("Questions", "question")
    assert is_exactly("Question ", "question")
    assert not is_exactly("query", "question")
    assert hints_at("customerQuestion", "question")
    assert hints_at("Antwort vom Support", "answer")
    for name in ("prompt_id", "answer length", "question_type", "incorrect_answers", "Answer date", "answered"):
        assert not hints_at(name, "question")
        assert not hints_at(name, "answer")
        assert not hints_at(name, "prompt")
