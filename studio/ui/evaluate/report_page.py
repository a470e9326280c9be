"""A report as one HTML file that needs nothing else: figures, plots, settings, versions, data and rows.

Every text is escaped, and the page forbids itself the network. Knows nothing of where a report comes from.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from studio.config import RunConfig, settings
from studio.jobs import scored_rows
from studio.jobs.evaluation_report import HELD_OUT, EvaluationReport, ScoredRow
from studio.ui.evaluate import cards, report_plots, tradeoff_view
from studio.ui.evaluate import rows as evaluate_rows
from studio.ui.evaluate.tradeoff_state import Tradeoff
from studio.ui.kit import fragments
from studio.ui.kit.numbers import brief_duration
from studio.ui.runs.table import base_name, method_name
from studio.ui.train.cards import in_words
from studio.wording import counted

STYLE_SHEET = Path(__file__).with_name("report.css")

MOST_ROWS = 500
"""So many rows stand in the file: more make it slow to open, and the CSV has all."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>"""


def page(
    report: EvaluationReport, rows: Sequence[ScoredRow], *, config: RunConfig, tradeoff: Tradeoff | None = None
) -> str:
    """Write the report of a run with its settings; `tradeoff` adds the other runs of the same data."""
    sections = [
        _head(report),
        _section("Scores", _scores(report)),
        _section("What was forgotten", cards.forgetting(report.forgetting)),
        _section("Standard tasks", cards.standard(report)) if report.standard else Markup(""),
        _section("Confusion", cards.confusions(report)) if report.confusions else Markup(""),
        _tradeoff(tradeoff),
        _section("How it was made", _circumstances(report, config)),
        _section("Rows", _rows(report, rows)),
    ]
    style = Markup(STYLE_SHEET.read_text(encoding="utf-8"))  # our own file: its quotation marks stay as they are
    title = f"{report.run_name} beside its base model"
    return str(Markup(_PAGE).format(title=title, style=style, body=Markup("\n").join(sections)))


def _head(report: EvaluationReport) -> Markup:
    about = f"{method_name(report.method)} on {base_name(report.model)}, trained on {report.dataset_name}"
    return Markup('<header><h1>{}</h1><p class="lead">{}</p><p>{}</p><p>{}</p></header>').format(
        report.run_name, report.headline, about, cards.made(report)
    )


def _section(title: str, inner: Markup) -> Markup:
    return Markup("<section><h2>{}</h2>{}</section>").format(title, inner)


def _scores(report: EvaluationReport) -> Markup:
    ordered = sorted(report.figures, key=lambda figure: figure.name != report.main)
    plot = report_plots.bars(ordered)
    key = Markup('<ul class="legend"><li><i class="base"></i>base</li><li><i class="tuned"></i>tuned</li></ul>')
    return fragments.join((cards.scores(report), Markup("<figure>{}{}</figure>").format(plot, key) if plot else ""))


def _tradeoff(found: Tradeoff | None) -> Markup:
    if found is None or found.report is None:
        return Markup("")
    main = found.report.figure(found.report.main)
    unit = main.unit if main is not None else ""
    plot = report_plots.scatter(found.points, gain=tradeoff_view.gain_title(found.report), gain_unit=unit)
    drawn = Markup("<figure>{}</figure>").format(plot) if plot else ""
    return _section(f"The runs of {found.dataset}", fragments.join((tradeoff_view.table(found), drawn)))


def _circumstances(report: EvaluationReport, config: RunConfig) -> Markup:
    what = "the held-out examples of the run" if report.data == HELD_OUT else report.data
    about = [
        ("Run", f"{report.run_name} ({report.run_id})"),
        ("Base model", report.model),
        ("Data set", report.dataset_name),
        ("Hash of the data set", report.dataset_sha256),
        ("Scored on", f"{what}, {report.rows:,} of {counted(report.rows_available, 'row')}"),
        ("Hash of what was scored", report.data_sha256),
        ("Seed of the scoring", f"{report.seed}"),
        ("Computed on", f"{report.device}, {report.precision}"),
        ("Made", f"{_date(report.created)}, in {brief_duration(report.seconds)}"),
    ]
    chosen = [(each.label, in_words(getattr(config, each.name))) for each in settings()]
    return fragments.join(
        (
            Markup('<div class="wide">{}</div>').format(fragments.pairs(about)),
            Markup("<h3>Settings of the run</h3>"),
            fragments.pairs((label, value) for label, value in chosen if value != "none"),
            Markup("<h3>Versions</h3>"),
            fragments.pairs(report.versions),
        )
    )


def _date(seconds_since_epoch: float) -> str:
    """Write a point in local time with its year: the file may be read long after."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds_since_epoch))


def _rows(report: EvaluationReport, rows: Sequence[ScoredRow]) -> Markup:
    ordered = scored_rows.arrange(rows, scored_rows.ALL)
    shown = evaluate_rows.rows(ordered[:MOST_ROWS], report)
    left = len(ordered) - len(shown)
    more = f"And {counted(left, 'row')} more: the CSV file has all of them." if left > 0 else ""
    return fragments.join((*shown, Markup("<p>{}</p>").format(more) if more else ""))
