"""All held-out rows are scored at both ends of a training, and a part of them in between."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.events import Checking, Evaluated
from studio.ml.batches import TokenRow
from studio.ml.checkpoints import Progress
from studio.ml.engine import Engine
from studio.ml.held_out import HeldOut
from studio.models.forecast.held_out import FEWEST_ROWS, drawn
from tests.ml.conftest import FP32, MEMORISE, PAD, Trained, run_training
from tests.ml.test_engine import make_rows
from tests.ml.test_pacing import WILD, adapter, scored

SHORT = dataclasses.replace(MEMORISE, epochs=3, batch_size=2, early_stopping=False)
ROWS = 30


@pytest.fixture
def held_out(four_rows: tuple[TokenRow, ...]) -> tuple[TokenRow, ...]:
    """Many beside the four rows that are learned from: more than the checks in between may take. They are those
    backwards, so that they get worse after a while.
    """
    texts = [row.ids[cut:][::-1] for cut in range(8) for row in four_rows]
    return tuple(TokenRow(ids=ids, labels=ids) for ids in texts[:ROWS])


def checks(trained: Trained) -> list[Evaluated]:
    return [event for event in trained.events if isinstance(event, Evaluated)]


def loss_of(model: Any, rows: Sequence[TokenRow]) -> float:
    engine = Engine(model, config=SHORT, placement=FP32, pad_id=PAD)
    model.eval()
    with torch.inference_mode():
        summed = sum(float(engine.summed_loss(engine.batch([row]))) for row in rows)
    engine.undo()
    return summed / sum(row.learned for row in rows)


def test_rows_are_divided_in_their_order() -> None:
    rows = make_rows(tuple(range(5, 25)))
    found = HeldOut.of(rows, count=12, seed=7)
    assert sorted(len(row.ids) for row in (*found.part, *found.rest)) == list(range(5, 25))
    assert [len(row.ids) for row in found.part] == sorted(5 + place for place in drawn(20, seed=7)[:12])
    assert (found.scored, found.total) == ((12, 20), 20)
    whole = HeldOut.of(rows, count=20, seed=7)
    assert (whole.part, whole.rest, whole.scored) == (rows, (), (0, 0))


def test_all_are_scored_at_both_ends_and_the_same_part_in_between(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], held_out: tuple[TokenRow, ...]
) -> None:
    trained = run_training(tiny_model, four_rows, config=SHORT, validation=held_out)
    found = checks(trained)
    assert [each.step for each in found] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert {(each.part, each.of) for each in found} == {(FEWEST_ROWS, ROWS)}
    assert [each.whole is not None for each in found] == [True, *[False] * 6, True]
    assert (trained.result.first_validation_loss, trained.result.validation_loss) == (found[0].whole, found[-1].whole)
    assert (trained.result.part, trained.result.of) == (0, 0)
    assert found[-1].whole == pytest.approx(loss_of(trained.model, held_out), rel=1e-5)
    assert found[-1].loss == found[-2].loss
    said = {event.what for event in trained.events if isinstance(event, Checking)}
    assert said == {f"Scoring {FEWEST_ROWS} held-out examples", f"Scoring {ROWS} held-out examples"}
    # The part's losses are those of a training that holds out these rows alone, and the weights are the same.
    part = HeldOut.of(held_out, count=FEWEST_ROWS, seed=SHORT.seed).part
    other = run_training(tiny_model, four_rows, config=SHORT, validation=part)
    assert scored(other) == scored(trained)
    assert {(each.part, each.whole) for each in checks(other)} == {(0, None)}
    assert all(torch.equal(value, adapter(trained)[name]) for name, value in adapter(other).items())


def test_the_part_settles_what_is_best_and_all_rows_are_scored_at_what_is_kept(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], held_out: tuple[TokenRow, ...]
) -> None:
    saved: dict[int, Progress] = {}
    trained = run_training(tiny_model, four_rows, config=WILD, validation=held_out, kept=saved)
    losses = scored(trained)
    best = min((step for step in losses if step), key=losses.__getitem__)
    result, last = trained.result, checks(trained)[-1]
    assert result.stopped_early
    assert result.kept_step == best < result.steps
    assert (last.step, last.loss, last.whole) == (best, losses[best], result.validation_loss)
    assert last.whole == pytest.approx(loss_of(trained.model, held_out), rel=1e-5)
    assert result.first_validation_loss == checks(trained)[0].whole
    # Taken up again from what is there, it tells the same.
    for progress in list(saved.values()):
        again = run_training(tiny_model, four_rows, config=WILD, validation=held_out, kept=dict(saved), resume=progress)
        assert again.result.validation_loss == result.validation_loss
        assert again.result.first_validation_loss == result.first_validation_loss
        behind = [each for each in checks(trained)[:-1] if each.step > progress.step]
        assert checks(again) == [*behind, last]


def test_a_run_that_is_resumed_goes_on_over_the_rows_that_it_began_with(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], held_out: tuple[TokenRow, ...]
) -> None:
    """A checkpoint of an older studio has losses over all rows, and no other may be held against them."""
    saved: dict[int, Progress] = {}
    run_training(tiny_model, four_rows, config=SHORT, validation=held_out, kept=saved)
    middle = saved[3]
    older = dataclasses.replace(middle, scores=dataclasses.replace(middle.scores, part=0, first_of_all=None))
    again = run_training(tiny_model, four_rows, config=SHORT, validation=held_out, resume=older)
    assert [(each.step, each.part, each.whole) for each in checks(again)] == [(4, 0, None), (5, 0, None), (6, 0, None)]
    more = dataclasses.replace(middle, scores=dataclasses.replace(middle.scores, part=20))
    again = run_training(tiny_model, four_rows, config=SHORT, validation=held_out, resume=more)
    assert {(each.part, each.of) for each in checks(again)} == {(20, ROWS)}


def test_a_run_that_is_stopped_tells_both_losses_over_the_same_part(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], held_out: tuple[TokenRow, ...]
) -> None:
    asked: list[int] = []
    trained = run_training(
        tiny_model,
        four_rows,
        config=SHORT,
        validation=held_out,
        should_stop=lambda: len(asked) > 1,
        sample=lambda step: not asked.append(step),
    )
    found, result = checks(trained), trained.result
    assert result.stopped
    assert (result.part, result.of) == (FEWEST_ROWS, ROWS)
    assert (result.first_validation_loss, result.validation_loss) == (found[0].loss, found[-1].loss)
    assert [each.whole is None for each in found[1:]] == [True] * len(found[1:])
