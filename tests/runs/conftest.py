import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.events import Event
from studio.runs import lock
from studio.runs.event_log import EventLog
from studio.runs.launcher import Task, Worker


class FakeLaunch:
    """Stands in for `launch`: it holds the lock as a worker would, and the test says what the worker says."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.log_path = Path()
        self._held: dict[Path, int] = {}
        self._exit_code: int | None = None

    def __call__(self, task: Task, /) -> Worker:
        lock_path, log_path = task.paths.lock, task.paths.log
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = lock.acquire(lock_path)
        if lock_fd is None:
            raise RunError("This work is already under way.")
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log_path.touch()
        self.tasks.append(task)
        self._held[lock_path] = lock_fd
        self.log_path, self._exit_code = log_path, None
        return Worker(process_id=0, exit_code=lambda: self._exit_code)

    def end(self, exit_code: int = 0, *, task: Task | None = None) -> None:
        """Let the workers be gone, or that of one task."""
        for lock_path in list(self._held) if task is None else [task.paths.lock]:
            os.close(self._held.pop(lock_path))
        self._exit_code = exit_code


@pytest.fixture
def fake_launch() -> Iterator[FakeLaunch]:
    fake = FakeLaunch()
    yield fake
    fake.end()


@pytest.fixture
def say() -> Callable[..., None]:
    """Append events to a file as its worker would."""

    def _say(path: Path, *events: Event) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = EventLog(path, clock=lambda: 1000.0)
        for event in events:
            log.emit(event)
        log.close()

    return _say
