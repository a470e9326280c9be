import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.errors import ConfigError, RunError
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure import copied_settings, view
from studio.ui.configure.state import Selection
from studio.ui.configure.view import Drawn
from studio.ui.kit import form
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import finished_run, write_plain_model

NAMES = (*form.START, *form.SIMPLE, *form.HELD_OUT, *form.MORE)
PROMPTS = ("Why?", "How?")
CONFIG = RunConfig(name="otter", rank=16, learning_rate=2e-4, epochs=7, sample_prompts=PROMPTS, targets="attention")


@pytest.fixture
def dataset(studio: Studio) -> str:
    return studio.data.add_sample("order_slips").id


def take_over(studio: Studio, verb: str, run_id: str, drawn: Drawn | None = None) -> dict[str, Any]:
    sent = copied_settings.take_over(studio, NAMES, Action(verb, run_id), drawn=drawn)
    return dict(zip(("tabs", "said", "editing", "drawn", "family", "version", "held_out", *NAMES), sent, strict=True))


def values(**changes: Any) -> dict[str, Any]:
    return {name: form.shown(name, getattr(CONFIG, name)) for name in NAMES} | changes


def test_the_form_takes_the_settings_and_the_data_of_a_run(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset, config=CONFIG)
    sent = take_over(studio, "like", run.id)
    assert sent["tabs"].selected == "configure"
    assert "otter" in sent["said"]
    assert sent["editing"] == ""
    assert sent["version"]["value"] == dataset
    held = {name: sent[name]["value"] for name in NAMES}
    assert form.read_config(held) == RunConfig(**{**vars(CONFIG), "name": ""})


def test_what_was_taken_over_does_not_follow_the_suggestions(studio: Studio, facts: ModelFacts, dataset: str) -> None:
    """A rank of 16 was the suggestion before, so it moved with the next data set as if nobody had asked for it."""
    run = finished_run(studio, dataset_id=dataset, config=CONFIG)
    sent = take_over(studio, "like", run.id)
    selection = Selection(settings=run.config, preset="thorough", dataset_id=dataset)
    new, after = view.draw(studio, facts, selection, sent["drawn"])
    assert after.suggestion.values["rank"] != 16, "it would have moved"
    assert not any("value" in update for name, update in new.items() if name in view.LED)


def test_the_settings_of_a_draft_are_changed_and_its_examples_stay(studio: Studio, dataset: str) -> None:
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    sent = take_over(studio, "edit", run.id)
    assert (sent["editing"], sent["name"]["value"]) == (run.id, run.name)
    changed = values(name="heron", rank=8, validation_share=0.4, seed=7)
    said, editing = copied_settings.act(studio, Action("save"), editing=run.id, **changed)
    assert "heron are kept" in said
    assert editing == ""
    now = studio.runs.get(run.id)
    assert (now.name, now.config.rank) == ("heron", 8)
    assert (now.config.validation_share, now.config.seed) == (0.1, 42), "its examples were drawn already"


def test_a_run_that_waits_is_changed_and_one_that_started_is_not(studio: Studio, dataset: str) -> None:
    first, second = (studio.start_run(CONFIG, dataset) for _ in range(2))
    copied_settings.act(studio, Action("save"), editing=second.id, **values(rank=8))
    assert studio.runs.get(second.id).config.rank == 8
    with pytest.raises(RunError, match=r"at work|started"):
        copied_settings.act(studio, Action("save"), editing=first.id, **values(rank=8))


def test_faults_are_named_and_nothing_is_changed(studio: Studio, dataset: str) -> None:
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    with pytest.raises(ConfigError, match="Rank"):
        copied_settings.act(studio, Action("save"), editing=run.id, **values(rank=0))
    assert studio.runs.get(run.id).config.rank == 16


def test_leaving_changes_nothing(studio: Studio, dataset: str) -> None:
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    assert copied_settings.act(studio, Action("leave"), editing=run.id, **values(rank=8)) == ["", ""]
    assert copied_settings.act(studio, Action("save"), editing="", **values(rank=8)) == [gr.skip(), gr.skip()]
    assert studio.runs.get(run.id).config.rank == 16


def test_data_that_cannot_be_found_is_said(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset, config=CONFIG)
    shutil.rmtree(studio.settings.home / "datasets")
    for path in (run.train_path, run.validation_path):
        path.write_text("", encoding="utf-8")
    sent = take_over(studio, "like", run.id)
    assert "could not be chosen" in sent["said"]
    assert sent["version"] == gr.skip()
    assert sent["rank"]["value"] == 16


def test_other_presses_fill_nothing(studio: Studio) -> None:
    assert copied_settings.take_over(studio, NAMES, Action("delete", "x"), drawn=None) == [gr.skip()] * (7 + len(NAMES))
    with pytest.raises(RunError, match="There is no run"):
        take_over(studio, "like", "nobody")


def test_a_model_folder_is_found_by_the_worker_too(
    studio: Studio, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has another working directory, so a folder that was typed in short was not there for it."""
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    write_plain_model(tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    copied_settings.act(studio, Action("save"), editing=run.id, **values(model="small"))
    assert studio.runs.get(run.id).config.model == str(tmp_path / "small")
