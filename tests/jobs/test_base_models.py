from pathlib import Path

import pytest

from studio.errors import ModelError, RunError
from studio.events import Failed, Finished, Loading, Started
from studio.jobs.base_models import BaseModels
from studio.jobs.calibration import Calibration
from studio.models.hub import Hub
from studio.models.locate import ModelFiles
from studio.runs.launcher import Launch, model_paths

NAME = "owner/small"
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
    return BaseModels(home, launch=launch, locate=shelf, hub=Hub(), calibration=Calibration(home, launch=launch))


@pytest.fixture
def models(tmp_path: Path, fake_launch, shelf: Shelf) -> BaseModels:
    return made(tmp_path, fake_launch, shelf)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return model_paths(NAME, tmp_path).events


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
    assert fake_launch.calls == [["prepare", NAME, "--home", str(tmp_path)]]


def test_a_model_that_is_there_needs_no_worker(models: BaseModels, shelf: Shelf, fake_launch) -> None:
    shelf.put("starter", "starter")
    state = models.prepare("starter")
    assert (state.ready, state.sentence) == (True, "The starter model is ready.")
    assert fake_launch.calls == []


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
    assert len(fake_launch.calls) == 1
    assert models.prepare(NAME, retry=True).working
    assert len(fake_launch.calls) == 2


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
    assert fake_launch.calls == []


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
    paths = model_paths(NAME, tmp_path)
    fake_launch(["train"], log_path=paths.log, lock_path=paths.lock)
    state = models.prepare(NAME)
    assert (state.working, state.sentence) == (True, "The model owner/small is being made ready.")
    assert len(fake_launch.calls) == 1


def test_a_worker_that_cannot_be_started_is_told_once(tmp_path: Path, shelf: Shelf) -> None:
    def refuse(module_arguments, *, log_path, lock_path):
        raise RunError("The disk is full.")

    models = made(tmp_path, refuse, shelf)
    with pytest.raises(RunError, match="disk is full"):
        models.prepare(NAME)
    assert not models.prepare(NAME).working
