import dataclasses
from pathlib import Path

import pytest
import torch

from studio.errors import RunError
from studio.events import Checking, Evaluated, Noted, Resumed, SpeedUps, Stepped
from studio.ml.batches import TokenRow
from studio.ml.checkpoints import Progress
from studio.ml.pacing import SAVE_SECONDS, TELL_SECONDS, SavePace, Scores, Telling
from studio.models.forecast.plan import SAVE_SHARE
from tests.ml.conftest import MEMORISE, Trained, run_training


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("cost", [0.01, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("step", [0.05, 2.0])
def test_saving_takes_at_most_its_share_and_is_not_put_off_for_long(cost: float, step: float) -> None:
    clock = Clock()
    pace = SavePace(clock=clock)
    saved, spent, gaps, last = 0, 0.0, [], 0.0
    for number in range(int(4000 / step)):
        clock.takes(step)
        if pace.is_due or (number % 50 == 0 and pace.is_affordable):
            gaps.append(clock() - last)
            pace.timed(lambda: clock.takes(cost))
            last, spent, saved = clock(), spent + cost, saved + 1
    assert saved > 1
    # The first one comes before it is known what it costs.
    assert spent - cost <= SAVE_SHARE * clock() + cost
    assert max(gaps) <= max(SAVE_SECONDS, cost / SAVE_SHARE) + step


def test_the_first_is_always_affordable_and_the_next_when_it_is_paid_for() -> None:
    clock = Clock()
    pace = SavePace(share=0.1, seconds=1000.0, clock=clock)
    assert pace.is_affordable
    clock.takes(1.0)
    pace.timed(lambda: clock.takes(2.0))
    assert not pace.is_affordable
    clock.takes(36.9)
    assert not pace.is_affordable
    clock.takes(0.2)
    assert pace.is_affordable
    assert not pace.is_due


def test_how_far_something_is_is_not_told_more_often_than_a_person_looks() -> None:
    clock, told = Clock(), []
    telling = Telling(told.append, clock=clock)
    for done in range(100):
        telling.tell(Checking(0, "Scoring", done, 100, "examples"))
        clock.takes(TELL_SECONDS / 8)
    assert [each.done for each in told] == list(range(0, 100, 8))


def scores_of(*losses: float, smallest_gain: float = 0.0, saved: tuple[int, ...] = ()) -> Scores:
    scores = Scores()
    for step, loss in enumerate(losses):
        scores = scores.seen(loss, step, smallest_gain=smallest_gain)
        scores = scores.saved(step) if step in saved else scores
    return scores


def test_the_best_is_remembered_and_what_came_since() -> None:
    scores = scores_of(3.0, 2.0, 2.5, 2.4)
    assert (scores.first, scores.last, scores.last_step) == (3.0, 2.4, 3)
    assert (scores.best, scores.best_step, scores.without_gain) == (2.0, 1, 2)


def test_many_small_falls_add_up_to_a_gain() -> None:
    """Each is held against the last gain, so that a slow fall is not taken for none."""
    falls = [2.0 * 0.995**number for number in range(20)]
    assert max(scores_of(*falls[:count], smallest_gain=0.01).without_gain for count in range(1, 21)) == 2
    assert scores_of(2.0, 1.999, 1.998, smallest_gain=0.01).without_gain == 2
    assert scores_of(2.0, 1.999, 1.998, smallest_gain=0.0).without_gain == 0


def test_only_a_saved_step_that_beats_the_last_is_gone_back_to() -> None:
    assert scores_of(3.0, 2.0, 2.5).better_step is None, "nothing was saved"
    assert scores_of(3.0, 2.0, 2.5, saved=(1,)).better_step == 1
    assert scores_of(3.0, 2.0, 2.5, saved=(0,)).better_step is None, "that one scored worse"
    assert scores_of(3.0, 2.0, 1.5, saved=(1,)).better_step is None
    assert scores_of(2.0, 3.0, saved=(1,)).better_step is None


WILD = dataclasses.replace(
    MEMORISE, epochs=24, batch_size=2, learning_rate=0.05, early_stopping=True, patience=1, smallest_gain=0.0
)


def scored(trained: Trained) -> dict[int, float]:
    return {event.step: event.loss for event in trained.events if isinstance(event, Evaluated)}


def adapter(trained: Trained) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trained.model.state_dict().items() if "lora_" in name}


def test_a_training_that_gains_nothing_ends_early_at_its_best(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    saved: dict[int, Progress] = {}
    held_out = tuple(TokenRow(ids=row.ids[::-1], labels=row.ids[::-1]) for row in four_rows)
    asked: list[int] = []
    trained = run_training(
        tiny_model,
        four_rows,
        config=WILD,
        validation=held_out,
        kept=saved,
        sample=lambda step: not asked.append(step),
    )
    losses = scored(trained)
    best = min((step for step in losses if step), key=losses.__getitem__)
    result = trained.result
    assert result.stopped_early
    assert not result.stopped
    assert result.steps == max(losses) < 48
    assert any(isinstance(event, Noted) and "Ended early" in event.text for event in trained.events)
    assert result.kept_step == best < result.steps
    assert best in asked, "the answers of what is kept are shown"
    assert result.validation_loss == losses[best]
    for name, value in adapter(trained).items():
        assert torch.equal(value, saved[best].tensors[f"master/{name}"]), name
    # Taken up again from what is there, it ends at the same step and is left the same, and trains no further.
    for progress in list(saved.values()):
        again = run_training(tiny_model, four_rows, config=WILD, validation=held_out, kept=dict(saved), resume=progress)
        assert (again.result.steps, again.result.kept_step) == (result.steps, best)
        assert all(torch.equal(value, adapter(trained)[name]) for name, value in adapter(again).items())
        steps = [event.step for event in again.events if isinstance(event, Stepped)]
        assert steps == list(range(progress.step + 1, result.steps + 1))


def test_the_last_step_is_kept_where_the_checkpoint_of_the_best_is_damaged(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    """The run failed at its very end, each time that it was resumed."""

    class Damaged(dict[int, Progress]):
        def __getitem__(self, step: int) -> Progress:
            raise RunError("The checkpoint cannot be read.")

    held_out = tuple(TokenRow(ids=row.ids[::-1], labels=row.ids[::-1]) for row in four_rows)
    trained = run_training(tiny_model, four_rows, config=WILD, validation=held_out, kept=Damaged())
    assert trained.result.kept_step is None
    assert trained.result.validation_loss == scored(trained)[trained.result.steps]
    assert "is damaged: the last step is kept" in str(trained.events[-1])


def test_a_training_that_had_learned_enough_when_it_was_saved_trains_no_further(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    """Killed between its last checkpoint and its end, a run trained on to the next check."""
    saved: list[Progress] = []
    config = dataclasses.replace(WILD, learning_rate=1e-3, smallest_gain=0.5)
    first = run_training(
        tiny_model, four_rows, config=config, validation=four_rows, save=lambda each: saved.append(each) or ""
    )
    assert first.result.stopped_early
    assert saved[-1].step == first.result.steps
    again = run_training(tiny_model, four_rows, config=config, validation=four_rows, resume=saved[-1])
    assert [type(event) for event in again.events] == [SpeedUps, Resumed]
    assert again.result.stopped_early


def test_what_a_stop_left_out_at_a_check_is_made_up(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    """A run that was stopped at a check never scored that step, nor showed its answers."""
    config = dataclasses.replace(WILD, learning_rate=1e-3, early_stopping=False, epochs=3)
    whole = run_training(tiny_model, four_rows, config=config, validation=four_rows)
    made_up = 0
    for moment in range(1, 31, 2):
        saved: list[Progress] = []
        asked = iter(range(10_000))
        stopped = run_training(
            tiny_model,
            four_rows,
            config=config,
            validation=four_rows,
            save=lambda each, saved=saved: saved.append(each) or "",
            should_stop=lambda asked=asked, moment=moment: next(asked) >= moment,
        )
        if not stopped.result.stopped or not saved:
            continue
        again = run_training(tiny_model, four_rows, config=config, validation=four_rows, resume=saved[-1])
        assert scored(stopped) | scored(again) == scored(whole), moment
        assert again.result.first_validation_loss == whole.result.first_validation_loss
        made_up += 1
    assert made_up > 5
