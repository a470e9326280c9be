import functools
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from studio.compare.chat_client import ChatClient
from studio.config import RunConfig
from studio.data.dataset_folders import Dataset
from studio.data.example_files import read_examples
from studio.data.library import DatasetLibrary
from studio.data.reading_choices import Change
from studio.errors import ConfigError, DataError, ExportError, ModelError, RunError
from studio.events import Finished, Loaded, Prepared, Started, Stepped
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.exports import export_state
from studio.jobs.tasks import Evaluate, Export, Train
from studio.jobs.variants import variants
from studio.models.locate import ModelFiles
from studio.runs import lock
from studio.runs.event_log import EventLog
from studio.runs.launcher import kill_group, launch
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings
from studio.studio import Studio, open_studio

FAKE_TRAINING = """
import os, signal, sys, time
from pathlib import Path
from studio.events import Finished, Started, Stepped, Stopping
from studio.runs.event_log import EventLog
from studio.runs.store import RunFolder

run = RunFolder(Path(sys.argv[2]).parent)
if run.config.name == "slow to start":
    time.sleep(0.5)
wishes = []
signal.signal(signal.SIGTERM, lambda *_: wishes.append("stop"))
log = EventLog(run.events_path)
log.emit(Started(os.getpid(), "train"))
step = 0
while not wishes or run.config.name == "deaf":
    step += 1
    log.emit(Stepped(step, step / 10, 2.0, 1e-3, 1.0, 100.0, 0.1))
    time.sleep(0.02)
log.emit(Stopping())
log.emit(Finished("stopped", "Stopped.", 1.0))
"""
ROWS = [
    {"messages": [{"role": "user", "content": f"Question {row}?"}, {"role": "assistant", "content": f"Answer {row}."}]}
    for row in range(20)
]
NOW = 1_790_000_000.0


class FakeChat(ChatClient):
    """Remembers what it was told, and starts nothing."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, command=["/no/such/python"])
        self.told: list[str] = []

    def leave(self, grace_seconds: float = 2.0) -> None:
        self.told.append("leave")

    def close(self) -> None:
        self.told.append("close")


def build(home: Path, start, *, locate=lambda name, home: None, clock=lambda: NOW) -> Studio:
    return Studio(
        settings=Settings(home=home),
        data=DatasetLibrary(home, samples_folder=home, clock=clock),
        runs=RunStore(home, clock),
        chat=FakeChat(home),
        launch=start,
        locate=locate,
        clock=clock,
    )


@pytest.fixture
def studio(tmp_path: Path, fake_launch) -> Studio:
    return build(tmp_path, fake_launch)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Studio]:
    """A studio whose training is a real process that does nothing much."""
    started = []

    def start(task):
        started.append(real(task))
        return started[-1]

    real = functools.partial(launch, command=[sys.executable, "-c", FAKE_TRAINING])
    yield build(tmp_path, start, clock=time.time)
    for worker in started:
        if worker.exit_code() is None:
            kill_group(worker.process_id)
            wait_until(lambda worker=worker: worker.exit_code() is not None)


def add_dataset(studio: Studio, name: str = "rows", rows: list[dict[str, object]] = ROWS) -> Dataset:
    path = studio.settings.home / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return studio.data.add(path)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def start_live(studio: Studio, name: str) -> RunFolder:
    return studio.start_run(RunConfig(name=name), add_dataset(studio).id)


def test_a_run_is_written_before_its_worker_starts_and_the_chat_makes_room(studio: Studio, fake_launch) -> None:
    dataset = add_dataset(studio)
    run = studio.start_run(RunConfig(name="first", validation_share=0.1), dataset.id)
    assert fake_launch.tasks == [Train(run.path)]
    assert studio.chat.told == ["leave"]
    train, validation = read_examples(run.train_path), read_examples(run.validation_path)
    assert (len(train), len(validation)) == (18, 2)
    assert set(train) | set(validation) == set(studio.data.examples(dataset.id))
    assert run.origin.dataset_name == dataset.name
    assert run.origin.dataset_sha256 == dataset.sha256
    assert run.is_alive()


def test_a_data_set_of_its_own_takes_the_place_of_the_held_out_share(studio: Studio) -> None:
    dataset, held_out = add_dataset(studio), add_dataset(studio, "held-out", ROWS[:3])
    run = studio.start_run(RunConfig(validation_share=0.5), dataset.id, validation_dataset_id=held_out.id)
    assert len(read_examples(run.train_path)) == 20
    assert read_examples(run.validation_path) == studio.data.examples(held_out.id)[:]


def test_a_data_set_that_is_not_ready_is_not_trained_on(studio: Studio, fake_launch) -> None:
    unread = add_dataset(studio, "odd", [{"foo": "a", "bar": "b"}])
    ready = add_dataset(studio)
    for arguments in ((unread.id,), (ready.id, unread.id)):
        with pytest.raises(DataError, match="odd is not ready"):
            studio.start_run(RunConfig(), arguments[0], validation_dataset_id="".join(arguments[1:]))
    assert fake_launch.tasks == []


def test_the_data_of_a_run_can_always_be_shown(studio: Studio) -> None:
    dataset = add_dataset(studio)
    version = studio.data.derive(dataset.id, changes=[Change("drop-duplicates")])
    run = studio.start_run(RunConfig(name="first"), version.id)
    assert studio.uses() == {dataset.root: 1}
    assert version.root == dataset.root
    assert studio.data_of_run(run.id) == version
    studio.data.delete(version.id)
    assert studio.data_of_run(run.id) == version, "put back from the bin"
    shutil.rmtree(studio.data.folder(version.id))
    again = studio.data_of_run(run.id)
    assert again.id != version.id
    assert {each.messages for each in studio.data.examples(again.id)} == {
        each.messages for path in (run.train_path, run.validation_path) for each in read_examples(path)
    }


def test_every_fault_of_the_settings_is_named_and_nothing_is_written(studio: Studio, fake_launch) -> None:
    with pytest.raises(ConfigError) as caught:
        studio.start_run(RunConfig(rank=0, epochs=0, model=" "), add_dataset(studio).id)
    for word in ("Rank", "Epochs", "base model"):
        assert word in caught.value.message
    assert studio.runs.all() == ()
    assert fake_launch.tasks == []


@pytest.mark.parametrize(("dataset", "validation"), [("nothing", ""), ("rows", "nothing")])
def test_an_unknown_data_set_is_a_sentence(studio: Studio, dataset: str, validation: str) -> None:
    known = add_dataset(studio).id
    with pytest.raises(DataError, match="nothing"):
        studio.start_run(RunConfig(), known if dataset == "rows" else dataset, validation_dataset_id=validation)
    assert studio.runs.all() == ()


def test_a_name_that_cannot_be_a_model_starts_no_run(tmp_path: Path, fake_launch) -> None:
    def refuse(name: str, home: Path) -> None:
        raise ModelError("The folder holds no model.")

    studio = build(tmp_path, fake_launch, locate=refuse)
    with pytest.raises(ModelError, match="no model"):
        studio.start_run(RunConfig(model="./empty"), add_dataset(studio).id)
    assert studio.runs.all() == ()


def test_a_model_folder_is_written_down_in_full(tmp_path: Path, fake_launch, monkeypatch) -> None:
    """The worker starts in another folder, where a relative path would mean something else."""
    monkeypatch.chdir(tmp_path)
    studio = build(tmp_path, fake_launch, locate=lambda name, home: ModelFiles(name, Path(name), "folder"))
    run = studio.start_run(RunConfig(model="mine"), add_dataset(studio).id)
    assert run.config.model == str(tmp_path / "mine")


def test_a_run_whose_worker_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(task):
        raise RunError("The memory is full.")

    studio = build(tmp_path, refuse)
    with pytest.raises(RunError, match="memory is full"):
        studio.start_run(RunConfig(), add_dataset(studio).id)
    assert studio.runs.all() == ()


def test_a_view_follows_a_run_to_its_end(studio: Studio, fake_launch, say) -> None:
    run = studio.start_run(RunConfig(), add_dataset(studio).id)
    assert studio.scheduler.view(run.id).status == "preparing"
    loaded, prepared = Loaded(100, 10, "cpu", "fp32", ("q_proj",)), Prepared(18, 2, 0, 50, 20, total_steps=9)
    say(run.events_path, Started(1, "train"), loaded, prepared)
    assert studio.scheduler.view(run.id).status == "training"
    say(run.events_path, *(Stepped(step, step / 9, 2.0, 1e-3, 1.0, 9.0, 0.1) for step in range(1, 6)))
    state = studio.scheduler.view(run.id)
    assert [step.step for step in state.view.steps] == [1, 2, 3, 4, 5]
    assert "step 5 of 9" in state.headline
    assert state.seconds_left is not None
    say(run.events_path, Finished("finished", "Done.", 9.0))
    fake_launch.end()
    assert studio.scheduler.view(run.id).status == "finished"
    assert [step.step for step in state.view.steps] == [1, 2, 3, 4, 5]


def test_a_lost_run_says_why(studio: Studio, fake_launch, say) -> None:
    run = studio.start_run(RunConfig(), add_dataset(studio).id)
    say(run.events_path, Started(1, "train"))
    fake_launch.end(-signal.SIGKILL)
    state = studio.scheduler.view(run.id)
    assert state.status == "lost"
    assert state.diagnosis is not None
    assert state.diagnosis.cause == "killed"
    assert state.diagnosis.message in state.headline


def test_a_studio_that_is_opened_later_shows_the_whole_run(tmp_path: Path, studio: Studio, fake_launch, say) -> None:
    run = studio.start_run(RunConfig(), add_dataset(studio).id)
    say(run.events_path, Started(1, "train"), *(Stepped(n, 0.1, 2.0, 1e-3, 1.0, 9.0, 0.1) for n in range(1, 4)))
    state = build(tmp_path, fake_launch).scheduler.view(run.id)
    assert (state.status, len(state.view.steps)) == ("training", 3)


def test_a_run_is_deleted_with_all_that_is_remembered_of_it(studio: Studio, fake_launch, say) -> None:
    run = studio.start_run(RunConfig(name="again"), add_dataset(studio).id)
    say(run.events_path, Started(1, "train"))
    studio.scheduler.view(run.id)
    with pytest.raises(RunError, match="still at work"):
        studio.delete_run(run.id)
    fake_launch.end()
    studio.delete_run(run.id)
    with pytest.raises(RunError, match="no run"):
        studio.scheduler.view(run.id)
    again = studio.start_run(RunConfig(name="again"), studio.data.all()[0].id)
    assert again.id == run.id
    assert studio.scheduler.view(again.id).view.last_seq == 0


@pytest.mark.parametrize("name", ["ordinary", "slow to start"])
def test_a_run_that_is_stopped_puts_its_work_away(live: Studio, name: str) -> None:
    """One that is stopped before it listens must not just die."""
    run = start_live(live, name)
    if name == "ordinary":
        wait_until(lambda: live.scheduler.view(run.id).status == "training")
    live.scheduler.stop(run.id)
    live.scheduler.stop(run.id)
    wait_until(lambda: live.scheduler.view(run.id).status == "stopped")
    wait_until(lambda: not run.is_alive())
    live.scheduler.stop(run.id)


def test_a_studio_that_is_opened_later_stops_a_run_too(live: Studio, fake_launch) -> None:
    run = start_live(live, "ordinary")
    wait_until(lambda: live.scheduler.view(run.id).status == "training")
    later = build(live.settings.home, fake_launch, clock=time.time)
    later.scheduler.stop(run.id)
    wait_until(lambda: later.scheduler.view(run.id).status == "stopped")


def test_a_run_that_does_not_stop_is_killed_after_the_grace(live: Studio) -> None:
    run = start_live(live, "deaf")
    wait_until(lambda: live.scheduler.view(run.id).status == "training")
    live.scheduler.stop(run.id, grace_seconds=0.2)
    wait_until(lambda: not run.is_alive())
    state = live.scheduler.view(run.id)
    assert state.status == "stopped"
    assert "was ended by force" in state.headline


def test_stopping_an_unknown_run_is_a_sentence(studio: Studio) -> None:
    with pytest.raises(RunError, match="no run 'x'"):
        studio.scheduler.stop("x")


def test_models_and_exports_are_reached_through_the_studio(studio: Studio, fake_launch) -> None:
    assert studio.models.prepare("starter").working
    assert studio.models.state("starter").working
    fake_launch.end(1)
    run = studio.start_run(RunConfig(), add_dataset(studio).id)
    fake_launch.end()
    with pytest.raises(ExportError, match="no adapter"):
        studio.start_export(run.id, "adapter")
    assert export_state(studio.jobs, studio.runs.get(run.id), "merged").status == "none"
    with pytest.raises(RunError, match="no run"):
        studio.start_export("x", "adapter")


def test_an_export_comes_before_an_evaluation_that_nobody_asked_for(tmp_path: Path, fake_launch, say) -> None:
    """It waited for minutes behind one, with no way to end that."""
    settings = Settings(home=tmp_path, evaluate=True)
    data, runs = DatasetLibrary(tmp_path, samples_folder=tmp_path), RunStore(tmp_path)
    studio = Studio(settings=settings, data=data, runs=runs, chat=FakeChat(tmp_path), launch=fake_launch)
    run = studio.start_run(RunConfig(), add_dataset(studio).id)
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "adapter_config.json").write_text("{}")
    say(run.events_path, Started(1, "train"), Finished("finished", "Done.", 1.0))
    fake_launch.end()
    studio.tick()
    evaluation = Evaluate(run.path, "end")
    assert [type(task) for task in fake_launch.tasks] == [Train, Evaluate]
    worker = subprocess.Popen(["sleep", "60"])
    say(evaluation.paths.events, Started(worker.pid, "evaluate"))
    assert studio.start_export(run.id, "adapter").working
    assert worker.wait(timeout=10) != 0, "it is asked to end"
    assert request_path(run).exists(), "and goes on later"
    say(evaluation.paths.events, Finished("stopped", "Stopped.", 1.0))
    fake_launch.end(task=evaluation)
    studio.tick()
    assert studio.evaluations.state(run.id).sentence == "The evaluation waits for an export, which comes first."
    assert [type(task) for task in fake_launch.tasks] == [Train, Evaluate, Export]
    fake_launch.end()
    studio.tick()
    assert [type(task) for task in fake_launch.tasks][3:] == [Evaluate]


def test_a_studio_opens_on_an_empty_folder_with_its_samples_and_starts_nothing(tmp_path: Path) -> None:
    studio = open_studio(Settings(home=tmp_path / "new"))
    assert [sample.file.is_file() for sample in studio.data.samples()] == [True] * 6
    assert studio.runs.all() == ()
    assert not studio.chat.is_running
    studio.close()
    assert not lock.is_held(tmp_path / "new" / "accelerator.lock")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        open_studio(replace(Settings(home=tmp_path), home=tmp_path / "file" / "home"))


def test_closing_ends_the_chat_and_no_run(studio: Studio) -> None:
    run = studio.start_run(RunConfig(), add_dataset(studio).id)
    studio.close()
    assert studio.chat.told == ["leave", "close"]
    assert run.is_alive()


def group_of_three(studio: Studio):
    dataset = add_dataset(studio)
    return variants(RunConfig(name="tone"), [(dataset.id, dataset.name)], {"rank": (8, 16, 32)})


def test_a_group_that_is_queued_stays_although_the_queue_is_busy_then(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise RunError("Another program is using the queue of runs.")

    planned = group_of_three(studio)
    monkeypatch.setattr(studio.scheduler, "tick", busy)
    runs = studio.start_group(planned)
    assert studio.scheduler.waiting() == tuple(run.id for run in runs)
    assert studio.runs.binned() == ()
    single = studio.start_run(RunConfig(name="single"), planned.runs[0].dataset_id)
    assert single.id in studio.scheduler.waiting()


def test_a_group_that_could_not_be_queued_is_put_away(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*ids: str, **how: object) -> None:
        raise RunError("Another program is using the queue of runs.")

    monkeypatch.setattr(studio.scheduler.queue, "add", busy)
    with pytest.raises(RunError, match="Another program is using the queue"):
        studio.start_group(group_of_three(studio))
    assert studio.runs.all() == ()
    assert len(studio.runs.binned()) == 3


def test_no_evaluation_is_called_off_where_one_of_several_runs_cannot_be_queued(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = add_dataset(studio)
    at_work, draft, done = (studio.start_run(RunConfig(name=name), dataset.id) for name in ("at work", "draft", "done"))
    studio.scheduler.queue.remove(draft.id, done.id)
    EventLog(done.events_path).emit(Finished("finished", "Done.", 1.0))
    called_off: list[str] = []
    monkeypatch.setattr(studio.evaluations, "cancel", called_off.append)
    with pytest.raises(RunError, match="is finished"):
        studio.queue_run(draft.id, done.id)
    assert (called_off, studio.scheduler.waiting()) == ([], ())
    studio.queue_run(at_work.id, draft.id)
    assert (called_off, studio.scheduler.waiting()) == ([draft.id], (draft.id,))
