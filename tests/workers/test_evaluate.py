"""The evaluation worker on a finished run: what it writes, what it keeps of the base, and what becomes of trouble."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.data.example_files import write_examples
from studio.data.examples import Example, Message
from studio.events import Failed, Finished, Loading
from studio.jobs.automatic_evaluations import request_path, seconds_before
from studio.jobs.evaluation_report import EvaluationReport, read_report, read_rows
from studio.jobs.tasks import Evaluate, Train
from studio.jobs.verdicts import summary
from studio.priority import BEHIND
from studio.runs.store import RunFolder
from tests.own_task import write_task
from tests.workers.conftest import Start, events, wait_for

MakeRun = Callable[..., RunFolder]


def trained(make_run: MakeRun, start: Start, **settings: object) -> RunFolder:
    run = make_run(learning_rate=5e-3, **settings)
    assert start(Train(run.path)).wait() == 0
    return run


def evaluated(run: RunFolder, start: Start, *, name: str = "end", **options: Any) -> EvaluationReport:
    assert start(Evaluate(run.path, name, **options)).wait() == 0
    report = read_report(run, name)
    assert report is not None
    return report


def test_a_run_is_scored_beside_its_base_and_on_the_probes(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    run = trained(make_run, start, held_out=6)
    request_path(run).touch()
    report = evaluated(run, start)
    assert not request_path(run).exists()
    assert (report.rows, report.rows_available, report.task, report.main) == (6, 6, "short", "token_f1")
    assert report.at_limit is not None
    assert (report.at_limit.rows, report.at_limit.too_long) == (6, 0)
    figures = {figure.name: figure for figure in report.figures}
    assert set(figures) == {"exact", "token_f1", "normalised_exact", "loss", "perplexity"}
    loss = figures["loss"]
    assert loss.base is not None
    assert loss.change is not None
    assert loss.tuned.value < loss.base.value
    assert loss.base.low <= loss.base.value <= loss.base.high
    assert loss.change.value == pytest.approx(loss.tuned.value - loss.base.value)
    assert report.forgetting is not None
    assert report.forgetting.knowledge.rows >= 300
    assert report.forgetting.language.rows >= 200
    assert len(read_rows(run, "end")) == 6
    last = events(run.path / "evaluations" / "end.events.jsonl")[-1]
    assert isinstance(last, Finished)
    assert last.summary == summary(report).text

    (kept,) = (tmp_path / "evaluations").glob("base-*.json")
    before = kept.stat().st_mtime_ns
    again = evaluated(run, start)
    assert (again.figures, again.forgetting) == (report.figures, report.forgetting)
    assert kept.stat().st_mtime_ns == before, "the base is asked once"


@pytest.mark.parametrize("method", ["qlora", "full"])
def test_other_methods_are_evaluated_too(make_run: MakeRun, start: Start, method: str) -> None:
    run = trained(make_run, start, method=method)
    report = evaluated(run, start, probes=False, rows=3)
    assert (report.rows, report.rows_available, report.forgetting) == (3, 4, None)
    loss = report.figure("loss")
    assert loss is not None
    assert loss.base is not None
    assert loss.tuned.value < loss.base.value


def test_labels_in_a_file_of_ones_own(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    run = trained(make_run, start)
    rows = [
        Example((Message("user", f"Is {n} even?"), Message("assistant", "no" if n % 2 else "yes"))) for n in range(12)
    ]
    data = tmp_path / "labels.jsonl"
    write_examples(run.train_path, rows)
    write_examples(data, rows)
    report = evaluated(run, start, name="data-1", probes=False, data=data, title="Even numbers")
    assert (report.data, report.task, report.rows) == ("Even numbers", "labels", 12)
    assert [confusion.source for confusion in report.confusions] == ["written", "likelihood"]
    assert {sum(map(sum, confusion.tuned)) for confusion in report.confusions} == {12}
    assert report.figure("likelihood_accuracy") is not None


def test_a_run_without_held_out_rows_says_so(make_run: MakeRun, start: Start) -> None:
    run = trained(make_run, start, held_out=0)
    request_path(run).touch()
    assert start(Evaluate(run.path, "end"), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.path / "evaluations" / "end.events.jsonl")[-1]
    assert isinstance(failed, Failed)
    assert "no row was held out" in failed.message
    assert not request_path(run).exists()


def test_one_that_is_stopped_writes_no_report(make_run: MakeRun, start: Start) -> None:
    run = trained(make_run, start)
    worker = start(Evaluate(run.path, "end"))
    log = run.path / "evaluations" / "end.events.jsonl"
    wait_for(log, Loading)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    last = events(log)[-1]
    assert isinstance(last, Finished)
    assert last.status == "stopped"
    assert read_report(run, "end") is None


def test_one_that_gives_way_goes_on_from_where_it_was(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    run = trained(make_run, start, held_out=6)
    request_path(run).write_text("0")
    worker = start(Evaluate(run.path, "end"))
    log = run.path / "evaluations" / "end.events.jsonl"
    wait_for(log, Loading, what="Base model: general knowledge")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert request_path(run).read_text().startswith("0 "), "it is still to be evaluated, and nothing failed"
    worked = seconds_before(run)
    assert worked > 0
    (kept,) = (tmp_path / "evaluations").glob("base-*.begun")
    before = len(events(log))

    report = evaluated(run, start)
    assert report.seconds > worked, "what it took is not its last part alone"
    again = [event.what for event in events(log)[before:] if isinstance(event, Loading)]
    assert "Base model: how likely the right answers are" not in again
    assert "Base model: general language" not in again
    assert "Base model: general knowledge" in again
    assert "Tuned model: general language" in again
    assert not kept.exists()
    assert not list((run.path / "evaluations").glob("*.begun"))
    assert not request_path(run).exists()
    whole = evaluated(run, start)
    assert (whole.figures, whole.forgetting) == (report.figures, report.forgetting)


@pytest.mark.parametrize("asked", [True, False])
def test_what_nobody_asked_for_leaves_the_processor_to_the_chat(make_run: MakeRun, start: Start, asked: bool) -> None:
    """The first answer of a newcomer's model came from half of a processor: its evaluation had the other half."""
    run = trained(make_run, start)
    if not asked:
        request_path(run).touch()
    worker = start(Evaluate(run.path, "end"))
    wait_for(Evaluate(run.path, "end").paths.events, Loading)
    behind = os.getpriority(os.PRIO_PROCESS, worker.pid) - os.getpriority(os.PRIO_PROCESS, os.getpid())
    assert behind == (0 if asked else BEHIND)


def test_standard_tasks_are_asked_besides(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    write_task(tmp_path)
    run = trained(make_run, start)
    options = {"probes": False, "rows": 2, "questions": 12, "tasks": ("drawers",)}
    report = evaluated(run, start, name="tasks-1", **options)
    (figure,) = report.standard
    assert (figure.name, figure.title, figure.rows) == ("drawers", "drawers (acc)", 12)
    assert figure.base is not None
    assert figure.tuned.low <= figure.tuned.value <= figure.tuned.high
    assert "lm_eval" in dict(report.versions)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "evaluations").glob("base-*.json")}
    assert len(kept) == 2
    assert evaluated(run, start, name="tasks-1", **options).standard == report.standard
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "the base is asked once"


def test_questions_that_cannot_be_fetched_are_a_sentence(
    make_run: MakeRun, start: Start, start_cold: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    run = trained(make_run, start)
    assert start_cold(Evaluate(run.path, "tasks-1", tasks=("piqa",)), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.path / "evaluations" / "tasks-1.events.jsonl")[-1]
    assert isinstance(failed, Failed)
    assert "The questions of the task 'piqa' cannot be fetched from the Hugging Face Hub" in failed.message


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("is_base", [True, False])
def test_what_gives_no_numbers_is_named(make_run: MakeRun, start: Start, tmp_path: Path, is_base: bool) -> None:
    """A damaged base was said to have been trained with too high a learning rate."""
    model = tmp_path / "base"
    run = make_run(held_out=2)
    shutil.copytree(run.config.model, model)
    run = trained(make_run, start, held_out=2, model=str(model))
    assert run.result is not None
    path = model / "model.safetensors" if is_base else run.result / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if "down_proj" in name or not is_base)
    save_file({**tensors, name: torch.full_like(tensors[name], float("nan"))}, path, {"format": "pt"})
    assert start(Evaluate(run.path, "end", probes=False), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.path / "evaluations" / "end.events.jsonl")[-1]
    assert isinstance(failed, Failed)
    wanted = "The base model itself is broken" if is_base else "What the run learned is broken"
    assert failed.message.startswith(wanted)
    assert ("learning rate" in failed.hint) is not is_base
