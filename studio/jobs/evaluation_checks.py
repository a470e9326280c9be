"""Checks of an evaluation that another machine made: whatever stands in it, it can be drawn and put in words after."""

import logging
import typing
from collections.abc import Iterable, Sequence

from studio import codec
from studio.data.scoring.tasks import MOST_LABELS, Kind
from studio.jobs.evaluation_report import (
    LIKELIHOOD,
    Confusion,
    Estimate,
    EvaluationReport,
    Figure,
    Forgetting,
    ScoredRow,
    check_whole,
)
from studio.jobs.verdicts import summary

_MOST_COUNT = 10**9
_MOST_FIGURES = 50
_MOST_STANDARD = 500
_MOST_PARTS = 500
_MOST_VERSIONS = 50
_LONGEST_NAME = 300
_LONGEST_LABEL = 2_000
_LONGEST_SECONDS = 10**8
_HIGHEST_LOSS = 1e4
_ROUNDING = 1e-6

_RANGES = {"share": (0.0, 1.0), "score": (0.0, 100.0), "loss": (0.0, _HIGHEST_LOSS), "perplexity": (0.0, codec.LARGEST)}
"""Between what the values of each unit lie."""

_SOURCES = ("written", LIKELIHOOD.partition("_")[0])

log = logging.getLogger(__name__)


def check_report(report: EvaluationReport, rows: Sequence[ScoredRow]) -> None:
    """Raise Damaged where a report, or a row behind it, holds what no evaluation of this studio finds."""
    check_whole(report)
    _require(len(rows) == report.rows, codec.Damaged("rows are missing"))
    _require(report.task in typing.get_args(Kind), codec.Damaged("its kind of task is unknown"))
    _check_counts(report)
    _check_names(report)
    _require(len(report.figures) <= _MOST_FIGURES, codec.Damaged("it has too many figures"))
    _require(len(report.standard) <= _MOST_STANDARD, codec.Damaged("it has too many standard tasks"))
    for figures, most in ((report.figures, report.rows), (report.standard, _MOST_COUNT)):
        _require(len({each.name for each in figures}) == len(figures), codec.Damaged("a figure is there twice"))
        for figure in figures:
            _check_figure(figure, most_rows=most)
    main = report.figure(report.main)
    if main is None:
        raise codec.Damaged("its main figure is missing")
    _require(
        len({each.source for each in report.confusions}) == len(report.confusions),
        codec.Damaged("a table is there twice"),
    )
    for confusion in report.confusions:
        _check_confusion(confusion, most_rows=report.rows)
    if report.forgetting is not None:
        _check_forgetting(report.forgetting)
    _check_rows(rows, main.unit)
    _check_words(report)


def _check_words(report: EvaluationReport) -> None:
    """Raise Damaged where a report cannot be put in words for a reason that no check knows."""
    try:
        summary(report)
    except Exception as error:  # from another machine: whatever it is, the report is not taken
        log.warning("An evaluation cannot be put in words", exc_info=True)
        raise codec.Damaged("it cannot be put in words") from error


def _check_counts(report: EvaluationReport) -> None:
    _require(
        1 <= report.rows <= report.rows_available <= _MOST_COUNT,
        codec.Damaged("its counts of rows do not fit together"),
    )
    _require(
        0 <= report.rows_learned <= report.rows and 0 <= report.rows_seen <= report.rows,
        codec.Damaged("a count is too large"),
    )
    _require(0 <= report.rows_left_out <= _MOST_COUNT, codec.Damaged("a count is too large"))
    _require(0 <= report.seconds <= _LONGEST_SECONDS, codec.Damaged("it took too long"))
    found = report.at_limit
    if found is not None:
        _require(0 <= found.rows <= report.rows, codec.Damaged("a count is too large"))
        _require(
            all(0 <= each <= found.rows for each in (found.base, found.tuned, found.too_long)),
            codec.Damaged("a count is wrong"),
        )


def _check_names(report: EvaluationReport) -> None:
    _require(len(report.versions) <= _MOST_VERSIONS, codec.Damaged("it has too many versions"))
    _check_lengths([report.main, report.device, report.precision, report.data_sha256])
    _check_lengths(text for pair in report.versions for text in pair)


def _check_figure(figure: Figure, *, most_rows: int) -> None:
    _check_lengths([figure.name, figure.title])
    _require(figure.unit in _RANGES, codec.Damaged("the unit of a figure is unknown"))
    _require(1 <= figure.rows <= most_rows, codec.Damaged("a figure has another number of rows"))
    low, high = _RANGES[figure.unit]
    _check_estimate(figure.tuned, low, high)
    if figure.base is None or figure.change is None or figure.p_value is None:
        alone = figure.base is None and figure.change is None and figure.p_value is None
        return _require(alone, codec.Damaged("a figure is compared with nothing"))
    _check_estimate(figure.base, low, high)
    _check_estimate(figure.change, low - high, high - low)
    _require(0 <= figure.p_value <= 1, codec.Damaged("a p value is not between 0 and 1"))


def _check_estimate(found: Estimate, low: float, high: float) -> None:
    room = _ROUNDING * max(1.0, abs(found.value))
    inside = low - room <= found.low <= found.value + room and found.value - room <= found.high <= high + room
    _require(inside, codec.Damaged("an interval does not hold its value, or a value is out of range"))


def _check_confusion(found: Confusion, *, most_rows: int) -> None:
    _require(found.source in _SOURCES, codec.Damaged("a table of labels has an unknown source"))
    _require(len(found.labels) <= MOST_LABELS, codec.Damaged("it has too many labels"))
    _check_lengths(found.labels, longest=_LONGEST_LABEL)
    for counts in (found.base, found.tuned):
        cells = [count for line in counts for count in line]
        _require(min(cells) >= 0 and sum(cells) <= most_rows, codec.Damaged("a table of labels counts too much"))


def _check_forgetting(found: Forgetting) -> None:
    for figure, parts in ((found.knowledge, found.subjects), (found.language, found.genres)):
        _check_figure(figure, most_rows=_MOST_COUNT)
        _require(len(parts) <= _MOST_PARTS, codec.Damaged("a probe has too many parts"))
        _check_lengths(each.name for each in parts)
        low, high = _RANGES[figure.unit]
        values = [value for each in parts for value in (each.base, each.tuned)]
        _require(all(low <= value <= high for value in values), codec.Damaged("a value is out of range"))
        _require(
            all(1 <= each.rows <= figure.rows for each in parts), codec.Damaged("a part of a probe has too many rows")
        )


def _check_rows(rows: Sequence[ScoredRow], unit: str) -> None:
    _require(len({row.number for row in rows}) == len(rows), codec.Damaged("a row is there twice"))
    _require(all(0 <= row.number <= _MOST_COUNT for row in rows), codec.Damaged("the number of a row is out of range"))
    scores = (score for row in rows for score in (row.base_score, row.tuned_score) if score is not None)
    losses = (loss for row in rows for loss in (row.base_loss, row.tuned_loss) if loss is not None)
    for values, (low, high) in ((scores, _RANGES[unit]), (losses, _RANGES["loss"])):
        _require(
            all(low - _ROUNDING <= value <= high + _ROUNDING for value in values),
            codec.Damaged("a value is out of range"),
        )


def _check_lengths(texts: Iterable[str], *, longest: int = _LONGEST_NAME) -> None:
    _require(all(len(each) <= longest for each in texts), codec.Damaged("a name is too long"))


def _require(holds: bool, trouble: codec.Damaged) -> None:
    if not holds:
        raise trouble
