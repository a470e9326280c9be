"""From what two models said to figures, on cases whose answers are known."""

import math
from dataclasses import replace
from typing import Any

import pytest

from studio.data.scoring.probes import Question, Text
from studio.data.scoring.tasks import Task
from studio.jobs.evaluation_report import (
    CLEARLY_BETTER,
    CLEARLY_WORSE,
    NO_CLEAR_DIFFERENCE,
    TOO_FEW_ROWS,
    beside,
)
from studio.ml.batches import TokenRow
from studio.runs.length_limit import AtLimit
from studio.workers.eval_rows import EvalRow, EvalRows
from studio.workers.model_outputs import Observed, Probes
from studio.workers.scoring import judge


def asked(task: Task, expected: list[str], *, labels: tuple[tuple[int, ...], ...] = ()) -> EvalRows:
    row = TokenRow(ids=[1, 2, 3], labels=[-100, 2, 3])
    rows = tuple(
        EvalRow(number=place, prompt=f"Question {place}", expected=text, row=row, prompt_tokens=1, limit=8)
        for place, text in enumerate(expected)
    )
    return EvalRows(rows, available=len(expected), task=task, labels=labels, sha256="")


def observed(answers: list[str], loss: float, **others: Any) -> Observed:
    count = len(answers)
    return Observed(tuple(answers), losses=(loss * 2,) * count, tokens=(2,) * count, **others)


def test_labels_are_scored_as_written_and_by_likelihood() -> None:
    expected = ["yes", "no"] * 10
    task = replace(asked(Task("labels", ("yes", "no")), expected, labels=((1,), (2,))), available=40)
    base = observed(["Maybe."] * 20, 3.0, labels=((-1.0, -2.0),) * 20)
    tuned = observed([*expected[:18], "no", "no"], 0.5, labels=((-1.0, -2.0), (-2.0, -1.0)) * 10)
    judged = judge(task, base, tuned, probes=None, seed=1)
    figures = {figure.name: figure for figure in judged.figures}
    assert judged.main == judged.figures[0].name == "accuracy"
    assert figures["accuracy"].base is not None
    assert figures["accuracy"].base.value == 0
    assert figures["accuracy"].base.high == pytest.approx(0.161, abs=1e-3), "none of 20 is not surely none at all"
    assert figures["accuracy"].tuned.value == 0.95
    assert figures["balanced_accuracy"].tuned.value == pytest.approx(0.95)
    assert figures["macro_f1"].tuned.value == pytest.approx((2 * 9 / 19 + 2 * 10 / 21) / 2)
    assert figures["likelihood_accuracy"].base is not None
    assert figures["likelihood_accuracy"].base.value == 0.5
    assert figures["likelihood_accuracy"].tuned.value == 1
    assert figures["accuracy"].p_value == pytest.approx(2 * 0.5**19)
    written, likelihood = judged.confusions
    assert written.base == ((0, 0, 10), (0, 0, 10))
    assert written.tuned == ((9, 1, 0), (0, 10, 0))
    assert likelihood.base == ((10, 0, 0), (10, 0, 0))
    assert figures["accuracy"].verdict == CLEARLY_BETTER
    assert beside(judged.figures[0], judged.figures) == figures["likelihood_accuracy"]
    assert judged.figures[1].name == "likelihood_accuracy"


def test_a_base_that_writes_labels_has_no_likelihood_beside_it() -> None:
    expected = ["yes", "no"] * 10
    task = asked(Task("labels", ("yes", "no")), expected, labels=((1,), (2,)))
    base = observed([*expected[:10], *["yes"] * 10], 3.0, labels=((-1.0, -2.0),) * 20)
    judged = judge(task, base, base, probes=None, seed=1)
    assert beside(judged.figures[0], judged.figures) is None


@pytest.mark.case("68-template-without-an-end")
def test_answers_that_all_go_to_the_limit_are_told() -> None:
    """The scores of answers that never ended stood there as if nothing was the matter."""
    task = asked(Task("short"), ["red"] * 10)
    whole, some, none = (True,) * 10, (True,) + (False,) * 9, (False,) * 10

    def told(base: tuple[bool, ...], tuned: tuple[bool, ...], task: EvalRows = task) -> str:
        said = observed(["red red"] * 10, 1.0, cut=base), observed(["red red"] * 10, 0.9, cut=tuned)
        at_limit = judge(task, *said, probes=None, seed=1).at_limit
        return at_limit.sentence if at_limit is not None and at_limit.is_notable else ""

    counts = "10 of 10 answers of the base and 10 of the tuned model ended at the length limit."
    assert f"{counts} The tuned model has not learned where to stop" in told(whole, whole)
    assert "1 of the tuned model ended at the length limit. The base does not stop by itself" in told(whole, some)
    assert "limit" not in told(some, some)
    assert "limit" not in told(none, none)
    long = replace(task, rows=tuple(replace(row, is_too_long=True) for row in task.rows))
    assert f"{counts} Most expected answers are longer than the limit themselves: raise it" in told(whole, whole, long)
    judged = judge(task, *(observed(["red"] * 10, 1.0, cut=some),) * 2, probes=None, seed=1)
    assert judged.at_limit == AtLimit(10, base=1, tuned=1)


def test_the_loss_is_weighted_by_tokens_and_perplexity_follows_from_it() -> None:
    task = asked(Task("short"), ["a", "b"])
    base = Observed(("a", "x"), losses=(4.0, 2.0), tokens=(8, 2))
    tuned = Observed(("a", "b"), losses=(2.0, 1.0), tokens=(8, 2))
    figures = {figure.name: figure for figure in judge(task, base, tuned, probes=None, seed=1).figures}
    assert figures["loss"].base is not None
    assert figures["loss"].base.value == pytest.approx(0.6)
    assert figures["loss"].tuned.value == pytest.approx(0.3)
    assert figures["loss"].change is not None
    assert figures["loss"].change.value == pytest.approx(-0.3)
    assert figures["perplexity"].tuned.value == pytest.approx(math.exp(0.3))
    assert figures["exact"].tuned.value == 1
    assert figures["token_f1"].change is not None
    assert figures["token_f1"].change.value == 0.5


def test_plain_text_has_its_loss_alone() -> None:
    judged = judge(
        asked(Task("text"), ["", ""]),
        Observed((), losses=(4.0, 2.0), tokens=(2, 2)),
        Observed((), losses=(2.0, 2.0), tokens=(2, 2)),
        probes=None,
        seed=1,
    )
    assert [figure.name for figure in judged.figures] == ["loss", "perplexity"]
    assert [(row.base_score, row.tuned_score) for row in judged.rows] == [(2.0, 1.0), (1.0, 1.0)]
    assert judged.figures[0].verdict == TOO_FEW_ROWS


def test_an_equal_score_is_no_difference_and_one_row_is_too_few() -> None:
    same = observed(["a"] * 8, 1.0)
    task = asked(Task("short"), ["a"] * 8)
    assert judge(task, same, same, probes=None, seed=1).figures[0].verdict == NO_CLEAR_DIFFERENCE
    one = observed(["a"], 1.0)
    better = judge(asked(Task("short"), ["a"]), observed(["b"], 1.0), one, probes=None, seed=1)
    assert better.figures[0].verdict == TOO_FEW_ROWS


def probes(count: int) -> Probes:
    questions = tuple(
        Question("music" if place % 2 else "art", f"Which is {place}?", ("One", "A dozen", "Two", "Three"), place % 4)
        for place in range(count)
    )
    texts = tuple(Text("news" if place % 2 else "diary", f"Text {place}.") for place in range(count))
    return Probes(questions, ((1,),) * count, (((1,), (2,), (3,), (4,)),) * count, texts, ())


def test_what_was_forgotten_is_told_by_subject() -> None:
    right = tuple(tuple(0.0 if place == number % 4 else -50.0 for place in range(4)) for number in range(40))
    # By letter: -7 over seven letters is likelier than -6 over three.
    by_letter = ((-6.0, -7.0, -6.0, -60.0),) * 40
    task = asked(Task("short"), ["a"] * 4)
    known = {"text_tokens": (10,) * 40}
    base = observed(["a"] * 4, 1.0, choices=right, text_losses=(30.0,) * 40, **known)
    tuned = observed(["a"] * 4, 1.0, choices=by_letter, text_losses=(31.0,) * 40, **known)
    found = judge(task, base, tuned, probes=probes(40), seed=1).forgetting
    assert found is not None
    assert (found.knowledge.verdict, found.language.verdict) == (CLEARLY_WORSE, CLEARLY_WORSE)
    assert [(part.name, part.rows, part.base, part.tuned) for part in found.subjects] == [
        ("art", 20, 1.0, 0.0),
        ("music", 20, 1.0, 0.5),
    ]
    assert [(part.name, part.base, part.tuned) for part in found.genres] == [("diary", 3.0, 3.1), ("news", 3.0, 3.1)]
    assert found.language.change is not None
    assert found.language.change.value == pytest.approx(0.1)
    unchanged = judge(task, base, base, probes=probes(40), seed=1).forgetting
    assert unchanged is not None
    assert (unchanged.knowledge.verdict, unchanged.language.verdict) == (NO_CLEAR_DIFFERENCE,) * 2
