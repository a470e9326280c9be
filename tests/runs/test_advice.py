"""What could make a result better, from made-up curves."""

from dataclasses import replace

import pytest

from studio.config import RunConfig, problems
from studio.data.checking.checks import coaching
from studio.events import Evaluated, Event, Finished, Loaded, Prepared, Record, Saved, Started, Stepped
from studio.runs import advice
from studio.runs.advice import (
    FEWER_PASSES,
    HIGHER_RATE,
    LARGER_MODEL,
    MORE_DATA,
    MORE_PASSES,
    Advice,
    advise,
    changed,
    is_far_off,
    label,
)
from studio.runs.view import RunView


def trained(
    losses: list[float], checks: dict[int, float], *, examples: int = 400, total: int = 0, kept: int | None = None
) -> RunView:
    """Fold a run that ended, with a training loss for each step and a held-out loss after some."""
    events: list[Event] = [
        Started(1, "train"),
        Loaded(100, 10, "cpu", "fp32", ("q_proj",)),
        Prepared(examples, 10, 0, 900, 400, total or len(losses)),
    ]
    for number in range(len(losses) + 1):
        if number:
            events.append(Stepped(number, 0.1, losses[number - 1], 1e-4, 0.5, 250.0, 1.2))
        if number in checks:
            events.append(Evaluated(number, checks[number]))
    view = RunView()
    for seq, event in enumerate([*events, Saved(kept or len(losses), "adapter"), Finished("finished", "", 9.0, kept)]):
        view.apply(Record(seq + 1, float(seq), event))
    return view


def falling(count: int = 60, *, start: float = 3.0, end: float = 1.0) -> list[float]:
    return [start + (end - start) * place / (count - 1) for place in range(count)]


def helps(found: tuple[Advice, ...]) -> list[tuple[str, ...]]:
    return [each.helps for each in found]


def test_curves_as_they_should_be_need_no_advice() -> None:
    assert advise(trained(falling(), {0: 3.0, 30: 1.22, 60: 1.2}), RunConfig()) == ()


def test_nothing_is_said_of_a_run_without_a_result() -> None:
    assert advise(RunView(), RunConfig()) == ()


def test_losses_over_a_part_of_the_examples_say_so() -> None:
    view = trained(falling(), {0: 3.0, 20: 1.5, 40: 1.6, 60: 1.9}, kept=20)
    view.evaluations = [replace(each, part=24, of=100) for each in view.evaluations]
    (found,) = advise(view, RunConfig())
    assert found.found.endswith(" Measured on 24 of 100 held-out examples, the same at each check.")
    high = trained(falling(start=4.0, end=3.0), {0: 4.0, 30: 3.15, 60: 3.1})
    high.evaluations = [replace(each, part=24, of=100, whole=each.loss + 0.1) for each in high.evaluations]
    assert any(each.found.startswith("A held-out loss of 3.20 is still high") for each in advise(high, RunConfig()))
    assert not any("Measured on" in each.found for each in advise(high, RunConfig()) if "is still high" in each.found)


def test_a_held_out_loss_that_rises_was_learned_by_heart() -> None:
    checks = {0: 3.0, 20: 1.5, 40: 1.6, 60: 1.9}
    (found,) = advise(trained(falling(), checks, kept=20), RunConfig())
    assert "lowest at step 20 (1.50) and rose to 1.90" in found.found
    assert "Step 20 was kept" in found.found
    assert found.helps == (MORE_DATA, FEWER_PASSES)
    (unkept,) = advise(trained(falling(), checks), RunConfig(early_stopping=False))
    assert "was kept" not in unkept.found


def test_a_training_loss_that_hardly_falls_wants_a_higher_rate() -> None:
    found = advise(trained(falling(end=2.95), {}), RunConfig(learning_rate=1e-5))
    assert helps(found) == [(HIGHER_RATE, MORE_PASSES)]
    assert "hardly fell, from" in found[0].found


def test_few_steps_and_few_examples_are_named() -> None:
    found = advise(trained(falling(4), {0: 5.6, 4: 1.9}, examples=7), RunConfig())
    assert helps(found) == [(MORE_PASSES,), (MORE_DATA,)]
    assert "4 steps only" in found[0].found
    assert "7 examples" in found[1].found


def test_a_run_that_a_person_stopped_is_not_told_to_train_longer() -> None:
    """It can be resumed, which is offered beside it, and was told to take more data or a larger model."""
    stopped = trained(falling(7, end=2.0), {0: 4.0, 7: 3.5}, examples=34, total=60)
    stopped.finished = Finished("stopped", "", 9.0)
    (found,) = advise(stopped, RunConfig())
    assert found.helps == ()
    assert found.found.startswith("You stopped it after 7 of 60 steps. Resume it before you change anything else")


@pytest.mark.parametrize(("examples", "said"), [(7, "very few"), (34, "enough for a first try"), (99, "100 or more")])
def test_how_many_examples_are_enough_is_said_as_on_the_data_tab(examples: int, said: str) -> None:
    """The Data tab wanted 100 examples, the Train tab 50 at least and a few hundred."""
    found = advise(trained(falling(), {0: 3.0, 30: 1.22, 60: 1.2}, examples=examples), RunConfig())
    assert helps(found) == [(MORE_DATA,)]
    assert said in found[0].found
    assert found[0].found.removeprefix("It learned from ") == coaching(examples)


def test_a_result_is_far_off_by_what_was_measured_of_it() -> None:
    assert is_far_off(trained(falling(), {0: 4.2, 60: 2.8}))
    assert not is_far_off(trained(falling(), {0: 4.2, 60: 1.8}))
    assert not is_far_off(trained(falling(), {0: 4.2})), "the loss of the base says nothing of the result"


def test_a_loss_that_was_still_falling_wants_more_passes() -> None:
    found = advise(trained(falling(), {0: 3.0, 40: 1.6, 60: 1.4}), RunConfig())
    assert helps(found) == [(MORE_PASSES,)]
    assert "from 1.60 to 1.40" in found[0].found


def test_a_high_loss_is_put_as_a_chance() -> None:
    found = advise(trained(falling(), {0: 4.2, 40: 3.06, 60: 3.05}), RunConfig())
    assert helps(found) == [(MORE_DATA, LARGER_MODEL)]
    assert "chance of 5 %" in found[0].found
    last_known = RunConfig(model="Qwen/Qwen2.5-7B-Instruct")
    assert helps(advise(trained(falling(), {0: 4.2, 40: 3.06, 60: 3.05}), last_known)) == [(MORE_DATA,)]
    assert advise(trained(falling(), {0: 3.05}), RunConfig()) == (), "the loss of the base says nothing of the result"


@pytest.mark.parametrize("name", advice.OF_SETTINGS)
def test_each_change_is_one_that_a_run_can_have(name: str) -> None:
    view = trained(falling(4), {0: 5.6, 2: 1.5, 4: 1.9}, examples=7)
    for config in (RunConfig(), RunConfig(epochs=100, learning_rate=0.1), RunConfig(model="org/unknown", epochs=1)):
        assert problems(changed(name, config, view)) == ()
        assert label(name, config, view)


def test_what_is_changed_stands_on_the_button() -> None:
    view = trained(falling(12), {0: 3.0, 12: 1.5})
    config = RunConfig(epochs=3)
    assert label(MORE_PASSES, config, view) == "Train for 15 epochs"
    assert changed(MORE_PASSES, config, view).epochs == 15
    assert label(HIGHER_RATE, config, view) == "Raise the learning rate to 0.002"
    assert label(LARGER_MODEL, config, view) == "Try the larger SmolLM2 360M"
    assert changed(LARGER_MODEL, config, view).model == "HuggingFaceTB/SmolLM2-360M-Instruct"
    assert label(MORE_DATA, config, view) == "Add or clean data"
