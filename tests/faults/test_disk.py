"""The disk is full, or does not let itself be written: the run says so, keeps what it had, and goes on later."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.events import Failed
from studio.settings import ensure_writable
from tests.faults.conftest import Tally
from tests.faults.ground import (
    Expected,
    Ground,
    check_finished,
    check_whole,
    events,
    last_step,
    wait,
)
from tests.processes import session_of
from tests.warm import Forkserver, WarmLaunch

WRITES = {
    "the first folder of a checkpoint": "checkpoints@1",
    "a file in a checkpoint": "checkpoints/.step-@2",
    "a later checkpoint": "checkpoints/.step-@9",
    "the folder of the result": ".adapter.tmp@1",
    "a file of the result": ".adapter.tmp@2",
    "the tokens that are kept": "tokens@1",
}
"""Each kind of write of a worker that Python does, as a fault knows it. The libraries' own are met on a small disk."""


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own in memory."""

    folder: Path

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def leave_free(self, free_bytes: int) -> None:
        """Fill it up to a few bytes."""
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb") as file:
            file.write(bytes(max(0, self.free_bytes - free_bytes)))  # a run may have filled it meanwhile

    def empty(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def check_disk_full(ground: Ground, expected: Expected, what: str, free_bytes: int | None = None) -> None:
    """Assert that the run of a folder ended on a full disk, says so, and can go on."""
    (run,) = ground.store.all()
    wait(lambda: not run.is_alive(), what="the worker to end")
    state = ground.state(run)
    assert state.status in ("failed", "lost"), (what, state.status, run.log_tail())
    assert "disk is full" in state.headline, (what, state.headline, run.log_tail())
    assert "Free some space" in state.headline
    failed = events(run)[-1]
    if isinstance(failed, Failed):
        assert failed.cause == "disk_full"
        assert "Traceback" not in failed.message + failed.hint
    assert state.can_resume
    check_whole(ground, run, expected)


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=() if "a file in" in what else pytest.mark.faults) for what in WRITES]
)
def test_a_full_disk_at_a_write(ground: Ground, steady: Expected, tally: Tally, what: str) -> None:
    held = tally("disk full at a write of Python's")
    run = ground.make_run()
    ground.launch.fault = f"full@{WRITES[what]}"
    process_id = ground.start(run)
    wait(lambda: not run.is_alive(), what="the worker to end")
    wait(lambda: not session_of(process_id), seconds=60, what="its last process to be gone")
    if ground.state(run).status != "finished":  # what is kept for later runs is not worth failing for
        check_disk_full(ground, steady, what)
        ground.finish(run)
    check_finished(ground, run, steady)
    held()


@pytest.mark.faults
def test_a_folder_that_cannot_be_written_any_more(ground: Ground, steady: Expected, tally: Tally) -> None:
    held = tally("a folder that cannot be written, met by a worker")
    run = ground.make_run()
    ground.launch.fault = "deny@checkpoints/.step-@2"
    ground.start(run)
    wait(lambda: not run.is_alive(), what="the worker to end")
    failed = events(run)[-1]
    assert isinstance(failed, Failed)
    assert failed.cause == "read_only"
    check_whole(ground, run, steady)
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


@pytest.mark.parametrize(
    "free_kib",
    [
        pytest.param(kib, marks=pytest.mark.faults)
        for kib in (0, 4, 8, 12, 16, 24, 40, 100, 200, 300, 500, 600, 700, 900, 1200, 1500)
    ],
)
def test_a_small_disk_that_fills_up(
    small_disk: SmallDisk, tiny_model: Path, forkserver: Forkserver, steady: Expected, tally: Tally, free_kib: int
) -> None:
    """Whatever the worker wants to write then: events, tokens, the log, a checkpoint or the result."""
    held = tally("disk full: a small disk that fills up")
    ground = Ground(small_disk.folder / "home", tiny_model, WarmLaunch(forkserver.address))
    run = ground.make_run()
    small_disk.leave_free(free_kib * 1024)
    try:
        ground.scheduler.enqueue(run.id)
    except RunError as error:
        sentence = str(error)
    else:
        sentence = str(ground.scheduler.trouble(run.id) or "")
    if sentence:
        assert "No space left" in sentence, sentence
    else:
        check_disk_full(ground, steady, f"{free_kib} KiB")
    small_disk.empty()
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=() if step == 25 else pytest.mark.faults) for step in (1, 9, 10, 13, 25, 39, 50, 59)],
)
def test_a_disk_that_fills_up_while_a_run_trains(
    small_disk: SmallDisk, tiny_model: Path, forkserver: Forkserver, steady: Expected, tally: Tally, step: int
) -> None:
    held = tally("disk full: while a run trains")
    ground = Ground(small_disk.folder / "home", tiny_model, WarmLaunch(forkserver.address))
    run = ground.make_run()
    ground.start(run)
    wait(lambda: (last_step(run) or 0) >= step, what="the step", pause=0.001)
    small_disk.leave_free(0)
    check_disk_full(ground, steady, f"at step {step}")
    small_disk.leave_free(0)  # what the run had half-written is gone with it
    with pytest.raises(RunError, match="No space left"):
        ground.make_run()
    with pytest.raises(RunError, match="No space left"):
        ground.store.describe(run.id, note="x" * 4000)
    small_disk.empty()
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


def test_a_disk_that_becomes_read_only(
    small_disk: SmallDisk, tiny_model: Path, forkserver: Forkserver, steady: Expected, tally: Tally
) -> None:
    """Root may write anywhere but here."""
    held = tally("a data folder on a disk that is read-only")
    ground = Ground(small_disk.folder / "home", tiny_model, WarmLaunch(forkserver.address))
    run = ground.interrupted()
    run.lost_path.unlink()
    small_disk.remount("ro")
    try:
        server = ground.another_server()
        assert server.view(run.id).status == "lost"
        sentences = []
        for verb in (
            lambda: server.enqueue(run.id),
            lambda: server.delete(run.id),
            lambda: server.discard(run.id),
            lambda: ground.store.describe(run.id, name="other"),
            lambda: ground.store.duplicate(run.id),
            lambda: ground.make_run(),
            lambda: ensure_writable(ground.home),
        ):
            with pytest.raises(RunError) as caught:
                verb()
            sentences.append(str(caught.value))
        assert all("Read-only file system" in sentence or "cannot be written" in sentence for sentence in sentences)
        assert server.recover() == ()
        assert server.view(run.id).status == "lost"
        check_whole(ground, run, steady)
    finally:
        small_disk.remount("rw")
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


@pytest.mark.faults
def test_a_folder_without_the_right_to_write(ground: Ground, steady: Expected, tally: Tally) -> None:
    run = ground.interrupted()
    folders = [ground.home, run.path.parent, run.path]
    for folder in folders:
        folder.chmod(0o555)
    try:
        if _may_write(ground.home):
            pytest.skip("root may write anywhere; it has the read-only disk above")
        held = tally("a data folder without the right to write")
        assert ground.state(run).status == "lost"
        with pytest.raises(RunError, match="cannot be written"):
            ground.another_server().enqueue(run.id)
        with pytest.raises(RunError, match="cannot be written"):
            ground.make_run()
    finally:
        for folder in folders:
            folder.chmod(0o755)
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


def _may_write(folder: Path) -> bool:
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    (folder / "probe").unlink()
    return True
