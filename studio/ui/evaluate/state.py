"""What the Evaluate tab looks at before it draws: a run, its evaluations, how far the chosen one is, and its rows.

Two equal sights are drawn the same, so the second is not drawn at all.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from studio.jobs import scored_rows, standard_tasks
from studio.jobs.evaluation_report import AT_THE_END, HELD_OUT, EvaluationReport, ScoredRow
from studio.jobs.evaluations import OF_A_FILE, EvaluationState
from studio.runs.summary import Summary
from studio.studio import Studio
from studio.ui.kit.numbers import moment
from studio.wording import listed

PAGE_ROWS = 10


@dataclass(frozen=True)
class Selection:
    """What a person looks at on one page: a run, one of its evaluations, and rows in an order, found by `text`."""

    run_id: str = ""
    name: str = ""
    order: str = scored_rows.WORST
    text: str = ""
    page: int = 0


def settle(before: Selection, now: Selection) -> Selection:
    """Begin at the first page where other rows are looked at."""
    same_rows = dataclasses.replace(now, page=before.page) == before
    return now if same_rows else dataclasses.replace(now, page=0)


@dataclass(frozen=True)
class TabState:
    """A run and the evaluation of it that is chosen.

    `run` is None where none is chosen, `report` where there is none yet; it may be an earlier one than what is under
    way. `choices` are the evaluations of the run, each a label and a name.
    """

    selection: Selection
    run: Summary | None = None
    state: EvaluationState | None = None
    report: EvaluationReport | None = None
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RowPage:
    """One page of the rows behind a report. `total` is how many were found of `whole`."""

    rows: tuple[ScoredRow, ...] = ()
    page: int = 0
    total: int = 0
    whole: int = 0

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_ROWS))


def look(studio: Studio, selection: Selection) -> TabState:
    """Gather what there is of a run; nothing where it is gone. Raises RunError when its folder is damaged."""
    studio.summaries.look()
    found = studio.summaries.read([selection.run_id] if selection.run_id else [])
    if not found:
        return TabState(dataclasses.replace(selection, run_id=""))
    names = studio.evaluations.names(selection.run_id)
    name = selection.name or AT_THE_END
    if name not in names and studio.evaluations.state(selection.run_id, name).status == "working":
        names = (*names, name)  # its worker is starting and has written nothing yet
    name = name if name in names else next(iter(names), AT_THE_END)
    state = studio.evaluations.state(selection.run_id, name)
    reports = {report.name: report for report in studio.evaluations.reports(selection.run_id)}
    return TabState(
        selection=dataclasses.replace(selection, name=name),
        run=dataclasses.replace(found[0], step=0, curve=b"", seconds=None, waited=0.0, best_loss=None, best_part=None),
        state=state,
        report=state.result or reports.get(name),
        choices=tuple((label(each, reports.get(each)), each) for each in names),
    )


def label(name: str, report: EvaluationReport | None) -> str:
    """Name an evaluation for the chooser."""
    if report is None:
        if name.startswith(OF_A_FILE):
            return "Another file"
        return "The held-out rows" if name == AT_THE_END else "The held-out rows with standard tasks"
    what = "The held-out rows" if report.data == HELD_OUT else report.data
    if report.standard:
        what += f" with {listed([standard_tasks.title_of(figure.name) for figure in report.standard])}"
    return f"{what} · {moment(report.created)}"


def row_page(studio: Studio, tab_state: TabState) -> RowPage:
    """Read the rows of the chosen report and find the page that is looked at."""
    if tab_state.report is None:
        return RowPage()
    rows = studio.evaluations.rows(tab_state.selection.run_id, tab_state.report.name)
    found = arranged(rows, tab_state.report, tab_state.selection)
    page = min(tab_state.selection.page, max(0, (len(found) - 1) // PAGE_ROWS))
    first = page * PAGE_ROWS
    return RowPage(tuple(found[first : first + PAGE_ROWS]), page, len(found), len(rows))


def arranged(rows: Sequence[ScoredRow], report: EvaluationReport, selection: Selection) -> list[ScoredRow]:
    """Return the rows in the order that is asked for, those that hold the text that is searched."""
    main = report.figure(report.main)
    rising = main is None or main.higher_is_better
    return scored_rows.arrange(rows, selection.order, text=selection.text.strip(), higher_is_better=rising)
