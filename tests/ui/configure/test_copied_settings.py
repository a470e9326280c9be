import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.errors import ConfigError, RunError
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure import copied_settings
from studio.ui.configure.actions import press
from studio.ui.configure.state import Selection, settle
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Fields
from tests.ui.fake_studio import finished_run, write_plain_model

PROMPTS = ("Why?", "How?")
CONFIG = RunConfig(name="otter", rank=16, learning_rate=2e-4, epochs=7, sample_prompts=PROMPTS, targets="attention")
UNTOUCHED = Selection(is_restored=True)


@pytest.fixture
def dataset(studio: Studio) -> str:
    return studio.data.add_sample("order_slips").id


def take_over(studio: Studio, verb: str, run_id: str) -> tuple[Selection, Mapping[str, Any]]:
    """Return the selection with the settings of a run, and what is sent beside it."""
    result = copied_settings.take_over(studio, UNTOUCHED, Action(verb, run_id))
    return replace(UNTOUCHED, **result.values), result.updates


def edited(selection: Selection, **changes: Any) -> Selection:
    return replace(selection, settings=replace(selection.settings, **changes))


def save(studio: Studio, run_id: str, **changes: Any) -> Selection:
    """Change the settings of a run that has not started."""
    taken = edited(take_over(studio, "edit", run_id)[0], **changes)
    return replace(taken, **copied_settings.act(studio, taken, Action("save")).values)


def said(selection: Selection) -> str:
    return str(copied_settings.said(selection.taken_from))


def test_the_form_takes_the_settings_and_the_data_of_a_run(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset, config=CONFIG)
    taken, updates = take_over(studio, "like", run.id)
    assert updates["tabs"]["selected"] == "configure"
    assert "These are the settings of otter and its data set." in said(taken)
    assert updates["dataset_id"]["value"] == dataset
    assert taken.settings == replace(CONFIG, name="")


def test_what_was_taken_over_does_not_follow_the_suggestions(studio: Studio, facts: ModelFacts, dataset: str) -> None:
    """A rank of 16 was the suggestion before, so it moved with the next data set as if nobody had asked for it."""
    run = finished_run(studio, dataset_id=dataset, config=CONFIG)
    taken, _ = take_over(studio, "like", run.id)
    after = settle(studio, facts, UNTOUCHED, taken)
    later = settle(studio, facts, after, replace(after, preset="thorough"))
    assert later.following.suggestion.values["rank"] != 16, "it would have moved"
    assert later.settings == taken.settings


def test_a_preset_takes_the_place_of_what_was_copied_and_not_of_what_was_typed(
    studio: Studio, facts: ModelFacts, dataset: str
) -> None:
    """The cards lit up when they were pressed, and the next run had the settings of the first all the same."""
    run = finished_run(studio, dataset_id=dataset, config=replace(CONFIG, epochs=1))
    taken = settle(studio, facts, UNTOUCHED, take_over(studio, "like", run.id)[0])
    assert taken.following.theirs
    typed = settle(studio, facts, taken, replace(taken, settings=replace(taken.settings, learning_rate=7e-4)))
    for preset, epochs, rank in (("balanced", 3, 16), ("thorough", 5, 32)):
        chosen = press(facts, typed, Action("preset", preset))
        assert isinstance(chosen, Selection)
        after = settle(studio, facts, typed, chosen)
        assert (after.preset, after.settings.epochs, after.settings.rank) == (preset, epochs, rank)
        assert after.settings.learning_rate == 7e-4
        assert [each.field for each in after.following.theirs] == ["learning_rate"]


def test_the_settings_of_a_draft_are_changed_and_its_examples_stay(studio: Studio, dataset: str) -> None:
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    taken, _ = take_over(studio, "edit", run.id)
    assert "which has not started" in said(taken)
    assert taken.settings.name == run.name
    saved = save(studio, run.id, name="heron", rank=8, validation_share=0.4, seed=7)
    assert "heron are saved" in said(saved)
    now = studio.runs.get(run.id)
    assert (now.name, now.config.rank) == ("heron", 8)
    assert (now.config.validation_share, now.config.seed) == (0.1, 42), "its examples were drawn already"


def test_a_run_that_waits_is_changed_and_one_that_started_is_not(studio: Studio, dataset: str) -> None:
    first, second = (studio.start_run(CONFIG, dataset) for _ in range(2))
    save(studio, second.id, rank=8)
    assert studio.runs.get(second.id).config.rank == 8
    with pytest.raises(RunError, match=r"at work|started"):
        save(studio, first.id, rank=8)


def test_faults_are_named_and_nothing_is_changed(studio: Studio, dataset: str) -> None:
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    with pytest.raises(ConfigError, match="Rank"):
        save(studio, run.id, rank=0)
    assert studio.runs.get(run.id).config.rank == 16


def test_leaving_changes_nothing(studio: Studio, dataset: str) -> None:
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    taken = edited(take_over(studio, "edit", run.id)[0], rank=8)
    assert copied_settings.act(studio, taken, Action("leave")).values == {"taken_from": None}
    assert copied_settings.act(studio, edited(UNTOUCHED, rank=8), Action("save")) == Fields()
    assert studio.runs.get(run.id).config.rank == 16


def test_data_that_cannot_be_found_is_said(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset, config=CONFIG)
    shutil.rmtree(studio.settings.home / "datasets")
    for path in (run.train_path, run.validation_path):
        path.write_text("", encoding="utf-8")
    taken, updates = take_over(studio, "like", run.id)
    assert "could not be chosen" in said(taken)
    assert updates.keys() == {"tabs"}
    assert taken.settings.rank == 16


def test_other_presses_fill_nothing(studio: Studio) -> None:
    assert copied_settings.take_over(studio, UNTOUCHED, Action("delete", "x")) == Fields()
    with pytest.raises(RunError, match="There is no run"):
        take_over(studio, "like", "nobody")


def test_a_model_folder_is_found_by_the_worker_too(
    studio: Studio, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has another working directory, so a folder that was typed in short was not there for it."""
    run = studio.duplicate_run(finished_run(studio, dataset_id=dataset, config=CONFIG).id)
    write_plain_model(tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    save(studio, run.id, model="small")
    assert studio.runs.get(run.id).config.model == str(tmp_path / "small")
