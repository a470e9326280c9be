"""`evaluate`, and what `train` says of a run at its end."""

import dataclasses
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from studio.cli.evaluate import evaluate_at_end, show_report
from studio.jobs.evaluation_report import AT_THE_END, Estimate, Figure
from studio.jobs.evaluations import EvaluationState
from studio.jobs.jobs import JobState
from studio.runs.length_limit import AtLimit
from studio.studio import Studio
from tests.cli.test_commands import ROWS, run
from tests.jobs.test_evaluations import REPORT


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    return path


def test_train_evaluates_at_its_end_and_evaluate_does_so_again(tmp_path: Path, data: Path, tiny_model: Path) -> None:
    home = tmp_path / "home"
    train = ("train", "--data", str(data), "--model", str(tiny_model), "--epochs", "1", "--validation-share", "0.3")
    trained = run(home, *train, STUDIO_EVALUATE="1")
    assert trained.returncode == 0, trained.stderr
    *_, headline, last = trained.stdout.strip().splitlines()
    folder = Path(last.removeprefix("run: "))
    assert headline.startswith("Words in common with your answers: ")
    assert "General knowledge" in headline

    told = run(home, "evaluate", folder.name, "--data", str(data), "--rows", "5", "--no-probes", "--json")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert (report["rows"], report["rows_available"], report["forgetting"]) == (5, 12, None)
    assert len(report["row_scores"]) == 5
    assert "on 5 of 12 rows" in report["headline"]

    table = run(home, "evaluate", folder.name, "--no-probes")
    assert table.returncode == 0, table.stderr
    assert "Perplexity" in table.stdout
    assert "Token F1" in table.stdout


def test_a_run_that_is_not_there_and_rows_that_are_none(tmp_path: Path) -> None:
    for arguments, found in ((("evaluate", "nobody"), "no run 'nobody'"), (("evaluate", "a", "--rows", "0"), "rows")):
        done = run(tmp_path / "home", *arguments)
        assert done.returncode == 2
        assert found in done.stderr
        assert "Traceback" not in done.stderr


def test_the_table_has_what_is_likeliest_beside_what_is_written_and_says_how_many_rows() -> None:
    figures = tuple(
        Figure(name, title, "share", True, 32, Estimate(0.8, 0.7, 0.9), Estimate(base, base, base))
        for name, title, base in (("accuracy", "Accuracy", 0.0), ("likelihood_accuracy", "By likelihood", 0.47))
    )
    report = dataclasses.replace(REPORT, main="accuracy", figures=figures, rows=32, rows_available=100, rows_learned=3)
    report = dataclasses.replace(report, at_limit=AtLimit(32, base=30, tuned=3))
    assert "30 of 32 answers of the base and 3 of the tuned model ended" not in " ".join(report.remarks)
    report = dataclasses.replace(report, at_limit=AtLimit(32, base=5, tuned=3))
    console = Console(record=True, width=300, file=io.StringIO())
    show_report(report, console=console)
    told = console.export_text()
    assert "0.0% (0.0% to 0.0%); by likelihood 47.0% (47.0% to 47.0%)" in told
    assert "32 of 100 rows, in brackets 95 % bootstrap intervals; --rows NUMBER asks more" in told
    assert "3 of these rows were learned in the training" in told
    assert "5 of 32 answers of the base and 3 of the tuned model ended at the length limit" in told


class SlowToBegin:
    """Evaluations of a run whose worker is still there at the first look."""

    def __init__(self) -> None:
        self.looks = 0

    def tick(self) -> None:
        self.looks += 1

    def state(self, run_id: str, name: str = AT_THE_END) -> EvaluationState:
        return JobState("waiting" if self.looks < 3 else "none", "It is evaluated in a moment.")


def test_an_evaluation_begins_however_long_the_worker_of_the_run_takes_to_go() -> None:
    """`train` asked once, before its worker was gone, and then waited for ever."""
    evaluations = SlowToBegin()
    studio = cast(Studio, SimpleNamespace(evaluations=evaluations, tick=evaluations.tick))
    evaluate_at_end(studio, "harbour", console=Console(quiet=True))
    assert evaluations.looks == 3
