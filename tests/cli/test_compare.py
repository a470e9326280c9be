"""`python app.py compare`: what it prints, and how it ends."""

import io
import json
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from studio.cli.compare import compare, strengths
from studio.cli.follow import RunFailed
from studio.cli.main import main
from studio.compare.answering import GenerationSettings
from studio.config import RunConfig
from studio.errors import DataError, RunError
from studio.runs.store import RunFolder
from studio.studio import Studio
from tests.ui.fake_studio import FakeWorkers, finished_run, open_fake_studio

GENERATION = GenerationSettings("", 0.0, 32, 7)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_fake_studio(tmp_path / "home", clock=time.time)
    yield opened
    workers = opened._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    dataset = studio.data.add_sample("order_slips").id
    return finished_run(studio, dataset_id=dataset, config=RunConfig(name="otter"))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "One [bold]"}\n{"prompt": "Two", "expected": "yes"}\n', encoding="utf-8")
    return path


def told(
    studio: Studio, run_id: str, prompts: Path, *, as_json: bool = False, generation: GenerationSettings = GENERATION
) -> str:
    console = Console(file=io.StringIO(), width=120)
    assert compare(studio, run_id=run_id, prompts=prompts, generation=generation, as_json=as_json, console=console) == 0
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_both_answers_stand_in_a_table(studio: Studio, run: RunFolder, prompts: Path) -> None:
    shown = told(studio, run.id, prompts)
    for part in ("Starter model, untrained", "otter", "Expected", "base: One [bold]", "tuned: Two", "yes"):
        assert part in shown
    assert "The answers differ in 2 of 2 rows." in shown


def test_programs_get_one_json_object(studio: Studio, run: RunFolder, prompts: Path) -> None:
    document = json.loads(told(studio, run.id, prompts, as_json=True))
    assert document["run"] == run.id
    assert [row["prompt"] for row in document["rows"]] == ["One [bold]", "Two"]
    assert [answer["text"] for answer in document["rows"][1]["answers"]] == ["base: Two ", "tuned: Two "]


def test_an_adapter_answers_at_several_strengths(studio: Studio, run: RunFolder, prompts: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    given = dict(run_id=run.id, prompts=prompts, generation=GENERATION, as_json=True, console=console)
    assert compare(studio, **given, strengths=strengths("1,0.5")) == 0  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    answers = json.loads(console.file.getvalue())["rows"][1]["answers"]
    assert [(each["strength"], each["text"]) for each in answers] == [
        (1.0, "base: Two "),
        (0.5, "tuned at 0.5: Two "),
        (1.0, "tuned: Two "),
    ]
    with pytest.raises(RunError, match="no strength of 3"):
        compare(studio, **given, strengths=(3.0,))  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="'half' is no strength"):
        strengths("half")


def test_what_cannot_be_used_is_told_before_anything_is_asked(studio: Studio, run: RunFolder, prompts: Path) -> None:
    with pytest.raises(RunError, match="no run 'nobody'"):
        told(studio, "nobody", prompts)
    with pytest.raises(RunError, match="longest answer must be"):
        told(studio, run.id, prompts, generation=GenerationSettings("", 0.0, 0, 7))
    prompts.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="empty"):
        told(studio, run.id, prompts)


def test_answers_that_do_not_come_are_a_failure(studio: Studio, run: RunFolder, prompts: Path) -> None:
    prompts.write_text('{"prompt": "trouble"}\n', encoding="utf-8")
    with pytest.raises(RunFailed, match="too long"):
        told(studio, run.id, prompts)


def test_an_unknown_run_is_status_2_on_the_command_line(
    tmp_path: Path, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path / "empty"), "compare", "nobody", "--prompts", str(prompts)]) == 2
    assert "There is no run 'nobody'" in capsys.readouterr().err


def test_a_run_is_taken_by_its_given_name(
    studio: Studio, run: RunFolder, tmp_path: Path, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the name of its folder was taken. Here the run is found, and what it is asked cannot be read."""
    missing = str(prompts.with_name("none.txt"))
    home = str(studio.settings.home)
    assert main(["--home", home, "compare", "otter", "--prompts", missing]) == 2
    assert "no run" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_run_is_compared(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, data = tmp_path / "real", tmp_path / "rows.jsonl"
    rows = [{"prompt": f"Say {number}.", "completion": f"It is {number}."} for number in range(12)]
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    train = ("train", "--data", str(data), "--model", str(tiny_model), "--epochs", "1", "--rank", "4")
    assert main(["--home", str(home), *train]) == 0
    id = capsys.readouterr().out.strip().splitlines()[-1].rpartition("/")[2]
    options = ("--json", "--longest", "8", "--strength", "1", "--strength", "0.5")
    assert main(["--home", str(home), "compare", id, "--prompts", str(data), *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["rows"]) == 12
    assert all(len(row["answers"]) == 3 and 0 < row["answers"][0]["tokens"] <= 8 for row in document["rows"])
