from dataclasses import replace
from pathlib import Path

import pytest

from studio.config import FULL, LORA, QLORA, RunConfig
from studio.jobs.evaluation_report import Estimate
from studio.jobs.tradeoff import Line, Point
from studio.models.forecast.forecast import DOES_NOT_FIT, FITS, Forecast, Part
from studio.models.forecast.run_time import RunTime
from studio.planning.tradeoffs import Queueable, Tradeoff
from studio.runs.store import RunStore
from studio.ui.evaluate import tradeoff_view
from studio.ui.evaluate.tradeoff_view import offer, payload, table
from tests.ui import made_up


def forecast(verdict: str) -> Forecast:
    return Forecast(
        trainable=1,
        parameters=2,
        memory=(Part("weights", 3_000_000_000),),
        time=RunTime(0.0, 240.0),
        disk_bytes=1,
        file_bytes=1,
        verdict=verdict,
        remedy=None,
        checkpointing=False,
        micro_batch_tokens=64,
    )


def test_a_row_without_a_run_and_names_from_people_are_drawn_as_text() -> None:
    lines = (Line("starter", ""), Line("starter", LORA, "a", "<b>otter</b>", seconds=75.0), Line("starter", QLORA))
    drawn = str(table(Tradeoff("a", lines=lines)))
    assert '<tr class="ls-main">' in drawn
    assert '<tr class="ls-absent">' in drawn
    assert "&lt;b&gt;otter&lt;/b&gt;" in drawn
    assert "1 min 15 s" in drawn
    assert ">Task score<" in drawn


def test_the_base_is_named_where_there_are_several() -> None:
    lines = (Line("starter", ""), Line("org/other-1b", ""))
    assert "other-1b" in table(Tradeoff("a", lines=lines))
    assert "Starter model" not in table(Tradeoff("a", lines=lines[:1]))


def test_the_offer_says_what_it_queues_and_what_it_leaves_out() -> None:
    missing = (
        Queueable(RunConfig(method=QLORA), forecast(FITS)),
        Queueable(RunConfig(method=FULL, learning_rate=5e-5), forecast(DOES_NOT_FIT)),
    )
    drawn = str(offer(Tradeoff("a", "otter", seed=7, missing=missing)))
    assert "ls-primary" not in drawn, "it starts hours of work, and was the largest button of the tab"
    assert "Takes 2 to 8 min of training. Trains QLoRA (4-bit) with the same examples, the same seed (7) and " in drawn
    assert "the same settings as otter." in drawn
    assert "QLoRA (4-bit): learning rate 0.0005, needs about 3.0 GB of memory, takes 2 to 8 min." in drawn
    assert "Full fine-tuning is skipped: it needs about 3.0 GB of memory" in drawn
    only = str(offer(Tradeoff("a", missing=missing[1:])))
    assert "skipped" in only
    assert "data-verb" not in only
    assert offer(Tradeoff("a")) == ""


@pytest.mark.parametrize(("unit", "scale"), [("share", 100), ("score", 1)])
def test_shares_are_drawn_in_points(unit: str, scale: float) -> None:
    found = made_up.forgetting()
    gain = Estimate(0.5, 0.4, 0.6)
    point = Point("a", "otter", "starter", LORA, gain, found.knowledge.change, None)
    drawn = payload(Tradeoff("a", points=(point,)))["points"]
    assert drawn[0]["knowledge"]["value"] == pytest.approx(-1.0)
    assert drawn[0]["language"] is None
    assert drawn[0]["name"] == "otter, LoRA, Starter model"
    assert tradeoff_view._scaled(gain, unit) == {"value": 0.5 * scale, "low": 0.4 * scale, "high": 0.6 * scale}


def test_a_run_without_probes_is_no_point() -> None:
    point = Point("a", "otter", "starter", LORA, Estimate(0.5, 0.4, 0.6), None, None)
    assert payload(Tradeoff("a", points=(point,)))["points"] == []


def test_the_axis_names_what_was_gained(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run = store.create(RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="0", train=(), validation=())
    report = made_up.report(run)
    assert tradeoff_view.gain_title(report) == "gain in right labels in points"
    assert tradeoff_view.gain_title(replace(report, main="loss")) == "fall of loss on your texts"
    assert tradeoff_view.gain_title(None) == "gain"
