"""The line of all accounts: they take turns, and one run is at work at a time."""

import os
import threading
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import RunError
from studio.homes import all_homes, shared_home
from studio.runs import lock
from studio.runs.fair_queue import RETRY_SECONDS, FairQueue, Waiting
from studio.runs.queue import Queue
from studio.runs.store import RunFolder, RunGroup, RunOrigin, write_settings

ANNA, BEN = "20260101-000000-aaaaaa", "20260101-000000-bbbbbb"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A studio with two accounts beside the owner's."""
    for id in (ANNA, BEN):
        (tmp_path / "accounts" / id).mkdir(parents=True)
    (tmp_path / "accounts" / "people").mkdir()
    return tmp_path


def homes(home: Path) -> tuple[Path, Path, Path]:
    owner, anna, ben = all_homes(home)
    return owner, anna, ben


def start(home: Path, *, work: bool = False) -> list[str]:
    """Start runs as a server does until none waits; each ends at once, unless it is to `work`."""
    line, started = FairQueue(home), []
    with_server = line.serving()
    try:
        while (next_home := line.next_home()) is not None:
            with line.turn(next_home) as is_ours:
                assert is_ours
                id = Queue(next_home).start_next(
                    may_wait=lambda _: True, is_at_work=lambda _: False, start=lambda _: True
                )
                assert id is not None
                started.append(id)
            if work:
                break
    finally:
        os.close(with_server)
    return started


def test_nobodys_tenth_run_comes_before_anothers_first(home: Path) -> None:
    owner, anna, ben = homes(home)
    for number in range(10):
        Queue(anna).add(f"anna-{number}")
    Queue(ben).add("ben-0")
    Queue(owner).add("owner-0")
    assert [each.id for each in FairQueue(home).order()][:3] == ["anna-0", "ben-0", "owner-0"]
    assert start(home) == ["anna-0", "ben-0", "owner-0", *(f"anna-{number}" for number in range(1, 10))]
    # Who was served longest ago is next, also when others come back at once.
    Queue(anna).add("anna-10")
    Queue(ben).add("ben-1")
    assert start(home) == ["ben-1", "anna-10"]


def test_a_run_at_work_holds_the_others_up_whoever_it_is(home: Path) -> None:
    """Each account had a queue of its own, and two runs would have trained at the same time."""
    _, anna, ben = homes(home)
    Queue(anna).add("anna-0")
    assert start(home, work=True) == ["anna-0"]
    place = anna / "runs" / "anna-0"
    place.mkdir(parents=True)
    held = lock.acquire(place / "run.lock")
    assert held is not None
    Queue(ben).add("ben-0")
    line = FairQueue(home)
    assert line.at_work() == Waiting(anna, "anna-0")
    assert line.next_home() is None
    with line.turn(ben) as is_ours:
        assert not is_ours
    os.close(held)
    assert start(home) == ["ben-0"]


def test_a_run_that_was_lost_with_the_server_is_next_again(home: Path) -> None:
    _, anna, ben = homes(home)
    Queue(anna).add("anna-0")
    Queue(ben).add("ben-0")
    assert start(home, work=True) == ["anna-0"]
    Queue(anna).add("anna-0", ahead_of=lambda _: True)
    FairQueue(home).give_back(anna)
    assert start(home) == ["anna-0", "ben-0"]


def test_one_whose_runs_cannot_be_started_holds_nobody_up(home: Path) -> None:
    _, anna, ben = homes(home)
    Queue(anna).add("anna-0")
    Queue(ben).add("ben-0")
    line = FairQueue(home)
    serving = line.serving()
    with line.turn(anna) as is_ours:
        assert is_ours  # and nothing of it could be started
    assert line.next_home() == ben
    os.close(serving)


def test_who_trains_without_a_server_does_not_wait_for_the_queues_of_others(home: Path) -> None:
    owner, anna, _ = homes(home)
    Queue(anna).add("anna-0")
    Queue(owner).add("owner-0")
    line = FairQueue(owner)
    with line.turn(owner) as is_ours:
        assert is_ours
    serving = line.serving()
    with line.turn(owner) as is_ours:
        assert not is_ours
    os.close(serving)


def test_one_server_looks_after_all_accounts(home: Path) -> None:
    serving = FairQueue(home).serving()
    with pytest.raises(RunError, match="Another studio serves"):
        FairQueue(home).serving()
    os.close(serving)


def test_whose_turn_it_is_is_decided_by_one_at_a_time(home: Path) -> None:
    _, anna, ben = homes(home)
    for place in (anna, ben):
        Queue(place).add(f"{place.name}-0")
    serving, given = FairQueue(home).serving(), []
    together = threading.Barrier(2)

    def ask(place: Path) -> None:
        line = FairQueue(home)
        together.wait()
        with line.turn(place) as is_ours:
            if is_ours:
                Queue(place).start_next(may_wait=lambda _: True, is_at_work=lambda _: False, start=lambda _: True)
                held = lock.acquire(_lock(place))
                given.append((place, held))

    threads = [threading.Thread(target=ask, args=(place,)) for place in (anna, ben)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    os.close(serving)
    assert len(given) <= 1
    for _, held in given:
        os.close(held)


def _lock(place: Path) -> Path:
    folder = place / "runs" / f"{place.name}-0"
    folder.mkdir(parents=True)
    return folder / "run.lock"


def test_without_accounts_nothing_is_asked_or_written(tmp_path: Path) -> None:
    Queue(tmp_path).add("mine")
    line = FairQueue(tmp_path)
    with line.turn(tmp_path) as is_ours:
        assert is_ours
    line.give_back(tmp_path)
    assert not (tmp_path / "accounts").exists()
    assert shared_home(tmp_path) == tmp_path


def test_what_cannot_be_read_begins_again(home: Path) -> None:
    _, anna, ben = homes(home)
    (home / "accounts" / "turns.json").write_text("[1, 2", encoding="utf-8")
    Queue(anna).add("anna-0")
    Queue(ben).add("ben-0")
    assert start(home) == ["anna-0", "ben-0"]


def test_one_is_passed_by_where_another_waits(home: Path) -> None:
    _, anna, ben = homes(home)
    Queue(anna).add("anna-0")
    line = FairQueue(home)
    line.pass_by(anna)
    assert not (home / "accounts" / "turns.json").exists(), "nobody else waits"
    Queue(ben).add("ben-0")
    assert line.next_home() == anna
    line.pass_by(anna)
    assert line.next_home() == ben


def add_group_run(home: Path, id: str, *, place: str = "") -> Path:
    """Have a run wait that gives way; return its folder."""
    return add_run(home, id, place=place, group=RunGroup("0123456789abcdef", "shop", gives_way=True))


def add_run(home: Path, id: str, *, place: str = "", group: RunGroup | None = None, nodes: int = 1) -> Path:
    folder = home / "runs" / id
    folder.mkdir(parents=True)
    origin = RunOrigin("d", "D", "", 0.0, "starter", group)
    write_settings(RunFolder(folder), RunConfig(place=place, nodes=nodes), origin)
    Queue(home).add(id)
    return folder


def test_those_that_give_way_come_last_whoever_they_belong_to(home: Path) -> None:
    owner, anna, ben = homes(home)
    for number in range(3):
        add_group_run(anna, f"anna-{number}")
    add_run(anna, "anna-behind")  # a person has put it there
    add_run(ben, "ben-0")
    add_group_run(ben, "ben-1")
    add_run(owner, "owner-0")
    assert [each.id for each in FairQueue(home).order()] == [
        *("ben-0", "owner-0"),
        *("anna-0", "ben-1", "anna-1", "anna-2", "anna-behind"),
    ]


def test_anothers_run_at_work_is_in_the_way(home: Path) -> None:
    _, anna, ben = homes(home)
    folder = add_group_run(anna, "anna-0")
    assert start(home, work=True) == ["anna-0"]
    held = lock.acquire(folder / "run.lock")
    assert held is not None
    line = FairQueue(home)
    assert line.in_the_way() is None
    add_group_run(anna, "anna-1")
    assert line.in_the_way() is None, "they do not give way to one another"
    add_run(ben, "ben-0")
    assert line.in_the_way() == Waiting(anna, "anna-0")
    line.note_trouble(Waiting(ben, "ben-0"), is_stuck=True)
    assert line.in_the_way() is None, "that one cannot start"
    line.note_trouble(Waiting(ben, "ben-0"), is_stuck=False)
    RunFolder(folder).stop_request.write_text("give-way", encoding="utf-8")
    assert line.in_the_way() is None, "it is about to leave"
    os.close(held)


def test_a_run_on_several_nodes_counts_as_so_many(home: Path) -> None:
    """A person whose share of a place was two had a hundred nodes there, by two runs."""
    _, anna, ben = homes(home)
    (home / "places" / "lab").mkdir(parents=True)
    line = FairQueue(home, room=lambda place: 5, most_each=4)
    held = []
    for id, nodes in (("anna-0", 3), ("anna-1", 2), ("anna-2", 1)):
        add_run(anna, id, place="lab", nodes=nodes)

    def start(id: str) -> bool:
        held.append(lock.acquire(anna / "runs" / id / "run.lock"))
        return True

    def fits(id: str, working: tuple[str, ...]) -> bool:
        return line.fits(Waiting(anna, id), line.nodes_held(Waiting(anna, each) for each in working)[anna])

    def start_next() -> str | None:
        return Queue(anna).start_next(
            may_wait=lambda _: True,
            is_at_work=lambda id: lock.is_held(anna / "runs" / id / "run.lock"),
            start=start,
            room=lambda _: 5,
            fits=fits,
        )

    assert start_next() == "anna-0"
    assert line.held(anna, "lab") == 3
    line.look_again()
    assert line.next_home("lab") == anna, "one node is left, and one of hers needs no more"
    assert [start_next(), start_next()] == ["anna-2", None]
    assert line.next_home("lab") is None
    add_run(ben, "ben-0", place="lab", nodes=9)
    assert line.next_home("lab") == ben, "a run on more than all may be there, alone"
    assert not line.fits(Waiting(ben, "ben-0"), 1)
    for each in held:
        assert each is not None
        os.close(each)


def test_one_account_holds_so_many_at_a_place(home: Path) -> None:
    _, anna, ben = homes(home)
    (home / "places" / "lab").mkdir(parents=True)
    line = FairQueue(home, room=lambda place: 5 if place else 1, most_each=2)
    served = line.serving()
    held = []
    for number in range(3):
        folder = add_group_run(anna, f"anna-{number}", place="lab")
        if line.next_home("lab") == anna:
            with line.turn(anna, "lab") as is_ours:
                assert is_ours
                assert Queue(anna).start_next(
                    may_wait=lambda _: True, is_at_work=lambda _: True, start=lambda _: True, room=lambda _: 2
                )
            held.append(lock.acquire(folder / "run.lock"))
    assert len(held) == 2
    assert not line.fits(Waiting(anna, "anna-2"), line.held(anna, "lab"))
    assert line.next_home("lab") is None
    with line.turn(anna, "lab") as is_ours:
        assert not is_ours
    add_run(anna, "anna-single", place="lab")
    assert line.in_the_way("lab") is None, "it waits behind what its person put before it"
    Queue(anna).move("anna-single", -1)
    assert line.in_the_way("lab") == Waiting(anna, "anna-1"), "there is room, but not for more of hers"
    add_run(ben, "ben-0", place="lab")
    assert line.next_home("lab") == ben
    for each in (*held, served):
        assert each is not None
        os.close(each)


def at_work(folder: Path) -> int:
    """Have the run of a folder that waits be at work; return what holds its lock."""
    Queue(folder.parent.parent).start_next(
        may_wait=lambda _: True, is_at_work=lambda _: True, start=lambda _: True, room=lambda _: 9
    )
    held = lock.acquire(folder / "run.lock")
    assert held is not None
    return held


def test_nothing_is_stopped_for_a_queue_that_nobody_looks_after(home: Path) -> None:
    """Its run does not start either, and what was stopped would start again at once, and be stopped again."""
    owner, anna, _ = homes(home)
    held = at_work(add_group_run(owner, "owner-0"))
    add_run(anna, "anna-0")
    line = FairQueue(home)
    assert line.in_the_way(home=owner) is None
    add_run(owner, "owner-1")
    assert line.in_the_way(home=owner) == Waiting(owner, "owner-0")
    Queue(owner).remove("owner-1")
    serving = line.serving()
    assert line.in_the_way(home=owner) == Waiting(owner, "owner-0")
    os.close(serving)
    os.close(held)


def test_one_behind_a_group_at_another_place_waits_as_any_other(home: Path) -> None:
    """It stopped what gave way, which was next again before it."""
    _, anna, ben = homes(home)
    (home / "places" / "lab").mkdir(parents=True)
    folder = add_group_run(anna, "anna-0")
    held = at_work(folder)
    line = FairQueue(home)
    serving = line.serving()
    add_group_run(ben, "ben-lab", place="lab")
    add_run(ben, "ben-0")
    assert line.in_the_way() == Waiting(anna, "anna-0")
    Queue(anna).add("anna-0")  # it gives way
    os.close(held)
    assert line.next_home() == ben
    with line.turn(anna) as is_ours:
        assert not is_ours
    os.close(serving)


def test_one_behind_a_group_of_its_own_place_stops_nobody_elses(home: Path) -> None:
    _, anna, ben = homes(home)
    held = at_work(add_group_run(anna, "anna-0"))
    add_group_run(ben, "ben-0")
    add_run(ben, "ben-behind")
    assert FairQueue(home).in_the_way() is None
    os.close(held)


def test_what_cannot_start_lets_all_others_pass_and_is_tried_again(home: Path) -> None:
    """One run of one account held up the groups of all others."""
    _, anna, ben = homes(home)
    add_run(anna, "anna-0")
    add_group_run(ben, "ben-0")
    now = 1000.0
    line = FairQueue(home, clock=lambda: now)
    assert [each.id for each in line.order()] == ["anna-0", "ben-0"]
    line.note_trouble(Waiting(anna, "anna-0"), is_stuck=True)
    assert [each.id for each in line.order(fresh=True)] == ["ben-0", "anna-0"]
    assert line.next_home() == ben
    now += RETRY_SECONDS
    assert line.next_home() == anna
    line.note_closed(anna, is_closed=True)
    assert line.next_home() == ben, "the same where the account cannot be opened"
    held = at_work(ben / "runs" / "ben-0")
    now += RETRY_SECONDS
    assert line.in_the_way() is None, "nothing is stopped to try"
    line.note_closed(anna, is_closed=False)
    line.note_trouble(Waiting(anna, "anna-0"), is_stuck=False)
    assert line.in_the_way() == Waiting(ben, "ben-0")
    os.close(held)


def test_one_whose_account_holds_all_it_may_hides_no_other(home: Path) -> None:
    owner, anna, ben = homes(home)
    (home / "places" / "lab").mkdir(parents=True)
    line = FairQueue(home, room=lambda place: 2, most_each=1)
    held = []
    for account, folder in ((owner, add_group_run(owner, "owner-0", place="lab")), (anna, add_run(anna, "anna-0"))):
        write_settings(RunFolder(folder), RunConfig(place="lab"), RunFolder(folder).origin)
        Queue(account).start_next(may_wait=lambda _: True, is_at_work=lambda _: True, start=lambda _: True)
        held.append(lock.acquire(folder / "run.lock"))
    add_run(anna, "anna-1", place="lab")
    line.give_back(anna)
    assert line.in_the_way("lab") is None, "she has as many there as she may"
    add_run(ben, "ben-0", place="lab")
    assert line.in_the_way("lab") == Waiting(owner, "owner-0")
    for each in held:
        assert each is not None
        os.close(each)


def test_nothing_is_stopped_where_it_makes_no_room(home: Path) -> None:
    """The room of the place was made smaller than what is at work there."""
    _, anna, ben = homes(home)
    (home / "places" / "lab").mkdir(parents=True)
    held = [at_work(add(anna, id, place="lab")) for add, id in ((add_group_run, "anna-0"), (add_run, "anna-1"))]
    add_run(ben, "ben-0", place="lab")
    assert FairQueue(home, room=lambda place: 1).in_the_way("lab") is None
    assert FairQueue(home, room=lambda place: 2).in_the_way("lab") == Waiting(anna, "anna-0")
    for each in held:
        os.close(each)


def test_the_runs_at_work_are_counted_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were counted anew for each run that waits, at each look."""
    _, anna, ben = homes(home)
    (home / "places" / "lab").mkdir(parents=True)
    held = at_work(add_run(anna, "anna-0", place="lab"))
    for number in range(1, 30):
        add_run(anna, f"anna-{number}", place="lab")
    looked, is_held = [], lock.is_held
    monkeypatch.setattr(lock, "is_held", lambda path: looked.append(path) or is_held(path))
    line = FairQueue(home, room=lambda place: 3, most_each=1)
    serving = line.serving()
    assert line.next_home("lab") is None
    assert len([path for path in looked if path.name == "run.lock"]) == 1
    looked.clear()
    add_run(ben, "ben-0", place="lab")
    with line.turn(ben, "lab") as is_ours:
        assert is_ours
    assert len([path for path in looked if path.name == "run.lock"]) == 1
    os.close(serving)
    os.close(held)
