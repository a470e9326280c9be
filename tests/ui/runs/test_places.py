"""Places on the page: who may add them, what is said of each, and when the Configure tab asks for one."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio import codec
from studio.config import RunConfig
from studio.errors import ConfigError, RunError
from studio.events import Spent
from studio.jobs.places.away import Away, read_away, write_away
from studio.jobs.places.book import Check, Place
from studio.jobs.places.protocol import Facts
from studio.jobs.tasks import HUB_TOKEN, CheckPlace, Train, TrainElsewhere
from studio.runs.event_log import EventLog
from studio.runs.fair_queue import FairQueue
from studio.runs.queue import Queue
from studio.studio import Studio
from studio.ui.configure import actions as configure_actions
from studio.ui.configure import rented_place
from studio.ui.configure import view as configure_view
from studio.ui.configure.state import Selection as ConfigureSelection
from studio.ui.kit.actions import Action
from studio.ui.runs import actions, places_actions, places_view
from studio.ui.runs.places_view import CHECK, FORGET, OVER, Wanted
from studio.ui.runs.view import Selection
from studio.ui.train import cards
from tests.ui.fake_studio import FakeWorkers

RAY = Wanted(name="lab", address="http://10.0.0.7:8265/", runs_at_once=3, gpus=1)


def workers(studio: Studio) -> FakeWorkers:
    found = studio._launch
    assert isinstance(found, FakeWorkers)
    return found


def test_a_place_is_added_checked_and_forgotten(studio: Studio) -> None:
    assert places_view.draw(studio, Wanted())["list"] == '<div class="ls-stack"></div>'
    after = places_actions.add(studio, RAY).state
    assert after.said == "lab is added, and is being checked."
    assert after.name == ""
    added = studio.places.get("lab")
    assert (added.address, added.runs_at_once, added.gpus) == ("http://10.0.0.7:8265", 3, 1.0)
    assert [type(task) for task in workers(studio).jobs] == [CheckPlace]
    workers(studio).leave()
    studio.places.keep_check("lab", Check(1.0, facts=Facts(host="node-1", python="3.11.2", cores=8)))
    shown = str(places_view.draw(studio, Wanted())["list"])
    assert "a Ray cluster, 3 runs at once" in shown
    assert "A job there ran on node-1: 8 cores, no GPU" in shown
    places_actions.press(studio, Wanted(), Action(CHECK, "lab"))
    assert len(workers(studio).jobs) == 2
    with pytest.raises(RunError, match="being checked"):
        places_actions.press(studio, Wanted(), Action(FORGET, "lab"))
    workers(studio).leave()
    assert "is forgotten" in places_actions.press(studio, Wanted(), Action(FORGET, "lab")).said
    assert studio.places.names() == ()


def test_what_a_check_found_is_said(studio: Studio) -> None:
    studio.places.add(Place("lab", "slurm", folder="/shared"))
    studio.places.keep_check("lab", Check(1.0, "It is on fire.", "Put it out."))
    assert "It is on fire. Put it out." in str(places_view.draw(studio, Wanted())["list"])


def test_a_damaged_place_can_be_forgotten_and_nothing_else(studio: Studio) -> None:
    studio.places.add(Place("lab", "slurm", folder="/shared"))
    (studio.places.folder / "lab" / "place.json").write_text("{")
    shown = str(places_view.draw(studio, Wanted())["list"])
    assert "Its settings are damaged" in shown
    assert "Check lab" not in shown
    assert "Forget lab" in shown


@pytest.mark.parametrize(
    "change", [{"runs_at_once": None}, {"runs_at_once": "many"}, {"gpus": -1}, {"name": "../x"}, {"address": "x"}]
)
def test_what_cannot_be_is_a_sentence(studio: Studio, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        places_actions.add(studio, replace(RAY, **change))
    assert studio.places.names() == ()


def test_a_visitor_of_a_public_address_sees_no_places_and_adds_none(studio: Studio) -> None:
    studio.settings = replace(studio.settings, host="0.0.0.0", password="a long password")
    assert places_view.draw(studio, Wanted()).keys() == {"all", "ending"}
    with pytest.raises(RunError, match="Only an owner"):
        places_actions.add(studio, RAY)
    for verb in (CHECK, FORGET):
        with pytest.raises(RunError, match="Only an owner"):
            places_actions.press(studio, Wanted(), Action(verb, "lab"))


def test_the_configure_tab_asks_where_to_train_only_where_there_is_a_place() -> None:
    alone = configure_view._place((), RunConfig(), 1)["place"]
    assert alone["visible"] is False
    offered = configure_view._place(("lab",), RunConfig(place="gone"), 1)["place"]
    assert offered["visible"] is True
    assert offered["choices"] == [("This machine", ""), ("lab", "lab"), ("gone", "gone")]


def test_a_run_goes_to_the_worker_that_carries_it(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips").id
    studio.places.add(Place("lab", "slurm", folder="/shared", runs_at_once=2))
    runs = [studio.start_run(RunConfig(place="lab"), dataset) for _ in range(3)]
    here = studio.start_run(RunConfig(), dataset)
    studio.tick()
    kinds = {type(task).__name__ for task in workers(studio).jobs}
    assert kinds == {"TrainElsewhere", "Train"}
    assert [task.run.name for task in workers(studio).jobs if isinstance(task, TrainElsewhere)] == [
        run.id for run in runs[:2]
    ], "a place takes as many runs at once as it was said to"
    assert here.is_alive()
    assert studio.scheduler.view(runs[2].id).status == "queued"
    with pytest.raises(RunError, match="There is no place 'gone'"):
        studio.start_run(RunConfig(place="gone"), dataset)


def test_a_run_whose_place_is_gone_goes_on_here(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips").id
    studio.places.add(Place("lab", "slurm", folder="/shared"))
    run = studio.start_run(RunConfig(place="lab"), dataset)
    write_away(run.path, Away("lab", "run-0123456789abcdef", attempt=2, is_open=True))
    with pytest.raises(RunError, match="at work"):
        studio.move_run(run.id, "")
    workers(studio).leave()
    studio.remove_place("lab")
    with pytest.raises(RunError, match="no place 'lab'"):
        studio.move_run(run.id, "lab")
    actions.press(studio, Selection(), Action("here", run.id))
    assert studio.runs.get(run.id).config.place == ""
    assert isinstance(workers(studio).jobs[-1], Train)
    kept = read_away(run.path)
    assert kept is not None
    assert not kept.is_open, "what a job there does from now on would come into a run that trains here"


def test_a_run_goes_on_on_as_many_nodes_as_it_is_told_to(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips").id
    studio.places.add(Place("lab", "ray", address="http://10.0.0.7:8265"))
    studio.places.add(Place("hpc", "slurm", folder="/shared"))
    run = studio.start_run(RunConfig(place="lab", nodes=4), dataset)
    shown = str(cards.status_panel(studio.scheduler.view(run.id)))
    assert "It trains at lab, on 4 nodes." in shown
    workers(studio).leave()
    for place, number, said in (("hpc", 2, "At hpc a run trains on one node"), ("lab", 5000, "Nodes must be between")):
        with pytest.raises(ConfigError, match=said):
            studio.move_run(run.id, place, nodes=number)
    assert studio.runs.get(run.id).config.nodes == 4
    studio.move_run(run.id, "lab", nodes=2)
    assert studio.runs.get(run.id).config.nodes == 2
    studio.move_run(run.id, "")
    assert studio.runs.get(run.id).config.nodes == 1, "this machine is one node"


def test_accounts_take_turns_at_each_place_alone(tmp_path: Path) -> None:
    anna = tmp_path / "accounts" / "20260101-000000-aaaaaa"
    (tmp_path / "accounts" / "people").mkdir(parents=True)
    (tmp_path / "places" / "lab").mkdir(parents=True)
    for home, id, place in ((tmp_path, "a", "lab"), (tmp_path, "b", "lab"), (anna, "c", "lab"), (anna, "d", "")):
        folder = home / "runs" / id
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(codec.dumps(RunConfig(place=place)))
        Queue(home).add(id)
    line = FairQueue(tmp_path, room=lambda place: 2 if place else 1)
    assert set(line.places()) == {"lab", ""}
    assert line.next_home("lab") == tmp_path
    assert line.next_home() == anna
    served = line.serving()
    with line.turn(tmp_path, "lab") as is_ours:
        assert is_ours
    assert line.next_home("lab") == anna, "the turn at a place is another's now"
    os.close(served)


HUB = Wanted(kind="hub", name="rented", flavor="t4-small", cap=5, folder="/typed/before", gpus=3)
TOKEN = "hf_" + "typedtyped" * 2


def test_a_place_on_the_hub_asks_for_other_things_than_a_cluster(studio: Studio) -> None:
    def shown(kind: str) -> set[str]:
        fields = ("address", "folder", "python", "gpus", "flavor", "cap", "hours", "namespace", "image", "token")
        drawn = places_view.draw(studio, Wanted(kind=kind))
        return {name for name in fields if drawn[name]["visible"]}

    assert shown("ray") == {"address", "folder", "python", "gpus"}
    assert shown("slurm") == {"folder", "python", "gpus"}
    assert shown("hub") == {"flavor", "cap", "hours", "namespace", "image", "token"}


def test_a_place_on_the_hub_is_added_with_the_token_of_whoever_adds_it(studio: Studio) -> None:
    studio.hub_token.is_public = True
    with pytest.raises(RunError, match="needs an access token"):
        places_actions.add(studio, HUB)
    assert studio.places.names() == ()
    done = places_actions.add(studio, HUB, token=TOKEN)
    assert done.updates == {"emptied_token": ""}
    added = studio.places.get("rented")
    assert (added.flavor, added.cap_usd, added.folder, added.gpus) == ("t4-small", 5.0, "", 0.0)
    [task] = workers(studio).jobs
    assert task.variables == {HUB_TOKEN: TOKEN}
    assert TOKEN not in codec.dumps(task)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cap": 0}, "without that nothing is started"),
        ({"cap": None}, "costs at most is no number"),
        ({"flavor": "../x"}, "cannot be hardware"),
        ({"namespace": "a/b"}, "cannot be the name"),
        ({"image": "a b"}, "no name of a Docker image"),
        ({"hours": 0}, "cannot be"),
    ],
)
def test_nothing_is_rented_by_settings_that_cannot_be(studio: Studio, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        places_actions.add(studio, replace(HUB, **change), token=TOKEN)
    assert studio.places.names() == ()


def test_what_a_run_costs_is_said_before_it_starts(studio: Studio) -> None:
    studio.hub_token.is_public = True
    assert rented_place.parts(rented_place.look(studio, ""))["hub"]["visible"] is False
    studio.places.add(Place("rented", "hub", flavor="t4-small", cap_usd=5.0))
    before = str(rented_place.parts(rented_place.look(studio, "rented"))["hub_said"])
    assert "is not known yet" in before
    assert "Give your access token" in before
    facts = Facts(hardware="Nvidia T4 - small (4 vCPU)", price_per_hour=0.4)
    studio.places.keep_check("rented", Check(1.0, facts=facts))
    studio.give_hub_token(TOKEN)
    after = str(rented_place.parts(rented_place.look(studio, "rented"))["hub_said"])
    assert "An hour costs US$ 0.40, as the Hub says. A run costs at most US$ 5.00" in after
    assert "lasts at most 12 h 30 min" in after
    assert "An access token is known" in after
    assert TOKEN not in after
    assert "Nvidia T4 - small" in str(places_view.draw(studio, Wanted())["list"])


def test_a_run_goes_to_the_hub_with_the_token_of_its_person_alone(studio: Studio) -> None:
    studio.hub_token.is_public = True
    studio.places.add(Place("rented", "hub", flavor="t4-small", cap_usd=5.0))
    dataset = studio.data.add_sample("order_slips").id
    with pytest.raises(RunError, match="needs an access token"):
        studio.start_run(RunConfig(place="rented"), dataset)
    assert studio.runs.all() == ()
    configure_actions.give_token(studio, ConfigureSelection(), token=TOKEN)
    run = studio.start_run(RunConfig(place="rented"), dataset)
    assert workers(studio).jobs[-1].variables == {HUB_TOKEN: TOKEN}
    workers(studio).leave()
    studio.give_hub_token("")
    with pytest.raises(RunError, match="needs an access token"):
        studio.queue_run(run.id)
    assert not any(TOKEN.encode() in path.read_bytes() for path in studio.settings.home.rglob("*") if path.is_file())


def test_what_a_run_has_cost_is_said_while_it_trains(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips").id
    run = studio.start_run(RunConfig(), dataset)
    EventLog(run.events_path).emit(Spent(0.42, 5.0, 0.4))
    shown = str(cards.status_panel(studio.scheduler.view(run.id)))
    assert "It has cost about US$ 0.42" in shown
    assert "at most US$ 5.00" in shown


def test_a_run_whose_token_was_forgotten_before_its_turn_says_so_and_holds_up_nobody(studio: Studio) -> None:
    studio.hub_token.is_public = True
    studio.give_hub_token(TOKEN)
    studio.places.add(Place("rented", "hub", flavor="t4-small", cap_usd=5.0))
    dataset = studio.data.add_sample("order_slips").id
    studio.start_run(RunConfig(place="rented"), dataset)
    waits = studio.start_run(RunConfig(place="rented"), dataset)
    studio.give_hub_token("")
    workers(studio).leave()
    studio.tick()
    view = studio.scheduler.view(waits.id)
    assert view.status == "queued"
    assert "It could not be started: A run on the Hugging Face Hub needs an access token" in view.headline
    here = studio.start_run(RunConfig(), dataset)
    assert here.is_alive()
    studio.give_hub_token(TOKEN)
    studio.tick()
    assert waits.is_alive()
    assert workers(studio).jobs[-1].variables == {HUB_TOKEN: TOKEN}


def test_a_job_that_may_still_cost_money_is_said_until_it_is_known_to_be_over(studio: Studio) -> None:
    """A job that nobody could end any more went on, and the page said that its run was stopped."""
    studio.places.add(Place("rented", "hub", flavor="t4-small", cap_usd=5.0))
    dataset = studio.data.add_sample("order_slips").id
    studio.hub_token.is_public = True
    studio.give_hub_token(TOKEN)
    runs = [studio.start_run(RunConfig(place="rented"), dataset) for _ in range(2)]
    workers(studio).leave()
    keys = ["run-0123456789abcde0", "run-0123456789abcde1"]
    for run, key in zip(runs, keys, strict=True):
        write_away(run.path, Away("rented", key, 2, True, seconds=3600, price_per_hour=0.4, owner="me"))
    studio.places.remove("rented")
    assert str(places_view.draw(studio, Wanted())["ending"]) == '<div class="ls-stack"></div>'
    studio.move_run(runs[0].id, "")
    studio.delete_run(runs[1].id)
    said = str(places_view.draw(studio, Wanted())["ending"])
    assert said.count("A job at rented may still cost money until") == 2
    assert f"lora-studio-{keys[0]}-2 among the jobs of me" in said
    places_actions.press(studio, Wanted(), Action(OVER, f"lora-studio-{keys[0]}-2"))
    places_actions.press(studio, Wanted(), Action(OVER, "../../places"))
    assert [each.job for each in studio.ending.all()] == [f"lora-studio-{keys[1]}-2"]
    assert not any(TOKEN.encode() in path.read_bytes() for path in studio.settings.home.rglob("*") if path.is_file())


def test_visitors_without_accounts_share_no_token_on_a_public_address(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token that one visitor gave paid for the runs of all others."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    studio.places.add(Place("rented", "hub", flavor="t4-small", cap_usd=5.0))
    studio.settings = replace(studio.settings, host="0.0.0.0", password="a long password")
    with pytest.raises(RunError, match="whichever access token was given last"):
        configure_actions.give_token(studio, ConfigureSelection(), token=TOKEN)
    with pytest.raises(RunError, match="whichever access token was given last"):
        studio.start_run(RunConfig(place="rented"), studio.data.add_sample("order_slips").id)
    assert studio.runs.all() == ()
    drawn = rented_place.parts(rented_place.look(studio, "rented"))
    assert drawn["hub_token"]["visible"] is False
    assert "Nobody can train there from this page" in str(drawn["hub_said"])
