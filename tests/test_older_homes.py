"""What older studios wrote is still read: a whole small home of one, and files under their older names."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio import codec
from studio.compare.answering import GenerationSettings
from studio.compare.conversations import open_conversations
from studio.compare.pane_models import pane_models
from studio.compare.sheets import Sheet, open_sheets
from studio.compare.votes import Votes
from studio.config import RunConfig
from studio.data.checking.findings import Finding, Fix
from studio.data.examples import Example, Message
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.tasks import Train
from studio.runs.following import Following
from studio.runs.launcher import PROJECT_ROOT, write_task
from studio.runs.store import DISCARD, KEEP, RunFolder, RunStore
from studio.settings import read_settings
from studio.studio import Studio, open_studio

HOME = Path(__file__).parent / "homes" / "0a79100.zip"
FIX = [{"kind": "drop-duplicates", "label": "Keep one of each"}]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    example = Example((Message("user", "a"), Message("assistant", "b")))
    return RunStore(tmp_path).create(
        RunConfig(), dataset_id="a", dataset_name="rows", dataset_sha256="0", train=[example], validation=[]
    )


@pytest.mark.parametrize("name", ["stop.wish", "stop.request"])
@pytest.mark.parametrize("wanted", [KEEP, DISCARD])
def test_a_request_to_stop_is_found(run: RunFolder, name: str, wanted: str) -> None:
    (run.path / name).write_text(wanted, encoding="utf-8")
    assert run.stop_request.exists()
    assert run.stop_wanted == wanted
    run.stop_request.unlink()
    assert run.stop_wanted == ""


@pytest.mark.parametrize("name", ["evaluation.wish", "evaluation.request"])
def test_a_request_to_evaluate_is_found(run: RunFolder, name: str) -> None:
    (run.path / name).write_text("1", encoding="utf-8")
    assert request_path(run).read_text(encoding="utf-8") == "1"


def test_a_prompt_sheet_is_read() -> None:
    settings = GenerationSettings("Be brief.", 0.5, 30, 7)
    text = json.dumps({"columns": [], "rows": [], "wish": codec.to_plain(settings), "id": "x"})
    assert codec.loads(Sheet, text) == Sheet((), (), settings, id="x")


def test_the_fixes_of_a_finding_are_read() -> None:
    text = json.dumps({"kind": "a", "level": "bad", "title": "Copies", "text": "Two.", "count": 2, "mends": FIX})
    assert codec.loads(Finding, text).fixes == (Fix("drop-duplicates", "Keep one of each"),)


@pytest.fixture
def home(tmp_path: Path, tiny_model: Path) -> Path:
    """A home of an older studio: a data set, a finished run and a stopped one, a conversation, a sheet, a vote."""
    here = {b"MODEL": tiny_model, b"HOME": tmp_path / "home", b"FOLDER": tmp_path}
    with zipfile.ZipFile(HOME) as packed:
        packed.extractall(tmp_path / "home")
    for path in (tmp_path / "home").rglob("*.json*"):
        text = path.read_bytes()
        for name, folder in here.items():
            text = text.replace(name, str(folder).encode())
        path.write_bytes(text)
    return tmp_path / "home"


@pytest.fixture
def studio(home: Path) -> Iterator[Studio]:
    studio = open_studio(read_settings({"STUDIO_HOME": str(home), "STUDIO_EVALUATE": "0"}))
    yield studio
    studio.close()


def test_all_that_an_older_home_holds_is_there(studio: Studio, home: Path) -> None:
    (dataset,) = studio.data.all()
    assert (dataset.name, dataset.inspection.usable) == ("garden", 11)
    (finding,) = [each for each in dataset.inspection.findings if each.fixes]
    assert finding.fixes[0].kind == "drop-duplicates"
    assert studio.data.examples(dataset.id)[1].messages[-1].content == "In bed 1."
    states = {run.name: studio.scheduler.view(run.id) for run in studio.runs.all()}
    assert {name: state.status for name, state in states.items()} == {"herbs": "finished", "half done": "stopped"}
    assert [step.step for step in states["herbs"].view.steps[:]] == [1, 2, 3, 4, 5, 6]
    assert states["half done"].run.stop_wanted == KEEP
    (talk,) = open_conversations(home).all()[0].talks
    assert talk.turns[0].answer.text == "In bed 1."
    (sheet,) = open_sheets(home).all()
    assert sheet.generation == GenerationSettings("Be brief.", 0.5, 30, 7)
    (vote,) = Votes(home).of(*sheet.columns)
    assert {vote.first_answer, vote.second_answer} == {"No idea.", "In bed 2."}
    assert {model.kind for model in pane_models(studio, None)} == {"base", "run", "checkpoint"}


@pytest.mark.slow
def test_a_run_that_an_older_studio_stopped_goes_on(home: Path) -> None:
    """Its checkpoint names the RNG state otherwise."""
    (run,) = [each for each in RunStore(home).all() if each.name == "half done"]
    run.stop_request.unlink()
    command = [sys.executable, "-m", "studio.workers", "run", str(write_task(Train(run.path)))]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    view = Following(run.events_path).view()
    assert view.finished is not None
    assert view.finished.status == "finished"
    assert [step.step for step in view.steps[:]] == list(range(1, len(view.steps) + 1))
    assert len(view.steps) > 11
