from dataclasses import replace
from pathlib import Path

import pytest

from studio.config import FULL, LORA, QLORA, QLORA_8BIT, RunConfig, problems
from studio.events import Event, Measured, Record, Started, Stepped
from studio.jobs import tradeoff
from studio.jobs.evaluation_report import EvaluationReport
from studio.jobs.tradeoff import Candidate
from studio.runs.store import RunFolder, RunStore
from studio.runs.view import RunView
from tests.ui import made_up


@pytest.fixture
def report(tmp_path: Path) -> EvaluationReport:
    run: RunFolder = RunStore(tmp_path).create(
        RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="0", train=(), validation=()
    )
    return made_up.report(run)


def candidate(id: str, method: str, report: EvaluationReport | None, *, model: str = "starter") -> Candidate:
    return Candidate(
        id, id.title(), model, method, "finished", True, report, memory_gib=1.5, seconds=60.0, file_bytes=2_000_000
    )


def test_every_run_stands_below_its_method_and_the_base_comes_first(report: EvaluationReport) -> None:
    runs = [
        candidate("full", FULL, report),
        candidate("small", LORA, None),
        candidate("otter", LORA, report),
        candidate("eight", QLORA_8BIT, report),
    ]
    lines = tradeoff.lines(runs, "otter", base_bytes=269_000_000)
    assert [(line.method, line.run_id) for line in lines] == [
        ("", ""),
        (LORA, "otter"),
        (LORA, "small"),
        (QLORA_8BIT, "eight"),
        (FULL, "full"),
    ]
    base, otter, small = lines[:3]
    assert (base.score, base.memory_gib, base.file_bytes) == (report.figures[1].base, None, 269_000_000)
    assert otter.score == report.figures[1].tuned
    assert report.forgetting is not None
    assert (otter.knowledge, base.language) == (report.forgetting.knowledge.tuned, report.forgetting.language.base)
    assert (otter.memory_gib, otter.seconds, otter.file_bytes, otter.note) == (1.5, 60.0, 2_000_000, "")
    assert (small.score, small.note) == (None, "not evaluated yet")


def test_a_method_without_a_run_has_an_empty_row(report: EvaluationReport) -> None:
    lines = tradeoff.lines([candidate("otter", LORA, report)], "otter")
    assert [(line.method, line.note) for line in lines[2:]] == [(QLORA, "no run yet"), (FULL, "no run yet")]


def test_other_base_models_follow_with_a_base_of_their_own(report: EvaluationReport) -> None:
    runs = [
        candidate("otter", LORA, report),
        candidate("heron", LORA, report, model="b"),
        candidate("idle", LORA, None, model="c"),
    ]
    found = [(line.model, line.method) for line in tradeoff.lines(runs, "heron")]
    assert found == [("b", ""), ("b", LORA), ("b", QLORA), ("b", FULL), ("starter", ""), ("starter", LORA)]


def test_what_cannot_be_held_against_the_others_says_so(report: EvaluationReport) -> None:
    runs = [
        candidate("otter", LORA, report),
        candidate("other", LORA, replace(report, data_sha256="else")),
        candidate("few", LORA, replace(report, rows=12)),
    ]
    notes = {line.run_id: line.note for line in tradeoff.lines(runs, "otter")}
    assert notes["other"] == "scored on other held-out rows"
    assert notes["few"] == "scored on 12 rows, not 30"


def test_missing_is_what_no_run_has_or_is_on_its_way_to(report: EvaluationReport) -> None:
    otter = candidate("otter", LORA, report)
    failed = Candidate("broken", "Broken", "starter", FULL, "failed", False)
    waiting = replace(failed, run_id="soon", method=QLORA, status="queued")
    elsewhere = candidate("far", QLORA, report, model="b")
    assert tradeoff.missing([otter, failed, elsewhere], "otter") == (QLORA, FULL)
    assert tradeoff.missing([otter, failed, waiting], "otter") == (FULL,)
    assert tradeoff.missing([candidate("eight", QLORA_8BIT, report)], "eight") == (LORA, FULL)
    assert tradeoff.missing([otter], "nobody") == ()


def test_a_fall_of_the_loss_is_a_gain(report: EvaluationReport) -> None:
    losing = replace(report, main="loss")
    (point,) = tradeoff.points([candidate("otter", LORA, losing)], "otter")
    change = report.figures[0].change
    assert change is not None
    assert (point.gain.value, point.gain.low, point.gain.high) == (-change.value, -change.high, -change.low)
    assert point.gain.value > 0
    (point,) = tradeoff.points([candidate("otter", LORA, report), candidate("idle", LORA, None)], "otter")
    assert point.gain == report.figures[1].change


def test_the_report_that_speaks_for_a_run_is_the_fullest_on_its_own_held_out_rows(report: EvaluationReport) -> None:
    quick = replace(report, name="quick", forgetting=None, rows=36, created=report.created + 2)
    few = replace(report, name="few", rows=10, created=report.created + 3)
    file = replace(report, name="file", data="tickets.csv", rows=900)
    assert tradeoff.best_report([quick, few, file, report]) is report
    assert tradeoff.best_report([file]) is None


def test_the_peak_memory_is_measured_at_the_end_and_before_that_at_the_steps() -> None:
    view = RunView()
    assert tradeoff.peak_memory_gib(view) is None
    steps = [Stepped(n, 0.1, 2.0, 1e-4, 1.0, 9.0, memory) for n, memory in ((1, 2.0), (2, 1.5))]
    events: list[Event] = [Started(1, "train"), *steps]
    for place, event in enumerate(events, start=1):
        view.apply(Record(place, 1000.0 + place, event))
    assert tradeoff.peak_memory_gib(view) == 2.0
    view.apply(Record(9, 1010.0, Measured(memory_gib=2.25, seconds=10.0)))
    assert tradeoff.peak_memory_gib(view) == 2.25


def test_only_the_weights_of_a_folder_count(tmp_path: Path) -> None:
    assert tradeoff.weight_bytes(None) is None
    assert tradeoff.weight_bytes(tmp_path) is None
    (tmp_path / "adapter_model.safetensors").write_bytes(bytes(300))
    (tmp_path / "tokenizer.json").write_bytes(bytes(900))
    assert tradeoff.weight_bytes(tmp_path) == 300


def test_another_method_keeps_what_it_can_of_the_settings() -> None:
    config = RunConfig(rank=8, learning_rate=7e-4, epochs=5, seed=7, initialisation="pissa", dora=True)
    packed = tradeoff.settings_for(config, QLORA, architecture=None)
    assert packed == replace(config, method=QLORA, initialisation="standard")
    whole = tradeoff.settings_for(replace(config, start_adapter="a-run"), FULL, architecture=None)
    assert (whole.learning_rate, whole.epochs, whole.seed, whole.start_adapter) == (5e-5, 5, 7, "")
    back = tradeoff.settings_for(whole, LORA, architecture=None)
    assert back.learning_rate == 5e-4
    eight = tradeoff.settings_for(config, QLORA_8BIT, architecture=None)
    assert not any(problems(each) for each in (packed, whole, back, eight))
