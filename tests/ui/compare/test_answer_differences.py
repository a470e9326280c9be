from studio.ui.compare.answer_differences import marked


def test_words_that_the_other_answer_lacks_are_marked() -> None:
    assert marked("the bread is old", "the bread is fresh now") == "the bread is <mark>fresh now</mark>"
    assert marked("a b c", "a x c", tag="ins") == "a <ins>x</ins> c"


def test_the_same_answer_has_no_marks_and_another_one_altogether_neither() -> None:
    assert marked("as ever", "as ever") == "as ever"
    assert marked("one two three", "quite another thing") == "quite another thing"
    assert marked("anything", "") == "(nothing)"


def test_what_a_model_writes_is_escaped() -> None:
    assert marked("say <b>", "say <i>") == "say <mark>&lt;i&gt;</mark>"


def test_white_space_stays_as_it_was_written() -> None:
    assert marked("one\n\ntwo", "one\n\nthree two") == "one\n\n<mark>three</mark> two"
