"""The worker here of a run at another place: what it does where a job waits, was never begun, or is not wanted."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.events import Finished, Loaded, Loading, Noted, Record, Started, Stepped, encode
from studio.files import write_whole
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.places.away import Away, read_away, write_away
from studio.jobs.places.book import HUB, PROCESS, Place
from studio.jobs.places.ending import FOLDER, EndingJobs
from studio.jobs.places.protocol import REPORT, STOP, WORK, AgentSpec, JobSeen, Report, Work
from studio.jobs.places.storage import FolderStorage
from studio.models.starter import Stopped
from studio.runs.event_log import EventLog, decode_lines, read_events
from studio.runs.store import DISCARD, GIVE_WAY, KEEP, RunFolder
from studio.workers import elsewhere
from studio.workers.elsewhere import Journey
from studio.workers.job import Job

KEY = "run-0123456789abcdef"
STEP = Stepped(1, 0.1, 2.0, 1e-3, 0.5, 100.0, 0.5, 64)


class FakeEngine:
    """A place by what it says; `on_submit` is what its next job does."""

    def __init__(self) -> None:
        self.states: dict[str, JobSeen] = {}
        self.submitted: list[str] = []
        self.stopped: list[str] = []
        self.silent = 0
        self.specs: list[AgentSpec] = []
        self.on_submit: Callable[[AgentSpec], JobSeen] = lambda spec: "waiting"

    def prepare(self) -> None:
        if self.silent:
            self.silent -= 1
            raise NoAnswer("It does not answer.")

    def submit(self, job: str, spec: AgentSpec) -> None:
        self.submitted.append(job)
        self.specs.append(spec)
        self.states[job] = self.on_submit(spec)

    def state(self, job: str) -> JobSeen:
        return self.states.get(job, "unknown")

    def stop(self, job: str) -> None:
        self.stopped.append(job)
        self.states[job] = "ended"

    def nodes(self) -> int:
        return 1


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    (tmp_path / "place").mkdir()
    return FolderStorage(tmp_path / "place")


@pytest.fixture
def run(make_run: Callable[..., RunFolder]) -> RunFolder:
    return make_run(place="lab")


def journey(run: RunFolder, engine: FakeEngine, storage: FolderStorage) -> Journey:
    place = Place("lab", PROCESS, folder=str(storage.folder))
    return Journey(Job(EventLog(run.events_path).emit), run, place, engine, storage, EndingJobs(run.path.parent.parent))


def ends(storage: FolderStorage) -> Callable[[AgentSpec], JobSeen]:
    """Return a job that does one step and finishes at once."""

    def work(spec: AgentSpec) -> JobSeen:
        lines = [
            encode(Record(number, 1e9, event)) for number, event in enumerate((STEP, Finished("finished", "", 1.0)), 1)
        ]
        storage.write(f"{spec.part}/events-1", ("\n".join(lines) + "\n").encode())
        storage.write(f"{spec.part}/{REPORT}", codec.dumps(Report(1, 1e9, events=1, ended=True)).encode())
        return "ended"

    return work


def told(run: RunFolder) -> list[object]:
    return [record.event for record in read_events(run.events_path)[0]]


def test_what_names_the_job_is_written_before_it_is_submitted(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    seen: list[Away | None] = []

    def work(spec: AgentSpec) -> JobSeen:
        seen.append(read_away(run.path))
        return ends(storage)(spec)

    engine.on_submit = work
    assert journey(run, engine, storage).go() == Finished("finished", "", 1.0)
    assert seen[0] is not None
    assert seen[0].is_open
    assert engine.submitted == [seen[0].job]
    after = read_away(run.path)
    assert after == replace(seen[0], is_open=False)


def test_a_job_that_was_written_down_and_never_begun_is_started_under_its_name(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    away = Away("lab", KEY, attempt=3, is_open=True)
    write_away(run.path, away)
    storage.write(f"runs/{KEY}/3/{WORK}", b"{}")
    engine.on_submit = ends(storage)
    journey(run, engine, storage).go()
    assert engine.submitted == [away.job]


def test_a_job_that_a_place_has_forgotten_altogether_is_begun_again(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    write_away(run.path, Away("lab", KEY, attempt=3, is_open=True))
    engine.on_submit = ends(storage)
    journey(run, engine, storage).go()
    assert engine.submitted == [f"lora-studio-{KEY}-4"]


def test_the_next_job_is_told_in_which_format_the_run_computes(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    """Each job has a data folder of its own, where "auto" was tried out again: a busy node took another format."""
    loaded = Loaded(parameters=1, trainable=1, device="cpu", precision="bf16", target_modules=())
    before = EventLog(run.events_path)
    before.emit(Started(1, "train"))
    before.emit(loaded)
    before.close()
    write_away(run.path, Away("lab", KEY, attempt=3, is_open=True))
    engine.on_submit = ends(storage)
    log = EventLog(run.events_path)
    place = Place("lab", PROCESS, folder=str(storage.folder))
    Journey(Job(log.emit, follows_another=True), run, place, engine, storage, EndingJobs(run.path.parent.parent)).go()
    work = codec.loads(Work, storage.read(f"runs/{KEY}/4/{WORK}", most_bytes=9999) or b"")
    first, *others = decode_lines([line.encode() for line in work.begun.splitlines()])
    assert isinstance(first.event, Loading)
    assert [each.event for each in others] == [loaded]


def test_a_run_that_waits_for_room_stops_at_once(run: RunFolder, engine: FakeEngine, storage: FolderStorage) -> None:
    one = journey(run, engine, storage)
    threading.Timer(1.0, lambda: write_whole(run.stop_request, KEEP)).start()
    ended = one.go()
    assert isinstance(ended, Finished)
    assert ended.status == "stopped"
    assert engine.stopped == engine.submitted
    assert Loading("Waiting for room at lab") in told(run)


def test_a_run_that_is_discarded_is_ended_there(run: RunFolder, engine: FakeEngine, storage: FolderStorage) -> None:
    def work(spec: AgentSpec) -> JobSeen:
        storage.write(f"{spec.part}/{REPORT}", codec.dumps(Report(1, 1e9)).encode())
        return "running"

    engine.on_submit = work
    threading.Timer(1.0, lambda: write_whole(run.stop_request, DISCARD)).start()
    journey(run, engine, storage).go()
    assert engine.stopped == engine.submitted


def test_a_stop_reaches_a_job_that_works_and_its_last_word_is_taken(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    part = ""

    def work(spec: AgentSpec) -> JobSeen:
        nonlocal part
        part = spec.part
        storage.write(f"{part}/{REPORT}", codec.dumps(Report(1, 1e9)).encode())
        return "running"

    def stop() -> None:
        write_whole(run.stop_request, KEEP)
        while not storage.has(f"{part}/{STOP}"):
            threading.Event().wait(0.05)
        storage.write(f"{part}/events-1", (encode(Record(1, 1e9, Finished("stopped", "Kept.", 2.0))) + "\n").encode())
        storage.write(f"{part}/{REPORT}", codec.dumps(Report(2, 1e9, events=1, ended=True)).encode())

    engine.on_submit = work
    threading.Timer(0.5, stop).start()
    assert journey(run, engine, storage).go() == Finished("stopped", "Kept.", 2.0)
    assert engine.stopped == []


@pytest.mark.parametrize("wanted", [KEEP, DISCARD])
def test_a_stop_is_passed_on_while_much_comes_home(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """A place that names pieces which are not there was asked for each of them before anything else was done."""
    monkeypatch.setattr(elsewhere, "STOP_SECONDS", 0.5)

    def work(spec: AgentSpec) -> JobSeen:
        storage.write(f"{spec.part}/{REPORT}", codec.dumps(Report(1, 1e9, events=4_900_000)).encode())
        return "running"

    engine.on_submit = work
    threading.Timer(0.5, lambda: write_whole(run.stop_request, wanted)).start()
    began = time.monotonic()
    ended = journey(run, engine, storage).go()
    assert isinstance(ended, Finished)
    assert ended.status == "stopped"
    assert time.monotonic() - began < 15
    assert engine.stopped == engine.submitted
    assert storage.has(f"{engine.specs[0].part}/{STOP}")


def test_a_place_that_does_not_answer_yet_is_waited_for(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    engine.silent, engine.on_submit = 1, ends(storage)
    assert journey(run, engine, storage).go() == Finished("finished", "", 1.0)
    assert len(engine.submitted) == 1


def test_who_does_not_want_to_wait_for_a_silent_place_stops(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    engine.silent = 1000
    threading.Timer(0.5, lambda: write_whole(run.stop_request, KEEP)).start()
    with pytest.raises(Stopped):
        journey(run, engine, storage).go()
    assert engine.submitted == []


def test_a_job_asks_for_the_nodes_of_its_run_and_for_fewer_only_once_something_was_saved(
    make_run: Callable[..., RunFolder], engine: FakeEngine, storage: FolderStorage
) -> None:
    """A run that is new waits for what it asks for; one that goes on does not wait for a node that is lost for good."""
    for saved in (False, True):
        run = make_run(place="lab", nodes=3)
        if saved:
            run.checkpoint(4).mkdir(parents=True)
            (run.checkpoint(4) / "progress.safetensors").write_bytes(b"masters")
        engine.on_submit = ends(storage)
        journey(run, engine, storage).go()
    assert [(spec.nodes, spec.can_be_fewer) for spec in engine.specs] == [(3, False), (3, True)]
    assert {spec.cpus for spec in engine.specs} == {1.0}


@pytest.mark.parametrize("ending", ["told", "lost"])
def test_a_run_that_could_not_be_evaluated_there_is_finished_and_says_so(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(elsewhere, "SURE_SECONDS", 0.1)
    monkeypatch.setattr(elsewhere, "ASK_SECONDS", 0.1)
    request_path(run).write_text("0")
    asked: list[bool] = []

    def work(spec: AgentSpec) -> JobSeen:
        asked.append(codec.loads(Work, storage.read(f"{spec.part}/{WORK}", most_bytes=2**20) or b"").evaluates)
        seen = ends(storage)(spec)
        said = Report(2, 1e9, events=1, evaluating=True, ended=ending == "told")
        storage.write(f"{spec.part}/{REPORT}", codec.dumps(said).encode())
        return seen

    engine.on_submit = work
    assert journey(run, engine, storage).go() == Finished("finished", "", 1.0)
    assert asked == [True]
    assert Noted("warning", "lab could not evaluate the run. Evaluate it here.") in told(run)
    assert not request_path(run).exists()


@pytest.mark.parametrize(("wanted", "is_kept"), [("", True), (GIVE_WAY, True), (KEEP, False), (DISCARD, False)])
def test_an_evaluation_that_ended_there_before_it_was_done_is_made_here_unless_a_person_stopped_it(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage, wanted: str, is_kept: bool
) -> None:
    """The run gave way, or the time that was paid for was up: nothing was evaluated, and nothing said."""
    request_path(run).write_text("0")
    part = ""

    def work(spec: AgentSpec) -> JobSeen:
        nonlocal part
        part = spec.part
        ends(storage)(spec)
        said = Report(2, 1e9, events=1, evaluating=True)
        storage.write(f"{part}/{REPORT}", codec.dumps(said).encode())
        return "running"

    def end() -> None:
        if wanted:
            write_whole(run.stop_request, wanted)
        while wanted not in ("", DISCARD) and not storage.has(f"{part}/{STOP}"):
            threading.Event().wait(0.05)
        if wanted != DISCARD:
            storage.write(f"{part}/{REPORT}", codec.dumps(Report(3, 1e9, events=1, ended=True)).encode())

    engine.on_submit = work
    threading.Timer(1.0, end).start()
    assert journey(run, engine, storage).go() == Finished("finished", "", 1.0)
    assert request_path(run).exists() is is_kept
    assert not any(isinstance(each, Noted) for each in told(run))


def test_an_evaluation_that_is_called_off_here_is_stopped_there(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    request_path(run).write_text("0")
    part = ""

    def work(spec: AgentSpec) -> JobSeen:
        nonlocal part
        part = spec.part
        ends(storage)(spec)
        storage.write(f"{part}/{REPORT}", codec.dumps(Report(2, 1e9, events=1, evaluating=True)).encode())
        return "running"

    def call_off() -> None:
        assert not storage.has(f"{part}/{STOP}")
        request_path(run).unlink()
        while not storage.has(f"{part}/{STOP}"):
            threading.Event().wait(0.05)
        storage.write(f"{part}/{REPORT}", codec.dumps(Report(3, 1e9, events=1, ended=True)).encode())

    engine.on_submit = work
    threading.Timer(1.0, call_off).start()
    assert journey(run, engine, storage).go() == Finished("finished", "", 1.0)
    assert not any(isinstance(each, Noted) for each in told(run))


def test_what_a_place_says_of_its_trouble_is_cut(run: RunFolder, engine: FakeEngine, storage: FolderStorage) -> None:
    """A report may have 16 MB, and each of its sentences stood whole in an event of the run."""

    def work(spec: AgentSpec) -> JobSeen:
        said = Report(1, 1e9, trouble="t" * 5000, hint="h" * 5000, lost="l" * 5000)
        storage.write(f"{spec.part}/{REPORT}", codec.dumps(said).encode())
        threading.Timer(
            1.0, lambda: storage.write(f"{spec.part}/{REPORT}", codec.dumps(replace(said, beat=2, ended=True)).encode())
        ).start()
        return "running"

    engine.on_submit = work
    with pytest.raises(RunError) as caught:
        journey(run, engine, storage).go()
    assert (caught.value.message, caught.value.hint) == ("t" * 300, "h" * 300)
    waited = [each.what for each in told(run) if isinstance(each, Loading)]
    assert any(each.endswith(": " + "t" * 300) for each in waited), waited


def test_nodes_that_never_find_one_another_are_tried_a_few_times_and_not_blamed_on_memory(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    """A port that was taken ended as a run whose memory may not be enough."""
    met = "The processes of this run could not be connected: the port is taken."

    def work(spec: AgentSpec) -> JobSeen:
        said = Report(1, 1e9, trouble="A process ended.", ended=True, died=True, lost=met, never=True)
        storage.write(f"{spec.part}/{REPORT}", codec.dumps(said).encode())
        return "ended"

    engine.on_submit = work
    with pytest.raises(RunError) as raised:
        journey(run, engine, storage).go()
    assert len(engine.submitted) == 3
    assert raised.value.message == (
        f"The nodes of the run could not work together at lab, 3 times, not beyond step 0. {met}"
    )
    assert "network between the nodes" in raised.value.hint
    noted = [event.text for event in told(run) if isinstance(event, Noted)]
    assert noted == ["The nodes of a job at lab lost one another. The run begins again in a new one."] * 2


class PaidEngine(FakeEngine):
    """A place that is paid for; `price` is that of an hour."""

    def __init__(self) -> None:
        super().__init__()
        self.price = 0.6
        self.refuses = ""

    def submit(self, job: str, spec: AgentSpec) -> None:
        super().submit(job, spec)
        if self.refuses == "lost":
            self.refuses = ""
            self.states.pop(job)
            self.price *= 2
            raise NoAnswer("It does not answer.")
        if self.refuses:
            self.states.pop(job)
            raise RunError(self.refuses)

    def rented(self) -> tuple[str, float]:
        return "T4", self.price

    def owner(self) -> str:
        return "me"

    def paid_seconds(self, job: str) -> float | None:
        return 60.0

    def last_line(self, job: str) -> str:
        return "no such python"


def paid_journey(run: RunFolder, engine: FakeEngine, storage: FolderStorage) -> Journey:
    place = Place("lab", HUB, flavor="t4-small", cap_usd=6.0, look_seconds=0.1)
    return Journey(Job(EventLog(run.events_path).emit), run, place, engine, storage, EndingJobs(run.path.parent.parent))


def test_a_job_is_asked_for_again_at_the_price_of_then(run: RunFolder, storage: FolderStorage) -> None:
    """The second request had the seconds of the first: at another price they cost more than the cap."""
    engine = PaidEngine()
    engine.refuses, engine.on_submit = "lost", ends(storage)
    paid_journey(run, engine, storage).go()
    assert [spec.seconds for spec in engine.specs] == [(600 - 1) * 60, (300 - 1) * 60]


def test_a_job_that_was_refused_is_not_open_and_costs_nothing(run: RunFolder, storage: FolderStorage) -> None:
    engine = PaidEngine()
    engine.refuses = "There is no credit left."
    with pytest.raises(RunError, match="no credit"):
        paid_journey(run, engine, storage).go()
    away = read_away(run.path)
    assert away is not None
    assert (away.is_open, away.spent_usd) == (False, 0.0)
    assert EndingJobs(run.path.parent.parent).all() == ()


def test_a_storage_that_stutters_as_a_job_ends_does_not_fail_the_run(
    run: RunFolder, storage: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one question that was not asked again: the run failed with "It is tried again."."""
    monkeypatch.setattr(elsewhere, "RETRY_SECONDS", 0.0)
    engine, asked = PaidEngine(), []

    class Stutters(FolderStorage):
        def has(self, name: str) -> bool:
            asked.append(name)
            if len(asked) == 1:
                raise NoAnswer("It was asked too often.", "It is tried again.")
            return super().has(name)

    write_away(run.path, Away("lab", KEY, 1, True, seconds=600, price_per_hour=0.6, owner="me"))
    one = paid_journey(run, engine, Stutters(storage.folder))
    with pytest.raises(RunError, match="ended before the run could begin"):
        one._count_death(None)
    assert len(asked) == 2


def test_a_run_that_gives_way_has_the_time_there_that_it_has_here(run: RunFolder, storage: FolderStorage) -> None:
    """It was cancelled after 240 seconds, with what it had not saved, though its worker was given an hour."""
    one = paid_journey(run, PaidEngine(), storage)
    write_whole(run.stop_request, GIVE_WAY)
    assert not one._must_end()
    assert one._asked_at is not None
    one._asked_at -= elsewhere.STOP_SECONDS + 60
    assert not one._must_end()
    write_whole(run.stop_request, KEEP)
    assert one._must_end()


def test_a_full_disk_does_not_keep_a_paid_job_from_being_ended(
    run: RunFolder, storage: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = PaidEngine()
    engine.on_submit = lambda spec: "running"

    def read(name: str, *, most_bytes: int) -> bytes:
        (run.path.parent.parent / FOLDER).write_text("no folder can be made here")
        raise RunError("The report cannot be read.")

    monkeypatch.setattr(storage, "read", read)
    with pytest.raises(RunError, match="report"):
        paid_journey(run, engine, storage).go()
    assert engine.stopped == engine.submitted
    assert read_away(run.path).is_open is False  # type: ignore[union-attr]


def test_a_request_to_stop_that_nobody_has_read_is_taken_back_when_the_run_is_resumed(
    run: RunFolder, engine: FakeEngine, storage: FolderStorage
) -> None:
    away = Away("lab", KEY, attempt=3, is_open=True)
    write_away(run.path, away)
    storage.write(f"runs/{KEY}/3/{WORK}", b"{}")
    storage.write(f"runs/{KEY}/3/{STOP}", b"stop\n")
    found: list[bool] = []

    def work(spec: AgentSpec) -> JobSeen:
        found.append(storage.has(f"{spec.part}/{STOP}"))
        return ends(storage)(spec)

    engine.on_submit = work
    journey(run, engine, storage).go()
    assert found == [False]
