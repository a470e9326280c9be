from pathlib import Path

import pytest

from studio.compare.chat_client import ChatClient
from studio.compare.chat_protocol import Open
from studio.compare.pane_models import (
    PaneModel,
    can_share,
    check_together,
    find_model,
    first_pair,
    keys_still_offered,
    models_beside,
    pane_model,
    pane_models,
    why_apart,
)
from studio.config import STARTER, RunConfig
from studio.data.examples import Example, Message
from studio.data.library import DatasetLibrary
from studio.errors import RunError
from studio.events import Finished, Loaded, Started
from studio.jobs.tasks import Train
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings
from studio.studio import Studio

EXAMPLE = Example((Message("user", "?"), Message("assistant", "!")))


@pytest.fixture
def ticks() -> list[float]:
    return [1_790_000_000.0]


@pytest.fixture
def studio(tmp_path: Path, fake_launch, ticks: list[float]) -> Studio:
    return Studio(
        settings=Settings(home=tmp_path, where="laptop"),
        data=DatasetLibrary(tmp_path, samples_folder=tmp_path / "samples"),
        runs=RunStore(tmp_path, clock=lambda: ticks[0]),
        chat=ChatClient(tmp_path),
        launch=fake_launch,
    )


@pytest.fixture
def make(studio: Studio, say, ticks: list[float]):
    def _make(name: str, *, precision: str = "fp32", result: str = "adapter", **settings: object) -> RunFolder:
        ticks[0] += 60  # each is newer than the one before
        run = studio.runs.create(
            RunConfig(name=name, **settings),  # type: ignore[arg-type]
            dataset_id="d",
            dataset_name="D",
            dataset_sha256="",
            train=[EXAMPLE],
            validation=[],
        )
        say(run.events_path, Started(1, "train"), Loaded(1, 1, "cpu", precision, ()), Finished("finished", "", 1.0))
        if result:
            leave(run.path / result)
        return run

    return _make


def leave(folder: Path) -> None:
    """Leave an adapter, or a whole model, in a folder."""
    folder.mkdir(parents=True)
    (folder / ("config.json" if folder.name == "model" else "adapter_config.json")).write_text("{}")


def keys(models: tuple[PaneModel, ...]) -> list[str]:
    return [model.key for model in models]


def test_the_base_comes_first_then_runs_with_their_checkpoints_then_blends(studio: Studio, make) -> None:
    old = make("old")
    for step in (10, 30, 20):
        leave(old.checkpoint(step))
    old.checkpoint(40).mkdir()
    blend = make("mix")
    blend.parents_path.write_text("{}")
    new, nothing = make("new"), make("nothing", result="")
    found = pane_models(studio, new.id)
    run = f"run:{old.id}"
    assert keys(found) == [
        f"base:{new.id}", f"run:{new.id}", run, f"{run}@30", f"{run}@20", f"{run}@10", f"run:{blend.id}"
    ]  # fmt: skip
    assert [model.kind for model in found] == ["base", "run", "run", *["checkpoint"] * 3, "blend"]
    assert [model.title for model in found[:4]] == ["Starter model, untrained", "new", "old", "old, step 30"]
    assert found[0].folder == ""
    assert found[3].folder == str(old.checkpoint(30))
    assert found[3].step == 30
    assert found[1].base == Open(STARTER, 0, "fp32")
    assert f"run:{nothing.id}" not in keys(found)


def test_only_what_shares_one_copy_of_the_base_is_listed(studio: Studio, make) -> None:
    plain, half = make("plain"), make("half", precision="bf16")
    packed = make("packed", method="qlora", precision="4-bit NF4, computing in fp32")
    whole, other = make("whole", method="full", result="model"), make("other", model="someone/model")
    assert keys(pane_models(studio, plain.id)) == [f"base:{plain.id}", f"run:{whole.id}", f"run:{plain.id}"]
    found = pane_models(studio, packed.id)
    assert keys(found) == [f"base:{packed.id}", f"run:{packed.id}"]
    assert found[0].title == "Starter model (4-bit), untrained"
    assert (found[0].bits, found[0].precision) == (4, "fp32")
    everything = pane_models(studio, None)
    assert [model.run_id for model in everything if model.kind == "base"] == [
        other.id, whole.id, packed.id, half.id
    ]  # fmt: skip
    assert len([model for model in everything if model.kind == "run"]) == 5
    assert [model.whole for model in everything if model.run_id == whole.id] == [False, True]


def test_two_share_a_copy_when_base_packing_and_precision_are_the_same(studio: Studio, make) -> None:
    plain, twin, half = make("plain"), make("twin"), make("half", precision="bf16")
    one, two, three = (pane_model(studio, f"run:{run.id}") for run in (plain, twin, half))
    assert can_share(one, two)
    assert can_share(one, pane_model(studio, f"base:{twin.id}"))
    assert not can_share(one, three)


def test_a_run_without_a_stated_precision_has_that_of_its_settings(studio: Studio, make) -> None:
    run = make("silent")
    run.events_path.unlink()
    assert pane_model(studio, f"run:{run.id}").precision == "auto"


def test_a_model_that_is_gone_is_a_sentence(studio: Studio, make) -> None:
    run = make("one", result="")
    for key, says in (
        ("run:nobody", "'nobody' is gone"),
        ("base:nobody", "'nobody' is gone"),
        ("run:../one", "is gone"),
        (f"run:{run.id}", "'one' has left no result"),
        (f"run:{run.id}@1200", "checkpoint of step 1,200 of 'one' is no longer on the disk"),
        (f"base:{run.id}@3", "names no model"),
        (f"run:{run.id}@last", "names no model"),
        ("nonsense", "names no model"),
        ("", "names no model"),
    ):
        with pytest.raises(RunError, match=says):
            pane_model(studio, key)
    assert pane_model(studio, f"base:{run.id}").title == "Starter model, untrained"


def test_a_run_at_work_is_left_out(studio: Studio, make, fake_launch) -> None:
    run, other = make("busy"), make("done")
    fake_launch(Train(run.path))
    run.events_path.unlink()
    assert f"run:{run.id}" not in keys(pane_models(studio, other.id))


def test_the_newest_run_is_chosen_and_not_its_checkpoint(studio: Studio, make) -> None:
    run = make("otter")
    leave(run.checkpoint(4))
    assert first_pair(studio) == [f"base:{run.id}", f"run:{run.id}"]
    other = make("heron")
    assert first_pair(studio)[1] == f"run:{other.id}"
    assert first_pair(studio, run.id) == [f"base:{other.id}", f"run:{run.id}"]
    assert first_pair(studio, "nobody") == [None, None]
    assert keys_still_offered(studio, [f"base:{run.id}", "run:nobody", None]) == [f"base:{other.id}", None, None]


def test_only_models_of_one_base_stand_beside_each_other(studio: Studio, make) -> None:
    run, packed = make("otter"), make("heron", method="qlora")
    first, other = find_model(studio, f"run:{run.id}"), find_model(studio, f"run:{packed.id}")
    assert first is not None
    assert other is not None
    assert why_apart(first, first, 0) == ""
    assert "Model 3 (heron)" in why_apart(first, other, 2)
    with pytest.raises(RunError, match=r"Model 2 \(heron\)"):
        check_together([first, other])
    assert [model.run_id for model in models_beside(studio, other)] == [packed.id, packed.id]
