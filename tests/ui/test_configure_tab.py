import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig, settings
from studio.errors import DataError, ModelError
from studio.events import Failed
from studio.models.layout import LinearLayer, ModelLayout
from studio.runs.base_models import ModelState
from studio.runs.studio import Studio
from studio.ui import data_drawing, fitting, form
from studio.ui.configure_tab import fetch_model, redraw, start_run
from studio.ui.plan_card import learners
from studio.ui.reading import Reading
from tests.ui.fake_studio import FakeWorkers


def form_values(**changes: Any) -> dict[str, Any]:
    values = {setting.name: setting.default for setting in settings()}
    return {**values, "chosen_modules": [], **changes}


def test_every_setting_has_its_control() -> None:
    assert {"model", "method", *form.SIMPLE, *form.MORE, *form.HELD_OUT, *form.TERMINAL_ONLY} == {
        setting.name for setting in settings()
    }


def test_the_form_gives_back_the_defaults() -> None:
    assert form.read_config(form_values()) == RunConfig()


def test_faults_stand_under_their_own_field() -> None:
    verdicts = form.check_form(**form_values(rank=0, epochs=None), dataset_id="x")
    wrong = {each["message"] for each in verdicts if not each["is_valid"]}
    assert wrong == {"Rank must lie between 1 and 512; found 0.", "Epochs is empty. Give a whole number."}
    assert len(verdicts) == len(settings()) + 1


def test_changes_behind_more_settings_are_counted() -> None:
    assert form.changed(RunConfig(alpha=64, dropout=0.5, seed=1, rank=4)) == 2


def test_the_start_button_names_what_is_missing(studio: Studio, reading: Reading) -> None:
    start = redraw(studio, reading, dataset_id=None, drawn=None, **form_values())[5]
    assert start["value"] == "Choose a data set first"
    assert start["interactive"] is False
    dataset = studio.datasets.add_sample("order_slips")
    start = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values(rank=0))[5]
    assert start["value"] == "Correct the rank first"
    start = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values())[5]
    assert start["value"] == "Start training"
    assert start["interactive"] is True


def test_the_trainable_parameters_follow_rank_and_targets(reading: Reading) -> None:
    """Two blocks of three layers 8 x 16, of which two are attention: r * (8 + 16) each."""
    assert learners(reading, RunConfig(rank=2)).trainable == 6 * 2 * 24
    assert learners(reading, RunConfig(rank=4, targets="attention")).trainable == 4 * 4 * 24
    only = learners(reading, RunConfig(rank=2, targets="chosen", chosen_modules=("up_proj",)))
    assert only.trainable == 2 * 2 * 24
    assert only.modules == ("up_proj",)


def test_modules_can_be_chosen_from_the_model_itself(studio: Studio, reading: Reading) -> None:
    chosen = redraw(studio, reading, dataset_id=None, drawn=None, **form_values(targets="chosen"))[2]
    assert chosen["visible"] is True
    assert set(chosen["choices"]) == {"q_proj", "v_proj", "up_proj"}


def test_the_plan_says_what_will_happen(studio: Studio, reading: Reading) -> None:
    dataset = studio.datasets.add_sample("order_slips")
    sent = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values())
    assert "Learns from 162 examples; 18 are held out to check it." in sent[4]
    assert "About 63 steps" in sent[4]
    assert redraw(studio, reading, dataset_id=dataset.id, drawn=sent[-1], **form_values()) == (gr.skip(),) * 7


def test_without_the_model_the_count_waits(bare_studio: Studio) -> None:
    reading = Reading(bare_studio)
    state, fetch, *_, plan, _, _ = redraw(bare_studio, reading, dataset_id=None, drawn=None, **form_values())
    assert "not on this machine yet" in state
    assert fetch["visible"] is True
    assert "not known yet" in plan


def test_a_model_on_the_hub_is_counted_without_fetching_it(bare_studio: Studio) -> None:
    asked: list[str] = []
    layer = LinearLayer("model.layers.0.self_attn.q_proj", 100, 60)

    def ask(model: str) -> ModelLayout:
        asked.append(model)
        return ModelLayout(parameters=1_000_000, layers=(layer,))

    reading = Reading(bare_studio, ask_hub=ask)
    config = RunConfig(model="someone/model", rank=2)
    deadline = time.monotonic() + 5
    while learners(reading, config).trouble and time.monotonic() < deadline:
        time.sleep(0.01)
    assert learners(reading, config).trainable == 2 * (100 + 60)
    assert asked == ["someone/model"]


def test_a_model_that_the_hub_does_not_know_is_asked_for_once(bare_studio: Studio) -> None:
    asked: list[str] = []

    def ask(model: str) -> ModelLayout:
        asked.append(model)
        raise ModelError("The Hub cannot be reached.")

    reading = Reading(bare_studio, ask_hub=ask)
    for _ in range(5):
        assert learners(reading, RunConfig(model="someone/model")).trouble
        time.sleep(0.01)
    assert asked == ["someone/model"]


def test_start_starts_at_once(studio: Studio) -> None:
    dataset = studio.datasets.add_sample("order_slips")
    id = start_run(studio, dataset_id=dataset.id, **form_values(name="first try"))
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    assert workers.jobs == [("train", str(studio.runs.get(id).path))]
    assert studio.runs.get(id).config.name == "first try"


def test_start_without_data_says_so(studio: Studio) -> None:
    with pytest.raises(gr.Error, match="No data set"):
        start_run(studio, dataset_id=None, **form_values())


def test_a_module_that_the_model_does_not_have_stays_on_offer(studio: Studio, reading: Reading) -> None:
    """Without it the value is not among the choices: that froze the tab once the model was changed."""
    values = form_values(targets="chosen", chosen_modules=["down_proj"])
    assert redraw(studio, reading, dataset_id=None, drawn=None, **values)[2]["choices"][-1] == "down_proj"
    away = redraw(studio, reading, dataset_id=None, drawn=None, **{**values, "model": "./nothing-here"})[2]
    assert away["choices"] == ["down_proj"]


@pytest.mark.parametrize("model", ["./no-such-folder", "hello world!"])
def test_a_model_that_cannot_be_is_neither_fetched_nor_started(studio: Studio, reading: Reading, model: str) -> None:
    dataset = studio.datasets.add_sample("order_slips")
    sent = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values(model=model))
    assert sent[1]["visible"] is False
    assert sent[5] == {**sent[5], "value": "Correct the base model first", "interactive": False}
    assert "cannot be used as it stands" in sent[4]
    assert "fetched first" not in sent[4]


def test_a_failed_fetch_can_be_tried_again(bare_studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(bare_studio, ask_hub=lambda model: ModelLayout(1, ()))
    failed = ModelState(False, "No.", failed=Failed("model", "The Hub has no such model.", "Look at its name."))
    monkeypatch.setattr(bare_studio, "model_state", lambda name: failed)
    dataset = bare_studio.datasets.add_sample("order_slips")
    for model, label in (("some/model", "Correct the base model first"), ("starter", "Fetch the starter model first")):
        sent = redraw(bare_studio, reading, dataset_id=dataset.id, drawn=None, **form_values(model=model))
        assert sent[1] == {**sent[1], "visible": True, "value": "Try again"}
        assert sent[5] == {**sent[5], "value": label, "interactive": False}


def test_an_empty_model_is_missing_and_not_the_servers_folder(studio: Studio, reading: Reading) -> None:
    dataset = studio.datasets.add_sample("order_slips")
    sent = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values(model=" "))
    assert "No base model is chosen." in sent[0]
    assert sent[1]["visible"] is False
    assert sent[5]["value"] == "Correct the base model first"
    fetch_model(studio, " ")
    assert data_drawing.where(reading, "").folder is None


def test_what_is_too_long_does_not_count_in_the_plan(studio: Studio, reading: Reading, mixed_lengths: Path) -> None:
    dataset = studio.datasets.add(mixed_lengths)
    parts = fitting.parts(reading, RunConfig(validation_share=0.0), dataset.id)
    assert (parts.train, parts.held_out, parts.too_long) == (9, 0, 3)
    split = fitting.parts(reading, RunConfig(), dataset.id)
    assert split.train + split.held_out == 9
    values = form_values(validation_share=0.0, batch_size=1, epochs=1)
    plan = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **values)[4]
    assert "Learns from 9 examples; none is held out to check it. 3 are left out: longer than 512 tokens." in plan
    assert "About 9 steps" in plan
    none = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values(max_length=8))[4]
    assert "No example to learn from fits into 8 tokens." in none
    assert "About" not in none


def test_a_run_at_work_is_waited_for(studio: Studio, reading: Reading) -> None:
    dataset = studio.datasets.add_sample("order_slips")
    alone = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values())
    assert "waits its turn" not in alone[4]
    studio.start_run(RunConfig(name="first"), dataset.id)
    sent = redraw(studio, reading, dataset_id=dataset.id, drawn=alone[-1], **form_values())
    assert "The run first is at work." in sent[4]


def test_data_whose_columns_nobody_assigned_cannot_be_started(studio: Studio, reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n}" for n in range(9)) + "\n")
    dataset = studio.datasets.add(path)
    sent = redraw(studio, reading, dataset_id=dataset.id, drawn=None, **form_values())
    assert sent[5] == {**sent[5], "value": "Assign the columns of your data first", "interactive": False}
    assert "Do this on the Data tab." in sent[4]
    with pytest.raises(DataError, match="not ready"):
        start_run(studio, dataset_id=dataset.id, **form_values())


def test_another_data_set_is_held_out(studio: Studio, reading: Reading, table: Path) -> None:
    dataset, other = studio.datasets.add_sample("order_slips"), studio.datasets.add(table)
    ids = {"dataset_id": dataset.id, "validation_dataset_id": other.id}
    sent = redraw(studio, reading, **ids, drawn=None, **form_values())
    assert "Learns from 180 examples; 10 are held out from mixed to check it." in sent[4]
    run = studio.runs.get(start_run(studio, **ids, **form_values()))
    assert len(run.validation_path.read_text().splitlines()) == 10


def test_a_data_set_that_was_deleted_is_none(studio: Studio, reading: Reading) -> None:
    sent = redraw(studio, reading, dataset_id="gone", validation_dataset_id="gone", drawn=None, **form_values())
    assert sent[5]["value"] == "Choose a data set first"
