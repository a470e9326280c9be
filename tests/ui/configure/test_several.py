"""Several runs at once on the Configure tab: what is offered, what is said before, and what is started."""

from functools import partial
from typing import Any

import pytest

from studio.errors import ConfigError, RunError, TooMany
from studio.jobs.places.book import Place
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure import several
from tests.planning.fake_forecasts import Oracle
from tests.ui.configure.test_tab import INPUTS, Page

TRIES = ("first_tried", "first_values", "second_tried", "second_values", "more_data", "gives_way")


class Trying(Page):
    """An open Configure tab whose fields of what is tried are filled in."""

    def _send(self, action: Any) -> dict[str, Any]:
        asked = self.exchange.take_in(self.values, (*INPUTS, *TRIES))
        sent = self.exchange.answer(asked, action(asked.now))
        for name, each in sent.items():
            value = each.get("value", self.values.get(name)) if isinstance(each, dict) and "__type__" in each else each
            if name in self.values:
                self.values[name] = value
        return sent


@pytest.fixture
def page(studio: Studio) -> Trying:
    facts = ModelFacts(studio, forecasts=Oracle(needs={"full": 9_000_000_000}).forecasts())
    studio.data.add_sample("order_slips")
    opened = Trying(studio, facts)
    opened.values |= {name: None for name in TRIES} | {"gives_way": True, "more_data": []}
    opened.look()
    return opened


def test_a_setting_brings_likely_values_and_says_what_they_take(page: Trying) -> None:
    before = page.look()
    assert before == {} or before.get("several", "") == ""
    sent = page.look(first_tried="rank")
    assert page.values["first_values"] == ["16", "32", "64"]
    assert sent["first_values"]["visible"]
    assert sent["second_tried"]["visible"]
    assert "rank" not in [name for _, name in sent["second_tried"]["choices"]]
    assert sent["start_several"]["value"] == "Start 3 runs"
    assert sent["start_several"]["interactive"]
    for said in ("of at most 20", "Together", "rank 16", "rank 64", "Alpha rises and falls with the rank"):
        assert said in sent["several"]
    assert "not known yet" not in sent["several"]
    page.look(second_tried="method")
    sent = page.look(second_values=["lora", "full"])
    assert sent["start_several"]["value"] == "Start 4 runs", "every weight has no rank"
    assert "The memory of this machine is too small for every weight." in sent["several"]


def test_what_is_wrong_is_a_sentence_and_nothing_starts(page: Trying) -> None:
    page.look(first_tried="rank")
    for values, said in (
        (["eight"], "Rank must be a number; found &#39;eight&#39;"),
        (["8", "1000"], "Rank must be between 1 and 512; found 1000"),
        ([], "no values to try can be read"),
        ([str(rank) for rank in range(1, 22)], "21 runs in one group are too many; 20 are taken"),
    ):
        sent = page.look(first_values=values)
        assert said in sent["several"]
        assert not page.values.get("start_several", sent.get("start_several", {})).get("interactive", False)
    sent = page.look(first_values=["8"], second_tried="rank", second_values=["8"])
    assert "Rank is chosen twice" in sent["several"]


def test_runs_start_together_and_the_fields_are_empty_then(page: Trying, studio: Studio) -> None:
    page.look(first_tried="rank", gives_way=False)
    sent = page._send(partial(several.start, studio))
    runs = sorted(studio.runs.all(), key=lambda run: run.config.rank)
    assert [run.config.rank for run in runs] == [16, 32, 64]
    assert {run.origin.group.id for run in runs if run.origin.group} == {sent["started_group"]}
    assert not any(run.origin.group.gives_way for run in runs if run.origin.group)
    assert (sent["first_tried"], sent["more_data"]) == ("", [])
    assert len(studio.scheduler.waiting()) == 2
    held_out = {run.validation_path.read_bytes() for run in runs}
    assert len(held_out) == 1


def test_seeds_hold_the_same_examples_out(page: Trying, studio: Studio) -> None:
    """Losses over other rows could not be compared."""
    page.look(first_tried="seed", first_values=["1", "2", "3"])
    page.look(first_values=["1", "2", "3"])
    page._send(partial(several.start, studio))
    runs = studio.runs.all()
    assert sorted(run.config.seed for run in runs) == [1, 2, 3]
    assert len({run.validation_path.read_bytes() for run in runs}) == 1


def test_the_same_settings_on_another_data_set(page: Trying, studio: Studio) -> None:
    other = studio.data.add_sample("kettlewick_support")
    chosen = studio.data.last_chosen()
    assert chosen is not None
    page.look(dataset_id=chosen.id)
    more = next(each for each in studio.data.all() if each.id != chosen.id)
    sent = page.look(more_data=[more.id])
    assert sent["start_several"]["value"] == "Start 2 runs"
    page._send(partial(several.start, studio))
    assert {run.origin.dataset_id for run in studio.runs.all()} == {chosen.id, more.id}
    assert other.id in {chosen.id, more.id}
    assert all(run.origin.group and run.origin.group.tried == ("dataset",) for run in studio.runs.all())


def test_a_place_says_how_many_train_there_at_once(page: Trying, studio: Studio) -> None:
    studio.places.add(Place("lab", "slurm", folder="/shared", runs_at_once=4))
    sent = page.look(first_tried="rank", place="lab")
    assert "4 runs at once at lab" in sent["several"]
    assert "together cost" not in sent["several"]


def test_what_all_runs_cost_together_on_rented_hardware_is_said(page: Trying, studio: Studio) -> None:
    studio.places.add(Place("rented", "hub", flavor="t4-small", cap_usd=5.0))
    sent = page.look(first_tried="rank", place="rented")
    assert "All of them together cost at most US$ 15.00." in sent["several"]


def test_none_is_made_where_one_cannot_be(page: Trying, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    page.look(first_tried="rank")
    create, made = studio.runs.create, []

    def fails(*given: Any, **named: Any) -> Any:
        if len(made) == 2:
            raise RunError("The disk is full.")
        made.append(create(*given, **named))
        return made[-1]

    monkeypatch.setattr(studio.runs, "create", fails)
    with pytest.raises(RunError, match="The disk is full"):
        page._send(partial(several.start, studio))
    assert studio.runs.all() == ()
    assert studio.scheduler.waiting() == ()


def test_bounds_hold_for_programs_too(page: Trying, studio: Studio) -> None:
    page.look(first_tried="rank", first_values=[str(rank) for rank in range(1, 22)])
    page.look(first_values=[str(rank) for rank in range(1, 22)])
    with pytest.raises(TooMany, match="21 runs in one group"):
        page._send(partial(several.start, studio))
    page.look(first_values=["x"])
    with pytest.raises(ConfigError, match="must be a number"):
        page._send(partial(several.start, studio))
    assert studio.runs.all() == ()


def test_a_data_set_that_is_sent_twice_is_taken_once(page: Trying, studio: Studio) -> None:
    studio.data.add_sample("kettlewick_support")
    chosen = studio.data.last_chosen()
    assert chosen is not None
    page.look(dataset_id=chosen.id)
    more = next(each for each in studio.data.all() if each.id != chosen.id)
    sent = page.look(more_data=[more.id] * 50)
    assert sent["start_several"]["value"] == "Start 2 runs"
    assert sent["several"].count("<li>") == 2
