import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.scoring.spelling import (
    as_label,
    collapsed,
    short_words,
    without_punctuation,
    word_count,
    words,
)


def test_collapses_white_space_of_every_kind() -> None:
    assert collapsed(" a\t b\n\n\u00a0c\u3000") == "a b c"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (" Very  Good. ", "very good"),
        ("STRASSE", "straße".casefold()),
        ("好。", "好"),
        ("अच्छा।", "अच्छा"),
        ("no .", "no"),
        ("etc..", "etc."),
        (".", "."),
        ("", ""),
    ],
)
def test_labels_are_told_apart_by_what_they_say(text: str, label: str) -> None:
    assert as_label(text) == label


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("  The U.S.A., 'again'!", "the usa again"),
        ("¿Qué?", "qué"),
        ("¡$5!", "5"),
        ("20 °C", "20 °c"),
        ("e\u0301te\u0301", "été"),
        ("E-\u0301te\u0301", "été"),
        ("+", "+"),
        ("?!", "?!"),
        ("", ""),
    ],
)
def test_punctuation_is_deleted_unless_it_is_the_answer(text: str, left: str) -> None:
    assert without_punctuation(text) == left


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't-stop, snake_case 3.5", ["don", "t", "stop", "snake", "case", "3", "5"]),
        ("Crème brûlée", ["crème", "brûlée"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("Привет, Мир!", ["привет", "мир"]),
        ("我爱 Python3", ["我", "爱", "python3"]),
        ("すし。", ["す", "し"]),
        ("🙂 …", []),
    ],
)
def test_words_in_many_scripts(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_words_of_short_answers_keep_what_punctuation_joins() -> None:
    assert short_words("Don't-stop 我爱你!") == ["dontstop", "我", "爱", "你"]


@pytest.mark.parametrize(
    ("text", "count"), [("two words", 2), ("", 0), ("我爱你们", 2), ("我", 1), ("ни пуха", 2), ("用 Python 写", 2)]
)
def test_counts_words(text: str, count: int) -> None:
    assert word_count(text) == count


@given(st.text(max_size=60))
def test_a_spelling_is_its_own_spelling(text: str) -> None:
    assert without_punctuation(without_punctuation(text)) == without_punctuation(text)
    assert words(" ".join(words(text))) == words(text)
    assert collapsed(collapsed(text)) == collapsed(text)
