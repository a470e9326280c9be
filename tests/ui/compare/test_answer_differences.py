import pytest

from studio.ui.compare.answer_differences import ALL_DIFFERENT, SAME, compared, marked


def test_words_that_the_other_answer_lacks_are_marked() -> None:
    assert marked("the bread is old", "the bread is fresh now") == "the bread is <mark>fresh now</mark>"
    assert marked("a b c", "a x c") == "a <mark>x</mark> c"


@pytest.mark.parametrize(
    ("before", "now", "note"),
    [
        ("as ever", "as ever", SAME),
        ("one two three", "quite another thing", ALL_DIFFERENT),
        ("one two three", "one two", "Nothing new: the other answer says more."),
        ("one two", "one three", ""),
        ("", "", SAME),
    ],
)
def test_where_nothing_or_all_is_marked_it_says_why(before: str, now: str, note: str) -> None:
    """Highlighting stayed blank where two answers differed most, which looked as if it did not work."""
    found = compared(before, now)
    assert found.note == note
    assert ("<mark>" in found.text) == (note in ("", ALL_DIFFERENT))
    assert marked("anything", "") == "(nothing)"


def test_what_a_model_writes_is_escaped() -> None:
    assert marked("say <b>", "say <i>") == "say <mark>&lt;i&gt;</mark>"


def test_white_space_stays_as_it_was_written() -> None:
    assert marked("one\n\ntwo", "one\n\nthree two") == "one\n\n<mark>three</mark> two"
