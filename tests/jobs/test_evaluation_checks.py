"""An evaluation from another machine: whatever stands in it, it is refused, or can be drawn and put in words."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio import codec
from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.jobs import verdicts
from studio.jobs.evaluation_checks import check_report
from studio.jobs.evaluation_report import Estimate, EvaluationReport, ScoredRow, read_report, write_evaluation
from studio.runs.length_limit import AtLimit
from studio.runs.store import RunFolder, RunStore
from studio.ui.evaluate import cards
from tests.ui import made_up

HOSTILE: tuple[Any, ...] = (None, "", "x" * 3000, -1, 0, 1, 1e-300, -1e100, 1e100, 2**63 - 1, [], {})
MOST_LETTERS = 60_000


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    example = Example((Message("user", "?"), Message("assistant", "!")))
    store = RunStore(tmp_path)
    return store.create(
        RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="", train=[example], validation=[example]
    )


@pytest.fixture
def report(run: RunFolder) -> EvaluationReport:
    return replace(made_up.report(run), at_limit=AtLimit(30, 2, 1))


def test_an_evaluation_of_our_own_is_taken(report: EvaluationReport) -> None:
    check_report(report, made_up.rows())


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name every place in a document, by the keys that lead to it."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*path, key))


def _changed(document: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    return changed


def _changes(value: Any) -> Iterator[Callable[[Any], Any]]:
    for other in HOSTILE:
        yield lambda _, other=other: other  # type: ignore[misc]
    if isinstance(value, list) and value:
        yield lambda found: found[:-1]
        yield lambda found: found * 400
        yield lambda found: [*found, found[0]]


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def test_whatever_changes_in_a_report_it_is_refused_or_can_be_shown(report: EvaluationReport) -> None:
    """Figures without a base, tables that are not square and intervals without bounds broke the page at every look."""
    rows, document = made_up.rows(), codec.to_plain(report)
    taken, refused = 0, 0
    for path in _places(document):
        for change in _changes(_at(document, path)):
            try:
                found = codec.from_plain(EvaluationReport, _changed(document, path, change))
                check_report(found, rows)
            except codec.Damaged:
                refused += 1
                continue
            taken += 1
            named = replace(found, created=1.0, data="held-out")  # as these are put in from here
            drawn = (
                verdicts.summary(named).text,
                cards.summary(named),
                cards.scores(named),
                cards.forgetting(named.forgetting),
                cards.confusions(named),
                cards.made(named),
            )
            assert sum(map(len, drawn)) < MOST_LETTERS, path
    assert taken > 100, "hardly anything was drawn"
    assert refused > 1000, "hardly anything was refused"


@pytest.mark.parametrize("change", [Estimate(1e-300, -1.0, 1.0), Estimate(1e-12, -1.0, 1.0), Estimate(1e-9, 0.0, 1.0)])
def test_a_change_of_nearly_nothing_needs_no_number_of_rows(report: EvaluationReport, change: Estimate) -> None:
    main = report.figure(report.main)
    assert main is not None
    assert verdicts.rows_needed(replace(main, change=change, p_value=0.5)) is None


def test_rows_of_which_one_is_there_twice_or_missing_are_refused(report: EvaluationReport) -> None:
    rows = made_up.rows()
    for wrong in (rows[1:], (*rows[1:], rows[1])):
        with pytest.raises(codec.Damaged):
            check_report(report, wrong)


def test_a_report_on_the_disk_that_cannot_be_drawn_counts_as_none(report: EvaluationReport, run: RunFolder) -> None:
    assert report.forgetting is not None
    without_base = replace(report.forgetting, language=replace(report.forgetting.language, base=None))
    square = report.confusions[0]
    for broken in (
        replace(report, figures=()),
        replace(report, forgetting=without_base),
        replace(report, confusions=(replace(square, base=((), (), ())),)),
        replace(report, confusions=(replace(square, tuned=square.tuned[:2]),)),
        replace(report, confusions=(replace(square, labels=()),)),
    ):
        write_evaluation(run, broken, (ScoredRow(0, "", "", "", ""),))
        assert read_report(run, "end") is None
    write_evaluation(run, report, ())
    assert read_report(run, "end") == report
