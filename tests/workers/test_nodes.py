"""The job of a run on several nodes: how it waits for them, and what it says when they end without a word."""

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio import codec
from studio.errors import NoAnswer
from studio.jobs.places.protocol import FAILED, REPORT, STOP, AgentSpec, NoRoom, Report
from studio.jobs.places.storage import FolderStorage
from studio.workers.nodes import Gathering
from studio.workers.ray_nodes import require_reachable, require_reached
from tests.patience import PATIENCE_SECONDS
from tests.workers.test_agent import Clock, Flaky

SPEC = AgentSpec(part="runs/r/1", files="runs/r/files", nodes=3)


class Cluster:
    """As many nodes as the test says, one number a look; `meets` happens in them, or is raised."""

    def __init__(self, *counts: int, meets: tuple[Callable[[], bool] | NoRoom, ...] = ()) -> None:
        self.counts, self.meets = list(counts), list(meets)
        self.trained: list[int] = []

    def count(self) -> int:
        return self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]

    def train(self, nodes: int) -> bool:
        self.trained.append(nodes)
        met = self.meets.pop(0) if self.meets else lambda: True
        if isinstance(met, NoRoom):
            raise met
        return met()


@pytest.fixture
def storage(tmp_path: Path) -> Flaky:
    (tmp_path / "place").mkdir()
    return Flaky(tmp_path / "place")


def job(storage: FolderStorage, **settings: object) -> Gathering:
    return Gathering(replace(SPEC, **settings), storage, clock=Clock())  # type: ignore[arg-type]


def report(storage: FolderStorage, name: str = REPORT) -> Report:
    content = storage.read(f"{SPEC.part}/{name}", most_bytes=10_000)
    assert content is not None
    return codec.loads(Report, content)


def say(storage: FolderStorage, said: Report, name: str = REPORT) -> None:
    storage.write(f"{SPEC.part}/{name}", codec.dumps(said).encode())


def test_it_trains_at_once_where_there_are_as_many_nodes(storage: Flaky) -> None:
    cluster = Cluster(4)
    assert job(storage).work(cluster) == 0
    assert cluster.trained == [3]
    assert storage.written == [], "the agent of the first node says all"


def test_it_waits_with_a_sentence_for_nodes_that_are_not_there(storage: Flaky) -> None:
    cluster = Cluster(1, 1, 2, 3)
    assert job(storage).work(cluster) == 0
    assert cluster.trained == [3]
    assert report(storage).trouble == "The run asks for 3 nodes, and it fits on 2 of those that are there."
    assert storage.written == [REPORT, REPORT], "the same is said once"
    assert report(storage).beat == 1


def test_it_waits_with_a_sentence_for_nodes_that_are_busy(storage: Flaky) -> None:
    cluster = Cluster(3, meets=(NoRoom(), NoRoom()))
    assert job(storage).work(cluster) == 0
    assert cluster.trained == [3, 3, 3]
    assert report(storage).trouble == "The nodes that the run asks for are busy."


def test_a_run_that_goes_on_takes_fewer_nodes_after_a_while_and_a_new_one_does_not(storage: Flaky) -> None:
    again = job(storage, can_be_fewer=True)
    cluster = Cluster(2)
    assert again.work(cluster) == 0
    assert cluster.trained == [2]
    assert again.clock.monotonic() >= 1000 + again.patience_seconds
    cluster = Cluster(*[2] * 1000, 3)
    assert job(storage).work(cluster) == 0
    assert cluster.trained == [3]
    cluster = Cluster(*[0] * 1000, 1)
    assert job(storage, can_be_fewer=True).work(cluster) == 0
    assert cluster.trained == [1], "none is too few"


def test_it_ends_when_it_is_asked_to_while_it_waits(storage: Flaky) -> None:
    storage.write(f"{SPEC.part}/{STOP}", b"stop\n")
    cluster = Cluster(3)
    assert job(storage).work(cluster) == 0
    assert cluster.trained == []
    assert report(storage).ended


def test_who_ends_the_job_has_the_run_put_its_work_away(storage: Flaky) -> None:
    asked = job(storage)
    asked.ask_to_stop()
    assert asked.work(Cluster(3)) == 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not storage.has(f"{SPEC.part}/{STOP}"):
        assert time.monotonic() < deadline, "nobody was told to stop"
        time.sleep(0.01)


def test_nodes_that_end_without_a_word_are_a_death(storage: Flaky) -> None:
    say(storage, Report(beat=7, now=0.0, host="node-1", events=4, logs=2))

    assert job(storage).work(Cluster(3, meets=(lambda: False,))) == 1
    told = report(storage)
    assert (told.beat, told.events, told.logs, told.ended, told.died) == (8, 4, 2, True, True)


def test_what_one_node_met_is_said_and_no_death(storage: Flaky) -> None:
    """The first node only sees that another one is gone, and a death would be tried again."""
    say(storage, Report(beat=1, now=0.0, trouble="Its disk is full.", hint="Free some.", ended=True), f"{FAILED}-2")
    assert job(storage).work(Cluster(3, meets=(lambda: False,))) == 1
    told = report(storage)
    assert (told.trouble, told.hint, told.ended, told.died) == ("Its disk is full.", "Free some.", True, False)


@pytest.mark.parametrize(
    ("said", "lost", "never"),
    [
        ({0: Report(1, 0.0, lost="The port is taken.", never=True)}, "The port is taken.", True),
        ({1: Report(1, 0.0, lost="Reset."), 2: Report(1, 0.0, lost="Refused.", never=True)}, "Refused.", True),
        ({node: Report(1, 0.0, lost=f"Reset by {node}.") for node in range(3)}, "Reset by 0.", True),
        ({0: Report(1, 0.0, lost="Reset."), 1: Report(1, 0.0, lost="Reset.")}, "Reset.", False),
    ],
)
def test_a_fault_between_nodes_is_told_from_a_node_that_died(
    storage: Flaky, said: dict[int, Report], lost: str, never: bool
) -> None:
    """A port that was taken was told as a run whose memory is not enough. A node that says nothing may have died."""
    for node, met in said.items():
        say(storage, met, f"{FAILED}-{node}")
    assert job(storage).work(Cluster(3, meets=(lambda: False,))) == 1
    told = report(storage)
    assert (told.lost, told.never, told.died, told.ended) == (lost, never, True, True)


def test_what_the_first_node_has_said_last_stays(storage: Flaky) -> None:
    last = Report(beat=9, now=0.0, ended=True)
    say(storage, last)
    assert job(storage).work(Cluster(3, meets=(lambda: False,))) == 1
    assert report(storage) == last


def test_nodes_that_cannot_reach_one_another_are_a_sentence_and_no_death(storage: Flaky) -> None:
    """PyTorch tried for two hours, and then the run was started again, three times."""

    def try_to_reach() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            require_reachable("127.0.0.1", port, node=1)
        with pytest.raises(RuntimeError) as met:
            require_reachable("127.0.0.1", port, node=1)
        require_reached("Training failed due to worker errors: the agent of node 1 ended")
        require_reached(f"Training failed due to worker errors:\n{met.value}")
        return True

    assert job(storage).work(Cluster(3, meets=(try_to_reach,))) == 1
    told = report(storage)
    assert told.trouble == "The nodes of the place cannot reach one another."
    assert (told.ended, told.died) == (True, False)


def test_a_storage_that_does_not_answer_is_asked_until_the_end_is_said(storage: Flaky) -> None:
    storage.fails = [NoAnswer("away"), NoAnswer("away")]
    assert job(storage).work(Cluster(3, meets=(lambda: False,))) == 1
    assert report(storage).died
