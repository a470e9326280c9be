import string
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from studio.data.scoring.scores import TITLES, chrf, label_of, main_score, rouge_l, row_scores, token_f1
from studio.data.scoring.tasks import Kind, Task

MOODS = Task("labels", ("positive", "negative", "neutral", "very positive"))
PAIRS = (
    ("The cat sat on the mat.", "The cat lay on the red mat."),
    ("police killed the gunman", "the gunman police killed"),
    ("It's 3.5 kg (about 7.7 lb)!", "its 3 5 kg, about 8 lb"),
    ("First line.\nSecond line.", "Second line.\nFirst line."),
    ("a b c d e f g", "g f e d c b a"),
    ("nothing in common", "whatever else"),
    ("snake_case and kebab-case", "snake case and kebab case"),
    ("word " * 300, "word " * 200 + "other " * 50),
)


@pytest.mark.parametrize(("answer", "expected"), PAIRS)
def test_rouge_l_agrees_with_googles_rouge_score(answer: str, expected: str) -> None:
    assert rouge_l(answer, expected) == pytest.approx(google(answer, expected), abs=1e-9)


@given(st.text(string.printable, max_size=80), st.text(string.printable, max_size=80))
def test_rouge_l_agrees_with_googles_rouge_score_on_any_english_letters(answer: str, expected: str) -> None:
    assume(any(letter.isalnum() for letter in answer) and any(letter.isalnum() for letter in expected))
    assert rouge_l(answer, expected) == pytest.approx(google(answer, expected), abs=1e-9)


def google(answer: str, expected: str) -> float:
    return 100 * RougeScorer(["rougeL"]).score(expected, answer)["rougeL"].fmeasure


@pytest.mark.parametrize(
    ("answer", "expected", "score"),
    [
        ("Der Käfig ist groß", "der käfig ist klein", 75),
        ("我爱北京", "我爱上海", 50),
        ("मैं घर जाता हूँ", "मैं घर आता हूँ", 75),
        ("Я ещё тут", "я ещё здесь", 200 / 3),
        ("", "text", 0),
        ("text", "", 0),
        ("", "", 100),
        ("🙂!", " 🙂!", 100),
        ("🙂!", "🙁!", 0),
    ],
)
def test_rouge_l_in_other_scripts_and_without_words(answer: str, expected: str, score: float) -> None:
    """rouge-score itself finds no word in most of these, and gives 0 to answers that are right."""
    assert rouge_l(answer, expected) == pytest.approx(score)


@pytest.mark.parametrize(("answer", "expected"), [*PAIRS, ("Größe", "Grüße"), ("我爱北京", "我爱上海吗"), ("a", "abc")])
def test_chrf_is_what_its_paper_says(answer: str, expected: str) -> None:
    assert chrf(answer, expected) == pytest.approx(chrf_by_hand(answer, expected))


def chrf_by_hand(answer: str, expected: str) -> float:
    """Popović 2015: F2 of the mean precision and recall over runs of 1 to 6 letters that both texts are long enough
    for."""
    precisions, recalls = [], []
    for size in range(1, 7):
        said, wanted = (runs("".join(text.split()), size) for text in (answer, expected))
        if said and wanted:
            both = (said & wanted).total()
            precisions.append(both / said.total())
            recalls.append(both / wanted.total())
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def runs(text: str, size: int) -> Counter[str]:
    return Counter(text[start : start + size] for start in range(len(text) - size + 1))


def test_chrf_of_blank_texts() -> None:
    assert [chrf("", "a"), chrf("a", " "), chrf(" ", "")] == [0, 0, 100]


@pytest.mark.parametrize(
    ("answer", "expected", "score"),
    [
        ("New York", "new york!", 1),
        ("in New York City", "New York", 2 * 2 / (4 + 2)),
        ("York York", "York", 2 * 1 / (2 + 1)),
        ("the Beatles", "Beatles", 2 / 3),
        ("Paris", "London", 0),
        ("我爱北京", "北京", 2 * 2 / (4 + 2)),
        ("Überlingen am See", "überlingen", 2 / 4),
        ("", "x", 0),
        ("", "", 1),
        ("+", "-", 0),
        ("+", "+", 1),
    ],
)
def test_token_f1_by_hand(answer: str, expected: str, score: float) -> None:
    assert token_f1(answer, expected) == pytest.approx(score)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", 0),
        (" Negative.\n", 1),
        ("very  positive", 3),
        ("Positive, as the guest was glad.", 0),
        ("neutral\nBecause nothing was said.", 2),
        ("Neutral: nothing negative", 2),
        ("**Negative** - the soup was cold", 1),
        ('"positive"', 0),
        ("very positive!", 3),
        ("positively", 4),
        ("positiv", 4),
        ("positive_1", 4),
        ("neutrál", 4),
        ("neutral\u0301 x", 4),
        ("It is positive", 4),
        ("The guest was glad.\npositive", 4),
        ("", 4),
        ("\n\n", 4),
        ("***", 4),
    ],
)
def test_the_label_that_an_answer_means(answer: str, label: int) -> None:
    assert label_of(MOODS, answer) == label


def test_numbers_are_over_where_no_digit_follows() -> None:
    stars = Task("labels", ("1", "2", "10"))
    answers = ("1", "1 star", "10", "10.", "15", "1.5", "1-2", "1st", "1, as it broke", "2/10")
    assert [label_of(stars, answer) for answer in answers] == [0, 0, 2, 2, 3, 3, 3, 3, 0, 3]


def test_a_beginning_that_two_labels_share_means_neither() -> None:
    cities = Task("labels", ("New", "New York", "not spam", "spam"))
    answers = ("New York", "New York, of course", "New, of course", "not spam, I think", "Spam!")
    assert [label_of(cities, answer) for answer in answers] == [1, 4, 0, 2, 3]


def test_scores_of_labels() -> None:
    assert row_scores(MOODS, "Positive.", "positive") == {"exact": 0, "accuracy": 1}
    assert row_scores(MOODS, " positive\n", "positive") == {"exact": 1, "accuracy": 1}
    assert row_scores(MOODS, "none", "positive") == {"exact": 0, "accuracy": 0}


def test_an_expected_answer_that_is_no_label_is_not_met_by_any_other() -> None:
    assert row_scores(MOODS, "whatever", "mixed")["accuracy"] == 0
    assert row_scores(MOODS, "Mixed.", "mixed")["accuracy"] == 1


def test_scores_of_json() -> None:
    task = Task("json")
    expected = '{"tea": 2, "milk": true}'
    assert row_scores(task, expected, expected) == {"exact": 1, "json_valid": 1, "json_fields": 1}
    fenced = '```json\n{"milk": true, "tea": 3}\n```'
    assert row_scores(task, fenced, expected) == {"exact": 0, "json_valid": 1, "json_fields": 0.5}
    assert row_scores(task, '{"tea": 2', expected) == {"exact": 0, "json_valid": 0, "json_fields": 0}
    assert row_scores(task, "no  order", "no order") == {"exact": 1, "json_valid": 0, "json_fields": 1}
    assert row_scores(task, "{}", "no order") == {"exact": 0, "json_valid": 1, "json_fields": 0}


def test_scores_of_short_and_long_answers_and_of_text() -> None:
    assert row_scores(Task("short"), "paris!", "Paris") == {"exact": 0, "token_f1": 1, "normalised_exact": 1}
    assert row_scores(Task("long"), "a b", "a  b") == {"exact": 1, "rouge_l": 100, "chrf": 100}
    assert row_scores(Task("text"), "a", "b") == {"exact": 0}


@pytest.mark.parametrize("task", [MOODS, Task("json"), Task("short"), Task("long")])
def test_every_score_has_a_title_and_the_main_one_is_among_them(task: Task) -> None:
    scores = row_scores(task, "a", "b")
    assert main_score(task) in scores
    assert scores.keys() <= TITLES.keys()


def test_units() -> None:
    assert {title.unit for title in TITLES.values()} == {"share", "score", "loss", "perplexity"}
    assert {name for name, title in TITLES.items() if not title.higher_is_better} == {"loss", "perplexity", "language"}
    assert main_score(Task("text")) in TITLES


@given(st.sampled_from(["json", "short", "long"]), st.text(max_size=40), st.text(max_size=40))
def test_scores_lie_within_their_units(kind: Kind, answer: str, expected: str) -> None:
    for name, score in row_scores(Task(kind), answer, expected).items():
        assert 0 <= score <= (100.0000001 if TITLES[name].unit == "score" else 1)
    if kind != "json":
        assert row_scores(Task(kind), answer, answer)[main_score(Task(kind))] == pytest.approx(
            100 if kind == "long" else 1
        )
