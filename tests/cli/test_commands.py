"""The commands as a person runs them, on the tiny model: status, last line, and sentences instead of traces."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from studio.cli.main import main
from studio.config import settings
from studio.runs.launcher import PROJECT_ROOT
from tests.tiny_model import CHAT_TEMPLATE
from tests.ui.fake_studio import brought, fake_studio, finished_run

ROWS = "".join(json.dumps({"prompt": f"Say {index}.", "completion": f"It is {index}."}) + "\n" for index in range(12))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    return path


def run_process(home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a person does."""
    return subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "STUDIO_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def run(home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in this process, which has read its libraries already."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as variables, redirect_stdout(out), redirect_stderr(err):
        for name, value in {"STUDIO_HOME": str(home), **environment}.items():
            variables.setenv(name, value)
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def test_train_ends_with_the_folder_of_the_run(tmp_path: Path, data: Path, tiny_model: Path) -> None:
    scored = tmp_path / "scored.csv"
    scored.write_bytes("foo,bar\nid\u00f5,na\u00efve\n".encode("cp1252"))
    done = run_process(
        tmp_path / "home",
        *("train", "--data", str(data), "--eval-data", str(scored), "--model", str(tiny_model)),
        *("--eval-encoding", "cp1252", "--eval-column", "foo=prompt", "--eval-column", "bar=answer"),
        *("--epochs", "1", "--rank", "4", "--name", "First try", "--chosen-modules", "q_proj", "--targets", "chosen"),
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("run: ")
    folder = Path(last.removeprefix("run: "))
    config = json.loads((folder / "config.json").read_text())
    assert (config["rank"], config["name"], config["chosen_modules"]) == (4, "First try", ["q_proj"])
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    (held_out,) = (folder / "val.jsonl").read_text(encoding="utf-8").splitlines()
    assert [each["content"] for each in json.loads(held_out)["messages"]] == ["id\u00f5", "na\u00efve"]


@pytest.mark.case("69-strict-template")
@pytest.mark.case("72-eval-file-is-the-data")
def test_the_warnings_of_a_run_come_through_a_pipe(tmp_path: Path, tiny_model: Path) -> None:
    """Half the rows were left out, and what was scored had been learned; the terminal said "Finished" alone."""
    model = tmp_path / "strict"
    shutil.copytree(tiny_model, model)
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (model / "chat_template.jinja").write_text(strict + CHAT_TEMPLATE)
    data = tmp_path / "mixed.jsonl"
    system = {"role": "system", "content": "Be brief."}
    rows = []
    for index in range(8):
        talk = [{"role": "user", "content": f"Say {index}."}, {"role": "assistant", "content": f"It is {index}."}]
        rows.append(json.dumps({"messages": [system, *talk] if index % 2 else talk}))
    data.write_text("\n".join(rows))
    done = run_process(
        tmp_path / "home",
        *("train", "--data", str(data), "--eval-data", str(data), "--model", str(model), "--epochs", "1"),
    )
    assert done.returncode == 0, done.stderr
    assert "8 examples to score on" in done.stdout
    assert "warning: 8 examples are left out" in done.stdout
    assert "System role not supported" in done.stdout
    assert "warning: 8 validation examples are trained on as well" in done.stdout


def test_a_run_that_fails_is_status_1_with_its_sentence(tmp_path: Path, data: Path, tiny_model: Path) -> None:
    done = run(tmp_path / "home", "train", "--data", str(data), "--model", str(tiny_model), "--max-length", "8")
    assert done.returncode == 1
    assert "fits into 8 tokens" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("train", "--data", "nothing.jsonl"), "nothing.jsonl"),
        (("train", "--data", "{data}", "--rank", "0"), "Rank must be between 1 and 512; found 0."),
        (("train", "--data", "{data}", "--model", "/no/such/folder"), "/no/such/folder"),
        (("train", "--data", "{empty}"), "empty"),
        (("inspect", "{empty}"), "empty"),
        (("inspect", "{picture}"), "PNG"),
        (("inspect", "{data}", "--column", "prompt=nothing"), "is not NAME=PART"),
        (
            (
                "--port",
                "99999",
            ),
            "99999",
        ),
    ],
)
def test_bad_input_is_status_2_and_a_sentence(
    tmp_path: Path, data: Path, arguments: tuple[str, ...], found: str
) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    names = {"data": data, "empty": tmp_path / "empty.csv", "picture": tmp_path / "picture.csv"}
    done = run(tmp_path / "home", *(argument.format(**names) for argument in arguments))
    assert done.returncode == 2
    assert found in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_data_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, data: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run_process(tmp_path / "file" / "home", "train", "--data", str(data))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_inspect_prints_one_json_object(tmp_path: Path, data: Path, tiny_model: Path) -> None:
    done = run(tmp_path / "home", "inspect", str(data), "--json", "--model", str(tiny_model))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["format"], told["kind"], told["usable"]) == ("JSON Lines", "prompt-completion", 12)
    assert told["tokens"]["total"] > told["tokens"]["learned"] > 0
    plain = run(tmp_path / "home", "inspect", str(data))
    assert "It is 0." in plain.stdout


def test_inspect_on_a_poor_terminal_and_with_names_that_look_like_markup(tmp_path: Path) -> None:
    """A column called [/x] was taken for markup, and a letter beyond ASCII ended the command."""
    path = tmp_path / "odd.csv"
    path.write_text("question,[/x]\nWäs?,[bold]Dås[/bold].\n", encoding="utf-8")
    columns = ("--column", "question=prompt", "--column", "[/x]=answer")
    for more in ((), ("--json",)):
        done = run_process(tmp_path / "home", "inspect", str(path), *columns, *more, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert "[/x]" in done.stdout
    assert json.loads(done.stdout)["preview"] == [["Wäs?", "[bold]Dås[/bold]."]]


def test_inspect_tells_every_problem_with_its_row_and_reads_columns_as_told(tmp_path: Path, data: Path) -> None:
    data.write_text(ROWS + '{"prompt": "a"\n{"prompt": "", "completion": "x"}\n')
    told = json.loads(run(tmp_path / "home", "inspect", str(data), "--json").stdout)
    assert (told["rows_read"], told["usable"], told["left_out"]) == (14, 12, 2)
    assert [(each["row"], each["kind"]) for each in told["problems"]] == [(13, "unreadable"), (14, "empty-prompt")]
    columns = ("--column", "completion=prompt", "--column", "prompt=answer", "--fix", "mask-emails")
    told = json.loads(run(tmp_path / "home", "inspect", str(data), "--json", *columns).stdout)
    assert (told["roles"]["prompts"], told["roles"]["answer"]) == (["completion"], "prompt")
    assert told["changes"] == [{"kind": "mask-emails", "keys": [], "count": 0, "edits": []}]


def test_the_options_are_the_settings(tmp_path: Path) -> None:
    told = run(tmp_path / "home", "train", "--help", COLUMNS="400").stdout
    for setting in settings():
        assert "--" + setting.name.replace("_", "-") in told
        assert setting.help[:60] in told


@pytest.mark.case("28-encodings")
def test_an_encoding_that_is_not_sure_is_named_by_an_option(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes("question,answer\nid\u00f5,na\u00efve\n".encode("cp1252"))
    asked = run(tmp_path / "home", "inspect", str(path))
    assert "not certain" in asked.stdout
    assert "--encoding cp1250: Windows-1250 (Central European)" in asked.stdout
    refused = run(tmp_path / "home", "train", "--data", str(path))
    assert refused.returncode == 2
    assert "Add --encoding with one of: cp1252, " in refused.stderr
    assert ", cp1250" in refused.stderr
    given = run(tmp_path / "home", "inspect", str(path), "--encoding", "cp1252", "--json")
    assert json.loads(given.stdout)["usable"] == 1


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--eval-data", "{encoded}"), "Add --eval-encoding with one of: "),
        (("--eval-data", "{named}"), "Add --eval-column NAME=PART for each column"),
        (("--eval-sheet", "Two"), "There is no file of examples to score on. Add --eval-data FILE"),
    ],
)
def test_what_is_asked_of_the_file_to_score_on_has_options_of_its_own(
    tmp_path: Path, data: Path, tiny_model: Path, arguments: tuple[str, ...], found: str
) -> None:
    """Its encoding, its sheet and its columns could not be chosen, and the sentence named the options of the other."""
    (tmp_path / "encoded.csv").write_bytes("prompt,completion\nid\u00f5,na\u00efve\n".encode("cp1252"))
    (tmp_path / "named.csv").write_text("foo,bar\none,two\nthree,four\n")
    names = {name: str(tmp_path / f"{name}.csv") for name in ("encoded", "named")}
    given = [argument.format(**names) for argument in arguments]
    done = run(tmp_path / "home", "train", "--data", str(data), "--model", str(tiny_model), *given)
    assert done.returncode == 2
    assert found in done.stderr


def test_the_file_of_an_evaluation_is_read_as_an_option_says(tmp_path: Path) -> None:
    """`evaluate --data` took the guess, whatever it was, and had no option that could say otherwise."""
    path = tmp_path / "short.csv"
    path.write_bytes("question,answer\nidõ,naïve\n".encode("cp1252"))
    with fake_studio(tmp_path / "home") as studio:
        examples = tmp_path / "examples.csv"
        examples.write_text("question,answer\nWho?,Me\nWhere?,Here\n", encoding="utf-8")
        some_run = finished_run(studio, dataset_id=brought(studio, examples).id).id
    refused = run(tmp_path / "home", "evaluate", some_run, "--data", str(path))
    assert refused.returncode == 2
    assert "Add --encoding with one of: cp1252, " in refused.stderr
    read = run(tmp_path / "home", "evaluate", some_run, "--data", str(path), "--encoding", "cp1252")
    assert read.returncode != 0, "the run is made up: it has nothing to evaluate"
    assert "encoding" not in read.stderr
