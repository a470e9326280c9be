import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.compare.chat_client import ChatClient
from studio.config import RunConfig
from studio.data.example_files import read_examples
from studio.data.examples import Example, Message
from studio.data.library import DatasetLibrary
from studio.errors import ConfigError, RunError
from studio.events import Failed, Finished, Loaded, Loading, Saved, Started
from studio.jobs.blends import blend_state, start_blend
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import MakeBlend
from studio.runs import lock
from studio.runs.blend_parents import Blend, Parent, read_blend
from studio.runs.launcher import Worker
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings
from studio.studio import Studio

EXAMPLE = Example((Message("user", "?"), Message("assistant", "!")))
NOW = 1_790_000_000.0
FP32 = Loaded(10, 1, "cpu", "fp32", ("q_proj",))


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path, clock=lambda: NOW)


class Blends:
    """The blends of one store, each made a minute later than its parents."""

    def __init__(self, runs: RunStore, launch: Callable[..., Worker]) -> None:
        self._runs, self._jobs = runs, Jobs(launch)

    def start(self, *arguments: Any, **options: Any) -> RunFolder:
        return start_blend(self._jobs, self._runs, *arguments, created=NOW + 60, **options)

    def state(self, run: RunFolder) -> JobState[str]:
        return blend_state(self._jobs, run)


@pytest.fixture
def blends(runs: RunStore, fake_launch) -> Blends:
    return Blends(runs, fake_launch)


ADAPTER = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}


def write_adapter(folder: Path, **adapter: object) -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(ADAPTER | adapter))


@pytest.fixture
def make(runs: RunStore, say):
    def _make(name: str, *, adapter: dict[str, object] | None = None, **settings: object) -> RunFolder:
        run = runs.create(
            RunConfig(name=name, **{"model": "/base", "rank": 8, "alpha": 16, **settings}),  # type: ignore[arg-type]
            dataset_id="d",
            dataset_name="D",
            dataset_sha256="ab",
            train=[EXAMPLE] * 3,
            validation=[EXAMPLE],
        )
        write_adapter(run.path / "adapter", **(adapter or {}))
        say(run.events_path, Started(1, "train"), FP32, Finished("finished", "Done.", 2.0))
        return run

    return _make


def test_a_blend_is_a_run_folder_with_its_parents_written_down(
    blends: Blends, runs: RunStore, make, fake_launch
) -> None:
    one, two = make("one", rslora=True), make("two")
    blend = blends.start([one.id, f"run:{two.id}"], [0.7, 0.3], "svd")
    assert fake_launch.tasks == [MakeBlend(blend.path)]
    assert runs.all()[0].id == blend.id
    assert blend.is_blend
    assert not one.is_blend
    assert blend.name == "merge of one and two"
    assert read_blend(blend) == Blend("svd", (Parent(one.id, "one", 0.7), Parent(two.id, "two", 0.3)))
    assert read_blend(one) is None
    config = blend.config
    assert (config.rank, config.alpha, config.rslora, config.model) == (8, 8, False, "/base")
    assert config.precision == "fp32", "what the first parent computed in, so that both share one base"
    assert blend.origin.dataset_name == "D"
    assert blend.origin.created == NOW + 60
    assert read_examples(blend.train_path) == (EXAMPLE,) * 3
    assert read_examples(blend.validation_path) == (EXAMPLE,)
    assert os.stat(blend.train_path).st_ino == os.stat(one.train_path).st_ino, "the examples are not copied"


def test_the_rank_of_the_result_follows_from_the_way(blends: Blends, make) -> None:
    one, two = make("one"), make("two", adapter={"r": 4, "rank_pattern": {"q_proj": 12}})
    ids = [one.id, two.id]
    assert blends.start(ids, [1, 1], "cat", "c").config.rank == 20
    assert read_blend(one) is None


def test_a_chosen_rank_is_kept_and_told_to_the_worker(blends: Blends, make) -> None:
    one, two = make("one"), make("two")
    blend = blends.start([one.id, two.id], [1, 1], "svd", "mine", rank=16)
    assert (blend.config.rank, blend.config.name) == (16, "mine")
    found = read_blend(blend)
    assert found is not None
    assert found.rank == 16


def test_a_checkpoint_can_be_a_parent(blends: Blends, make) -> None:
    run = make("one")
    write_adapter(run.checkpoint(40))
    blend = blends.start([f"run:{run.id}", f"run:{run.id}@40"], [0.5, 0.5], "linear")
    found = read_blend(blend)
    assert found is not None
    assert found.parents[1] == Parent(run.id, "one, step 40", 0.5, 40)
    assert blend.name == "merge of one and one, step 40"


def test_from_start_to_end(blends: Blends, make, fake_launch, say) -> None:
    blend = blends.start([make("one").id, make("two").id], [1, 1], "svd")
    assert blends.state(blend).status == "working"
    say(blend.events_path, Started(1, "blend"), Loading("Blending 2 adapters"))
    state = blends.state(blend)
    assert (state.status, state.sentence) == ("working", "Blending 2 adapters")
    write_adapter(blend.path / "adapter")
    say(blend.events_path, Saved(0, "adapter"), Finished("finished", "Blended (SVD).", 2.0))
    fake_launch.end()
    state = blends.state(blend)
    assert (state.status, state.sentence) == ("ready", "Blended (SVD).")


def test_a_failed_blend_says_why(blends: Blends, make, fake_launch, say) -> None:
    blend = blends.start([make("one").id, make("two").id], [1, 1], "svd")
    say(blend.events_path, Started(1, "blend"), Failed("bad_input", "Rank 64 is above the width.", "Choose less."))
    fake_launch.end(1)
    state = blends.state(blend)
    assert (state.status, state.sentence) == ("failed", "Rank 64 is above the width.")
    assert state.failed is not None
    assert state.failed.hint == "Choose less."


def test_a_blend_whose_worker_died_is_failed(blends: Blends, make, fake_launch, say) -> None:
    blend = blends.start([make("one").id, make("two").id], [1, 1], "svd")
    say(blend.events_path, Started(1, "blend"))
    fake_launch.end(-9)
    assert blends.state(blend).status == "failed"


def test_a_run_that_was_trained_is_no_blend(blends: Blends, make) -> None:
    assert blends.state(make("one")).status == "none"


def test_a_blend_that_cannot_be_started_leaves_nothing(runs: RunStore, make) -> None:
    def refuse(*arguments: object, **paths: object) -> object:
        raise RunError("The work could not be started.")

    one, two = make("one"), make("two")
    with pytest.raises(RunError, match="could not be started"):
        Blends(runs, refuse).start([one.id, two.id], [1, 1], "svd")  # type: ignore[arg-type]
    assert {run.id for run in runs.all()} == {one.id, two.id}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"adapter": {"use_dora": True}}, "'two' cannot be merged: it is a DoRA adapter"),
        ({"adapter": {"modules_to_save": ["lm_head"]}}, "word table and output head as a whole"),
        ({"model": "/other"}, "'one' learned on /base, and 'two' on /other"),
        ({"method": "full"}, "trained as a whole"),
        ({"adapter": {"r": "many"}}, "cannot be read"),
    ],
)
def test_what_cannot_be_blended_is_a_sentence(
    blends: Blends, runs: RunStore, make, settings: dict[str, object], says: str
) -> None:
    one, two = make("one"), make("two", **settings)
    with pytest.raises(RunError, match=says):
        blends.start([one.id, two.id], [1, 1], "svd")
    assert len(runs.all()) == 2


def test_the_halves_need_one_rank(blends: Blends, make) -> None:
    one, two = make("one"), make("two", adapter={"r": 4})
    with pytest.raises(RunError, match=r"needs adapters of one rank: 'one' has 8, 'two' has 4.*concatenation"):
        blends.start([one.id, two.id], [1, 1], "linear")


def test_a_wish_that_makes_no_sense_is_a_sentence(blends: Blends, make) -> None:
    one, two = make("one"), make("two")
    ids = [one.id, two.id]
    for wrong, says in (
        (([one.id], [1], "svd"), "takes 2 to 8"),
        ((ids, [1], "svd"), "2 adapters were chosen, and 1 weights"),
        ((ids, [1, 1], "stir"), "no merge method 'stir'"),
        (([one.id, one.id], [1, 1], "svd"), "'one' was chosen twice"),
        (([one.id, f"base:{one.id}"], [1, 1], "svd"), "names no adapter"),
        (([one.id, "nobody"], [1, 1], "svd"), "no run 'nobody'"),
        (([one.id, f"run:{two.id}@7"], [1, 1], "svd"), "checkpoint of step 7 of 'two' has no adapter"),
    ):
        with pytest.raises(RunError, match=says):
            blends.start(*wrong)
    with pytest.raises(ConfigError, match="All the weights"):
        blends.start(ids, [0, 0], "svd")
    with pytest.raises(RunError, match="density"):
        blends.start(ids, [1, 1], "ties_svd", density=0.0)
    with pytest.raises(RunError, match="rank of 17"):
        blends.start(ids, [1, 1], "svd", rank=17)
    with lock.holding(two.lock_path), pytest.raises(RunError, match="still at work"):
        blends.start(ids, [1, 1], "svd")


@pytest.fixture
def studio(tmp_path: Path, runs: RunStore, fake_launch) -> Studio:
    return Studio(
        settings=Settings(home=tmp_path, where="laptop"),
        data=DatasetLibrary(tmp_path, samples_folder=tmp_path / "samples"),
        runs=runs,
        chat=ChatClient(tmp_path),
        launch=fake_launch,
        clock=lambda: NOW + 120,
    )


def test_all_runs_show_a_blend_as_what_it_is(studio: Studio, make, fake_launch, say) -> None:
    blend = studio.start_blend([make("one").id, make("two").id], [0.5, 0.5], "linear", "mix")
    say(blend.events_path, Started(1, "blend"), Loading("Blending 2 adapters"))
    state = studio.scheduler.view(blend.id)
    assert (state.status, state.headline) == ("preparing", "Blending 2 adapters.")
    assert blend_state(studio.jobs, studio.runs.get(blend.id)).status == "working"
    write_adapter(blend.path / "adapter")
    say(blend.events_path, Saved(0, "adapter"), Finished("finished", "Blended (Linear).", 2.0))
    fake_launch.end()
    state = studio.scheduler.view(blend.id)
    assert (state.status, state.headline) == ("finished", "Blended (Linear).")
    (row,) = [run for run in studio.summaries.look(fresh=True).runs if run.id == blend.id]
    assert (row.status, row.has_result, row.name) == ("finished", True, "mix")


def test_a_blend_that_failed_or_died_is_never_trained(studio: Studio, make, fake_launch, say) -> None:
    """A run that was lost with the server is queued when one starts: a blend would have been trained over."""
    blend = studio.start_blend([make("one").id, make("two").id], [0.5, 0.5], "linear")
    say(blend.events_path, Started(1, "blend"))
    fake_launch.end(-9)
    assert studio.scheduler.view(blend.id).status == "lost"
    assert not studio.scheduler.view(blend.id).can_resume
    blend.lost_path.unlink(missing_ok=True)
    assert studio.recover() == ()
    assert studio.scheduler.waiting() == ()
    with pytest.raises(RunError, match="which is not trained"):
        studio.queue_run(blend.id)
    say(blend.events_path, Started(2, "blend"), Failed("bad_input", "The run 'one' is gone.", "Take it back."))
    state = studio.scheduler.view(blend.id)
    assert (state.status, state.can_resume) == ("failed", False)
    assert "The run 'one' is gone. Take it back." in state.headline
    with pytest.raises(RunError, match="which is not trained"):
        studio.queue_run(blend.id)
    with pytest.raises(RunError, match="no training to repeat"):
        studio.duplicate_run(blend.id)
    assert [task.job for task in fake_launch.tasks] == ["blend"]
