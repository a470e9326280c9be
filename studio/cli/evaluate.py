"""`python app.py evaluate`: compares a run with its base, in figures with their intervals."""

import json
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from studio import codec
from studio.cli.follow import LOOK_SECONDS, RunFailed
from studio.cli.options import GivenData, require_readable
from studio.jobs.evaluation_report import AT_THE_END, Estimate, EvaluationReport, Figure, beside
from studio.jobs.evaluations import EvaluationState
from studio.jobs.verdicts import summary
from studio.studio import Studio

GOING = ("waiting", "working")


def evaluate(
    studio: Studio,
    *,
    run_id: str,
    data: GivenData | None,
    rows: int,
    longest: int,
    probes: bool,
    tasks: Sequence[str],
    questions: int,
    as_json: bool,
    console: Console,
) -> int:
    """Evaluate a run, wait for it, and print the figures, or one JSON object. Raises RunFailed when it fails."""
    stored = None
    if data is not None:
        stored = studio.data.add(data.files, roles=data.roles, choices=data.choices)
        require_readable(stored)
    name = studio.evaluations.start(
        run_id, data=stored, rows=rows, longest=longest, forgetting=probes, tasks=tasks, questions=questions
    )
    report = follow_evaluation(studio, run_id, name, console=Console(stderr=True) if as_json else console)
    if report is None:
        raise RunFailed("The evaluation was stopped.")
    if as_json:
        found = [codec.to_plain(row) for row in studio.evaluations.rows(run_id, report.name)]
        said = codec.to_plain(report) | {"headline": summary(report).text, "row_scores": found}
        print(json.dumps(said, ensure_ascii=False))  # noqa: T201
        return 0
    show_report(report, console=console)
    return 0


def evaluate_at_end(studio: Studio, run_id: str, *, console: Console) -> None:
    """Evaluate a run that has just ended, where that is wanted, and print what came of it in a sentence.

    A run whose evaluation fails is a good run all the same, so that is told and not raised.
    """
    if studio.evaluations.state(run_id).status not in GOING:
        return
    try:
        report = follow_evaluation(studio, run_id, AT_THE_END, console=console)
    except RunFailed as error:
        console.print(f"It could not be evaluated: {error}", markup=False, soft_wrap=True)
        return
    if report is not None:
        console.print(summary(report).text, markup=False, soft_wrap=True)


def follow_evaluation(studio: Studio, run_id: str, name: str, *, console: Console) -> EvaluationReport | None:
    """Show how far an evaluation is until it ends; None when Ctrl+C stopped it. Raises RunFailed when it failed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Starting the evaluation", total=None)
        plan = ""
        while True:
            try:
                studio.tick()  # it waits for the worker of the run to be gone, and for runs in the queue
                state = studio.evaluations.state(run_id, name)
                if state.status not in GOING:
                    return _ended(state)
                if state.remark != plan:
                    plan = state.remark
                    progress.console.print(plan, markup=False, soft_wrap=True)
                progress.update(bar, description=state.sentence, completed=state.done, total=state.total or None)
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                console.print("Stopping the evaluation; the run itself is kept.", markup=False)
                studio.evaluations.cancel(run_id, name)


def _ended(state: EvaluationState) -> EvaluationReport | None:
    if state.failed is not None:
        raise RunFailed(state.failed.message, state.failed.hint)
    return state.result if state.status == "ready" else None


def show_report(report: EvaluationReport, *, console: Console) -> None:
    """Print the headline and a table of the figures."""
    table = Table("score", "base", "tuned", "change", "confidence", "p", "rows")
    forgotten = report.forgetting
    general = (forgotten.knowledge, forgotten.language) if forgotten else ()
    for figure in (*report.figures, *general, *report.standard):
        likelier = beside(figure, report.figures) if figure.name == report.main else None
        table.add_row(
            figure.title,
            _both(figure, figure.base, likelier, None if likelier is None else likelier.base),
            _both(figure, figure.tuned, likelier, None if likelier is None else likelier.tuned),
            _estimate(figure, figure.change, sign=True),
            figure.verdict,
            "" if figure.p_value is None else f"{figure.p_value:.3f}",
            f"{figure.rows:,}",
        )
    console.print(summary(report).text, markup=False, soft_wrap=True)
    console.print(table)
    rows = f"{report.rows:,} of {report.rows_available:,} rows"
    more = "; --rows NUMBER asks more" if report.rows + report.rows_left_out < report.rows_available else ""
    console.print(f"{rows}, in brackets 95 % bootstrap intervals{more}", markup=False, soft_wrap=True)
    for remark in report.remarks:
        console.print(remark, markup=False, soft_wrap=True)


def _both(figure: Figure, value: Estimate | None, likelier: Figure | None, other: Estimate | None) -> str:
    """Write a value, with what is likeliest beside it where that belongs there."""
    shown = _estimate(figure, value)
    return shown if likelier is None or other is None else f"{shown}; by likelihood {_estimate(likelier, other)}"


def _estimate(figure: Figure, value: Estimate | None, *, sign: bool = False) -> str:
    if value is None:
        return ""
    plus = "+" if sign else ""
    if figure.unit == "share":
        shown = [f"{each:{plus}.1%}" for each in (value.value, value.low, value.high)]
    else:
        digits = 1 if figure.unit == "score" else 3
        shown = [f"{each:{plus}.{digits}f}" for each in (value.value, value.low, value.high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if figure.has_interval else shown[0]
