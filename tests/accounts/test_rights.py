"""What guests may do: each verb of a studio is in this table, and the rule is held against it."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.accounts.people import GUEST, MEMBER
from studio.config import RunConfig
from studio.data.library import DatasetLibrary
from studio.errors import RunError
from studio.jobs.evaluations import Evaluations
from studio.jobs.imports import ImportRequest, Imports
from studio.jobs.places.book import Place
from studio.jobs.tasks import Export
from studio.jobs.variants import variants
from studio.models.starter import starter_folder
from studio.runs.scheduler import Scheduler
from studio.runs.store import RunStore
from studio.studio import Studio
from tests.accounts.houses import House, house
from tests.ui.fake_studio import finished_run, write_plain_model

Verb = Callable[[Studio, str, str], Any]

REFUSED: dict[str, Verb] = {
    "start_run": lambda studio, run, data: studio.start_run(RunConfig(), data),
    "start_group": lambda studio, run, data: studio.start_group(
        variants(RunConfig(), [(data, "shop")], {"rank": (8, 16)})
    ),
    "add_dataset": lambda studio, run, data: studio.add_dataset(ImportRequest(pasted="Who? Me.")),
    "queue_run": lambda studio, run, data: studio.queue_run(run),
    "change_run": lambda studio, run, data: studio.change_run(run, RunConfig()),
    "duplicate_run": lambda studio, run, data: studio.duplicate_run(run),
    "archive_run": lambda studio, run, data: studio.archive_run(run),
    "import_run": lambda studio, run, data: studio.import_run(Path("x")),
    "start_export": lambda studio, run, data: studio.start_export(run, "adapter"),
    "delete_export": lambda studio, run, data: studio.delete_export(run, "adapter"),
    "delete_run": lambda studio, run, data: studio.delete_run(run),
    "start_publication": lambda studio, run, data: studio.start_publication(run, "adapter", "a/b", card=""),
    "start_blend": lambda studio, run, data: studio.start_blend([run], [1.0], "linear"),
    "give_hub_token": lambda studio, run, data: studio.give_hub_token("hf_x"),
    "forget_ending_job": lambda studio, run, data: studio.forget_ending_job("x"),
    "models.prepare": lambda studio, run, data: studio.models.prepare("somebody/model"),
    "jobs.start": lambda studio, run, data: studio.jobs.start(Export(Path("/x"), "adapter")),
    "data.add": lambda studio, run, data: studio.data.add(Path("x.csv")),
    "data.derive": lambda studio, run, data: studio.data.derive(data),
    "data.rename": lambda studio, run, data: studio.data.rename(data, "mine"),
    "data.delete": lambda studio, run, data: studio.data.delete(data),
    "data.discard": lambda studio, run, data: studio.data.discard(data),
    "data.restore": lambda studio, run, data: studio.data.restore(data),
    "runs.create": lambda studio, run, data: studio.runs.duplicate(run),
    "runs.new_folder": lambda studio, run, data: studio.runs.new_folder().__enter__(),
    "runs.describe": lambda studio, run, data: studio.runs.describe(run, name="mine"),
    "runs.change": lambda studio, run, data: studio.runs.change(run, RunConfig()),
    "runs.duplicate": lambda studio, run, data: studio.runs.duplicate(run),
    "runs.move": lambda studio, run, data: studio.runs.move(run, ""),
    "move_run": lambda studio, run, data: studio.move_run(run, ""),
    "runs.delete": lambda studio, run, data: studio.runs.delete(run),
    "runs.restore": lambda studio, run, data: studio.runs.restore(run),
    "runs.empty_bin": lambda studio, run, data: studio.runs.empty_bin(),
    "runs.take_in": lambda studio, run, data: studio.runs.take_in(studio.runs.get(run)),
    "scheduler.discard": lambda studio, run, data: studio.scheduler.discard(run),
    "scheduler.delete": lambda studio, run, data: studio.scheduler.delete(run),
    "evaluations.start": lambda studio, run, data: studio.evaluations.start(run, rows=1),
    "imports.start": lambda studio, run, data: studio.imports.start(ImportRequest(pasted="Who? Me.")),
}
ALLOWED = {
    *("make_room", "person", "close", "token_state", "uses", "data_of_run", "tick", "recover", "recover_runs"),
    *("cancel_export", "cancel_publication", "model_card"),
    *("data.samples", "data.add_sample", "data.all", "data.families", "data.choose", "data.chosen"),
    *("data.last_chosen", "data.versions", "data.get", "data.find", "data.folder", "data.examples", "data.damaged"),
    *("data.binned", "data.download", "data.is_empty"),
    *("runs.require_allowed", "runs.all", "runs.damaged", "runs.get", "runs.find", "runs.named", "runs.with_name"),
    *("runs.binned", "runs.free_name", "runs.folder", "runs.folders", "runs.has", "runs.ids"),
    # What may train has been asked by then; the studio itself takes up what was lost.
    *("scheduler.enqueue", "scheduler.trouble", "scheduler.waiting", "scheduler.next_up", "scheduler.places"),
    *("scheduler.tick", "scheduler.stop", "scheduler.recover", "scheduler.view", "scheduler.place_of"),
    *("scheduler.give_way", "scheduler.see_to_the_end"),  # what is at work ends for others, and goes on
    *("may_add_places", "place_check", "has_own_token"),
    *("evaluations.cancel", "evaluations.state", "evaluations.names", "evaluations.reports", "evaluations.rows"),
    *("imports.recover", "imports.state", "imports.request", "imports.cancel", "imports.wait", "imports.working"),
}
OF_OWNERS = {
    "add_place": lambda studio: studio.add_place(Place("lab", "ray", address="http://127.0.0.1:9")),
    "check_place": lambda studio: studio.check_place("lab"),
    "cancel_place_check": lambda studio: studio.cancel_place_check("lab"),
    "remove_place": lambda studio: studio.remove_place("lab"),
}
PARTS = {"": Studio, "data": DatasetLibrary, "runs": RunStore, "scheduler": Scheduler}
PARTS |= {"evaluations": Evaluations, "imports": Imports}


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home", evaluate=False) as opened:
        opened.add("owner")
        write_plain_model(starter_folder(opened.home))
        yield opened


def test_every_verb_of_a_studio_is_in_the_table() -> None:
    there = {
        f"{part}.{name}".lstrip(".")
        for part, kind in PARTS.items()
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
    assert there - REFUSED.keys() - ALLOWED - OF_OWNERS.keys() == set()
    assert (REFUSED.keys() | ALLOWED | OF_OWNERS.keys()) - there == {"models.prepare", "jobs.start"}


@pytest.mark.parametrize("verb", REFUSED)
def test_a_guest_makes_and_changes_nothing(shared: House, verb: str) -> None:
    """Guests renamed and deleted data and runs that were theirs while they were members."""
    account = shared.add("anna", MEMBER)
    anna = shared.studios.open(account)
    data = anna.data.add_sample("order_slips").id
    run = finished_run(anna, dataset_id=data)
    shared.people.give_role(account.id, GUEST)
    before, kept = len(shared.workers.jobs), sorted(anna.settings.home.rglob("*"))
    with pytest.raises(RunError, match="You are a guest here"):
        REFUSED[verb](anna, run.id, data)
    assert shared.workers.jobs[before:] == []
    assert sorted(anna.settings.home.rglob("*")) == kept


@pytest.mark.parametrize("verb", OF_OWNERS)
def test_who_is_no_owner_says_nowhere_where_runs_train(shared: House, verb: str) -> None:
    anna = shared.studios.open(shared.add("anna", MEMBER))
    with pytest.raises(RunError, match="Only an owner of the studio may say"):
        OF_OWNERS[verb](anna)


def test_a_guest_opens_samples_and_ends_what_is_at_work(shared: House) -> None:
    account = shared.add("anna", MEMBER)
    anna = shared.studios.open(account)
    run = anna.start_run(RunConfig(name="mine"), anna.data.add_sample("order_slips").id)
    shared.people.give_role(account.id, GUEST)
    anna.scheduler.stop(run.id)
    assert run.stop_request.exists()
    assert anna.data.add_sample("kettlewick_support").name
