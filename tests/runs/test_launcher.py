import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.jobs.tasks import Train
from studio.runs import lock
from studio.runs.launcher import (
    PROJECT_ROOT,
    Worker,
    kill_group,
    launch,
    model_slug,
    read_tail,
    request_stop,
    worker_environment,
)

SPEAK = """
import os, sys
print("arguments", *sys.argv[1:])
print("folder", os.getcwd(), os.environ["TOKENIZERS_PARALLELISM"], flush=True)
os.fstat(int(sys.argv[-1]))
sys.stderr.write("and a warning\\n")
"""
WAIT = "import time; print('up', flush=True); time.sleep(60)"
OBEY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("up", flush=True)
time.sleep(60)
"""
DEAF_WITH_A_CHILD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("up", child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path: Path):
    started: list[Worker] = []

    def _start(code: str, *, nice: int = 0) -> Worker:
        worker = launch(Train(tmp_path / "job"), command=[sys.executable, "-c", code], nice=nice)
        started.append(worker)
        return worker

    yield _start
    for worker in started:
        if worker.exit_code() is None:
            kill_group(worker.process_id)
            wait_until(lambda worker=worker: worker.exit_code() is not None)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def log_of(folder: Path) -> str:
    return read_tail(folder / "job" / "worker.log")


def test_a_worker_runs_in_the_project_with_its_output_in_the_log(tmp_path: Path, start) -> None:
    worker = start(SPEAK)
    wait_until(lambda: worker.exit_code() is not None)
    first, second, third = log_of(tmp_path).splitlines()
    assert first.startswith(f"arguments run {tmp_path}/job/task.json --lock-fd ")
    assert second == f"folder {PROJECT_ROOT} false"
    assert third == "and a warning"
    assert worker.exit_code() == 0


def test_the_lock_is_held_from_the_start_until_the_worker_is_gone(tmp_path: Path, start) -> None:
    path = tmp_path / "job" / "run.lock"
    worker = start(WAIT)
    assert lock.is_held(path)
    with pytest.raises(RunError, match="already under way"):
        start(WAIT)
    os.kill(worker.process_id, signal.SIGKILL)
    wait_until(lambda: not lock.is_held(path))
    wait_until(lambda: worker.exit_code() == -signal.SIGKILL)
    again = start(SPEAK)
    wait_until(lambda: again.exit_code() == 0)


def test_an_ended_worker_leaves_no_zombie_though_nobody_asks_for_it(start) -> None:
    process_id = start("pass").process_id
    wait_until(lambda: not Path(f"/proc/{process_id}").exists())


@pytest.mark.parametrize("nice", [0, 4])
def test_a_worker_steps_back_where_the_pages_of_others_come_first(start, nice: int) -> None:
    worker = start(WAIT, nice=nice)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, worker.process_id) == min(19, own + nice))


def test_a_worker_is_asked_to_stop(tmp_path: Path, start) -> None:
    worker = start(OBEY)
    wait_until(lambda: "up" in log_of(tmp_path))
    request_stop(worker.process_id)
    wait_until(lambda: worker.exit_code() == 3)


def test_a_worker_is_killed_with_what_it_started(tmp_path: Path, start) -> None:
    worker = start(DEAF_WITH_A_CHILD)
    wait_until(lambda: "up" in log_of(tmp_path))
    child = int(log_of(tmp_path).split()[1])
    kill_group(worker.process_id)
    wait_until(lambda: worker.exit_code() == -signal.SIGKILL)
    wait_until(lambda: is_gone(child))


def is_gone(process_id: int) -> bool:
    """Whoever adopts an orphan may be slow to bury it: a zombie counts as gone."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(") ")[-1].startswith("Z")
    except OSError:
        return True


def test_stopping_what_has_ended_does_nothing(start) -> None:
    worker = start("pass")
    wait_until(lambda: worker.exit_code() == 0)
    request_stop(worker.process_id)
    kill_group(worker.process_id)


def test_a_worker_survives_the_one_who_started_it(tmp_path: Path) -> None:
    """The page may be killed at any moment; the run must not notice."""
    page = f"""
import os, signal, sys
from pathlib import Path
from studio.jobs.tasks import Train
from studio.runs.launcher import launch
folder = Path({str(tmp_path)!r}) / "job"
command = [sys.executable, "-c", {WAIT!r}]
print(launch(Train(folder), command=command).process_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", page], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    process_id = int(done.stdout)
    try:
        wait_until(lambda: "up" in log_of(tmp_path))
        assert lock.is_held(tmp_path / "job" / "run.lock")
    finally:
        kill_group(process_id)
    wait_until(lambda: not lock.is_held(tmp_path / "job" / "run.lock"))


def test_a_log_tells_of_the_last_start_only(tmp_path: Path, start) -> None:
    for text in ("first", "second"):
        worker = start(f"print({text!r})")
        wait_until(lambda worker=worker: worker.exit_code() == 0)
    assert log_of(tmp_path) == "second\n"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="could not be started"):
        launch(Train(tmp_path / "file"))


def test_a_command_that_is_not_there_is_a_sentence_and_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be started"):
        launch(Train(tmp_path), command=["/no/such/python"])
    assert not lock.is_held(tmp_path / "run.lock")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("starter", "starter"),
        ("owner/name-1.5B", "owner--name-1.5B"),
        ("/home/me/my models/one", "home--me--my--models--one"),
        ("..", "model"),
    ],
)
def test_a_model_name_becomes_a_file_name(name: str, slug: str) -> None:
    assert model_slug(name) == slug


def test_long_model_paths_stay_apart_and_fit_a_file_name() -> None:
    one, other = (model_slug("/" + folder + "/deep" * 100) for folder in ("one", "other"))
    assert one != other
    assert len(one) < 150


def test_threads_of_workers_count_a_little_and_sleep_while_they_wait_unless_the_person_says_otherwise() -> None:
    """Counting all the while, they trained at a sixth of the speed beside one busy program."""
    made = worker_environment({})
    assert (made["OMP_WAIT_POLICY"], made["GOMP_SPINCOUNT"]) == ("PASSIVE", "1000")
    assert "GOMP_SPINCOUNT" not in (active := worker_environment({"OMP_WAIT_POLICY": "ACTIVE"}))
    assert active["OMP_WAIT_POLICY"] == "ACTIVE"
    assert worker_environment({})["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "128"
    assert worker_environment({"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "7"})["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
    assert worker_environment({"MALLOC_TRIM_THRESHOLD_": "7"})["MALLOC_TRIM_THRESHOLD_"] == "7"
    assert "OMP_WAIT_POLICY" not in worker_environment({"GOMP_SPINCOUNT": "30000"})
