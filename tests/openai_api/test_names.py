"""What the models are called for programs: readable, and never two things under one name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.config import STARTER, RunConfig
from studio.events import Loaded
from studio.openai_api.address import refusal
from studio.openai_api.names import choose, find_base, named_models, require_read
from studio.openai_api.shapes import ApiError
from studio.runs import summaries
from studio.runs.store import RunFolder
from studio.runs.summaries import Summaries
from studio.studio import Studio
from tests.ui.fake_studio import fake_studio, finish, play


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with fake_studio(tmp_path) as opened:
        yield opened


def finished(studio: Studio, name: str, **settings: object) -> RunFolder:
    run = studio.runs.create(
        RunConfig(name=name, **settings),  # type: ignore[arg-type]
        dataset_id="x",
        dataset_name="x",
        dataset_sha256="",
        train=(),
        validation=(),
    )
    finish(run, steps=3, clock=studio.clock)
    return run


def names(studio: Studio) -> list[str]:
    return [each.id for each in named_models(studio)]


def test_a_base_has_its_name_on_the_hub_or_one_behind_base(studio: Studio) -> None:
    assert names(studio) == ["base/starter"]
    run = finished(studio, "otter", model="Qwen/Qwen3-0.6B")
    packed = finished(studio, "seal", model="Qwen/Qwen3-0.6B", method="qlora")
    folder = finished(studio, "crab", model="/models/crab-1b")
    assert set(names(studio)) == {
        *("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B:4bit", "base/crab-1b", "base/starter"),
        *(run.id, packed.id, folder.id),
    }
    assert choose(studio, "Qwen/Qwen3-0.6B:4bit").model.bits == 4


def test_a_base_in_two_number_formats_says_which(studio: Studio) -> None:
    finished(studio, "otter")
    other = finished(studio, "seal")
    play(other, Loaded(1, 1, "cpu", "bf16", ()), clock=studio.clock)
    found = [name for name in names(studio) if name.startswith("base/")]
    assert sorted(found) == ["base/starter:bf16", "base/starter:fp32"]
    assert choose(studio, "base/starter:bf16").model.precision == "bf16"
    base = find_base(studio, "base/starter")
    assert base is not None
    assert base.model == STARTER


def test_a_checkpoint_and_a_strength_stand_behind_the_run(studio: Studio) -> None:
    run = finished(studio, "otter")
    (run.checkpoint(40)).mkdir(parents=True)
    (run.checkpoint(40) / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert f"{run.id}:step-40" in names(studio)
    half = choose(studio, f"{run.id}:step-40@0.5")
    assert (half.model.step, half.strength) == (40, 0.5)
    assert choose(studio, run.id, strength=0.25).strength == 0.25
    assert choose(studio, run.id).strength == 1


@pytest.mark.parametrize("name", ["gpt-4o", "", "@", "{run}@", "{run}@half", "{run}:step-9", "{run}:40", "a/b", "../x"])
def test_an_unknown_name_is_told_with_what_there_is(studio: Studio, name: str) -> None:
    run = finished(studio, "otter")
    with pytest.raises(ApiError) as caught:
        choose(studio, name.format(run=run.id))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert run.id in caught.value.sentence


def test_a_strength_that_cannot_be_is_refused(studio: Studio) -> None:
    run = finished(studio, "otter")
    for name, strength in ((f"{run.id}@7", None), (f"{run.id}@0.5", 0.75), ("base/starter", 0.5)):
        with pytest.raises(ApiError) as caught:
            choose(studio, name, strength=strength)
        assert caught.value.status == 400


@pytest.fixture
def unread(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """Runs that no look has read: there are so many others, it seems."""
    runs = [finished(studio, f"run {number}", model=f"org/model-{number}") for number in range(15)]
    monkeypatch.setattr(summaries, "_FIRST_SECONDS", -1.0)
    monkeypatch.setattr(summaries, "_SETTINGS_SECONDS", 0.0)
    monkeypatch.setattr(Summaries, "_read_beside", lambda self: None)
    studio.summaries = Summaries(
        studio.runs, waiting=studio.scheduler.waiting, view=studio.scheduler.view, places=studio.scheduler.places
    )
    assert studio.summaries.look().unread == len(runs)
    return runs


def test_no_model_is_said_to_be_missing_while_the_runs_are_read(studio: Studio, unread: list[RunFolder]) -> None:
    """Programs were told for a minute after a start that the base of every run does not exist."""
    assert choose(studio, "org/model-3").model.model == "org/model-3"
    require_read(studio)
    assert {f"org/model-{number}" for number in range(15)} < set(names(studio))


def test_a_program_is_asked_to_come_again_where_reading_takes_long(
    studio: Studio, unread: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.openai_api.names._READING_SECONDS", -1.0)
    for name in ("org/model-3", "org/other"):
        with pytest.raises(ApiError, match="still reading its runs; 15 are left") as caught:
            choose(studio, name)
        answer = refusal(caught.value)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["x-should-retry"] == "true"
    assert choose(studio, unread[3].id).model.run_id == unread[3].id, "what is named by its folder needs no list"
