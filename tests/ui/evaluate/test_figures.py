import pytest

from studio.jobs.evaluation_report import Estimate, Figure
from studio.ui.evaluate import figures
from tests.ui import made_up


@pytest.mark.parametrize(
    ("value", "unit", "written", "change"),
    [
        (0.4123, "share", "41.2 %", "+41.2 points"),
        (41.23, "score", "41.2", "+41.2"),
        (0.12345, "loss", "0.123", "+0.123"),
        (12.345, "perplexity", "12.35", "+12.35"),
        (-0.0004, "share", "0.0 %", "0.0 points"),
        (-0.5, "loss", "-0.500", "-0.500"),
    ],
)
def test_numbers_stand_in_their_units(value: float, unit: str, written: str, change: str) -> None:
    assert figures.number(value, unit) == written
    assert figures.difference(value, unit) == change


def test_the_ends_of_an_interval_need_no_unit() -> None:
    assert figures.interval(Estimate(0.4, 0.355, 0.449), "share") == "35.5 to 44.9"
    assert figures.interval(Estimate(0.1, -0.02, 0.2), "share", signed=True) == "-2.0 to +20.0"


def of_labels(written: float, likely: float) -> tuple[Figure, Figure]:
    names = (("accuracy", written), ("likelihood_accuracy", likely))
    pair = [
        Figure(name, name, "share", True, 30, made_up.around(0.9, 0.05), made_up.around(base, 0.1))
        for name, base in names
    ]
    return pair[0], pair[1]


def test_what_the_base_finds_likeliest_stands_beside_answers_that_it_never_wrote() -> None:
    """The base wrote no label in full and stood there with 0 %, while it knew half of them."""
    shown = figures.table(of_labels(0.0, 0.47), main="accuracy")
    assert "by likelihood 47.0 %" in shown
    assert "by likelihood 90.0 %" in shown
    assert "by likelihood" not in figures.table(of_labels(0.4, 0.47), main="accuracy")


def changed(change: float, p_value: float | None, *, higher_is_better: bool = True) -> Figure:
    estimate = made_up.around(change, 0.1)
    return Figure("x", "X", "share", higher_is_better, 30, estimate, estimate, estimate, p_value)


@pytest.mark.parametrize(
    ("figure", "kind", "words"),
    [
        (changed(0.2, 0.0001), "good", "clearly better"),
        (changed(-0.2, 0.0001), "bad", "clearly worse"),
        (changed(-0.2, 0.0001, higher_is_better=False), "good", "clearly better"),
        (changed(0.2, 0.049), "good", "clearly better"),
        (changed(0.2, 0.05), "warning", "too few rows"),  # the interval leaves zero out and the test does not
        (changed(0.05, 0.3), "quiet", "no clear difference"),
        (changed(0.0, 0.001), "quiet", "no clear difference"),
        (changed(0.2, None), "quiet", ""),
    ],
)
def test_certainty_is_said_in_words(figure: Figure, kind: str, words: str) -> None:
    found = figures.certainty(figure)
    assert (found.kind, found.words) == (kind, words)


@pytest.mark.parametrize(
    ("title", "written"), [("Accuracy", "accuracy"), ("Macro F1", "macro F1"), ("ROUGE-L", "ROUGE-L"), ("chrF", "chrF")]
)
def test_a_title_in_a_sentence_keeps_the_name_that_it_is(title: str, written: str) -> None:
    assert figures.in_a_sentence(title) == written


def test_the_p_value_is_in_the_title() -> None:
    assert figures.certainty(changed(0.2, 0.031)).title.startswith("p = 0.031:")
    assert figures.p_in_words(0.0001) == "p below 0.001"


def test_the_main_figure_comes_first_and_what_the_base_lacks_is_a_dash() -> None:
    shown = made_up.forgetting()
    alone = Figure("odd", "<Odd>", "share", True, 1200, tuned=Estimate(0.5, 0.4, 0.6))
    drawn = str(figures.table((alone, shown.knowledge), main="knowledge"))
    assert drawn.index("General knowledge") < drawn.index("&lt;Odd&gt;")
    assert '<td class="ls-none" data-label="Base"><div>-</div></td><td data-label="Tuned"><div>50.0 %' in drawn
    assert "1,200" in drawn
    assert '40.0 %<span class="ls-note">36.0 to 44.0</span>' in drawn


def test_what_lost_most_stands_first_among_the_parts() -> None:
    shown = made_up.forgetting()
    subjects = str(figures.parts_table(shown.subjects, shown.knowledge, first="Subject"))
    assert subjects.index("Law") < subjects.index("Astronomy") < subjects.index("Cooking &lt;i&gt;")
    genres = str(figures.parts_table(shown.genres, shown.language, first="Kind of text"))
    assert genres.index("News") < genres.index("Letters")
