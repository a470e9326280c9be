"""A trained run in a data folder of its own, and what a job on it took, by the sentences that the worker told."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from common import say  # noqa: E402

from studio.config import STARTER, RunConfig  # noqa: E402
from studio.data.examples import Example, Message  # noqa: E402
from studio.events import Failed, Loading  # noqa: E402
from studio.jobs.tasks import Task, Train  # noqa: E402
from studio.models.locate import locate  # noqa: E402
from studio.runs.event_log import read_events  # noqa: E402
from studio.runs.launcher import write_task  # noqa: E402
from studio.runs.store import RunFolder, RunStore  # noqa: E402
from studio.settings import read_settings  # noqa: E402

SAMPLE = ROOT / "assets" / "samples" / "kettlewick_support.csv"
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def model_or_starter(given: Path | None, work: Path) -> Path:
    """Return the folder of a model: the one that is given, the starter's, or a tiny one with random weights."""
    if given is not None:
        return given
    found = locate(STARTER, read_settings(os.environ).home)
    if found is not None:
        return found.folder
    from tests.tiny_model import write_tiny_model

    say("The starter model is not on this machine: a tiny one with random weights takes its place.")
    return write_tiny_model(work / "tiny")


def train(model: Path, home: Path, *, held_out: int = 2, learned: int = 8) -> RunFolder:
    """Train a LoRA for two steps on rows of the sample file, in a worker of its own."""
    examples = _examples(learned + held_out)
    run = RunStore(home).create(
        RunConfig(model=str(model), epochs=1, batch_size=max(1, learned // 2), max_length=512),
        dataset_id="sample",
        dataset_name="Sample",
        dataset_sha256="0" * 64,
        train=examples[:learned],
        validation=examples[learned:],
    )
    work(Train(run.path), log=home / "train.log")
    return run


def copied(run: Path, home: Path) -> RunFolder:
    """Copy a run of another data folder, without its exports and evaluations; the base models there are only read."""
    target = home / "runs" / run.name
    shutil.copytree(run, target, ignore=shutil.ignore_patterns("exports", "evaluations", "run.lock"))
    if (models := run.parent.parent / "models").is_dir():
        (home / "models").symlink_to(models.absolute())
    return RunFolder(target)


def work(task: Task, *, log: Path) -> None:
    """Have a worker do a job. Ends the benchmark with the end of its log when it fails."""
    command = [sys.executable, "-m", "studio.workers", "run", str(write_task(task))]
    with log.open("w", encoding="utf-8") as told:
        status = subprocess.run(command, cwd=ROOT, stdout=told, stderr=told, check=False).returncode
    if status:
        raise SystemExit(f"The {task.job} job ended with {status}:\n{log.read_text(encoding='utf-8')[-2000:]}")


def seconds_by_step(events: Path) -> dict[str, float]:
    """Return what a job that has ended took in all, under "", and from the first time that each step was told on."""
    records, _ = read_events(events)
    if isinstance(records[-1].event, Failed):
        raise SystemExit(f"The job failed: {records[-1].event.message}")
    found = {"": records[-1].time - records[0].time}
    for record, following in itertools.pairwise(records):
        if isinstance(record.event, Loading):
            found[record.event.what] = found.get(record.event.what, 0.0) + following.time - record.time
    return found


def machine_line() -> str:
    """Name what a figure depends on: the processors, what they can do at once, and how busy they are."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    flags = [flag for flag in FLAGS if f" {flag} " in text.replace("\n", " ")]
    return f"{os.cpu_count()} processors ({', '.join(flags) or 'flags not known'}), load {os.getloadavg()[0]:.1f}"


def _examples(count: int) -> Sequence[Example]:
    from studio.data.conversion.formats import draft
    from studio.data.conversion.guessing import guess_roles
    from studio.data.rows import Row
    from studio.data.sources.readers import open_source

    with open_source([SAMPLE]) as source:
        roles = guess_roles(source.columns, source.sample)
        drafts = (made for row in source.rows() if isinstance(row, Row) for made in draft(row, roles))
        found = list(itertools.islice((each for each in drafts if isinstance(each, Example)), count))
    while len(found) < count:  # the file is short: the same again, under other numbers
        each = found[len(found) % 50]
        first = Message("user", f"{len(found)}. {each.messages[0].content}")
        found.append(Example((first, *each.messages[1:]), row=len(found) + 1))
    return found
