"""The agent of a run at another place: what it hands in, in which order, and a storage that fails it."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio import codec
from studio.errors import NoAnswer
from studio.events import Failed, Finished, Record, Saved, Stepped, encode
from studio.jobs.places.protocol import FAILED, REPORT, WORK, AgentSpec, Report, StoredFile, Work
from studio.jobs.places.storage import FolderStorage, StorageFull
from studio.runs import lock
from studio.runs.event_log import EventLog, last_event
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunFolder
from studio.workers.agent import Agent

STEP = Stepped(1, 0.1, 2.0, 1e-3, 0.5, 100.0, 0.5, 64)
SPEC = AgentSpec(part="runs/r/1", files="runs/r/files")


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Flaky(FolderStorage):
    """A storage that fails as often as the test says, and remembers what was written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fails: list[Exception] = []
        self.written: list[str] = []

    def write(self, name: str, content: bytes) -> None:
        self._fail()
        super().write(name, content)
        self.written.append(name.rpartition("/")[2])

    def send(self, name: str, source: Path) -> None:
        self._fail()
        super().send(name, source)
        self.written.append("file")

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


@pytest.fixture
def storage(tmp_path: Path) -> Flaky:
    (tmp_path / "place").mkdir()
    return Flaky(tmp_path / "place")


@pytest.fixture
def agent(storage: Flaky, tmp_path: Path) -> Agent:
    return Agent(SPEC, storage, tmp_path / "scratch", clock=Clock())


def report(storage: Flaky) -> Report:
    content = storage.read(f"{SPEC.part}/{REPORT}", most_bytes=10_000)
    assert content is not None
    return codec.loads(Report, content)


def with_checkpoint(run: RunFolder, step: int) -> None:
    folder = run.checkpoint(step)
    folder.mkdir(parents=True)
    (folder / "progress.safetensors").write_bytes(b"masters" * step)


def test_files_are_handed_in_before_the_events_and_these_before_the_report(
    agent: Agent, storage: Flaky, make_run: Callable[..., RunFolder]
) -> None:
    run = make_run()
    log = EventLog(run.events_path)
    log.emit(STEP)
    with_checkpoint(run, 1)
    log.emit(Saved(1, "checkpoints/step-1"))
    agent._hand_in(run)
    assert storage.written == ["file", "events-1", "report.json"]
    told = report(storage)
    assert [each.path for each in told.files] == ["checkpoints/step-1/progress.safetensors"]
    agent._hand_in(run)
    assert storage.written[3:] == [], "nothing is new"
    log.emit(Finished("finished", "Done.", 1.0))
    agent._hand_in(run)
    assert storage.written[3:] == ["events-2", "report.json"]


def test_a_storage_that_fails_in_between_loses_nothing_and_doubles_nothing(
    agent: Agent, storage: Flaky, make_run: Callable[..., RunFolder]
) -> None:
    run = make_run()
    log = EventLog(run.events_path)
    log.emit(STEP)
    with_checkpoint(run, 1)
    for failure in (StorageFull("full"), NoAnswer("away"), NoAnswer("away")):
        storage.fails = [failure]
        with pytest.raises((StorageFull, NoAnswer)):
            agent._hand_in(run)
        assert storage.read(f"{SPEC.part}/{REPORT}", most_bytes=10_000) is None
    log.emit(Saved(1, "checkpoints/step-1"))
    agent._hand_in(run)
    assert report(storage).events == 1
    lines = storage.read(f"{SPEC.part}/events-1", most_bytes=10_000)
    assert lines is not None
    assert lines.count(b"\n") == 2


def test_a_checkpoint_that_is_deleted_while_it_is_handed_in_ends_no_job(
    agent: Agent, storage: Flaky, make_run: Callable[..., RunFolder]
) -> None:
    """The worker keeps two checkpoints: the job ended with "No such file or directory" when it deleted an older one."""
    run = make_run()
    log = EventLog(run.events_path)
    log.emit(STEP)
    with_checkpoint(run, 1)
    storage.fails = [FileNotFoundError(2, "No such file or directory")]
    agent._hand_in(run)
    assert storage.written == [], "events are told of files that are not there"
    agent._hand_in(run)
    assert storage.written == ["file", "events-1", "report.json"]


def test_what_is_not_wanted_any_more_is_deleted_there(
    agent: Agent, storage: Flaky, make_run: Callable[..., RunFolder]
) -> None:
    run = make_run()
    with_checkpoint(run, 1)
    agent._hand_in(run)
    first = report(storage).files[0].at
    (run.checkpoint(1) / "progress.safetensors").unlink()
    run.checkpoint(1).rmdir()
    with_checkpoint(run, 2)
    agent._hand_in(run)
    assert not storage.has(first)
    assert [each.path for each in report(storage).files] == ["checkpoints/step-2/progress.safetensors"]


def test_a_file_that_is_gone_there_ends_the_job_with_a_sentence(agent: Agent, storage: Flaky) -> None:
    missing = StoredFile("runs/otter/train.jsonl", "inputs/" + "0" * 64, "0" * 64, 5)
    storage.write(f"{SPEC.part}/{WORK}", codec.dumps(Work("otter", (missing,))).encode())
    agent.scratch.mkdir()
    assert agent.work() == 1
    told = report(storage)
    assert told.ended
    assert told.trouble == "The file train.jsonl of the run is not at the place any more."


def test_work_that_leads_out_of_its_folder_is_refused(agent: Agent, storage: Flaky, tmp_path: Path) -> None:
    for path, id in (("../outside", "otter"), ("runs/otter/train.jsonl", "../../outside")):
        storage.write("inputs/x", b"x")
        work = Work(id, (StoredFile(path, "inputs/x", "0" * 64, 1),))
        storage.write(f"{SPEC.part}/{WORK}", codec.dumps(work).encode())
        agent.scratch.mkdir(exist_ok=True)
        assert agent.work() == 1
        assert "no name of a file" in report(storage).trouble
    assert not list(tmp_path.rglob("outside"))


def test_a_check_says_what_the_machine_is_and_gives_the_sample_back(agent: Agent, storage: Flaky) -> None:
    agent.scratch.mkdir()
    storage.write(f"{SPEC.part}/{WORK}", codec.dumps(Work(sample="sample")).encode())
    storage.write(f"{SPEC.part}/sample", b"abc")
    assert agent.work() == 0
    facts = report(storage).facts
    assert facts is not None
    assert facts.sample == "abc"
    assert facts.cores >= 1
    assert dict(facts.versions)["torch"]


def on_two_nodes(storage: Flaky, tmp_path: Path, number: int, worker: str) -> Agent:
    """Return the agent of one of two nodes; its worker is a program of the shell that finds its run in $RUN."""
    python = tmp_path / f"python-{number}"
    python.write_text(f'#!/bin/sh\nRUN=$(dirname "$4")\n{worker}\n')
    python.chmod(0o755)
    storage.write(f"{SPEC.part}/{WORK}", codec.dumps(Work(run_id="r")).encode())
    scratch = tmp_path / f"scratch-{number}"
    scratch.mkdir()
    return Agent(replace(SPEC, python=str(python), nodes=2), storage, scratch, node=number, nodes=2, clock=Clock())


def test_the_first_of_several_nodes_says_nothing_of_a_death_and_goes_on_counting(
    storage: Flaky, tmp_path: Path
) -> None:
    """The job that has the nodes says it, because another node may know why."""
    storage.write(f"{SPEC.part}/{REPORT}", codec.dumps(Report(beat=5, now=0.0, trouble="They are busy.")).encode())
    assert on_two_nodes(storage, tmp_path, 0, "exit 75").work() == 1
    told = report(storage)
    assert told.beat > 5
    assert (told.trouble, told.ended, told.died) == ("", False, False)


def test_another_node_says_what_it_met_beside_the_report_of_the_run(storage: Flaky, tmp_path: Path) -> None:
    line = encode(Record(1, 1.0, Failed("out_of_memory", "The memory was not enough.", "Shorten it.", "")))
    assert on_two_nodes(storage, tmp_path, 1, f"echo '{line}' > $RUN/events.jsonl; exit 1").work() == 1
    assert not storage.has(f"{SPEC.part}/{REPORT}")
    content = storage.read(f"{SPEC.part}/{FAILED}-1", most_bytes=10_000)
    assert content is not None
    met = codec.loads(Report, content)
    assert (met.trouble, met.hint, met.ended) == ("The memory was not enough.", "Shorten it.", True)


def test_another_node_that_only_lost_the_rest_says_nothing(storage: Flaky, tmp_path: Path) -> None:
    assert on_two_nodes(storage, tmp_path, 1, "exit 75").work() == 1
    assert not storage.has(f"{SPEC.part}/{FAILED}-1")
    assert not storage.has(f"{SPEC.part}/{REPORT}")


def test_a_folder_is_not_deleted_before_its_agent_holds_it(
    storage: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (on_two_nodes(storage, tmp_path, number, "exit 0") for number in (1, 2))
    second.scratch = first.scratch
    acquire = lock.acquire

    def slowly(path: Path) -> int | None:
        path.touch()
        monkeypatch.setattr(lock, "acquire", acquire)
        with second._folder():
            pass
        return acquire(path)

    monkeypatch.setattr(lock, "acquire", slowly)
    with first._folder() as folder:
        assert lock.is_held(folder / "agent.lock")
        with second._folder():
            assert folder.is_dir()
    assert not folder.exists()


def test_what_a_killed_agent_left_is_deleted_and_what_another_works_in_is_not(storage: Flaky, tmp_path: Path) -> None:
    """Ray kills the agents of all nodes when one of them dies, and each left a copy of its run."""
    agent = on_two_nodes(storage, tmp_path, 1, "exit 0")
    left, held, strange = (agent.scratch / f"run-{name}" for name in ("left", "held", "strange"))
    for folder in (left, held, strange):
        (folder / "runs").mkdir(parents=True)
    (left / "agent.lock").touch()
    descriptor = lock.acquire(held / "agent.lock")
    assert descriptor is not None
    assert agent.work() == 0
    os.close(descriptor)
    assert sorted(agent.scratch.glob("run-*")) == [held, strange]


WORKER = """
import pathlib, signal, sys, time
from studio.events import Finished, Stepped
from studio.runs.event_log import EventLog
log = EventLog(pathlib.Path(sys.argv[-1]).with_name("events.jsonl"))
def stop(*_):
    log.emit(Finished("stopped", "Stopped after step 1.", 1.0))
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
log.emit(Stepped(1, 0.1, 2.0, 1e-3, 0.5, 100.0, 0.5, 64))
time.sleep(60)
"""


def test_a_job_whose_time_is_bounded_saves_and_ends_before(
    storage: Flaky, tmp_path: Path, make_run: Callable[..., RunFolder]
) -> None:
    """Whoever rents the place out would kill it at the end of its time, and what it had learned since its last
    checkpoint would be lost.
    """
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    run = make_run()
    spec = replace(SPEC, seconds=100, python=f"env PYTHONPATH={PROJECT_ROOT} {sys.executable} {script}")
    early = Agent(spec, storage, tmp_path / "scratch", began=time.monotonic() - 78)
    before = time.monotonic()
    assert early._train(run, evaluates=False) == 0
    assert time.monotonic() - before < 30
    assert report(storage).ended
    assert isinstance(last_event(run.events_path), Finished)


TRAINED_BEFORE_ITS_EVALUATION = """
import signal, sys, time
from pathlib import Path
from studio import codec
from studio.events import Failed, Finished, Started
from studio.runs.event_log import EventLog
document = Path(sys.argv[-1])
if document.name == "task.json":
    EventLog(document.parent / "events.jsonl").emit(Finished("finished", "", 1.0))
    sys.exit(0)
log = EventLog(document.with_name("end.events.jsonl"))
log.emit(Started(1, "evaluate"))
if {fails}:
    log.emit(Failed("bug", "It broke."))
    sys.exit(1)
signal.signal(signal.SIGTERM, lambda *_: (log.emit(Finished("stopped", "", 1.0)), sys.exit(0)))
time.sleep(60)
"""


@pytest.mark.parametrize("fails", [False, True])
def test_an_evaluation_whose_time_is_up_is_not_said_to_be_tried_in_vain(
    storage: Flaky, tmp_path: Path, make_run: Callable[..., RunFolder], fails: bool
) -> None:
    """The studio that asked for it could not tell the two apart, and made it nowhere."""
    script = tmp_path / "worker.py"
    script.write_text(TRAINED_BEFORE_ITS_EVALUATION.format(fails=fails))
    spec = replace(SPEC, seconds=100, python=f"env PYTHONPATH={PROJECT_ROOT} {sys.executable} {script}")
    agent = Agent(spec, storage, tmp_path / "scratch", began=time.monotonic() - 72)
    agent._train(make_run(), evaluates=True)
    assert report(storage).ended
    assert report(storage).evaluating is fails


def test_a_job_whose_time_is_not_bounded_is_never_up(agent: Agent) -> None:
    assert not agent._is_time_up()
    agent.spec = replace(SPEC, seconds=1000)
    assert not agent._is_time_up()
    agent.clock.sleep(801)
    assert agent._is_time_up(), "a fifth of the time stays for saving"
    agent.spec = replace(SPEC, seconds=36_000)
    agent.clock.sleep(36_000 - 801 - 301)
    assert not agent._is_time_up()
    agent.clock.sleep(2)
    assert agent._is_time_up(), "and five minutes of a long one"
