"""Every sentence that judges a model, with the evidence without which it must not stand."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from studio.jobs.evaluation_report import (
    CLEARLY_BETTER,
    CLEARLY_WORSE,
    FEWEST_ROWS,
    NO_CLEAR_DIFFERENCE,
    SURE,
    TOO_FEW_ROWS,
    Estimate,
    EvaluationReport,
    Figure,
    Forgetting,
)
from studio.jobs.verdicts import Summary, forgotten, rows_needed, summary
from studio.runs.length_limit import AtLimit
from tests.jobs.test_evaluations import REPORT


@dataclass(frozen=True)
class Claim:
    """A sentence as a pattern, and what has to hold of the report wherever it stands."""

    sentence: str
    needs: Callable[[EvaluationReport], bool]


def main(report: EvaluationReport) -> Figure:
    found = report.figure(report.main)
    assert found is not None
    return found


def probes(report: EvaluationReport) -> Forgetting:
    assert report.forgetting is not None
    return report.forgetting


def test_passed(figure: Figure) -> bool:
    """The paired test and the interval both leave out that nothing changed, on rows enough for either."""
    assert figure.change is not None
    assert figure.p_value is not None
    zero_is_out = figure.change.low > 0 or figure.change.high < 0
    return figure.rows >= FEWEST_ROWS and figure.p_value < SURE and zero_is_out


test_passed.__test__ = False  # type: ignore[attr-defined]


def moved_well(figure: Figure) -> bool:
    assert figure.change is not None
    return (figure.change.value > 0) == figure.higher_is_better


def by_language(report: EvaluationReport) -> float:
    language = probes(report).language
    assert language.base is not None
    return abs(language.tuned.value / language.base.value - 1)


CLAIMS = (
    Claim(r"Clearly better: ", lambda report: test_passed(main(report)) and moved_well(main(report))),
    Claim(r"Clearly worse: ", lambda report: test_passed(main(report)) and not moved_well(main(report))),
    Claim(r"No clear difference: ", lambda report: not test_passed(main(report)) and main(report).rows >= FEWEST_ROWS),
    Claim(r"Too few rows to be sure: ", lambda report: not test_passed(main(report))),
    Claim(r"About [\d,]+ rows would show", lambda report: (rows_needed(main(report)) or 0) > main(report).rows),
    Claim(
        r"No clear sign of forgetting\.",
        lambda report: not test_passed(probes(report).knowledge) and not test_passed(probes(report).language),
    ),
    Claim(
        r"General knowledge: .*questions, clearly (better|worse)\.",
        lambda report: test_passed(probes(report).knowledge),
    ),
    Claim(
        r"everyday texts, .*, a little (better|worse)\.",
        lambda report: test_passed(probes(report).language) and by_language(report) < 0.05,
    ),
    Claim(
        r"everyday texts, .*, clearly (better|worse)\.",
        lambda report: test_passed(probes(report).language) and by_language(report) >= 0.05,
    ),
    Claim(r"learned in the training", lambda report: report.rows_learned > 0),
    Claim(r"the training has too", lambda report: report.rows_seen > 0),
    Claim(r"length limit", lambda report: report.at_limit is not None and report.at_limit.is_notable),
)
NOTHING_WITHOUT_EVIDENCE = re.compile(r"usable|never seen|surely|noise|proof|good enough", re.IGNORECASE)


def figure(
    name: str, unit: str, *, base: float, tuned: float, p_value: float, width: float, rows: int, rising: bool = True
) -> Figure:
    """Make a figure whose change has an interval that is `width` wide on both sides."""
    change = tuned - base
    estimate = [Estimate(each, each - width, each + width) for each in (tuned, base, change)]
    return Figure(name, name.title(), unit, rising, rows, *estimate, p_value)


def reports() -> list[EvaluationReport]:
    """All that can come together: few rows and many, sure and not, either way, with and without what is wrong."""
    found = []
    amounts, p_values, widths, tuned = (1, 5, 6, 200), (0.0001, 0.049, 0.3, 1.0), (0.0, 0.05, 0.5), (0.2, 0.5, 0.8)
    for rows, p_value, width, after in itertools.product(amounts, p_values, widths, tuned):
        score = figure("accuracy", "share", base=0.5, tuned=after, p_value=p_value, width=width, rows=rows)
        knowledge = figure("knowledge", "share", base=0.5, tuned=after, p_value=p_value, width=width, rows=328)
        language = figure(
            "language",
            "loss",
            base=4.216,
            tuned=4.216 + after - 0.4,
            p_value=p_value,
            width=width,
            rows=208,
            rising=False,
        )
        lost = Forgetting(knowledge, language, (), ())
        made = replace(REPORT, figures=(score,), rows=rows, rows_available=rows, forgetting=lost)
        found += [made, replace(made, rows_learned=1, rows_seen=1, at_limit=AtLimit(rows, base=rows, tuned=rows))]
    return found


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.sentence)
def test_a_sentence_stands_only_where_its_evidence_does(claim: Claim) -> None:
    said = [report for report in reports() if re.search(claim.sentence, summary(report).text)]
    assert said, "nothing says this any more"
    for report in said:
        assert claim.needs(report), summary(report).text


def test_no_sentence_claims_what_nothing_shows() -> None:
    for report in reports():
        assert not NOTHING_WITHOUT_EVIDENCE.search(summary(report).text)


def test_no_verdict_stands_beside_an_interval_that_says_otherwise() -> None:
    """ "Within noise" stood beside +45.6 to +59.9."""
    for report in reports():
        found = main(report)
        assert found.change is not None
        zero_is_out = found.change.low > 0 or found.change.high < 0
        if found.verdict == NO_CLEAR_DIFFERENCE and zero_is_out:
            raise AssertionError(found)
        if found.verdict in (CLEARLY_BETTER, CLEARLY_WORSE):
            assert zero_is_out
            assert found.has_interval


def of_five_rows() -> Figure:
    return replace(
        figure("rouge_l", "score", base=12.0, tuned=64.7, p_value=0.0625, width=1.0, rows=5),
        change=Estimate(52.7, 45.6, 59.9),
    )


def said_of(found: Figure, **others: object) -> Summary:
    return summary(replace(REPORT, figures=(found,), main=found.name, rows=found.rows, **others))  # type: ignore[arg-type]


def test_five_rows_are_too_few_and_it_is_said_how_many_would_do() -> None:
    found = of_five_rows()
    assert found.verdict == TOO_FEW_ROWS
    assert rows_needed(found) == 10
    said = said_of(found, rows_available=5)
    assert said.change.text == "Likeness to your answers: 12.0 of 100 before, 64.7 of 100 after, on 5 rows."
    assert said.confidence.text == (
        "Too few rows to be sure: 5 rows can differ this much by luck. About 10 rows would show a change of this size. "
        "With 10 % held out, that is 100 examples in all."
    )
    assert said.confidence.kind == said.change.kind == "warning"


@pytest.mark.parametrize(
    ("rows", "change", "width", "needed"),
    [
        (1, 0.25, 0.0, FEWEST_ROWS),
        (30, 0.1, 0.2, 250),  # half an interval twice the change: 30 rows * (2 * 1.43) ** 2
        (30, 0.0, 0.2, None),
        (30, 0.0001, 0.2, None),  # millions of rows help nobody
    ],
)
def test_how_many_rows_would_show_a_change(rows: int, change: float, width: float, needed: int | None) -> None:
    found = figure("accuracy", "share", base=0.5, tuned=0.5 + change, p_value=0.4, width=width, rows=rows)
    assert rows_needed(found) == needed


def test_a_sure_change_needs_no_more_rows_and_says_how_sure_it_is() -> None:
    found = figure("accuracy", "share", base=0.4, tuned=0.9, p_value=0.0002, width=0.1, rows=30)
    assert rows_needed(found) is None
    assert said_of(found, rows_available=40).text == (
        "Right labels: 40 % before, 90 % after, on 30 of 40 rows. "
        "Clearly better: luck alone would do this less than once in 1,000 times."
    )
    rare = replace(found, p_value=0.021)
    assert said_of(rare).confidence.text == "Clearly better: luck alone would do this about once in 48 times."


def test_what_is_compared_of_general_language_is_said_in_its_own_unit() -> None:
    """A loss of 4.216 to 4.309 was called "10 % worse"."""
    knowledge = figure("knowledge", "share", base=0.582, tuned=0.581, p_value=1.0, width=0.05, rows=328)
    language = figure("language", "loss", base=4.216, tuned=4.309, p_value=0.0001, width=0.02, rows=208, rising=False)
    said = forgotten(Forgetting(knowledge, language, (), ()))
    assert said.text == (
        "General knowledge: still 58 %, of 328 questions. "
        "General language: loss 4.22 before, 4.31 after, on 208 everyday texts, 2 % higher, a little worse."
    )
    assert said.kind == "warning"
    same = forgotten(Forgetting(knowledge, replace(language, tuned=Estimate(4.218, 4.2, 4.3), p_value=0.6), (), ()))
    assert same.text.startswith("No clear sign of forgetting. ")
    assert same.kind == "good"
    assert forgotten(None).text == ""


@pytest.mark.case("72-eval-file-is-the-data")
def test_rows_that_the_training_knows_are_told_apart() -> None:
    found = of_five_rows()
    said = said_of(found, rows_learned=1, rows_seen=2, rows_available=5)
    assert said.cautions == (
        "1 of these rows was learned in the training.",
        "2 of these rows ask a question that the training has too, with another answer.",
    )
    assert all(text in said.text for text in said.cautions)


def test_what_did_not_become_better_says_what_to_do() -> None:
    """Likeness fell from 7.4 to 5.8, and no sentence said that the model is not usable."""
    fell = figure("rouge_l", "score", base=7.4, tuned=5.8, p_value=0.4, width=4.0, rows=5)
    told = said_of(fell, rows_available=5).next
    assert told is not None
    assert told.kind == "bad"
    assert told.text.startswith("Nothing shows that it answers better than before: do not use it yet. Add examples")
    sure = said_of(replace(fell, rows=50, p_value=0.001, change=Estimate(-1.6, -2.0, -1.0)), rows_available=50).next
    assert sure is not None
    assert sure.text.startswith("It answers worse than before")
    same = said_of(replace(fell, tuned=fell.base, change=Estimate(0.0, 0.0, 0.0)), rows_available=5).next
    assert same is not None
    assert "nothing is gained yet" in same.text
    for better in (
        figure("rouge_l", "score", base=5.8, tuned=7.4, p_value=0.4, width=4.0, rows=5),
        figure("loss", "loss", base=2.0, tuned=1.5, p_value=0.01, width=0.1, rows=50, rising=False),
    ):
        assert said_of(better).next is None
