"""Runs from their start to their end, with workers that do what the test says."""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.errors import RunError
from studio.events import Event, Failed, Finished, Forecasted, Loaded, Prepared, Resumed, Saved, Started, Stepped
from studio.jobs.tasks import Train
from studio.runs import lock
from studio.runs import scheduler as module
from studio.runs.launcher import Worker, kill_group, launch
from studio.runs.scheduler import Scheduler
from studio.runs.store import DISCARD, GIVE_WAY, KEEP, RunFolder, RunGroup, RunStore
from tests.processes import session_of

Say = Callable[..., None]
NOW = 1_790_000_000.0
EXAMPLES = (Example((Message("user", "a?"), Message("assistant", "b.")), 1),)
SLEEPER = "import time, os; time.sleep(120)"
FINISHED = Finished("finished", "Done.", 1.0)


class Workers:
    """Stands in for `launch`: each worker is an open lock, until the test lets it end."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.refuses: RunError | OSError | None = None
        self._held: dict[str, int] = {}
        self._codes: dict[str, int] = {}

    def __call__(self, run: RunFolder) -> Worker:
        if self.refuses is not None:
            raise self.refuses
        descriptor = lock.acquire(run.lock_path)
        if descriptor is None:
            raise RunError("This work is already under way.")
        id = run.id
        run.log_path.touch()
        self.started.append(id)
        self._held[id] = descriptor
        return Worker(process_id=0, exit_code=lambda: self._codes.get(id))

    def end(self, id: str, code: int = 0) -> None:
        self._codes[id] = code
        os.close(self._held.pop(id))

    def end_all(self) -> None:
        for id in list(self._held):
            self.end(id)


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.end_all()


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path, lambda: NOW, rng=random.Random(1))


def build(store: RunStore, start: object, *, now: Callable[[], float] = time.time) -> Scheduler:
    return Scheduler(store, store.folder.parent, launch=start, clock=now, make_room=lambda: None)  # type: ignore[arg-type]


@pytest.fixture
def scheduler(store: RunStore, workers: Workers) -> Scheduler:
    return build(store, workers)


def create(store: RunStore, name: str = "") -> RunFolder:
    return store.create(
        RunConfig(name=name), dataset_id="d", dataset_name="D", dataset_sha256="", train=EXAMPLES, validation=()
    )


def step(number: int) -> Stepped:
    return Stepped(number, number / 10, 2.0, 1e-3, 1.0, 100.0, 0.1)


def lose(store: RunStore, say: Say, *events: Event, name: str = "") -> RunFolder:
    """Make a run that was lost with its server."""
    run = create(store, name)
    run.log_path.touch()
    say(run.events_path, Started(1, "train"), *events)
    return run


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def test_runs_go_one_after_the_other(scheduler: Scheduler, store: RunStore, workers: Workers, say: Say) -> None:
    first, second, third = (create(store, name) for name in ("one", "two", "three"))
    assert scheduler.view(first.id).status == "draft"
    for run in (first, second, third):
        scheduler.enqueue(run.id)
    assert workers.started == [first.id]
    assert [scheduler.view(run.id).status for run in (first, second, third)] == ["preparing", "queued", "queued"]
    assert [scheduler.view(run.id).place for run in (first, second, third)] == [0, 1, 2]
    assert scheduler.view(second.id).headline.startswith("Waiting for its turn")
    assert scheduler.tick() is None
    scheduler.queue.move(third.id, -1)
    say(first.events_path, Started(1, "train"), FINISHED)
    workers.end(first.id)
    assert scheduler.tick() == third.id
    scheduler.queue.remove(second.id)
    assert scheduler.view(second.id).status == "draft"
    workers.end(third.id)
    assert scheduler.tick() is None
    with pytest.raises(RunError, match="is finished"):
        scheduler.enqueue(first.id)


def test_a_run_at_work_is_not_put_in_the_queue_again(scheduler: Scheduler, store: RunStore, workers: Workers) -> None:
    run = create(store)
    scheduler.enqueue(run.id)
    scheduler.enqueue(run.id)
    assert scheduler.queue.line().waiting == ()
    assert workers.started == [run.id]


def test_one_that_cannot_start_says_why_and_is_tried_again(
    scheduler: Scheduler, store: RunStore, workers: Workers
) -> None:
    run = create(store)
    workers.refuses = RunError("The memory is full.")
    scheduler.enqueue(run.id)
    assert "could not be started: The memory is full." in scheduler.view(run.id).headline
    workers.refuses = OSError(30, "Read-only file system")
    assert scheduler.tick() is None
    assert "Read-only file system" in scheduler.view(run.id).headline
    workers.refuses = None
    assert scheduler.tick() == run.id
    assert scheduler.trouble(run.id) is None


def test_two_servers_start_a_run_once(store: RunStore, workers: Workers) -> None:
    servers = [build(RunStore(store.folder.parent), workers) for _ in range(2)]
    runs = [create(store, f"run {number}") for number in range(4)]
    for run in runs:
        servers[0].queue.add(run.id)
    for run in runs:
        assert [server.tick() for server in servers] == [run.id, None]
        assert [server.view(run.id).status for server in servers] == ["preparing", "preparing"]
        workers.end(run.id)
    assert workers.started == [run.id for run in runs]


def test_a_run_that_was_deleted_elsewhere_leaves_the_queue(
    scheduler: Scheduler, store: RunStore, workers: Workers
) -> None:
    gone, other = create(store, "gone"), create(store, "other")
    scheduler.queue.add(gone.id)
    scheduler.queue.add(other.id)
    store.delete(gone.id)
    assert scheduler.tick() == other.id
    assert scheduler.queue.line().waiting == ()


def test_a_run_that_is_done_is_not_started_again(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    """A server that died, or met a full disk, as it took a run out of the line left it there: it was trained again."""
    done, other = create(store, "done"), create(store, "other")
    scheduler.queue.add(done.id)
    scheduler.queue.add(other.id)
    say(done.events_path, Started(1, "train"), step(1), FINISHED)
    assert scheduler.tick() == other.id
    assert workers.started == [other.id]
    assert scheduler.view(done.id).status == "finished"


def test_a_stopped_run_leaves_the_queue_or_is_asked(scheduler: Scheduler, store: RunStore, workers: Workers) -> None:
    first, second = create(store, "one"), create(store, "two")
    scheduler.enqueue(first.id)
    scheduler.enqueue(second.id)
    scheduler.stop(second.id)
    assert scheduler.view(second.id).status == "draft"
    assert second.stop_wanted == ""
    scheduler.stop(first.id)
    assert scheduler.view(first.id).status == "stopping"
    assert first.stop_wanted == KEEP
    workers.end(first.id)
    assert scheduler.view(first.id).status == "stopped"
    assert scheduler.view(first.id).can_resume
    scheduler.enqueue(first.id)
    assert scheduler.view(first.id).status == "preparing"
    assert first.stop_wanted == ""


@pytest.fixture
def sleepers(store: RunStore) -> Iterator[Callable[..., Worker]]:
    """Workers that are real, sleep, and have a child that sleeps too."""
    begun: list[Worker] = []
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{SLEEPER}']).wait()"

    def start(run: RunFolder) -> Worker:
        command = [sys.executable, "-c", program]
        begun.append(launch(Train(run.path), command=command))
        return begun[-1]

    yield start
    for worker in begun:
        kill_group(worker.process_id)


def test_a_worker_that_does_not_listen_is_killed_with_its_children(store: RunStore, sleepers: object) -> None:
    run, server = create(store), build(store, sleepers)
    server.enqueue(run.id)
    holder = lock.holder(run.lock_path)
    assert holder is not None
    wait_until(lambda: len(session_of(holder)) == 2)
    server.stop(run.id, grace_seconds=0.2)
    wait_until(lambda: not run.is_alive())
    wait_until(lambda: not session_of(holder))
    assert server.view(run.id).status == "stopped"


def test_a_run_that_is_started_again_at_once_is_not_ended_for_the_earlier_request(
    store: RunStore, sleepers: object
) -> None:
    """Whoever saw to the end of the worker before took the new one for it, killed it, and heard no second wish."""
    run, server = create(store), build(store, sleepers)
    server.enqueue(run.id)
    first = lock.holder(run.lock_path)
    assert first is not None
    server.stop(run.id, grace_seconds=1.0)
    kill_group(first)
    wait_until(lambda: not run.is_alive())
    server.enqueue(run.id)
    second = lock.holder(run.lock_path)
    assert second not in (None, first)
    time.sleep(1.3)
    assert lock.holder(run.lock_path) == second
    assert server.view(run.id).status == "preparing"
    server.stop(run.id, grace_seconds=0.1)
    wait_until(lambda: not run.is_alive())


def test_a_run_that_is_thrown_away_ends_at_once(store: RunStore, sleepers: object) -> None:
    run, server = create(store), build(store, sleepers)
    server.enqueue(run.id)
    holder = lock.holder(run.lock_path)
    assert holder is not None
    server.discard(run.id)
    wait_until(lambda: not session_of(holder))
    assert store.all() == ()
    assert [each.id for each in store.binned()] == [run.id]


@pytest.mark.parametrize("stop_wanted", [KEEP, DISCARD])
def test_the_next_server_fulfils_a_request(
    store: RunStore, sleepers: object, monkeypatch: pytest.MonkeyPatch, stop_wanted: str
) -> None:
    """A run whose server died after the request trained on, and said for ever that it was stopping."""
    monkeypatch.setattr(module, "STOP_GRACE_SECONDS", 0.2)
    run, server = create(store), build(store, sleepers)
    server.enqueue(run.id)
    run.stop_request.write_text(stop_wanted)
    assert server.view(run.id).status == "stopping"
    if stop_wanted == DISCARD:
        monkeypatch.setattr(module, "STOP_GRACE_SECONDS", 10.0)
    later = build(RunStore(store.folder.parent), sleepers)
    assert later.recover() == ()
    wait_until(lambda: not run.is_alive())
    assert [each.id for each in store.all()] == ([run.id] if stop_wanted == KEEP else [])
    if stop_wanted == DISCARD:
        restored = store.restore(run.id)
        assert later.recover() == ()
        assert store.all() == (restored,), "what was taken back out of the bin stays"
        assert later.view(run.id).status == "stopped"


def test_a_lost_run_is_recovered(scheduler: Scheduler, store: RunStore, workers: Workers, say: Say) -> None:
    run = lose(store, say, step(1), Saved(1, "checkpoints/step-1"), step(2))
    assert scheduler.recover() == (run.id,)
    assert scheduler.recover() == ()
    assert scheduler.view(run.id).headline == "Waiting for its turn, to resume after step 1."
    assert scheduler.tick() == run.id
    assert not run.lost_path.exists()


def test_another_program_that_looks_does_not_keep_a_run_from_being_recovered(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    """Whoever listed the runs after a power failure, before the server started, made them wait for the person."""
    run = lose(store, say, step(1))
    looking = build(RunStore(store.folder.parent), workers)
    assert looking.view(run.id).status == "lost"
    assert scheduler.recover() == (run.id,)


def test_a_run_that_ended_before_the_eyes_of_its_server_is_not_recovered(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    run = create(store)
    scheduler.enqueue(run.id)
    say(run.events_path, Started(1, "train"), step(1))
    workers.end(run.id, -9)
    state = scheduler.view(run.id)
    assert state.diagnosis is not None
    assert state.diagnosis.cause == "killed"
    later = build(RunStore(store.folder.parent), workers)
    assert later.recover() == ()
    assert later.view(run.id).diagnosis == state.diagnosis, "what was known of its end is kept"


def test_how_an_earlier_worker_ended_says_nothing_of_a_later_one(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    """A run that another server had resumed since was told to have crashed as it had the time before."""
    run = create(store)
    scheduler.enqueue(run.id)
    lock.name_holder(run.lock_path, 0)
    say(run.events_path, Started(0, "train"), step(1))
    workers.end(run.id, -11)
    assert (found := scheduler.view(run.id).diagnosis) is not None
    assert found.cause == "crash"
    with lock.holding(run.lock_path):
        run.lost_path.unlink()
        lock.name_holder(run.lock_path, 77)
        say(run.events_path, Started(77, "train"), step(1))
    assert (found := scheduler.view(run.id).diagnosis) is not None
    assert found.cause == "unknown"


def test_a_run_at_work_can_be_stopped_though_the_queue_cannot_be_written(
    scheduler: Scheduler, store: RunStore, workers: Workers, tmp_path: Path
) -> None:
    """On a disk that was full when it started it still stood in the line, and nothing could be done about it."""
    run, other = create(store, "run"), create(store, "other")
    scheduler.enqueue(run.id)
    scheduler.queue.add(run.id)
    scheduler.queue.add(other.id)
    (tmp_path / ".queue.json.tmp").mkdir()
    scheduler.stop(run.id, grace_seconds=60)
    assert scheduler.view(run.id).status == "stopping"
    with pytest.raises(RunError, match="cannot be written"):
        scheduler.stop(other.id)
    workers.end(run.id)
    scheduler.delete(run.id)
    assert [each.id for each in store.binned()] == [run.id]


@pytest.mark.parametrize(
    "ending", [[FINISHED], [Finished("stopped", "", 1.0)], [Failed("bug", "")]], ids=["finished", "stopped", "failed"]
)
def test_a_run_that_said_its_end_is_not_recovered(
    scheduler: Scheduler, store: RunStore, say: Say, ending: list[Event]
) -> None:
    lose(store, say, step(1), *ending)
    assert scheduler.recover() == ()


def test_what_a_person_ended_never_started_or_was_lost_long_ago_is_not_recovered(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    ended, old = lose(store, say, name="ended"), lose(store, say, name="old")
    create(store, "draft")
    ended.stop_request.write_text(KEEP)
    seen = old.log_path.stat().st_mtime
    assert scheduler.view(ended.id).status == "stopped"
    days = build(store, workers, now=lambda: seen + 7 * 86_400 + 1)
    assert days.recover() == ()
    days = build(store, workers, now=lambda: seen + 7 * 86_400 - 1)
    assert days.recover() == (old.id,)


def test_one_that_died_twice_at_the_same_step_waits_for_the_person(
    scheduler: Scheduler, store: RunStore, say: Say
) -> None:
    again = lose(store, say, step(1), Started(2, "train"), Resumed(0), step(1), name="again")
    further = lose(store, say, step(1), Started(2, "train"), Resumed(0), step(1), step(2), name="further")
    assert scheduler.recover() == (further.id,)
    assert "ended twice at the same step, so it waits for you" in scheduler.view(again.id).headline
    assert scheduler.view(again.id).can_resume


def test_a_full_disk_does_not_keep_the_server_from_starting(
    scheduler: Scheduler, store: RunStore, say: Say, tmp_path: Path
) -> None:
    run = lose(store, say, step(1))
    (tmp_path / ".queue.json.tmp").mkdir()  # so that the queue cannot be written
    assert scheduler.recover() == ()
    assert scheduler.view(run.id).status == "lost"


def test_a_run_that_trains_says_so_after_it_was_taken_up_again(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    run = lose(store, say, Loaded(1, 1, "cpu", "fp32", ()), Prepared(1, 0, 0, 1, 1, 9), step(1), step(2))
    scheduler.enqueue(run.id)
    lock.name_holder(run.lock_path, 77)
    assert scheduler.view(run.id).status == "preparing", "what was said was an earlier worker's"
    say(run.events_path, Started(77, "train"))
    assert scheduler.view(run.id).status == "preparing"
    say(run.events_path, Loaded(1, 1, "cpu", "fp32", ()), Prepared(1, 0, 0, 1, 1, 9), Resumed(1), step(2))
    assert scheduler.view(run.id).status == "training"
    assert [each.step for each in scheduler.view(run.id).view.steps] == [1, 2]


def test_what_waits_says_for_which_run_and_how_long(scheduler: Scheduler, store: RunStore, say: Say) -> None:
    first, second, third = (create(store, name) for name in ("otter", "heron", "vole"))
    assert scheduler.next_up() == ""
    for run in (first, second, third):
        scheduler.enqueue(run.id)
    assert scheduler.next_up() == "the run otter"
    assert "It waits for the run otter." in scheduler.view(second.id).headline
    assert "It waits for the run otter and 1 other run." in scheduler.view(third.id).headline
    say(first.events_path, Started(os.getpid(), "train"), Forecasted(1.0, 1200.0))
    assert scheduler.next_up() == "the run otter, 15 to 25 min"
    assert "It waits for the run otter, 15 to 25 min." in scheduler.view(second.id).headline


def test_a_run_that_cannot_be_started_holds_up_no_evaluation(store: RunStore) -> None:
    def refuse(run: RunFolder) -> Worker:
        raise RunError("The memory is full.")

    scheduler = build(store, refuse)
    scheduler.enqueue(create(store, "otter").id)
    assert scheduler.waiting()
    assert scheduler.next_up() == ""


def in_group(store: RunStore, name: str, *, gives_way: bool = True) -> RunFolder:
    group = RunGroup("0123456789abcdef", "shop", ("rank",), gives_way=gives_way)
    data = {"dataset_id": "d", "dataset_name": "D", "dataset_sha256": "", "train": EXAMPLES, "validation": ()}
    return store.create(RunConfig(name=name), group=group, **data)  # type: ignore[arg-type]


def test_a_run_of_a_group_gives_way_and_goes_on_by_itself(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    first, second = in_group(store, "rank 8"), in_group(store, "rank 16")
    scheduler.enqueue(first.id, second.id)
    say(first.events_path, Started(1, "train"), step(1), Saved(1, "checkpoints/step-1"))
    single = create(store, "single")
    scheduler.enqueue(single.id)
    assert scheduler.waiting() == (single.id, first.id, second.id)
    assert first.stop_wanted == GIVE_WAY
    assert scheduler.view(first.id).status == "stopping"
    assert "It lets other runs go first, and goes on by itself" in scheduler.view(first.id).headline
    assert scheduler.tick() is None, "it has not stopped yet"
    assert scheduler.waiting() == (single.id, first.id, second.id)
    say(first.events_path, Finished("stopped", "Stopped.", 1.0))
    workers.end(first.id)
    waits = scheduler.view(first.id)
    assert (waits.status, waits.place) == ("queued", 2)
    assert "to resume after step 1. It lets other runs go first, and goes on by itself." in waits.headline
    assert scheduler.tick() == single.id
    assert scheduler.tick() is None, "one that gives way stops no other"
    say(single.events_path, Started(1, "train"), FINISHED)
    workers.end(single.id)
    assert scheduler.tick() == first.id
    assert not first.stop_request.exists()
    assert scheduler.waiting() == (second.id,)


def test_a_group_need_not_give_way(scheduler: Scheduler, store: RunStore, workers: Workers) -> None:
    first, second = (in_group(store, name, gives_way=False) for name in ("rank 8", "rank 16"))
    scheduler.enqueue(first.id, second.id)
    single = create(store)
    scheduler.enqueue(single.id)
    assert scheduler.waiting() == (second.id, single.id)
    assert not first.stop_request.exists()


def test_nothing_is_stopped_for_a_run_that_cannot_start(
    scheduler: Scheduler, store: RunStore, workers: Workers
) -> None:
    """It would be stopped for it again and again."""
    first, single = in_group(store, "rank 8"), create(store, "single")
    workers.refuses = RunError("The memory is full.")
    scheduler.enqueue(single.id)
    workers.refuses = None
    scheduler._launch = lambda run: workers(run) if run.id == first.id else _refuse(workers)
    scheduler.enqueue(first.id)
    assert first.is_alive()
    scheduler.tick()
    assert first.stop_wanted == ""
    assert "could not be started" in scheduler.view(single.id).headline


def test_nothing_is_stopped_for_a_run_that_another_process_could_not_start(store: RunStore, workers: Workers) -> None:
    """Two processes on one data folder stopped a run and started it again, in turns."""
    first, single = in_group(store, "rank 8"), create(store, "single")
    server = build(store, lambda run: workers(run) if run.id == first.id else _refuse(workers))
    server.enqueue(first.id)
    server.enqueue(single.id)
    assert first.stop_wanted == GIVE_WAY
    workers.end(first.id)
    assert server.tick() == first.id
    assert not first.stop_request.exists()
    line = build(RunStore(store.folder.parent), workers)
    line.tick()
    assert not first.stop_request.exists()
    line.queue.remove(single.id)
    line.enqueue(single.id)
    assert first.stop_wanted == GIVE_WAY, "a person wants it tried again"


def _refuse(workers: Workers) -> Worker:
    raise RunError("The memory is full.")


def test_one_that_a_person_put_behind_a_group_stops_nothing(
    scheduler: Scheduler, store: RunStore, workers: Workers
) -> None:
    first, second = in_group(store, "rank 8"), in_group(store, "rank 16")
    for run in (first, second):
        scheduler.enqueue(run.id)
    single = create(store, "single")
    scheduler.queue.add(single.id)  # as the buttons of the queue leave it
    scheduler.tick()
    assert scheduler.waiting() == (second.id, single.id)
    assert first.stop_wanted == ""


def at(store: RunStore, place: str, run: RunFolder) -> RunFolder:
    (store.folder.parent / "places" / place).mkdir(parents=True, exist_ok=True)
    store.move(run.id, place)
    return run


def build_with_full(store: RunStore, workers: Workers) -> Scheduler:
    """A scheduler of a studio with a place that has no room."""
    folder = store.folder.parent
    room = {"": 1, "full": 0}.__getitem__
    return Scheduler(store, folder, launch=workers, clock=time.time, make_room=lambda: None, room=room)


def test_one_that_waits_elsewhere_is_no_place_to_queue_before(store: RunStore, workers: Workers) -> None:
    """What gave way was put before it, so before the run that it was to let go first, and started again for ever."""
    scheduler = build_with_full(store, workers)
    (store.folder.parent / "places").mkdir()
    first, elsewhere, single = in_group(store, "here"), at(store, "full", in_group(store, "there")), create(store)
    scheduler.enqueue(first.id)
    scheduler.queue.add(elsewhere.id, single.id)
    scheduler.tick()
    assert first.stop_wanted == GIVE_WAY
    assert scheduler.waiting() == (elsewhere.id, single.id, first.id)
    workers.end(first.id)
    scheduler.tick()
    assert workers.started == [first.id, single.id]
    another = create(store)
    scheduler.enqueue(another.id)
    assert scheduler.waiting() == (elsewhere.id, another.id, first.id), "before what gives way at its own place"


def test_a_lost_run_that_gives_way_is_taken_up_behind_the_others(
    store: RunStore, scheduler: Scheduler, workers: Workers, say: Say
) -> None:
    group = [in_group(store, name) for name in ("lost", "waiting")]
    group[0].log_path.touch()
    say(group[0].events_path, Started(1, "train"), step(1))
    single = create(store)
    scheduler.queue.add(single.id, group[1].id)
    assert scheduler.recover() == (group[0].id,)
    assert scheduler.waiting() == (single.id, group[0].id, group[1].id)


@pytest.mark.parametrize(
    ("end", "status"), [(FINISHED, "finished"), (Failed("not_finite", "It diverged.", "Lower it.", ""), "failed")]
)
def test_one_that_ends_though_it_was_to_give_way_waits_no_more(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say, end: Event, status: str
) -> None:
    """It was shown as waiting; one that had failed was started again."""
    first, single = in_group(store, "rank 8"), create(store, "single")
    scheduler.enqueue(first.id)
    say(first.events_path, Started(1, "train"), step(1))
    scheduler.enqueue(single.id)
    assert first.stop_wanted == GIVE_WAY
    say(first.events_path, end)
    workers.end(first.id)
    assert scheduler.view(first.id).status == status
    wait_until(lambda: scheduler.waiting() == (single.id,))
    scheduler.queue.add(first.id)  # as a server leaves it that is killed just then
    assert scheduler.view(first.id).status == status
    assert scheduler.tick() == single.id
    assert scheduler.waiting() == ()
    assert scheduler.view(first.id).status == status


def test_a_person_may_resume_one_that_failed_as_it_was_to_give_way(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    first, single = in_group(store, "rank 8"), create(store, "single")
    scheduler.enqueue(first.id)
    say(first.events_path, Started(1, "train"), step(1))
    scheduler.enqueue(single.id)
    say(first.events_path, Failed("not_finite", "It diverged.", "Lower it.", ""))
    workers.end(first.id)
    wait_until(lambda: scheduler.waiting() == (single.id,))
    scheduler.enqueue(first.id)
    assert scheduler.view(first.id).status == "queued"
    assert scheduler.waiting() == (first.id,)


@pytest.mark.parametrize("wanted", ["stop", "discard"])
def test_a_persons_stop_is_not_overwritten_by_giving_way(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    first, single = in_group(store, "rank 8"), create(store, "single")
    scheduler.enqueue(first.id)
    say(first.events_path, Started(1, "train"), step(1))
    scheduler.queue.add(single.id)
    add = scheduler.queue.add

    def slow(*ids: str, **options: Callable[[str], bool]) -> None:
        scheduler.stop(first.id) if wanted == "stop" else first.stop_request.write_text(DISCARD)
        add(*ids, **options)

    monkeypatch.setattr(scheduler.queue, "add", slow)
    scheduler.queue.move(single.id, -1)
    scheduler.give_way(first.id)
    assert first.stop_wanted == (KEEP if wanted == "stop" else DISCARD)
    assert scheduler.waiting() == (single.id,)


def test_a_stop_takes_a_run_out_of_the_queue_that_was_put_there_meanwhile(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, single = in_group(store, "rank 8"), create(store, "single")
    scheduler.enqueue(first.id)
    say(first.events_path, Started(1, "train"), step(1))
    scheduler.queue.add(single.id)
    remove = scheduler.queue.remove

    def remove_and_wait(*ids: str) -> bool:
        found = remove(*ids)
        scheduler.give_way(first.id)
        return found

    monkeypatch.setattr(scheduler.queue, "remove", remove_and_wait)
    scheduler.stop(first.id)
    assert (first.stop_wanted, scheduler.waiting()) == (KEEP, (single.id,))


@pytest.mark.parametrize("stop_wanted", [KEEP, GIVE_WAY])
def test_a_request_of_a_server_that_died_before_it_asked_is_heard_by_another(
    store: RunStore, workers: Workers, say: Say, monkeypatch: pytest.MonkeyPatch, stop_wanted: str
) -> None:
    """The run counted as about to leave, and nobody asked it."""
    asked: list[int] = []
    monkeypatch.setattr(module, "request_stop", asked.append)
    first, single = in_group(store, "rank 8"), create(store, "single")
    build(store, workers).enqueue(first.id)
    lock.name_holder(first.lock_path, 4242)
    say(first.events_path, Started(4242, "train"), step(1))
    other = build(store, workers)
    other.queue.add(single.id, first.id)
    first.stop_request.write_text(stop_wanted)
    for _ in range(3):
        other.tick()
    wait_until(lambda: asked)
    time.sleep(0.3)
    assert asked == [4242], "and once"


def test_one_that_gives_way_slowly_is_not_killed_but_by_a_person(
    store: RunStore, sleepers: object, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had not saved yet was lost."""
    monkeypatch.setattr(module, "STOP_GRACE_SECONDS", 0.1)
    server = build(store, sleepers)
    first, single = in_group(store, "rank 8"), create(store, "single")
    server.enqueue(first.id)
    server.enqueue(single.id)
    assert first.stop_wanted == GIVE_WAY
    time.sleep(0.6)
    assert first.is_alive()
    server.stop(first.id, grace_seconds=0.1)
    wait_until(lambda: not first.is_alive())


def test_one_that_is_nearly_done_is_waited_for(store: RunStore, workers: Workers, say: Say) -> None:
    scheduler = build(store, workers, now=lambda: NOW)
    first = in_group(store, "rank 8")
    scheduler.enqueue(first.id)
    plan = (Started(1, "train"), Prepared(9, 0, 0, 9, 9, 6), *(step(number) for number in range(1, 6)))
    say(first.events_path, *plan)
    left = scheduler.view(first.id).seconds_left
    assert left is not None
    assert left < module.NEARLY_DONE_SECONDS
    scheduler.enqueue(create(store).id)
    assert not first.stop_request.exists()


def test_a_person_who_stops_one_that_gives_way_has_it_stay_so(
    scheduler: Scheduler, store: RunStore, workers: Workers, say: Say
) -> None:
    first = in_group(store, "rank 8")
    scheduler.enqueue(first.id)
    say(first.events_path, Started(1, "train"), step(1))
    single = create(store, "single")
    scheduler.enqueue(single.id)
    scheduler.stop(first.id)
    assert (first.stop_wanted, scheduler.waiting()) == (KEEP, (single.id,))
    say(first.events_path, Finished("stopped", "Stopped.", 1.0))
    workers.end(first.id)
    assert scheduler.tick() == single.id
    assert scheduler.view(first.id).status == "stopped"


def test_a_server_that_dies_as_a_run_gives_way_loses_nothing(store: RunStore, workers: Workers, say: Say) -> None:
    scheduler = build(store, workers)
    first, single = in_group(store, "rank 8"), create(store, "single")
    scheduler.enqueue(first.id)
    say(first.events_path, Started(1, "train"), step(1))
    # It died between the two files that it writes: the run is in the queue and was not asked.
    scheduler.queue.add(first.id)
    again = build(store, workers)
    again.recover()
    again.tick()
    assert again.view(first.id).status == "training"
    # It died with all workers once the run was asked.
    again.enqueue(single.id)
    assert first.stop_wanted == GIVE_WAY
    workers.end(first.id, code=-9)
    last = build(store, workers)
    last.recover()
    assert last.tick() == single.id
    say(single.events_path, Started(1, "train"), FINISHED)
    workers.end(single.id)
    assert last.tick() == first.id
    assert last.waiting() == ()


def test_a_place_with_room_for_several_is_left_by_one(tmp_path: Path, store: RunStore, workers: Workers) -> None:
    (tmp_path / "places" / "lab").mkdir(parents=True)
    scheduler = Scheduler(
        store, tmp_path, launch=workers, clock=time.time, make_room=lambda: None, room=lambda place: 3 if place else 1
    )
    runs = [in_group(store, f"seed {number}") for number in range(5)]
    for run in runs:
        store.move(run.id, "lab")
    scheduler.enqueue(*(run.id for run in runs))
    for _ in range(4):
        scheduler.tick()
    assert workers.started == [run.id for run in runs[:3]]
    here, there = create(store, "here"), create(store, "there")
    store.move(there.id, "lab")
    scheduler.enqueue(here.id)
    assert workers.started[-1] == here.id, "this machine is another line"
    scheduler.enqueue(there.id)
    scheduler.tick()
    assert [run.stop_wanted for run in runs[:3]] == ["", "", GIVE_WAY], "one goes for one, the last that was started"
    workers.end(runs[2].id)
    assert scheduler.tick() == there.id
    assert scheduler.waiting() == (runs[2].id, runs[3].id, runs[4].id)
