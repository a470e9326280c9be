"""A data folder with a run in it, and a way to run a real worker on it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.events import Event
from studio.runs.event_log import read_events
from studio.runs.launcher import PROJECT_ROOT, Task, write_task
from studio.runs.store import RunFolder, RunStore
from tests.warm import Forkserver, WarmWorker

WORDS = ("red", "blue", "green", "black", "white", "gold", "pink", "grey")


def examples(count: int) -> tuple[Example, ...]:
    return tuple(
        Example(
            messages=(
                Message("user", f"Is number {index} {WORDS[index % 8]}?"),
                Message("assistant", f"Yes, {index} is {WORDS[index % 8]}."),
            ),
            row=index + 1,
        )
        for index in range(count)
    )


@pytest.fixture
def make_run(tmp_path: Path, tiny_model: Path) -> Callable[..., RunFolder]:
    def make(*, rows: int = 16, held_out: int = 4, **settings: object) -> RunFolder:
        config = RunConfig(**{"model": str(tiny_model), "epochs": 2, "max_length": 256, **settings})  # type: ignore[arg-type]
        return RunStore(tmp_path).create(
            config,
            dataset_id="colours",
            dataset_name="Colours",
            dataset_sha256="0" * 64,
            train=examples(rows),
            validation=examples(held_out),
        )

    return make


Process = subprocess.Popen[str] | WarmWorker
Start = Callable[..., Process]


@pytest.fixture
def start(warm: Forkserver) -> Iterator[Start]:
    """Start a real worker, forked from a process that has its libraries; it is killed when the test ends."""
    with _ended(warm.start) as run:
        yield run


@pytest.fixture
def start_cold() -> Iterator[Start]:
    """Start a real worker from nothing, as the studio does; it is killed when the test ends."""

    def process(*arguments: str, **options: Any) -> Process:
        command = [sys.executable, "-m", "studio.workers", *arguments]
        return subprocess.Popen(command, cwd=PROJECT_ROOT, text=True, **options)

    with _ended(process) as run:
        yield run


@contextmanager
def _ended(start: Start) -> Iterator[Start]:
    started: list[Process] = []

    def run(task: Task, **options: Any) -> Process:
        started.append(start("run", str(write_task(task)), **options))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def events(path: Path) -> list[Event]:
    return [record.event for record in read_events(path)[0]]


def wait_for(path: Path, kind: type, *, what: str = "", seconds: float = 90) -> None:
    """Wait until an event of a kind is in the log, one that has `what` where that is given."""
    deadline = time.monotonic() + seconds
    while not any(isinstance(event, kind) and what in getattr(event, "what", "") for event in events(path)):
        assert time.monotonic() < deadline, f"no {kind.__name__} in {path}"
        time.sleep(0.05)
