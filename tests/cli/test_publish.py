"""`python app.py publish`: the card is shown and agreed to before anything is sent."""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from studio.cli.follow import RunFailed
from studio.cli.main import main
from studio.cli.publish import Order, publish
from studio.config import RunConfig
from studio.errors import ExportError
from studio.events import Failed, Finished, Loading, Started
from studio.jobs.publishing import Publication, write_publication
from studio.jobs.tasks import Publish, Task
from studio.runs.event_log import EventLog
from studio.runs.launcher import Worker
from studio.runs.store import RunFolder
from studio.studio import Studio
from tests.ui.fake_studio import FakeWorkers, finished_run, open_fake_studio, write_export


class Publishing(FakeWorkers):
    """Workers whose publications are done at once, or fail."""

    trouble = ""

    def __call__(self, task: Task, /) -> Worker:
        worker = super().__call__(task)
        if isinstance(task, Publish):
            log = EventLog(task.paths.events, time.time)
            log.emit(Started(1, "publish"))
            log.emit(Loading("Uploading x", 5, 10, "bytes"))
            if self.trouble:
                log.emit(Failed("bad_input", self.trouble, "Publish again."))
            else:
                address = f"https://hub.example/{task.to}"
                write_publication(RunFolder(task.run), Publication(task.kind, task.to, task.public, (), 1, address))
                log.emit(Finished("finished", "Published", 1.0))
            log.close()
            self.leave()
        return worker


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_fake_studio(tmp_path / "home", clock=time.time, launch=Publishing())
    yield opened
    workers_of(opened).leave()


def workers_of(studio: Studio) -> Publishing:
    assert isinstance(studio._launch, Publishing)
    return studio._launch


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))
    write_export(run, "adapter")
    return run


def told(
    studio: Studio, run: RunFolder, *, agreed: bool = False, public: bool = False, ask: Callable[[], str] | None = None
) -> str:
    console = Console(file=io.StringIO(), width=120)
    order = Order("adapter", "me/otter", public, "", agreed)
    assert publish(studio, run_id=run.id, order=order, console=console, ask=ask) == 0
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def sent(studio: Studio) -> list[Task]:
    return [task for task in workers_of(studio).jobs if isinstance(task, Publish)]


def test_the_card_is_shown_and_agreed_to(studio: Studio, run: RunFolder) -> None:
    said = told(studio, run, ask=lambda: "n")
    assert "license: apache-2.0" in said
    assert "Publish this to me/otter (private)?" in said
    assert "Nothing was published." in said
    assert sent(studio) == []
    assert "https://hub.example/me/otter (private)" in told(studio, run, ask=lambda: " Yes ")
    assert (run.published / "adapter.card.md").read_text(encoding="utf-8").startswith("---\n")
    (task,) = sent(studio)
    assert task == Publish(run.path, "adapter", "me/otter")


def test_without_anybody_to_ask_it_has_to_be_said_before(
    studio: Studio, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(ExportError, match="Nobody is here to agree"):
        told(studio, run)
    assert "(public)" in told(studio, run, agreed=True, public=True)


def test_one_that_fails_is_told(studio: Studio, run: RunFolder) -> None:
    workers_of(studio).trouble = "The Hub is gone."
    with pytest.raises(RunFailed, match="The Hub is gone"):
        told(studio, run, agreed=True)


def test_the_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = open_fake_studio(tmp_path / "home", clock=time.time)
    finished_run(opened, dataset_id=opened.data.add_sample("order_slips").id, config=RunConfig(name="otter"))
    command = ["--home", str(tmp_path / "home"), "publish", "otter", "--to"]
    assert main([*command, "otter"]) == 2
    assert "'otter' cannot be the name of a repository" in capsys.readouterr().err
    assert main([*command, "me/otter", "--licence", "mit"]) == 2
    assert "The base has the licence apache-2.0" in capsys.readouterr().err
