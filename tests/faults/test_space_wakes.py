"""A Space is killed in the middle of a training and its disk is gone: it wakes, finds everything, and trains on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from studio.accounts.people import People
from studio.compare.conversations import Conversation, open_conversations
from studio.data.library import DatasetLibrary
from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunFolder
from tests.bucket_hub import TOKEN, BucketHub, bucket_hub
from tests.faults.ground import Expected, Ground, check_finished, expected_of, wait
from tests.processes import session_of
from tests.warm import Forkserver, WarmLaunch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EPOCHS = 20
"""So long that a copy of a checkpoint is made before it ends."""


class Container:
    """The container of a Space, with an empty disk or what the one before left there."""

    def __init__(
        self,
        disk: Path,
        hub: BucketHub,
        forkserver: Forkserver | None,
        *,
        seconds: str = "1",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Without a forkserver it is app.py itself. `more` is what it is told beside the rest."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        told = {
            "SPACE_ID": "me/studio",
            "CPU_CORES": "2",
            "MEMORY": "16Gi",
            "ACCELERATOR": "none",
            "STUDIO_HOST": "127.0.0.1",
            "STUDIO_PORT": str(port),
            "STUDIO_HOME": str(disk),
            "STUDIO_MIRROR": "me/kept",
            "STUDIO_MIRROR_SECONDS": seconds,
            "HF_TOKEN": TOKEN,
            "HF_ENDPOINT": hub.address,
            **(more or {}),
        }
        warm = [sys.executable, "-m", "tests.faults.container", str(forkserver.address)] if forkserver else []
        with (disk.parent / "container.log").open("ab") as log:
            self.process = subprocess.Popen(
                warm or [sys.executable, "app.py", "--no-starter"],
                cwd=PROJECT_ROOT,
                env={**{key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}, **told},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def page(self) -> str:
        """Return what the page is made of."""
        with urllib.request.urlopen(f"{self.address}/config", timeout=10) as answer:
            return str(answer.read().decode("utf-8"))

    def wait_until_up(self) -> None:
        """Wait until the page is there."""

        def is_up() -> bool:
            assert self.process.poll() is None, "the server ended"
            try:
                return bool(self.page())
            except OSError:
                return False

        wait(is_up, seconds=90, what="the page", pause=0.1)

    def kill(self, run: RunFolder | None = None) -> None:
        """Kill -9 everything in the container at once: the studio, its mirror, and the worker of a run."""
        groups = [self.process.pid]
        worker = lock.holder(run.lock_path) if run is not None else None
        if worker is not None:
            groups.append(os.getpgid(worker))
        for group in groups:
            os.killpg(group, signal.SIGKILL)
        self.process.wait()
        if worker is not None:
            wait(lambda: not session_of(worker), what="the worker to be gone")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[BucketHub]:
    with bucket_hub(tmp_path / "storage") as hub:
        yield hub


def undisturbed(folder: Path, model: Path, forkserver: Forkserver) -> Expected:
    ground = Ground(folder, model, WarmLaunch(forkserver.address))
    run = ground.make_run(epochs=EPOCHS)
    ground.finish(run)
    return expected_of(run, ground.state(run), seconds=0.0)


def mirrored(disk: Path) -> list[str]:
    """The files that the last table names."""
    try:
        table = json.loads((disk / ".mirror" / "table.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [file["path"] for group in table["groups"] for file in group["files"]]


def wait_for_copy(disk: Path, hub: BucketHub, part: str) -> None:
    """Wait until a file with this in its name is in the mirror for sure."""
    wait(lambda: any(part in path for path in mirrored(disk)), seconds=60, what=f"{part} in the mirror")
    asked = len(hub.asked)
    wait(lambda: len(hub.asked) >= asked + 2, seconds=60, what="the mirror to go on")


def test_a_space_that_is_killed_wakes_with_everything(
    tmp_path: Path, tiny_model: Path, forkserver: Forkserver, hub: BucketHub
) -> None:
    expected = undisturbed(tmp_path / "undisturbed", tiny_model, forkserver)
    disk = tmp_path / "disk"
    ground = Ground(disk, tiny_model, WarmLaunch(forkserver.address))
    first = Container(disk, hub, forkserver)
    second: Container | None = None
    try:
        first.wait_until_up()
        assert "This Space has 2 CPUs and 16 GB of memory." in first.page()
        dataset = DatasetLibrary(disk, samples_folder=PROJECT_ROOT / "assets" / "samples").add_sample("order_slips")
        talk = open_conversations(disk).save(Conversation(name="About slips"))
        wait_for_copy(disk, hub, talk.id)
        run = ground.make_run(epochs=EPOCHS)
        ground.scheduler.queue.add(run.id)
        wait(lambda: run.checkpoint_steps, seconds=120, what="a checkpoint")
        worker = lock.holder(run.lock_path)
        assert worker is not None
        os.killpg(os.getpgid(worker), signal.SIGSTOP)  # so that it is killed in the middle, however slow the copying is
        hub.fail("/batch", 503, 2)
        hub.fail("/paths-info", 0, 1)
        hub.slow = 0.05
        wait_for_copy(disk, hub, "/checkpoints/step-")
        assert run.is_alive(), "it was to be killed in the middle"
        first.kill(run)
        shutil.rmtree(disk)

        second = Container(disk, hub, forkserver)
        second.wait_until_up()
        wait(lambda: run.path.is_dir(), what="the run to come back")
        begun = run.checkpoint_steps
        assert begun, "it begins where it was, not at its start"
        wait(lambda: ground.state(run).status == "finished", seconds=120, what="the run to end", pause=0.2)
        wait(lambda: not run.is_alive(), what="the worker to leave")
        check_finished(ground, run, expected)
        found = DatasetLibrary(disk, samples_folder=disk).get(dataset.id)
        assert found.sha256 == dataset.sha256
        assert [each.name for each in open_conversations(disk).all()] == ["About slips"]
        said = (tmp_path / "container.log").read_text(encoding="utf-8")
        assert "Everything is kept in the bucket me/kept as well." in said
        assert f"The run {run.id} was lost when the studio last ended; it goes on." in said
        assert TOKEN not in "".join([*hub.said, said])
    finally:
        for container in (first, second):
            if container is not None and container.process.poll() is None:
                container.kill(run if "run" in locals() else None)


def test_a_space_that_is_put_to_sleep_loses_nothing(
    tmp_path: Path, tiny_model: Path, forkserver: Forkserver, hub: BucketHub
) -> None:
    """Hugging Face ends it with SIGTERM; what was made since the last copy is copied before it goes."""
    disk = tmp_path / "disk"
    awake = Container(disk, hub, forkserver, seconds="9999")
    try:
        awake.wait_until_up()
        open_conversations(disk).save(Conversation(name="At the last moment"))
        time.sleep(1)
        awake.process.terminate()
        assert awake.process.wait(20) == 0
        shutil.rmtree(disk)
        awake = Container(disk, hub, forkserver)
        awake.wait_until_up()
        assert [each.name for each in open_conversations(disk).all()] == ["At the last moment"]
    finally:
        awake.kill()


def test_a_page_comes_up_though_its_mirror_cannot_be_reached(
    tmp_path: Path, tiny_model: Path, forkserver: Forkserver, hub: BucketHub
) -> None:
    """It says so, starts nothing that it does not have, and brings all back once the Hub is there."""
    disk = tmp_path / "disk"
    first = Container(disk, hub, forkserver)
    try:
        first.wait_until_up()
        open_conversations(disk).save(Conversation(name="About slips"))
        wait_for_copy(disk, hub, "conversations/")
        first.kill()
        shutil.rmtree(disk)
        hub.fail("/api/buckets/", 403, 10_000)
        kept = dict(hub.buckets["me/kept"].files)
        first = Container(disk, hub, forkserver)
        first.wait_until_up()
        assert "The access token in HF_TOKEN may not write" in first.page()
        open_conversations(disk).save(Conversation(name="Meanwhile"))
        time.sleep(3)
        assert hub.buckets["me/kept"].files == kept
        hub.failures.clear()
        wait(lambda: len(open_conversations(disk).all()) == 2, seconds=60, what="what was kept to come back")
    finally:
        first.kill()


def test_a_space_with_accounts_wakes_with_all_of_them(tmp_path: Path, hub: BucketHub) -> None:
    """Each home comes back, and who it is of; passwords do not lie in the bucket, so the owner gets a new code."""
    disk, log = tmp_path / "disk", tmp_path / "container.log"
    first = Container(disk, hub, None, more={"STUDIO_ACCOUNTS": "1"})
    try:
        wait(lambda: "one-time code" in log.read_text(encoding="utf-8"), seconds=60, what="the owner's code")
        people = People(disk)
        owner, anna = people.first(), people.add("anna")[0]
        wait_for_copy(disk, hub, f"accounts/people/{anna.id}.json")
        open_conversations(people.home_of(anna)).save(Conversation(name="About fog"))
        wait_for_copy(disk, hub, f"accounts/{anna.id}/conversations/")
        first.kill()
        shutil.rmtree(disk)
        first = Container(disk, hub, None, more={"STUDIO_ACCOUNTS": "1"})
        wait(lambda: log.read_text(encoding="utf-8").count("one-time code") == 2, seconds=60, what="a new code")
        back = People(disk)
        assert (back.first().id, back.get("anna").id) == (owner.id, anna.id)
        assert [each.name for each in open_conversations(back.home_of(anna)).all()] == ["About fog"]
        codes = [line.rpartition(" ")[2] for line in log.read_text(encoding="utf-8").splitlines() if "code" in line]
        assert not any(code in said for code in codes for said in hub.said)
    finally:
        first.kill()
