"""`train --try` and `runs`: several runs at once, and how they compare."""

import json
import re
from pathlib import Path

import pytest

from studio.runs.store import RunStore
from tests.cli.test_commands import data, run

__all__ = ["data"]


def test_values_are_tried_and_compared(tmp_path: Path, data: Path, tiny_model: Path) -> None:
    home = tmp_path / "home"
    given = ("--data", str(data), "--model", str(tiny_model), "--epochs", "1", "--validation-share", "0.5")
    tries = ("--try", "rank=2,4", "--try", "learning-rate=1e-3", "--no-let-others-first")
    done = run(home, "train", *given, "--name", "tone", *tries, STUDIO_EVALUATE="1")
    assert done.returncode == 0, done.stderr
    assert "queued: tone, rank 2\nqueued: tone, rank 4\n" in done.stdout
    assert "tone: 2 of 2 runs done" in done.stdout
    assert re.search(r"best +[24] ", done.stdout)
    assert re.search(r"Best: rank [24], with a held-out loss of \d\.\d+\. .*held-out rows", done.stdout)
    first, second = sorted(RunStore(home).all(), key=lambda each: each.id)
    assert first.origin.group == second.origin.group
    assert first.origin.group is not None
    assert (first.origin.group.tried, first.origin.group.gives_way) == (("rank",), False)
    assert [(each.config.rank, each.config.learning_rate) for each in (first, second)] == [(2, 1e-3), (4, 1e-3)]
    assert first.validation_path.read_bytes() == second.validation_path.read_bytes()

    listed = run(home, "runs").stdout
    assert "tone, rank 2" in listed
    groups = run(home, "runs", "--group").stdout
    assert re.search(r"tone +2 +2 +Rank +[0-9a-f]{16}", groups)
    assert "tone: 2 of 2 runs done" in run(home, "runs", "--group", "Tone").stdout
    refused = run(home, "runs", "--group", "tome")
    assert refused.returncode == 2
    assert "There is no group of runs 'tome'. The newest groups: 'tone'." in refused.stderr


def test_runs_that_fail_are_named(tmp_path: Path, data: Path, tiny_model: Path) -> None:
    config = json.loads((tiny_model / "config.json").read_text())
    longest = str(config["max_position_embeddings"])
    given = ("--data", str(data), "--model", str(tiny_model), "--epochs", "1", "--max-length", str(int(longest) + 1))
    done = run(tmp_path / "home", "train", *given, "--try", "rank=2,4")
    assert done.returncode == 1
    assert "2 of 2 runs failed: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--try", "rank=8,eight"), "Rank must be a number; found 'eight'"),
        (("--try", "rank"), "'rank' is not SETTING=VALUE,VALUE"),
        (("--try", "place=lab"), "'place' cannot be tried"),
        (("--try", "rank=8", "--try", "rank=16"), "--try names rank twice"),
        (("--try", "rank=8,1000"), "Rank 1000: Rank must be between 1 and 512"),
        (("--try", "seed=" + ",".join(map(str, range(21)))), "21 runs in one group are too many; 20 are taken"),
        (("--try", "model=starter,/no/such/folder"), "/no/such/folder"),
    ],
)
def test_what_cannot_be_tried_is_a_sentence(tmp_path: Path, data: Path, arguments: tuple[str, ...], found: str) -> None:
    done = run(tmp_path / "home", "train", "--data", str(data), *arguments)
    assert done.returncode == 2
    assert found in " ".join(done.stderr.split())
    assert "Traceback" not in done.stdout + done.stderr
    assert list((tmp_path / "home" / "runs").glob("*")) == []


def test_without_runs_it_says_how_to_make_some(tmp_path: Path) -> None:
    assert "python app.py train --data FILE" in run(tmp_path / "home", "runs").stdout
    assert "No runs were started together" in run(tmp_path / "home", "runs", "--group").stdout
