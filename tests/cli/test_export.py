"""`python app.py export`: where it writes, what it prints, and how it ends."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from studio.cli.export import export
from studio.cli.follow import RunFailed
from studio.cli.main import main
from studio.config import RunConfig
from studio.errors import ExportError, RunError
from studio.events import Failed, Started
from studio.jobs.exports import ONE_FILE, export_archive, export_folder, export_modelfile
from studio.jobs.tasks import Export, Task
from studio.runs.event_log import EventLog
from studio.runs.launcher import Worker
from studio.runs.store import RunFolder
from studio.studio import Studio
from tests.ui.fake_studio import FakeWorkers, finished_run, open_fake_studio, write_export


class Exporting(FakeWorkers):
    """Workers whose exports are done at once, or fail."""

    trouble = ""

    def __call__(self, task: Task, /) -> Worker:
        worker = super().__call__(task)
        if isinstance(task, Export):
            run = RunFolder(task.run)
            if self.trouble:
                log = EventLog(task.paths.events, time.time)
                log.emit(Started(1, "export"))
                log.emit(Failed("disk", self.trouble, "Free some space."))
                log.close()
            else:
                write_export(run, task.kind)
                if task.kind in ONE_FILE:
                    self.leave()
                    return worker
                export_folder(run, task.kind).mkdir()
                (export_folder(run, task.kind) / "README.md").write_text("# otter", encoding="utf-8")
            self.leave()
        return worker


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_fake_studio(tmp_path / "home", clock=time.time, launch=Exporting())
    yield opened
    workers_of(opened).leave()


def workers_of(studio: Studio) -> Exporting:
    assert isinstance(studio._launch, Exporting)
    return studio._launch


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    dataset = studio.data.add_sample("order_slips").id
    return finished_run(studio, dataset_id=dataset, config=RunConfig(name="otter"))


def told(studio: Studio, run_id: str, kind: str = "", to: Path | None = None) -> str:
    console = Console(file=io.StringIO(), width=120)
    assert export(studio, run_id=run_id, kind=kind, to=to, console=console) == 0
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_says_where_the_zip_lies_and_how_it_is_used(studio: Studio, run: RunFolder) -> None:
    said = told(studio, run.id)
    assert str(export_archive(run, "adapter")) in said.replace("\n", "")
    assert "3 of 3 answers are the same as the run's" in said
    assert "PeftModel.from_pretrained(base, folder)" in said
    told(studio, run.id)
    assert sum(isinstance(task, Export) for task in workers_of(studio).jobs) == 1, "what is there is not written again"
    assert "PeftModel" not in told(studio, run.id, "merged")


def test_it_is_copied_to_a_folder_or_to_a_zip(studio: Studio, run: RunFolder, tmp_path: Path) -> None:
    told(studio, run.id, "merged", tmp_path / "new" / "soup.zip")
    assert (tmp_path / "new" / "soup.zip").stat().st_size == 18_100_000
    told(studio, run.id, "merged", tmp_path / "new" / "model")
    assert (tmp_path / "new" / "model" / "README.md").read_text(encoding="utf-8") == "# otter"
    told(studio, run.id, "merged", tmp_path / "new")
    assert (tmp_path / "new" / f"{run.id}-merged" / "README.md").is_file(), "a folder that is there keeps what it has"
    with pytest.raises(ExportError, match="exists already"):
        told(studio, run.id, "merged", tmp_path / "new" / "soup.zip")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ExportError, match="cannot be written"):
        told(studio, run.id, "merged", tmp_path / "file" / "soup.zip")


def test_a_gguf_is_told_with_its_check_and_copied_with_its_modelfile(
    studio: Studio, run: RunFolder, tmp_path: Path
) -> None:
    said = told(studio, run.id, "gguf-q8_0").replace("\n", "")
    assert f"{run.id}-q8_0.gguf (18.1 MB). Asked by llama.cpp: 15 prompts (12 of them held out)" in said
    assert "141 of 144 next tokens are the run's, divergence 0.0029 nats (at most 0.02 is allowed)" in said
    assert f"{export_modelfile(run, 'gguf-q8_0')}: for `ollama create`. Ollama itself was not asked." in said
    told(studio, run.id, "gguf-q8_0", tmp_path / "new" / "soup.gguf")
    assert (tmp_path / "new" / "soup.gguf").stat().st_size == 18_100_000
    assert (tmp_path / "new" / "soup.Modelfile").read_text(encoding="utf-8") == "FROM ./soup.gguf\n"
    told(studio, run.id, "gguf-q8_0", tmp_path / "new")
    assert (tmp_path / "new" / f"{run.id}-q8_0.Modelfile").is_file()


def test_a_full_run_gives_its_model(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips").id
    run = finished_run(studio, dataset_id=dataset, config=RunConfig(method="full"))
    assert f"{run.id}-model.zip" in told(studio, run.id).replace("\n", "")
    with pytest.raises(ExportError, match="no adapter to export"):
        told(studio, run.id, "adapter")


def test_what_cannot_be_exported_is_a_sentence(studio: Studio, run: RunFolder) -> None:
    with pytest.raises(RunError, match="no run"):
        told(studio, "nobody")
    workers_of(studio).trouble = "The disk is full."
    with pytest.raises(RunFailed, match="The disk is full"):
        told(studio, run.id)


def test_the_command_refuses_what_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(tmp_path), "export", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--home", str(tmp_path), "export", "nobody", "--as", "picture"])
    with pytest.raises(SystemExit):
        main(["--home", str(tmp_path), "export", "nobody", "--as", "gguf", "--quantisation", "q1"])


def test_an_adapter_alone_is_told_and_copied(studio: Studio, run: RunFolder, tmp_path: Path) -> None:
    said = told(studio, run.id, "gguf-adapter", tmp_path / "soup").replace("\n", "")
    assert "Added to a 16-bit GGUF of the base by llama.cpp: 141 of 144 next tokens are the run's" in said
    assert "llama-server -m base.gguf --lora" in said
    assert (tmp_path / "soup.gguf").stat().st_size == 18_100_000
    assert not (tmp_path / "soup.Modelfile").exists()
