from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import ModelError, RunError
from studio.events import Failed, Finished, Loading, Started
from studio.jobs.base_models import BaseModels
from studio.jobs.calibration import machine_key, machine_path, write_machine
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Calibrate, PrepareModel
from studio.models.hub import Hub
from studio.models.locate import ModelFiles
from studio.models.machine import Machine, Rates
from studio.runs.launcher import Launch
from tests.runs.conftest import FakeLaunch

NAME = "owner/small"
MACHINE = Machine("cpu", "a processor", 1, False, 1, (Rates("fp32", 1e11, 1e10, 1e-5),), machine_key(), 5.0)
STARTED = Started(1, "prepare")


class Shelf:
    """Stands in for `locate`: the models that are on this machine."""

    def __init__(self) -> None:
        self.files: dict[str, ModelFiles] = {}

    def __call__(self, name: str, home: Path, /) -> ModelFiles | None:
        if name == "bad name":
            raise ModelError("'bad name' is not the name of a model.", "Type owner/name.")
        return self.files.get(name)

    def put(self, name: str, source: str) -> None:
        self.files[name] = ModelFiles(name, Path("/models"), source)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def made(home: Path, launch: Launch, shelf: Shelf) -> BaseModels:
    return BaseModels(home, jobs=Jobs(launch), locate=shelf, hub=Hub())


@pytest.fixture
def models(tmp_path: Path, fake_launch, shelf: Shelf) -> BaseModels:
    return made(tmp_path, fake_launch, shelf)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return PrepareModel(NAME, tmp_path).paths.events


def test_a_model_is_fetched_once_however_often_it_is_asked_for(
    models: BaseModels, shelf: Shelf, events: Path, tmp_path: Path, fake_launch, say
) -> None:
    assert models.state(NAME).sentence == "The model owner/small is not on this machine yet."
    for _ in range(3):
        state = models.prepare(NAME)
        assert (state.ready, state.working) == (False, True)
    say(events, STARTED, Loading("Fetching the weights", 5, 20, "bytes"))
    state = models.prepare(NAME)
    assert (state.sentence, state.done, state.total, state.unit) == ("Fetching the weights", 5, 20, "bytes")
    say(events, Finished("finished", "Ready.", 2.0))
    shelf.put(NAME, "hub")
    fake_launch.end()
    assert models.prepare(NAME).ready
    assert fake_launch.tasks == [PrepareModel(NAME, tmp_path)]


def test_a_model_that_is_there_needs_no_worker(models: BaseModels, shelf: Shelf, fake_launch) -> None:
    shelf.put("starter", "starter")
    state = models.prepare("starter")
    assert (state.ready, state.sentence) == (True, "The starter model is ready.")
    assert fake_launch.tasks == []


def test_a_failure_is_told_and_tried_again_only_on_request(
    models: BaseModels, shelf: Shelf, events: Path, fake_launch, say
) -> None:
    """A timer that asks every second must not start a worker every second."""
    trouble = Failed("model", "There is no network.", "Connect once.")
    models.prepare(NAME)
    say(events, STARTED, trouble)
    fake_launch.end(1)
    for _ in range(3):
        assert models.prepare(NAME).failed == trouble
    assert len(fake_launch.tasks) == 1
    assert models.prepare(NAME, retry=True).working
    assert len(fake_launch.tasks) == 2


def test_a_new_studio_tries_again_what_failed_before(
    tmp_path: Path, shelf: Shelf, events: Path, fake_launch, say
) -> None:
    say(events, STARTED, Failed("model", "There is no network."))
    models = made(tmp_path, fake_launch, shelf)
    assert models.state(NAME).failed
    assert models.prepare(NAME).working


def test_a_worker_that_died_is_a_failure(models: BaseModels, events: Path, fake_launch, say) -> None:
    models.prepare(NAME)
    say(events, STARTED, Loading("Fetching"))
    fake_launch.end(-9)
    failed = models.state(NAME).failed
    assert failed is not None
    assert "by force" in failed.message


def test_a_name_that_cannot_be_a_model_is_a_failure_and_starts_nothing(models: BaseModels, fake_launch) -> None:
    for state in (models.prepare("bad name"), models.prepare("bad name", retry=True), models.state("bad name")):
        assert state.failed == Failed("model", "'bad name' is not the name of a model.", "Type owner/name.")
    assert fake_launch.tasks == []


def test_a_hub_model_counts_as_ready_only_when_its_worker_is_done(
    models: BaseModels, shelf: Shelf, fake_launch
) -> None:
    models.prepare(NAME)
    shelf.put(NAME, "hub")
    assert not models.state(NAME).ready
    fake_launch.end()
    assert models.state(NAME).ready


def test_a_model_that_a_training_run_fetches_is_at_work(models: BaseModels, tmp_path: Path, fake_launch) -> None:
    """The run's worker holds the model's lock, and reports in the run's own events."""
    fake_launch(PrepareModel(NAME, tmp_path))
    state = models.prepare(NAME)
    assert (state.working, state.sentence) == (True, "The model owner/small is being made ready.")
    assert len(fake_launch.tasks) == 1


def test_a_worker_that_cannot_be_started_is_told_once(tmp_path: Path, shelf: Shelf) -> None:
    def refuse(task):
        raise RunError("The disk is full.")

    models = made(tmp_path, refuse, shelf)
    with pytest.raises(RunError, match="disk is full"):
        models.prepare(NAME)
    assert not models.prepare(NAME).working


def test_the_machine_is_measured_once_and_then_read(
    tmp_path: Path, fake_launch: FakeLaunch, say: Callable[..., None]
) -> None:
    measured = made(tmp_path, fake_launch, Shelf())
    assert measured.machine() is None
    assert measured.machine() is None
    assert fake_launch.tasks == [Calibrate(tmp_path)]
    say(Calibrate(tmp_path).paths.events, Started(1, "calibrate"), Loading("Measuring this machine"))
    assert measured.machine() is None
    write_machine(tmp_path, MACHINE)
    say(Calibrate(tmp_path).paths.events, Finished("finished", "Measured.", 4.0))
    fake_launch.end()
    found = measured.machine()
    assert found is not None
    assert replace(found, memory_bytes=1, load=0.0) == MACHINE
    assert 2**20 < found.memory_bytes < 2**50
    assert made(tmp_path, fake_launch, Shelf()).machine() is not None
    assert len(fake_launch.tasks) == 1
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_a_measuring_that_another_studio_began_is_waited_for(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    made(tmp_path, fake_launch, Shelf()).machine()
    assert made(tmp_path, fake_launch, Shelf()).machine() is None
    assert len(fake_launch.tasks) == 1


def test_a_measuring_that_failed_is_not_tried_for_ever(
    tmp_path: Path, fake_launch: FakeLaunch, say: Callable[..., None]
) -> None:
    measured = made(tmp_path, fake_launch, Shelf())
    measured.machine()
    say(Calibrate(tmp_path).paths.events, Started(1, "calibrate"), Failed("bug", "It broke."))
    fake_launch.end(1)
    with pytest.raises(RunError, match="could not be measured"):
        measured.machine()
    assert len(fake_launch.tasks) == 1
    made(tmp_path, fake_launch, Shelf()).machine()
    assert len(fake_launch.tasks) == 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"device":"cpu","name":3}'])
def test_a_damaged_measurement_is_made_again(text: str, tmp_path: Path, fake_launch: FakeLaunch) -> None:
    machine_path(tmp_path).write_text(text)
    assert made(tmp_path, fake_launch, Shelf()).machine() is None
    assert len(fake_launch.tasks) == 1
