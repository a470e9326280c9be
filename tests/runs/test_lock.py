import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.runs import lock

HOLDER = """
import sys
import threading
from pathlib import Path
from studio.runs import lock
descriptor = lock.acquire(Path(sys.argv[1]))
print("held" if descriptor is not None else "refused", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(lock.__file__).parents[2])},
    )


def test_another_process_holds_the_lock_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with holder(path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert lock.is_held(path)
        assert lock.acquire(path) is None
        process.kill()
    assert not lock.is_held(path)
    descriptor = lock.acquire(path)
    assert descriptor is not None
    os.close(descriptor)


def test_the_lock_is_handed_to_a_child(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    descriptor = lock.acquire(path)
    assert descriptor is not None
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
    ) as process:
        os.close(descriptor)
        assert lock.is_held(path)
        process.kill()
    assert not lock.is_held(path)


def test_a_missing_file_is_not_held(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path / "none" / "run.lock")


def test_asking_does_not_take_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with lock.holding(path):
        assert lock.is_held(path)
    assert not lock.is_held(path)
    assert not lock.is_held(path)
    with lock.holding(path):
        pass


def test_a_lock_that_is_only_looked_at_is_waited_for(tmp_path: Path) -> None:
    """A run that was discarded stayed where it was: the pages looked at it for all of that tenth of a second."""
    path = tmp_path / "run.lock"
    path.touch()
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    done = threading.Timer(0.5, os.close, [looking])
    done.start()
    with lock.holding(path):
        done.join()


def test_holding_a_held_lock_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with lock.holding(path), pytest.raises(RunError, match="Another process is at work"), lock.holding(path):
        pass


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        lock.acquire(tmp_path / "none" / "run.lock")


def test_a_holder_names_itself(tmp_path: Path) -> None:
    """A server that died as it handed the lock over left a worker that nobody could stop: none knew which it was."""
    path = tmp_path / "run.lock"
    path.write_text("123456789\n")
    with lock.holding(path) as descriptor:
        assert lock.holder(path) is None
        lock.name_self(descriptor)
        assert lock.holder(path) == os.getpid()
    assert lock.holder(path) is None
