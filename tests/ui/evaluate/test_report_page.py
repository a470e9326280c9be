import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from studio.config import FULL, LORA, RunConfig
from studio.jobs import tradeoff
from studio.jobs.evaluation_report import EvaluationReport
from studio.jobs.tradeoff import Candidate
from studio.planning.tradeoffs import Tradeoff
from studio.runs.store import RunFolder, RunStore
from studio.ui.evaluate import cards, report_page, report_plots
from tests.ui import made_up


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    config = RunConfig(name="</title><img src=x onerror=alert(1)>")
    return RunStore(tmp_path).create(
        config, dataset_id="d", dataset_name="Slips & <more>", dataset_sha256="ab" * 32, train=(), validation=()
    )


@pytest.fixture
def report(run: RunFolder) -> EvaluationReport:
    return made_up.report(run)


@pytest.fixture
def others(report: EvaluationReport) -> Tradeoff:
    runs = [
        Candidate("a", "otter & co", "starter", LORA, "finished", True, report, 1.5, 60.0, 2_000_000),
        Candidate("b", "heron", "starter", FULL, "finished", True, report, 3.5, 160.0, 540_000_000),
    ]
    return Tradeoff("a", "otter & co", "Slips", 42, report, tradeoff.lines(runs, "a"), tradeoff.points(runs, "a"))


class Reader(HTMLParser):
    """Notes the elements of a page, what they ask for, and whether each is closed."""

    VOID = ("meta", "rect", "line", "path", "circle", "br")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.selection: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.selection += [name for name, _ in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.selection += [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_the_page_needs_nothing_else_and_runs_nothing(
    report: EvaluationReport, others: Tradeoff, run: RunFolder
) -> None:
    text = report_page.page(report, made_up.rows(), config=run.config, tradeoff=others)
    seen = read(text)
    assert seen.open == []
    assert seen.selection == []
    assert not {"script", "img", "link", "iframe", "b-technical"}.intersection(seen.seen)
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert len(text) < 2_000_000


def test_everything_that_was_found_is_there(report: EvaluationReport, others: Tradeoff, run: RunFolder) -> None:
    text = report_page.page(report, made_up.rows(), config=run.config, tradeoff=others)
    for said in (
        "Right labels: 40 % before, 90 % after, on 30 of 36 rows.",
        "36.0 to 44.0",
        "no clear difference",
        "p below 0.001",
        "General language: loss 3.08 before, 3.14 after, on 204 everyday texts, 2 % higher",
        "ab" * 32,
        "5eed" * 16,
        "Slips &amp; &lt;more&gt;",
        "torch",
        "2.9.0",
        "Learning rate",
        "0.0005",
        "otter &amp; co",
        "540.0 MB",
        "Which team takes ticket 29?",
        "prefers-color-scheme: dark",
    ):
        assert said in text, said
    assert read(text).seen.count("svg") == 2
    assert text.count("<article") == 30


@pytest.mark.case("72-eval-file-is-the-data")
def test_rows_that_were_learned_are_told_on_the_page_and_in_the_report(
    report: EvaluationReport, run: RunFolder
) -> None:
    learned = replace(report, rows_learned=30)
    told = "30 of these rows were learned in the training"
    assert told in cards.summary(learned)
    assert told in report_page.page(learned, made_up.rows(), config=run.config)
    assert told not in report_page.page(report, made_up.rows(), config=run.config)


def test_of_many_rows_the_first_are_shown_and_the_rest_counted(report: EvaluationReport, run: RunFolder) -> None:
    text = report_page.page(report, made_up.rows(report_page.MOST_ROWS + 3), config=run.config)
    assert text.count("<article") == report_page.MOST_ROWS
    assert "And 3 rows more" in text
    assert "The runs of" not in text


def test_bars_are_as_long_as_their_values(report: EvaluationReport) -> None:
    accuracy = report.figures[1]
    svg = str(report_plots.bars([accuracy, report.figures[0]]))
    widths = [float(width) for width in re.findall(r'<rect class="\w+"[^>]* width="([\d.]+)"', svg)]
    assert len(widths) == 2  # a loss has no scale of its own
    assert accuracy.base is not None
    assert widths[0] / widths[1] == pytest.approx(accuracy.base.value / accuracy.tuned.value, abs=0.001)
    assert report_plots.bars([report.figures[0]]) == ""


def test_points_lie_where_the_axes_say(others: Tradeoff) -> None:
    axis = report_plots.axis([-2.0, 8.0], 100.0, 500.0)
    assert axis.low < -2.0 < 8.0 < axis.high
    assert axis.at(axis.low) == 100.0
    assert axis.ticks() == [-2.0, 0.0, 2.0, 4.0, 6.0, 8.0]
    assert report_plots.axis([0.0], 0.0, 1.0).ticks()  # one run without any change
    svg = str(report_plots.scatter(others.points, gain="gain", gain_unit="share"))
    assert svg.count("<circle") == 2
    without = [replace(point, knowledge=None) for point in others.points]
    assert report_plots.scatter(without, gain="gain", gain_unit="share") == ""
