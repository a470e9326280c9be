"""A report as one HTML file that needs nothing else: figures, plots, settings, versions, data and rows.

Every text is escaped, and the page forbids itself the network.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from studio.config import RunConfig, settings
from studio.jobs import scored_rows
from studio.jobs.evaluation_report import HELD_OUT, EvaluationReport, ScoredRow
from studio.models.elsewhere import shown_name
from studio.planning.tradeoffs import Tradeoff
from studio.ui.evaluate import cards, report_plots, tradeoff_view
from studio.ui.evaluate import rows as evaluate_rows
from studio.ui.kit import fragments
from studio.ui.runs.table import base_name, method_name
from studio.ui.train.cards import in_words
from studio.wording import brief_duration, counted

STYLE_SHEET = Path(__file__).with_name("report.css")

MOST_ROWS = 500
"""So many rows stand in the file: more make it slow to open, and the CSV has all."""


def page(
    report: EvaluationReport, rows: Sequence[ScoredRow], *, config: RunConfig, tradeoff: Tradeoff | None = None
) -> str:
    """Write the report of a run with its settings; `tradeoff` adds the other runs of the same data."""
    ordered = scored_rows.arrange(rows, scored_rows.ALL)
    left = len(ordered) - MOST_ROWS
    # The file leaves this machine: a folder of it is called by its name.
    config = replace(config, model=shown_name(config.model), start_adapter=shown_name(config.start_adapter))
    chosen = [(each.label, in_words(getattr(config, each.name))) for each in settings()]
    drawn = fragments.render(
        "evaluate/report_page.html",
        report=report,
        cards=cards,
        pairs=fragments.pairs,
        style=Markup(STYLE_SHEET.read_text(encoding="utf-8")),  # our own file: its quotation marks stay as they are
        about=f"{method_name(report.method)} on {base_name(report.model)}, trained on {report.dataset_name}",
        bars=report_plots.bars(sorted(report.figures, key=lambda figure: figure.name != report.main)),
        tradeoff=tradeoff if tradeoff is not None and tradeoff.report is not None else None,
        tradeoff_table=tradeoff_view.table,
        scatter=_scatter,
        circumstances=_circumstances(report),
        settings=[(label, value) for label, value in chosen if value != "none"],
        rows=evaluate_rows.rows(ordered[:MOST_ROWS], report),
        more=f"And {counted(left, 'row')} more: the CSV file has all of them." if left > 0 else "",
    )
    return str(drawn)


def _scatter(found: Tradeoff) -> Markup:
    main = found.report.figure(found.report.main) if found.report is not None else None
    unit = main.unit if main is not None else ""
    return report_plots.scatter(found.points, gain=tradeoff_view.gain_title(found.report), gain_unit=unit)


def _circumstances(report: EvaluationReport) -> list[tuple[str, str]]:
    what = "the held-out examples of the run" if report.data == HELD_OUT else report.data
    return [
        ("Run", f"{report.run_name} ({report.run_id})"),
        ("Base model", shown_name(report.model)),
        ("Data set", report.dataset_name),
        ("Hash of the data set", report.dataset_sha256),
        ("Scored on", f"{what}, {report.rows:,} of {counted(report.rows_available, 'row')}"),
        ("Hash of what was scored", report.data_sha256),
        ("Seed of the scoring", f"{report.seed}"),
        ("Computed on", f"{report.device}, {report.precision}"),
        ("Made", f"{_date(report.created)}, in {brief_duration(report.seconds)}"),
    ]


def _date(seconds_since_epoch: float) -> str:
    """Write a point in local time with its year: the file may be read long after."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds_since_epoch))
