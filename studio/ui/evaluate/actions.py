"""What the Evaluate tab does when something on it is pressed: evaluate, stop, look at other rows, train, download."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studio.errors import RunError, StudioError
from studio.jobs import scored_rows, standard_tasks
from studio.jobs.evaluation_report import AT_THE_END, file_stem
from studio.logs import logged
from studio.models.elsewhere import shown_name
from studio.planning.tradeoffs import Tradeoffs
from studio.runs.tables import write_beside
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.evaluate import cards, report_page, tradeoff_view
from studio.ui.evaluate import rows as evaluate_rows
from studio.ui.evaluate import state as evaluate_state
from studio.ui.evaluate.state import Selection
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.exchange import Result

log = logging.getLogger(__name__)

SOON, EVERY, A_NUMBER = "soon", "every", "number"
HOW_MANY = [
    ("As many as a few minutes allow", SOON),
    ("All, however long it takes", EVERY),
    ("A number", A_NUMBER),
]
_EVERY_ROW = 2**31 - 1


def press(studio: Studio, tradeoffs: Tradeoffs, selection: Selection, action: Action) -> Selection:
    """Look at other rows, evaluate the run, cancel that, or train the missing methods. Raises StudioError."""
    match action.verb:
        case evaluate_rows.PAGE:
            return replace(selection, page=max(0, action.number))
        case cards.EVALUATE if selection.run_id:
            studio.evaluations.start(selection.run_id)
            return replace(selection, name=AT_THE_END)
        case cards.CANCEL if selection.run_id:
            studio.evaluations.cancel(selection.run_id, action.key)
        case tradeoff_view.TRAIN_MISSING if selection.run_id:
            train_missing(studio, tradeoffs, selection.run_id)
    return selection


def start(
    studio: Studio,
    selection: Selection,
    *,
    file: str | None,
    how_many: str | None,
    number: float | None,
    longest: float | None,
    forgetting: bool,
    tasks: Sequence[str] | None,
    questions: float | None,
) -> Result[Selection]:
    """Evaluate the run again, on its held-out rows or on those of a file, and empty the field of the file.

    Raises StudioError when it cannot start.
    """
    if not selection.run_id:
        return Result(selection)
    name = studio.evaluations.start(
        selection.run_id,
        data=Path(file) if file else None,
        rows=rows_wanted(how_many, number),
        longest=_whole(longest, "tokens") if longest else 0,
        forgetting=forgetting,
        tasks=tasks or (),
        questions=int(questions or standard_tasks.QUESTIONS),
    )
    return Result(replace(selection, name=name), {"file": None})


def task_choices(settings: Settings) -> list[tuple[str, str]]:
    """List the standard tasks, those of the person first where they may be run from the page."""
    own = standard_tasks.own_tasks(settings.home) if settings.allows_own_tasks else ()
    found = (*own, *standard_tasks.STANDARD)
    return [(f"{task.title}: {task.about}", task.name) for task in found]


def rows_wanted(how_many: str | None, number: float | None) -> int:
    """Return how many rows are asked for: 0 leaves that to the machine. Raises RunError for what is no number."""
    if how_many == EVERY:
        return _EVERY_ROW
    if how_many != A_NUMBER:
        return 0
    return _whole(number, "rows")


def _whole(number: float | None, noun: str) -> int:
    if number is None or number < 1 or number != int(number):
        found = "nothing" if number is None else f"{number:g}"
        raise RunError(
            f"The number of {noun} must be a whole number above 0; found {found}.",
            "Type one, or choose another option.",
        )
    return int(number)


def train_missing(studio: Studio, tradeoffs: Tradeoffs, run_id: str) -> tuple[str, ...]:
    """Queue a run for each method that is missing and fits, with the data, the seed and the settings of a run.

    Returns their ids. Raises StudioError when one cannot be made; those before it stay in the queue.
    """
    made = []
    for each in tradeoffs.look(run_id).missing:
        if not each.fits:
            continue
        copy = studio.duplicate_run(run_id)
        try:
            studio.change_run(copy.id, each.config)
            studio.queue_run(copy.id)
        except StudioError:
            with logged(log, "A run that was made too much could not be deleted", RunError, level=logging.INFO):
                studio.delete_run(copy.id)
            raise
        made.append(copy.id)
    return tuple(made)


def take_rows(studio: Studio, kind: str, selection: Selection) -> str | None:
    """Write the rows that are looked at, in their order, and return that file's address. Raises RunError."""
    tab_state = evaluate_state.look(studio, selection)
    if tab_state.report is None:
        return None
    run = studio.runs.get(tab_state.selection.run_id)
    rows = studio.evaluations.rows(run.id, tab_state.report.name)
    found = evaluate_state.arranged(rows, tab_state.report, tab_state.selection)
    return download_address(RUN, run.id, scored_rows.write_rows(run, tab_state.report, found, kind).name)


def take_report(studio: Studio, tradeoffs: Tradeoffs, selection: Selection) -> str | None:
    """Write the report as one HTML file and return its address. Raises RunError."""
    tab_state = evaluate_state.look(studio, selection)
    if tab_state.report is None:
        return None
    run = studio.runs.get(tab_state.selection.run_id)
    rows = studio.evaluations.rows(run.id, tab_state.report.name)
    model = shown_name(tab_state.report.model)
    report = replace(tab_state.report, run_name=run.name, model=model)  # it may have been renamed
    start = shown_name(run.config.start_adapter)
    config = replace(run.config, model=shown_name(run.config.model), start_adapter=start)
    text = report_page.page(report, rows, config=config, tradeoff=tradeoffs.look(run.id))
    return download_address(
        RUN, run.id, write_beside(run, f"{file_stem(run.id, tab_state.report.name)}-report.html", text).name
    )
