from pathlib import Path

from studio.models.starter import starter_folder
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.frame.first_steps import COMPARE, HIDE, TRY, FirstSteps, draw, follow, press
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import end_workers, finish, write_plain_model


def card(studio: Studio, steps: FirstSteps) -> str:
    return str(draw(studio, steps)["card"])


def test_an_empty_studio_shows_three_steps_and_one_button(studio: Studio) -> None:
    shown = card(studio, FirstSteps())
    assert shown.count("<li>") == 3
    assert shown.count("<button") == 1
    assert studio.data.samples()[0].name in shown
    studio.data.add_sample("order_slips")
    assert card(studio, FirstSteps()) == ""


def test_the_button_goes_up_to_the_comparison(studio: Studio, facts: ModelFacts) -> None:
    begun = press(studio, facts, FirstSteps(), Action(TRY))
    assert isinstance(begun, Result)
    run = studio.runs.get(begun.state.run_id)
    assert studio.data.get(run.origin.dataset_id).name == studio.data.samples()[0].title
    assert (begun.updates["tabs"]["selected"], begun.updates["train_run"]["value"]) == ("train", run.id)
    assert "is training" in card(studio, begun.state)
    assert COMPARE not in card(studio, begun.state)

    finish(run, steps=3, clock=studio.clock)
    end_workers(studio)
    assert "is trained" in card(studio, begun.state)
    compared = press(studio, facts, begun.state, Action(COMPARE, run.id))
    assert isinstance(compared, Result)
    assert (compared.updates["tabs"]["selected"], compared.updates["compare_run"]) == ("compare", run.id)
    assert compared.updates["question"]
    assert card(studio, compared.state) == ""


def test_it_waits_for_the_starter_model_and_then_starts_by_itself(bare_studio: Studio, tmp_path: Path) -> None:
    facts = ModelFacts(bare_studio)
    waiting = press(bare_studio, facts, FirstSteps(), Action(TRY))
    assert waiting == FirstSteps(waits=True)
    assert "starts by itself" in card(bare_studio, waiting)
    assert follow(bare_studio, facts, waiting) is waiting
    write_plain_model(starter_folder(bare_studio.settings.home))
    end_workers(bare_studio)
    begun = follow(bare_studio, facts, waiting)
    assert isinstance(begun, Result)
    assert begun.state.run_id
    assert press(bare_studio, facts, waiting, Action(HIDE)) == FirstSteps()


def test_a_run_that_the_browser_remembers_wrongly_is_none(studio: Studio) -> None:
    for run_id in (None, 3, ["x"], "x" * 300, "../..", "20990101-000000-no-such"):
        assert "<li>" in card(studio, FirstSteps(run_id=run_id))
