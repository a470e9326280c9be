"""The studio as a contender: `python app.py train` with its own defaults, in a fresh data folder."""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from training import task as agreed
from training.processes import Ran, run
from training.task import Loop, Task, read_rows

ROOT = Path(__file__).resolve().parents[2]


def train_with_studio(task: Task, options: Sequence[str]) -> tuple[Ran, Loop]:
    """Run the command and read what its worker said. `options` are further ones of `train`."""
    with tempfile.TemporaryDirectory(prefix="studio-") as folder:
        home = Path(folder)
        try:
            ran = run(
                [*command(task), *options],
                name=task.contender,
                settings={"STUDIO_HOME": str(home)},
                find=lambda _: _worker(home),
            )
        except SystemExit as error:
            logs = [log.read_text(encoding="utf-8", errors="replace")[-4000:] for log in home.glob("runs/*/worker.log")]
            raise SystemExit("\n".join((str(error), *logs))) from error
        (events,) = home.glob("runs/*/events.jsonl")
        _check(task, _events(events))
        loop = _loop(events)
        shutil.copytree(events.parent / "adapter", task.adapter)
        return ran, loop


def command(task: Task) -> list[str]:
    """Write the command that makes the task the same, and says nothing of how."""
    asked = {
        "data": task.chats,
        "model": task.model,
        "rank": agreed.RANK,
        "alpha": agreed.ALPHA,
        "dropout": 0.0,
        "learning-rate": agreed.LEARNING_RATE,
        "schedule": "linear",
        "warmup-share": 0.0,
        "epochs": 1,
        "batch-size": agreed.BATCH,
        "max-length": agreed.MAX_LENGTH,
        "validation-share": 0.0,
        "seed": task.seed,
    } | ({} if task.bf16 else {"precision": "fp32"})
    options = [part for name, value in asked.items() for part in (f"--{name}", str(value))]
    return [sys.executable, str(ROOT / "app.py"), "train", *options]


def _check(task: Task, events: Sequence[dict[str, object]]) -> None:
    """Stop with a sentence when the run's rows were other than those that the others are given."""
    rows = read_rows(task.rows)
    expected = (len(rows), sum(len(row.ids) for row in rows), sum(row.learned for row in rows))
    (prepared,) = (event for event in events if event["kind"] == "Prepared")
    found = tuple(prepared[what] for what in ("train_examples", "tokens", "learned_tokens"))
    if found != expected:
        raise SystemExit(f"The studio's run had {found} examples, tokens and learned tokens, the others {expected}.")


def _worker(home: Path) -> int | None:
    for events in home.glob("runs/*/events.jsonl"):
        for event in _events(events):
            if event["kind"] == "Started":
                return int(str(event["process_id"]))
    return None


def _loop(file: Path) -> Loop:
    """Read the loop's times: it begins with what the worker says last before its steps."""
    events = _events(file)
    steps = [float(str(event["time"])) for event in events if event["kind"] == "Stepped"]
    ready = [float(str(event["time"])) for event in events if event["kind"] in ("Loaded", "Prepared")]
    if not steps or not ready:
        raise SystemExit(f"The studio's run has no steps: {file.read_text(encoding='utf-8')[-2000:]}")
    return Loop(max(ready), max(steps), len(steps))


def _events(file: Path) -> list[dict[str, object]]:
    whole = file.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line]
