"""The rows behind a report, as markup: what was asked and expected, what both models answered, and how that scored.

For the page and for the report.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.jobs.evaluation_report import EvaluationReport, ScoredRow
from studio.ui.evaluate import figures
from studio.ui.evaluate.state import PAGE_ROWS, RowPage
from studio.ui.kit import actions, fragments
from studio.wording import counted

PAGE = "page"
TEXT = "text"


def page(found: RowPage, report: EvaluationReport) -> Markup:
    """Draw one page of the rows with its pager, or say that none was found."""
    if not found.whole:
        return fragments.empty("No rows", "The rows of this evaluation are not there any more.")
    if not found.rows:
        return fragments.empty("No row fits", "No row has all of these words, neither in the prompt nor in an answer.")
    count = counted(found.total, "row") + (f" of {found.whole:,}" if found.total < found.whole else "")
    first = found.page * PAGE_ROWS
    said = count if found.pages == 1 else f"{first + 1:,} to {first + len(found.rows):,} of {count}"
    pager = actions.pager(said, PAGE, page=found.page, pages=found.pages, scroll="evaluate-order")
    return fragments.stack([*rows(found.rows, report), pager])


def rows(found: Sequence[ScoredRow], report: EvaluationReport) -> list[Markup]:
    """Draw rows one below the other."""
    return [_row(each, report) for each in found]


def _row(row: ScoredRow, report: EvaluationReport) -> Markup:
    main = report.figure(report.main)
    unit = main.unit if main is not None else ""
    base = _scored(row.base_score, row.base_loss, unit, report)
    tuned = _scored(row.tuned_score, row.tuned_loss, unit, report)
    if report.task == TEXT:  # nobody is asked anything
        shown = (_answer("Text", row.expected), _answer("Base", None, base), _answer("Tuned", None, tuned))
    else:
        shown = (_answer("Expected", row.expected), _answer("Base", row.base, base), _answer("Tuned", row.tuned, tuned))
    return Markup(
        '<article class="ls-asked ls-row"><h3><b>{}</b>{}</h3><div class="ls-asked-answers">{}</div></article>'
    ).format(f"Row {row.number + 1:,}", row.prompt, fragments.join(shown))


def _answer(who: str, text: str | None, said: Markup | str = "") -> Markup:
    if text is None:
        return Markup("<div><h4>{}{}</h4></div>").format(who, said)
    shown = text if text.strip() else Markup('<span class="ls-note">nothing</span>')
    return Markup("<div><h4>{}{}</h4><p>{}</p></div>").format(who, said, shown)


def _scored(score: float | None, loss: float | None, unit: str, report: EvaluationReport) -> Markup:
    parts = []
    if score is not None and unit != "loss":
        parts.append(_verdict(score) if report.task == "labels" else figures.number(score, unit))
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    return fragments.join(Markup("<em>{}</em>").format(part) for part in parts)


def _verdict(score: float) -> str:
    return "right" if score >= 1 else "wrong"
