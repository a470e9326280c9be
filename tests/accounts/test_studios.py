"""The studios of several accounts: what they share, what each may do, and whose run is next."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from studio.accounts.people import FOR_GOOD, GUEST, Account
from studio.accounts.removing import remove_account
from studio.accounts.usage import Usage
from studio.compare.chat_room import ChatRoom
from studio.config import RunConfig
from studio.errors import RunError, TooMany
from studio.events import Finished, Loading
from studio.jobs.places.away import Away, write_away
from studio.jobs.places.book import Place, Places
from studio.jobs.tasks import HUB_TOKEN, Calibrate, PrepareModel, Train
from studio.jobs.variants import variants
from studio.limits import LAPTOP
from studio.mirror.keeper import ForOthers, MirrorKeeper
from studio.mirror.state import KEPT, MirrorState
from studio.models.starter import starter_folder
from studio.runs.store import RunFolder
from studio.studio import Studio
from tests.accounts.houses import House, house
from tests.ui.fake_studio import FakeChat, finish, opening_events, play, step, write_plain_model


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home", evaluate=False) as opened:
        opened.add("owner")
        write_plain_model(starter_folder(opened.home))
        yield opened


def studio_of(shared: House, name: str, role: str = "") -> Studio:
    return shared.studios.open(shared.add(name, role))


def queued(studio: Studio, name: str) -> RunFolder:
    dataset = studio.data.all()[0] if studio.data.all() else studio.data.add_sample("order_slips")
    return studio.start_run(RunConfig(name=name), dataset.id)


def end(shared: House, run: RunFolder, studio: Studio) -> None:
    """Let the run at work be done."""
    finish(run, steps=2, clock=studio.clock)
    shared.workers.leave()


def trained(shared: House) -> list[str]:
    return [RunFolder(task.run).config.name for task in shared.workers.jobs if isinstance(task, Train)]


def test_the_base_models_and_the_machine_are_everybodys(shared: House) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    for studio in (anna, ben):
        assert studio.models.state("starter").ready
        assert studio.models.machine() is None
    measured = [task for task in shared.workers.jobs if isinstance(task, Calibrate)]
    assert [task.paths.lock for task in measured] == [shared.home / "machine.lock"]


def test_accounts_take_turns_and_one_run_is_at_work(shared: House) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    first = queued(anna, "anna 1")
    more = [queued(anna, f"anna {number}") for number in range(2, 5)]
    other = queued(ben, "ben 1")
    assert trained(shared) == ["anna 1"]
    shared.studios.tick()
    assert trained(shared) == ["anna 1"]
    end(shared, first, anna)
    shared.studios.tick()
    assert trained(shared) == ["anna 1", "ben 1"]
    end(shared, other, ben)
    shared.studios.tick()
    end(shared, more[0], anna)
    shared.studios.tick()
    assert trained(shared) == ["anna 1", "ben 1", "anna 2", "anna 3"]


def test_whoever_waits_sees_their_place_and_no_name_of_another(shared: House) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    first = queued(anna, "Mondlicht")
    play(first, *opening_events(steps=9), step(1, loss=2.0), clock=anna.clock)
    second, own = queued(anna, "Nachtfahrt"), queued(ben, "ben 1")
    third = queued(ben, "ben 2")
    seen = ben.scheduler.view(own.id)
    assert (seen.place, seen.of_all, seen.own_place) == (1, 3, 1)
    assert "somebody else's run" in seen.headline
    seen = ben.scheduler.view(third.id)
    assert (seen.place, seen.of_all, seen.own_place) == (3, 3, 2)
    assert "2 other runs, 1 of them somebody else's" in seen.headline
    told = "".join(ben.scheduler.view(each.id).headline for each in (own, third)) + ben.scheduler.next_up()
    assert not any(word in told for word in ("Mondlicht", "Nachtfahrt", first.id, second.id, "anna"))
    assert [run.place for run in ben.summaries.look(fresh=True).runs] == [3, 1]
    assert "the run Mondlicht" in anna.scheduler.view(second.id).headline


def test_what_was_at_work_goes_on_first_after_a_restart(shared: House, tmp_path: Path) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    lost = queued(anna, "anna 1")
    play(lost, *opening_events(steps=9), step(1, loss=2.0), clock=anna.clock)
    queued(ben, "ben 1")
    shared.workers.leave()
    shared.studios.close()
    with house(shared.home, evaluate=False) as again:
        assert again.studios.recover() == (lost.id,)
        again.studios.tick()
        assert trained(again) == ["anna 1"]
    shared.studios._serving = shared.studios.queue.serving()  # it is closed once more at the end


def test_one_who_becomes_a_guest_is_one_at_once(shared: House) -> None:
    account = shared.add("anna")
    anna = shared.studios.open(account)
    queued(anna, "anna 1")
    shared.people.give_role(account.id, GUEST)
    with pytest.raises(RunError, match="guest"):
        queued(anna, "anna 2")
    shared.people.remove(account.id)
    with pytest.raises(RunError, match="guest"):
        queued(anna, "anna 3")


def test_a_guest_gets_the_starter_model_ready_for_all(tmp_path: Path) -> None:
    with house(tmp_path / "home") as opened:
        opened.add("owner")
        guest = opened.studios.open(opened.add("guest", GUEST))
        guest.models.prepare("starter")
        assert [type(task) for task in opened.workers.jobs] == [PrepareModel]


def limited(shared: House, **limits: Any) -> None:
    shared.studios.settings = dataclasses.replace(shared.studios.settings, limit_changes=tuple(limits.items()))


def test_an_account_has_so_many_runs_waiting(shared: House) -> None:
    limited(shared, runs_waiting_each=2)
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    for number in range(3):  # one of them is at work
        queued(anna, f"anna {number}")
    with pytest.raises(TooMany, match="2 of your runs wait"):
        queued(anna, "one too many")
    queued(ben, "ben 1")


def test_an_account_has_its_share_of_the_disk(shared: House) -> None:
    limited(shared, account_disk_gib=0.001)
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    (anna.settings.home / "big").write_bytes(b"x" * 2**21)
    with pytest.raises(TooMany, match="of the disk are used up"):
        queued(anna, "anna 1")
    queued(ben, "ben 1")


def test_an_account_trains_so_long_a_day_and_its_run_is_asked_to_stop(shared: House) -> None:
    limited(shared, account_run_minutes=1)
    account = shared.add("anna")
    anna, now = shared.studios.open(account), [0.0]
    shared.studios._clock = lambda: now[0]
    shared.studios._trains = (0.0, {})
    run = queued(anna, "anna 1")
    for seconds in (0.0, 1.0, 30.0):
        now[0] = seconds
        shared.studios.tick()
    assert shared.studios.usage(account).today().train_seconds == 30.0
    assert not run.stop_request.exists()
    now[0] = 61.0
    shared.studios.tick()
    assert run.stop_request.exists()
    with pytest.raises(TooMany, match="a day are your share"):
        queued(anna, "anna 2")
    person = anna.person
    assert person is not None
    assert "of training today" in person.used


def test_what_was_used_today_outlives_a_restart_and_not_the_day(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    home = tmp_path / "accounts" / "20260101-000000-aaaaaa"
    usage = Usage(LAPTOP, home, home.name, clock=lambda: now[0])
    usage.answered(7)
    again = Usage(LAPTOP, home, home.name, clock=lambda: now[0])
    assert again.today().tokens == 7
    now[0] += 24 * 3600
    assert again.today().tokens == 0


def test_what_ended_in_trouble_for_one_holds_up_nobody_else(shared: House, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    run = queued(anna, "anna 1")
    queued(ben, "ben 1")
    shared.workers.leave()
    (anna.settings.home / "queue.json").write_text("damaged", encoding="utf-8")
    shared.studios.tick()
    assert trained(shared) == ["anna 1", "ben 1"]
    assert run.path.is_dir()


def test_the_chat_of_one_leaves_for_the_run_of_another(shared: House) -> None:
    left: list[str] = []
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    ben.chat.leave = lambda grace_seconds=2.0: left.append("ben")  # type: ignore[method-assign]
    queued(anna, "anna 1")
    assert left == ["ben"]


def test_owners_hear_of_the_mirror_and_others_how_old_it_is(shared: House) -> None:
    keeper = MirrorKeeper(shared.home, "me/kept", token="x")
    shared.studios.mirror, shared.studios.mirror_for_others = keeper, ForOthers(keeper)
    keeper.state = MirrorState("me/kept", KEPT, trouble="'accounts/1/runs/diary' cannot be read.", hint="Look.")
    anna, owner = studio_of(shared, "anna"), shared.studios.open(shared.people.first())
    assert owner.mirror is not None
    assert anna.mirror is not None
    assert "diary" in owner.mirror.state.trouble
    assert "diary" not in anna.mirror.state.trouble
    assert anna.mirror.state.target == "me/kept", "whoever uses the studio may know where it is kept"


def test_a_studio_that_rests_is_closed_and_opened_again(shared: House) -> None:
    account, now = shared.add("anna"), [0.0]
    shared.studios._clock = lambda: now[0]
    first = shared.studios.open(account)
    with shared.studios.held(account):
        now[0] = 10_000.0
        shared.studios.tick()
        assert shared.studios.open(account) is first
    now[0] = 20_000.0
    shared.studios.tick()
    assert shared.studios.open(account) is not first
    run = queued(shared.studios.open(account), "at work")
    kept = shared.studios.open(account)
    now[0] = 40_000.0
    shared.studios.tick()
    assert shared.studios.open(account) is kept
    assert run.is_alive()


def test_a_visitor_who_cannot_be_deleted_keeps_no_other_here(
    shared: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What one raised ended the sweep, at every tick again."""
    stays, goes = shared.studios.add_visitor(), shared.studios.add_visitor()

    def drop(id: str) -> None:
        if id == stays.id:
            raise TimeoutError("its page hangs")

    shared.studios.drop_page = drop
    shared.studios._swept_at, tomorrow = float("-inf"), time.time() + 25 * 3600
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    shared.studios.tick()
    assert (shared.people.find(stays.id) is None, shared.people.find(goes.id) is None) == (False, True)
    assert f"The account {stays.id} of a visitor is still there" in caplog.text


def test_an_account_whose_record_is_damaged_holds_up_nobody(shared: House) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    first, _ = queued(anna, "anna 1"), queued(anna, "anna 2")
    queued(ben, "ben 1")
    queued(ben, "ben 2")
    end(shared, first, anna)
    record = shared.home / "accounts" / "people" / f"{ben.settings.account}.json"
    kept = record.read_text()
    record.write_text("damaged")
    for _ in range(2):
        shared.studios.tick()
    assert trained(shared) == ["anna 1", "anna 2"]
    record.write_text(kept)


def test_all_visitors_have_one_share_of_the_tokens(tmp_path: Path) -> None:
    """Whoever came again as another guest had a whole share again."""
    with house(tmp_path / "home", guests=True, limit_changes=(("account_tokens", 100),)) as opened:
        owner = opened.add("owner")
        first, second = (opened.people.add_visitor(most=2) for _ in range(2))
        opened.studios.usage(first).answered(100)
        for each in (first, second):
            with pytest.raises(TooMany, match="100 tokens for visitors today, and 100 are the share of them all"):
                opened.studios.usage(each).require_tokens()
        assert "100 of 100 tokens" in opened.studios.usage(second).sentence()
        opened.studios.usage(owner).require_tokens()
        assert opened.studios.usage(owner).today().tokens == 0


def test_all_visitors_have_one_place_in_the_line_of_the_chat(tmp_path: Path) -> None:
    rooms: dict[str, ChatRoom] = {}

    def open_chat(home: Path, room: ChatRoom, usage: Usage) -> FakeChat:
        rooms[home.name] = room
        return FakeChat()

    with house(tmp_path / "home", guests=True) as opened:
        opened.studios._chat = open_chat  # type: ignore[assignment]
        owner = opened.add("owner")
        visitors = [opened.people.add_visitor(most=2) for _ in range(2)]
        for each in (owner, *visitors):
            opened.studios.open(each)
        first, second = (rooms[each.id] for each in visitors)
        assert first is second
        assert first.within is rooms["home"]


def test_anothers_group_gives_way_to_a_run_that_is_started_alone(shared: House) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    data = anna.data.add_sample("order_slips")
    planned = variants(RunConfig(name="tone"), [(data.id, data.name)], {"rank": (8, 16, 32)})
    first, *_ = anna.start_group(planned)
    assert trained(shared) == ["tone, rank 8"]
    single = queued(ben, "ben 1")
    assert ben.scheduler.view(single.id).place == 1
    shared.studios.tick()
    assert first.stop_wanted == "give-way"
    assert anna.scheduler.view(first.id).status == "stopping"
    play(first, *opening_events(steps=9), step(1, loss=2.0), Finished("stopped", "Stopped.", 1.0), clock=anna.clock)
    shared.workers.leave()
    assert "goes on by itself" in anna.scheduler.view(first.id).headline
    shared.studios.tick()
    assert trained(shared) == ["tone, rank 8", "ben 1"]
    end(shared, single, ben)
    shared.studios.tick()
    assert trained(shared) == ["tone, rank 8", "ben 1", "tone, rank 8"]


def test_a_request_that_nobody_saw_to_is_taken_up(shared: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run counted as about to leave, and no other was asked."""
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    data = anna.data.add_sample("order_slips")
    first, *_ = anna.start_group(variants(RunConfig(name="tone"), [(data.id, data.name)], {"rank": (8, 16)}))
    queued(ben, "ben 1")
    first.stop_request.write_text("give-way")  # by a command that was ended just then
    seen: list[str] = []
    monkeypatch.setattr(anna.scheduler, "_see_to_the_end", lambda run, grace_seconds: seen.append(run.id))
    shared.studios.tick()
    assert set(seen) == {first.id}


def test_what_trains_at_a_place_counts_for_its_account_but_not_what_waits_there(shared: House) -> None:
    """Only the run on this machine was counted: elsewhere an account trained as long as it liked."""
    limited(shared, account_run_minutes=1)
    Places(shared.home).add(Place("lab", "slurm", folder="/shared", runs_at_once=3))
    account = shared.add("anna")
    anna, now = shared.studios.open(account), [0.0]
    shared.studios._clock = lambda: now[0]
    shared.studios._trains = (0.0, {})
    dataset = anna.data.add_sample("order_slips")
    run = anna.start_run(RunConfig(name="away", place="lab"), dataset.id)
    shared.studios.tick()
    play(run, Loading("Waiting for room at lab"), clock=anna.clock)
    for seconds in (1.0, 20.0):
        now[0] = seconds
        shared.studios.tick()
    assert shared.studios.usage(account).today().train_seconds == 0.0
    play(run, *opening_events(steps=9), step(1, loss=3.0), clock=anna.clock)
    now[0] = 50.0
    shared.studios.tick()
    assert shared.studios.usage(account).today().train_seconds == 30.0
    assert not run.stop_request.exists()
    now[0] = 81.0
    shared.studios.tick()
    assert run.stop_request.exists()


def test_an_account_that_cannot_be_opened_holds_up_nobodys_group(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    first = queued(ben, "ben 1")
    queued(anna, "anna 1")
    data = ben.data.add_sample("order_slips")
    ben.start_group(variants(RunConfig(name="tone"), [(data.id, data.name)], {"rank": (8, 16)}))
    end(shared, first, ben)
    open_studio = shared.studios.open

    def refuse(account: Account) -> Studio:
        if account.name == "anna":
            raise RunError("The disk is full.")
        return open_studio(account)

    monkeypatch.setattr(shared.studios, "open", refuse)
    shared.studios.tick()
    shared.studios.tick()
    assert trained(shared) == ["ben 1", "tone, rank 8"]


def test_a_group_of_one_account_leaves_room_at_a_place(shared: House) -> None:
    limited(shared, runs_at_place_each=2)
    shared.studios.queue.most_each = 2
    Places(shared.home).add(Place("lab", "slurm", folder="/shared", runs_at_once=3))
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    data = anna.data.add_sample("order_slips")
    settings = RunConfig(name="tone", place="lab")
    group = anna.start_group(variants(settings, [(data.id, data.name)], {"rank": (8, 16, 32, 64)}))
    for _ in range(5):
        shared.studios.tick()
    assert [run.is_alive() for run in group] == [True, True, False, False]
    said = anna.scheduler.view(group[2].id).headline
    assert "It waits for your other runs at lab: one person may have 2 nodes there at once." in said
    other = ben.start_group(variants(settings, [(ben.data.add_sample("order_slips").id, "x")], {"rank": (8, 16)}))
    shared.studios.tick()
    assert [run.is_alive() for run in other] == [True, False]
    assert "It waits for room at lab." in ben.scheduler.view(other[1].id).headline


def test_each_account_pays_on_the_hub_with_its_own_token_alone(shared: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ofwhoeverrunsthestudio")
    place = Place("rented", "hub", flavor="t4-small", cap_usd=5.0, runs_at_once=2)
    Places(shared.home).add(place)
    anna, ben = studio_of(shared, "anna"), studio_of(shared, "ben")
    anna.give_hub_token("hf_annas")
    data = anna.data.add_sample("order_slips").id
    anna.start_run(RunConfig(place="rented"), data)
    assert shared.workers.jobs[-1].variables == {HUB_TOKEN: "hf_annas"}
    with pytest.raises(RunError, match="needs an access token"):
        ben.start_run(RunConfig(place="rented"), ben.data.add_sample("order_slips").id)
    account = shared.people.get("anna")
    shared.studios.drop(account.id)
    assert not shared.studios.open(account).hub_token.is_known, "what an account gave outlived it"


class Ends:
    """What ends jobs of the Hub by a token, whose person pays for them."""

    ended: ClassVar[list[tuple[str, str, str]]] = []

    def __init__(self, token: str) -> None:
        self._token = token

    def end(self, owner: str, job: str) -> bool | None:
        if self._token != f"hf_{owner}":
            raise RunError("The access token is that of somebody else.")
        self.ended.append((owner, job, self._token))
        return True


def test_the_paid_jobs_of_an_account_end_with_it_by_its_own_token(
    shared: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers were killed, its runs put away and its token forgotten: nobody ended its jobs."""
    monkeypatch.setattr(Ends, "ended", [])
    shared.studios._open_ender = Ends
    owner = shared.studios.open(shared.people.all()[0])
    owner.give_hub_token("hf_owner")
    account = shared.add("anna")
    anna = shared.studios.open(account)
    anna.give_hub_token("hf_anna")
    run = queued(anna, "anna 1")
    shared.workers.leave()
    away = Away("rented", "run-0123456789abcdef", 1, True, seconds=3600, price_per_hour=0.4, owner="anna")
    write_away(run.path, away)
    remove_account(shared.people, account, how=FOR_GOOD, drop=shared.studios.drop)
    assert [each.job for each in owner.ending.all()] == [away.job], "an owner is told"
    shared.studios.tick()
    shared.studios._enders[shared.home].wait()
    assert Ends.ended == [("anna", away.job, "hf_anna")]
    assert owner.ending.all() == ()
    shared.studios.tick()
    assert shared.studios._tokens_of_removed == []
