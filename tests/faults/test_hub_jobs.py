"""Runs by Hugging Face Jobs: the real client and the real storage library, on a Hub here whose jobs are processes."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from studio.events import Failed, Finished, Loading, Noted, Spent
from studio.jobs.places.away import read_away, write_away
from studio.jobs.places.book import HUB, Place, Places
from studio.jobs.places.ending import Ender, EndingJobs
from studio.jobs.places.hub_jobs import HubEnder
from studio.jobs.places.protocol import STOP, part_of_run
from studio.jobs.tasks import CheckPlace, Train, TrainElsewhere
from studio.models.hub_compute import HubCompute
from studio.runs import lock
from studio.runs.launcher import Task, Worker, launch
from studio.runs.store import RunFolder
from tests.bucket_hub import TOKEN
from tests.cluster.conftest import write_python
from tests.faults.ground import Expected, Ground, check_finished, events, kill, wait
from tests.jobs_hub import OTHERS, READ_ONLY, HubJob, JobsHub, jobs_hub

NAME = "rented"
CAP = 0.5


@dataclass
class Rented:
    """A data folder whose runs train on the Hub; `token` is whose worker is started next."""

    ground: Ground
    hub: JobsHub
    cache: Path
    token: str = TOKEN

    def launch(self, task: Task, /) -> Worker:
        """Start a worker that speaks to the Hub here."""
        around = {"HF_ENDPOINT": self.hub.address, "HF_HUB_OFFLINE": "", "HF_HOME": str(self.cache)}
        return launch(task, command=(sys.executable, "-m", "studio.workers"), variables=around)

    def carry(self, task: Task, /) -> Worker:
        assert isinstance(task, Train)
        return self.launch(TrainElsewhere(task.run, self.token))

    def check(self) -> str:
        """Check the place, and say what was wrong."""
        task = CheckPlace(self.ground.home, NAME, self.token)
        worker = self.launch(task)
        wait(lambda: worker.exit_code() is not None, what="the check to end")
        check = Places(self.ground.home).last_check(NAME)
        assert check is not None
        return f"{check.trouble} {check.hint}".strip()

    def job(self, number: int = -1) -> HubJob:
        return list(self.hub.jobs.values())[number]

    def training(self) -> RunFolder:
        """Return a run that is beyond its first checkpoint, there and here."""
        run = self.ground.make_run(place=NAME)
        self.ground.start(run)
        threading.Thread(target=self._slow_down, args=(len(self.hub.jobs),), daemon=True).start()
        self.until_beyond(run, 0)
        return run

    def _slow_down(self, number: int) -> None:
        """Let the worker of a job only compute for a third of its time: it would be done before it is disturbed."""
        wait(lambda: len(self.hub.jobs) > number and self.job(number).process, what="the job")
        process = self.job(number).process
        assert process is not None
        with suppress(psutil.Error):
            while process.poll() is None:
                for each in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        if "tests.faults.worker" in each.cmdline() and each.cpu_times().user > 2:
                            each.suspend()
                            time.sleep(0.1)
                            each.resume()
                time.sleep(0.05)

    def until_beyond(self, run: RunFolder, step: int) -> None:
        def is_beyond() -> bool:
            return bool(run.checkpoint_steps and run.checkpoint_steps[-1] > step) or not run.is_alive()

        wait(is_beyond, what="a checkpoint here", pause=0.02, seconds=120)
        assert run.is_alive(), run.log_tail()

    def rests(self, run: RunFolder, *, seconds: float = 120) -> None:
        wait(lambda: not run.is_alive(), what="the worker here to end", seconds=seconds)


@pytest.fixture
def rented(tmp_path: Path, tiny_model: Path) -> Iterator[Rented]:
    with jobs_hub(tmp_path / "hub", variables={"HF_HUB_DISABLE_TELEMETRY": "1"}) as hub:
        ground = Ground(tmp_path / "home", tiny_model, partial(lambda task: made.carry(task)))  # type: ignore[arg-type]
        made = Rented(ground, hub, tmp_path / "cache")
        python = str(write_python(tmp_path / "python"))
        Places(ground.home).add(
            Place(NAME, HUB, flavor="t4-small", cap_usd=CAP, python=python, look_seconds=0.5, hours=2.0)
        )
        yield made
        for run in ground.store.all():
            ground.scheduler.discard(run.id)
            wait(lambda run=run: not run.is_alive(), what="the end")  # type: ignore[misc]


def paid(run: RunFolder) -> list[Spent]:
    return [event for event in events(run) if isinstance(event, Spent)]


def test_a_run_on_the_hub_ends_as_one_here_and_the_token_is_in_no_file(rented: Rented, steady: Expected) -> None:
    assert rented.check() == ""
    found = Places(rented.ground.home).last_check(NAME)
    assert found is not None
    assert found.facts is not None
    assert found.facts.price_per_hour == pytest.approx(0.4)
    assert not rented.hub.jobs, "a check costs nothing"
    run = rented.ground.make_run(place=NAME)
    rented.ground.start(run)
    rented.ground.finish(run, seconds=200)
    check_finished(rented.ground, run, steady)
    spec = rented.job().spec
    assert spec["timeoutSeconds"] == 60 * (75 - 1), "what the cap pays for, less a minute for its start"
    assert spec["flavor"] == "t4-small"
    assert spec["secrets"] == {"HF_TOKEN": TOKEN}
    assert TOKEN not in json.dumps(spec["command"]) + json.dumps(spec["environment"])
    assert 0 < paid(run)[-1].usd < 0.1
    assert rented.hub.buckets["me/lora-studio-runs"].private
    names = list(rented.hub.buckets["me/lora-studio-runs"].files)
    assert all(name.startswith("inputs/") for name in names), "what the run left there was not deleted"
    sent = len([each for each in rented.hub.asked if "/xorbs/" in each])
    assert sent
    found_in = [
        path
        for folder in (rented.ground.home, rented.cache, rented.hub.folder)
        for path in folder.rglob("*")
        if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert found_in == []


@pytest.mark.faults
def test_a_run_goes_on_whose_worker_here_died(rented: Rented, steady: Expected) -> None:
    run = rented.training()
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    rented.rests(run)
    rented.ground.finish(run, seconds=200)
    check_finished(rented.ground, run, steady)
    assert len(rented.hub.jobs) == 1, "the job was paid for twice"


@pytest.mark.faults
def test_a_run_is_stopped_there_and_goes_on_in_another_job(rented: Rented, steady: Expected) -> None:
    run = rented.training()
    rented.ground.scheduler.stop(run.id)
    rented.rests(run)
    assert rented.ground.state(run).status == "stopped"
    first = read_away(run.path)
    assert first is not None
    assert first.spent_usd > 0
    wait(lambda: rented.hub.look(rented.job()).stage == "COMPLETED", what="the job to end")
    rented.ground.finish(run, seconds=200)
    check_finished(rented.ground, run, steady)
    assert len(rented.hub.jobs) == 2
    assert read_away(run.path).spent_usd > first.spent_usd  # type: ignore[union-attr]


@pytest.mark.faults
def test_a_job_that_the_hub_ends_is_followed_by_another_one(rented: Rented, steady: Expected) -> None:
    run = rented.training()
    rented.hub.cancel(rented.job())
    rented.ground.finish(run, seconds=200)
    check_finished(rented.ground, run, steady)
    assert len(rented.hub.jobs) == 2
    assert any(isinstance(event, Noted) and "ended without a word" in event.text for event in events(run))


@pytest.mark.faults
def test_a_run_whose_cap_is_reached_keeps_its_work_and_goes_on_with_a_higher_one(
    rented: Rented, steady: Expected
) -> None:
    rented.hub.hardware = {"t4-small": ("T4", CAP / 7, None)}  # the cap pays for seven minutes, one of them its start
    run = rented.training()
    rented.hub.second = 0.001  # the six minutes are over at once
    rented.rests(run)
    failed = events(run)[-1]
    assert isinstance(failed, Failed), failed
    assert f"The cap of US$ {CAP:.2f} for a run at {NAME} is reached" in failed.message
    assert rented.job().message == "Job timeout"
    assert len(rented.hub.jobs) == 1
    assert run.checkpoint_steps
    assert paid(run)[-1].usd <= CAP
    places = Places(rented.ground.home)
    place = places.get(NAME)
    places.remove(NAME)
    places.add(replace(place, cap_usd=10 * CAP))
    rented.hub.second = 1.0
    rented.ground.finish(run, seconds=200)
    check_finished(rented.ground, run, steady)
    assert paid(run)[-1].usd > CAP * 6 / 7, "what the first job cost was forgotten"


@pytest.mark.faults
def test_a_token_that_expires_and_a_hub_that_is_away_lose_nothing(rented: Rented, steady: Expected) -> None:
    run = rented.training()
    rented.hub.failures = [("/api", 401, 10**6)]
    rented.rests(run)
    failed = events(run)[-1]
    assert isinstance(failed, Failed), failed
    assert "is wrong, or has expired" in failed.message
    rented.hub.failures = [("/api", 503, 10**6)]
    away_until = time.monotonic() + 20
    rented.ground.start(run)
    wait(lambda: time.monotonic() > away_until, what="the Hub to come back", seconds=60)
    assert run.is_alive(), run.log_tail()
    rented.hub.failures = []
    rented.ground.finish(run, seconds=200)
    check_finished(rented.ground, run, steady)
    assert len(rented.hub.jobs) == 1


def test_what_hinders_a_place_or_a_job_is_a_sentence(rented: Rented) -> None:
    places = Places(rented.ground.home)
    place = places.get(NAME)

    def with_place(**changes: object) -> None:
        places.remove(NAME)
        places.add(replace(place, **changes))

    for changes, token, said in (
        ({}, READ_ONLY, "may read and nothing else"),
        ({}, "hf_expired", "is wrong, or has expired"),
        ({"flavor": "t5"}, TOKEN, "has no hardware 't5' for jobs. Choose one of cpu-basic, t4-small."),
        ({"namespace": "strangers"}, TOKEN, "who is not in 'strangers'"),
        ({"cap_usd": 0.05}, TOKEN, "The cap of US$ 0.05 pays for 7.5 minutes there"),
    ):
        with_place(**changes)
        rented.token = token
        assert said in rented.check()
    rented.token = TOKEN
    with_place(python="sh -c 'echo no such python; exit 3' --")
    run = rented.ground.make_run(place=NAME)
    rented.ground.start(run)
    rented.rests(run)
    failed = events(run)[-1]
    assert isinstance(failed, Failed), failed
    assert "ended before the run could begin. The last it said: no such python" in failed.message
    assert len(rented.hub.jobs) == 1, "a job that cannot begin is not paid for again"
    with_place()
    rented.hub.fail("/api/jobs/me", 402, 10)
    rented.ground.start(run)
    rented.rests(run)
    assert "There is no credit left" in events(run)[-1].message  # type: ignore[union-attr]


def test_a_job_that_waits_for_room_is_called_off(rented: Rented) -> None:
    rented.hub.starts = False
    rented.hub.swallowed = 1
    run = rented.ground.make_run(place=NAME)
    rented.ground.start(run)

    def is_waiting() -> bool:
        return any(isinstance(event, Loading) and "Waiting for room" in event.what for event in events(run))

    wait(is_waiting, what="the run to wait for room")
    assert len(rented.hub.jobs) == 1, "a job that was taken without an answer was asked for twice"
    rented.ground.scheduler.stop(run.id)
    rented.rests(run)
    assert rented.job().stage == "CANCELED"
    assert isinstance(events(run)[-1], Finished)
    assert read_away(run.path).spent_usd == 0  # type: ignore[union-attr]


def waiting(rented: Rented) -> RunFolder:
    """Return a run whose job waits on the Hub, which nobody but the worker here would end."""
    rented.hub.starts = False
    run = rented.ground.make_run(place=NAME)
    rented.ground.start(run)
    wait(
        lambda: any(isinstance(each, Loading) and "Waiting for room" in each.what for each in events(run)), what="room"
    )
    return run


def let_the_studio_end(rented: Rented, monkeypatch: pytest.MonkeyPatch, token: str = TOKEN) -> None:
    """Do what the studio does now and then with the token that it was given."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", rented.hub.address)
    ender = Ender(HubEnder)
    ender.tick(rented.ground.home, (token,))
    ender.wait()


def ending(rented: Rented) -> list[str]:
    return [each.job for each in EndingJobs(rented.ground.home).all()]


def test_a_job_whose_answer_was_lost_ends_with_a_stop(rented: Rented) -> None:
    """The worker ended between the question and its answer, and the job that had been taken went on."""
    rented.hub.starts = False
    rented.hub.swallowed = 1
    run = rented.ground.make_run(place=NAME)
    rented.ground.start(run)
    wait(lambda: len(rented.hub.jobs) == 1, what="the job")
    rented.ground.scheduler.stop(run.id)
    rented.rests(run)
    assert rented.job().stage == "CANCELED"
    assert ending(rented) == []
    assert read_away(run.path).spent_usd == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["stop", "discard", "delete"])
def test_a_run_without_a_worker_is_given_up_and_the_studio_ends_its_job(
    rented: Rented, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Only the worker ended jobs: that of a run which was lost went on up to its cap, and nothing said so."""
    run = waiting(rented)
    away = read_away(run.path)
    assert away is not None
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    rented.rests(run)
    assert ending(rented) == []
    getattr(rented.ground.scheduler, how)(run.id)
    assert ending(rented) == [away.job]
    let_the_studio_end(rented, monkeypatch, OTHERS)
    assert ending(rented) == [away.job], "nobody ends it by a token that does not pay for it"
    assert rented.job().stage == "SCHEDULING"
    let_the_studio_end(rented, monkeypatch)
    assert ending(rented) == []
    assert rented.job().stage == "CANCELED"


@pytest.mark.faults
def test_a_run_that_is_resumed_is_followed_again_and_its_job_not_ended(
    rented: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = waiting(rented)
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    rented.rests(run)
    rented.ground.scheduler.stop(run.id)
    assert ending(rented)
    rented.ground.start(run)
    wait(lambda: ending(rented) == [], what="the run to be followed")
    let_the_studio_end(rented, monkeypatch)
    assert rented.job().stage == "SCHEDULING"
    assert len(rented.hub.jobs) == 1


@pytest.mark.faults
def test_a_worker_that_is_too_busy_to_stop_is_killed_and_its_job_ended(
    rented: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = waiting(rented)
    rented.hub.slow = 8.0
    time.sleep(1.5)
    rented.ground.scheduler.stop(run.id, grace_seconds=4.0)
    rented.rests(run)
    rented.hub.slow = 0.0
    wait(lambda: ending(rented), what="the job to be written down")
    let_the_studio_end(rented, monkeypatch)
    assert rented.job().stage == "CANCELED"


def test_a_discard_at_which_the_hub_stutters_ends_the_job(rented: Rented, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting_run = waiting(rented)
    rented.hub.fail("/api/jobs", 429, 2)
    rented.ground.scheduler.discard(waiting_run.id)
    let_the_studio_end(rented, monkeypatch)
    assert rented.job().stage == "CANCELED"


@pytest.mark.parametrize("how", ["refused", "forgotten"])
def test_an_error_that_ends_the_worker_ends_the_job_too(
    rented: Rented, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A worker that may not read the bucket any more left, and its job went on up to the cap."""
    run = waiting(rented)
    if how == "refused":
        rented.hub.fail("/api/buckets", 403, 3)
    else:
        Places(rented.ground.home).remove(NAME)
        kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
        rented.rests(run)
        rented.ground.start(run)
    rented.rests(run)
    assert isinstance(events(run)[-1], Failed)
    let_the_studio_end(rented, monkeypatch)
    assert rented.job().stage == "CANCELED"
    assert ending(rented) == []


def test_a_job_that_is_refused_costs_nothing_and_the_next_one_is_asked_for_at_the_price_of_then(rented: Rented) -> None:
    """A refused job counted as paid in full; and what was written down of it was started at another price."""
    rented.hub.starts = False
    rented.hub.fail("/api/jobs/me", 402, 100)
    run = rented.ground.make_run(place=NAME)
    rented.ground.start(run)
    rented.rests(run)
    away = read_away(run.path)
    assert away is not None
    assert (away.is_open, away.spent_usd, ending(rented)) == (False, 0.0, [])
    write_away(run.path, replace(away, is_open=True, seconds=4440, price_per_hour=0.4, owner="me"))
    rented.hub.failures = []
    rented.hub.hardware = {"t4-small": ("T4", 3.0 / 60, None)}
    rented.ground.start(run)
    wait(lambda: rented.hub.jobs, what="the job")
    seconds = rented.job().spec["timeoutSeconds"]
    assert seconds / 3600 * 3.0 <= CAP
    wait(lambda: read_away(run.path).price_per_hour == 3.0, what="the price")  # type: ignore[union-attr]
    assert read_away(run.path).seconds == seconds  # type: ignore[union-attr]


@pytest.mark.faults
def test_a_run_that_was_asked_to_stop_before_and_is_resumed_goes_on_in_another_job(rented: Rented) -> None:
    """It found the old request at the place, stopped a second time, and said that it was asked to end there."""
    run = rented.training()
    away = read_away(run.path)
    assert away is not None
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    rented.rests(run)
    bucket_there_path = f"{part_of_run(away.key, away.attempt)}/{STOP}"
    HubCompute(TOKEN, endpoint=rented.hub.address).send("me/lora-studio-runs", bucket_there_path, b"stop\n")
    wait(lambda: rented.hub.look(rented.job()).stage == "COMPLETED", what="the job to end")
    rented.ground.finish(run, seconds=200)
    assert len(rented.hub.jobs) == 2
