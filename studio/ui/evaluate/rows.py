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
_STARTS = 200
"""So many letters of a text are enough for one line."""

TEXT = "text"


def page(found: RowPage, report: EvaluationReport) -> Markup:
    """Draw one page of the rows as a table whose rows open, with its pager, or say that none was found."""
    if not found.whole:
        return fragments.empty("No rows", "The rows of this evaluation are gone. Evaluate again to have them.")
    if not found.rows:
        return fragments.empty("No matching row", "No row has all of these words in its question or an answer.")
    count = counted(found.total, "row") + (f" of {found.whole:,}" if found.total < found.whole else "")
    first = found.page * PAGE_ROWS
    said = count if found.pages == 1 else f"{first + 1:,} to {first + len(found.rows):,} of {count}"
    pager = actions.pager(said, PAGE, page=found.page, pages=found.pages, scroll="evaluate-order")
    heads = ("No.", "Text" if report.task == TEXT else "Question", "Tuned answer", "Base to tuned")
    names = fragments.join(Markup("<span>{}</span>").format(name) for name in heads)
    listed = fragments.join(_opening(each, report) for each in found.rows)
    table = Markup('<div class="ls-rowlist"><div class="ls-rowhead" aria-hidden="true">{}</div>{}</div>')
    return fragments.stack([table.format(names, listed), pager])


def _opening(row: ScoredRow, report: EvaluationReport) -> Markup:
    """Draw a row in one line that opens: what was asked, what the tuned model answered, and both scores."""
    base, tuned = (_brief(row, report, tuned=tuned) for tuned in (False, True))
    question = row.expected if report.task == TEXT else row.prompt
    cells = fragments.join(fragments.own(cell) for cell in (f"{row.number + 1:,}", _start(question), _start(row.tuned)))
    score = Markup('<span class="{}">{}</span>').format(_kind(row, report), f"{base} → {tuned}")
    return Markup('<details class="ls-row"><summary>{}{}</summary>{}</details>').format(
        cells, score, _row(row, report, titled=False)
    )


def _start(text: str) -> str:
    """Return the beginning of a text on one line."""
    return " ".join(text[:_STARTS].split())


def _brief(row: ScoredRow, report: EvaluationReport, *, tuned: bool) -> str:
    score, loss = (row.tuned_score, row.tuned_loss) if tuned else (row.base_score, row.base_loss)
    main = report.figure(report.main)
    if score is not None and main is not None and main.unit != "loss":
        return _verdict(score) if report.task == "labels" else figures.number(score, main.unit)
    return "-" if loss is None else f"{loss:.2f}"


def _kind(row: ScoredRow, report: EvaluationReport) -> str:
    """Name how a row's score moved: "ls-up", "ls-down" or nothing."""
    main = report.figure(report.main)
    if row.base_score is None or row.tuned_score is None or main is None:
        return ""
    moved = (row.tuned_score - row.base_score) * (1 if main.higher_is_better else -1)
    return "ls-up" if moved > 0 else "ls-down" if moved < 0 else ""


def rows(found: Sequence[ScoredRow], report: EvaluationReport) -> list[Markup]:
    """Draw rows whole, one below the other."""
    return [_row(each, report) for each in found]


def _row(row: ScoredRow, report: EvaluationReport, *, titled: bool = True) -> Markup:
    main = report.figure(report.main)
    unit = main.unit if main is not None else ""
    base = _scored(row.base_score, row.base_loss, unit, report)
    tuned = _scored(row.tuned_score, row.tuned_loss, unit, report)
    if report.task == TEXT:  # nobody is asked anything
        shown = (_answer("Text", row.expected), _answer("Base", None, base), _answer("Tuned", None, tuned))
    else:
        shown = (_answer("Expected", row.expected), _answer("Base", row.base, base), _answer("Tuned", row.tuned, tuned))
    number = row.number + 1  # of those that were asked: a file may hold more
    name = f"Text {number:,}" if report.task == TEXT else f"Question {number:,}"
    title = Markup("<b>{}</b>").format(name) if titled else ""
    return Markup(
        '<article class="ls-asked ls-whole-row"><h3>{}{}</h3><div class="ls-asked-answers">{}</div></article>'
    ).format(title, fragments.own(row.prompt), fragments.join(shown))


def _answer(who: str, text: str | None, said: Markup | str = "") -> Markup:
    if text is None:
        return Markup("<div><h4>{}{}</h4></div>").format(who, said)
    shown = fragments.own(text) if text.strip() else Markup('<span class="ls-note">nothing</span>')
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
