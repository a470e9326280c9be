import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from studio.config import SPEEDUPS, RunConfig
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError
from studio.events import Checking, Evaluated, Event, Saved, Stepped, Stopping
from studio.ml import loading
from studio.ml.batches import IGNORED, TokenRow
from studio.ml.checkpoints import Keeper
from studio.ml.engine import Engine
from studio.ml.generation import PaneInput, Sampling, generate
from studio.ml.methods import make_trainable
from studio.ml.optimizers import learning_rate_factor
from studio.ml.soundness import Diverged, NotFinite
from studio.ml.training import Trainer
from tests.ml.conftest import FOUR, FP32, MEMORISE, NF4, PAD, conversation, run_training

SHORT = dataclasses.replace(MEMORISE, epochs=3, batch_size=2)


def losses(events: list[object]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Stepped)]


def test_four_examples_are_learned_by_heart(tiny_model: Path, memorised: Path, renderer: ChatRenderer) -> None:
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), memorised)
    for prompt, answer in FOUR:
        pane = PaneInput(adapter="default", ids=renderer.prompt(conversation(prompt)))
        (ids,) = generate(model, [pane], sampling=Sampling(max_new_tokens=40), end_ids=renderer.end_ids, pad_id=PAD)
        assert renderer.decode(ids) == answer
        assert ids[-1] == PAD  # it has learned where to end, too


def test_cutting_a_step_into_micro_batches_changes_nothing(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    config = dataclasses.replace(SHORT, epochs=2, batch_size=4)
    whole = run_training(tiny_model, four_rows, config=config)
    long = TokenRow(ids=(1,) * 1000, labels=(IGNORED,) * 999 + (5,))
    longer = dataclasses.replace(config, max_length=1024)
    apart = run_training(tiny_model, (*four_rows[:3], long), config=longer)
    assert losses(whole.events)[0] != losses(apart.events)[0]
    engine = Engine(loading.load_base(tiny_model, FP32), config=longer, placement=FP32, pad_id=PAD)
    rows = (*four_rows[:3], long)
    expected = sum(float(engine.summed_loss(engine.batch([row]))) for row in rows)
    learned = sum(row.learned for row in rows)
    assert losses(apart.events)[0] == pytest.approx(expected / learned, abs=1e-5)


def test_the_same_seed_gives_the_same_run(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    first, second = (losses(run_training(tiny_model, four_rows, config=SHORT).events) for _ in range(2))
    other = losses(run_training(tiny_model, four_rows, config=dataclasses.replace(SHORT, seed=7)).events)
    assert first == second
    assert first != other


def test_it_is_scored_before_the_first_step_then_evenly_and_at_the_end(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    trained = run_training(tiny_model, four_rows, config=SHORT, validation=four_rows[:1])
    scored = [event.step for event in trained.events if isinstance(event, Evaluated)]
    assert scored == [0, 1, 2, 3, 4, 5, 6]
    assert [event.step for event in trained.events if isinstance(event, Saved)] == [1, 2, 3, 4, 5, 6]
    assert trained.result.first_validation_loss is not None
    assert trained.result.validation_loss is not None
    assert trained.result.validation_loss < trained.result.first_validation_loss


def test_the_prompts_to_watch_are_asked_before_halfway_and_at_the_end(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    """Asked at every check, they took a fifth of a newcomer's first run on a processor."""
    asked: list[int] = []
    config = dataclasses.replace(SHORT, early_stopping=False)
    trained = run_training(
        tiny_model, four_rows, config=config, validation=four_rows[:1], sample=lambda step: not asked.append(step)
    )
    assert asked == [0, 3, 6]
    checking = [event for event in trained.events if isinstance(event, Checking)]
    assert {event.what for event in checking} == {"Scoring 1 held-out example"}
    assert [event.step for event in checking] == [0, 1, 2, 3, 4, 5, 6]


def test_every_token_that_a_step_reads_is_counted(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    trained = run_training(tiny_model, four_rows, config=SHORT)
    counted = sum(event.tokens for event in trained.events if isinstance(event, Stepped))
    assert counted == SHORT.epochs * sum(len(row.ids) for row in four_rows)


def test_the_base_is_not_touched(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    trained = run_training(tiny_model, four_rows, config=SHORT)
    fresh = loading.load_base(tiny_model, FP32).state_dict()
    for name, weight in trained.model.get_base_model().state_dict().items():
        if "lora_" not in name:
            assert torch.equal(weight, fresh[name.replace(".base_layer", "")]), name


def test_stopping_ends_between_steps(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    seen: list[int] = []

    def should_stop() -> bool:
        seen.append(1)
        return len(seen) > 3

    trained = run_training(tiny_model, four_rows, config=SHORT, should_stop=should_stop)
    assert trained.result.stopped
    assert 0 < trained.result.steps < 6
    assert isinstance(trained.events[-2], Stopping)
    assert trained.events[-1] == Saved(trained.result.steps, f"checkpoints/step-{trained.result.steps}")


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("when", [0, 1])
def test_a_loss_that_is_not_a_number_ends_the_run_in_words(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], when: int
) -> None:
    """Before anything was learned the learning rate was blamed all the same."""
    wild = dataclasses.replace(MEMORISE, rank=1, epochs=100, batch_size=1)
    model = make_trainable(loading.load_base(tiny_model, FP32), wild)

    def break_it(event: Event | None) -> None:
        if event is None or isinstance(event, Stepped):
            with torch.no_grad():
                model.get_base_model().lm_head.weight[5].fill_(float("inf"))

    if not when:
        break_it(None)
    kind, found = (Diverged, "no longer a number at step 2") if when else (ModelError, "before anything was learned")
    with pytest.raises(kind, match=found) as raised:
        Trainer(
            model,
            train_rows=four_rows,
            validation_rows=(),
            config=wild,
            placement=FP32,
            pad_id=PAD,
            emit=break_it,
            should_stop=lambda: False,
            keeper=Keeper(save=lambda progress: "", load=lambda step: pytest.fail("nothing was saved")),
        ).run()
    assert raised.value.hint


def test_a_four_bit_base_trains_on_the_cpu(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    config = dataclasses.replace(MEMORISE, epochs=15, method="qlora")
    trained = run_training(tiny_model, four_rows, config=config, placement=NF4)
    assert losses(trained.events)[-1] < 0.6 * losses(trained.events)[0]


def test_scoring_before_training_does_not_change_a_four_bit_gradient(
    tiny_model: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    """On processors with bf16 instructions, one pass in evaluation mode cut the gradient of every 4-bit layer."""
    plain = dataclasses.replace(SHORT, switched_off=SPEEDUPS)

    def gradients(*, scored_first: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = make_trainable(loading.load_base(tiny_model, NF4), SHORT)
        engine = Engine(model, config=plain, placement=NF4, pad_id=PAD)
        if scored_first:
            with torch.inference_mode():
                model.eval()
                engine.summed_loss(engine.batch(four_rows))
        model.train()
        engine.summed_loss(engine.batch(four_rows)).backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    fresh, after = gradients(scored_first=False), gradients(scored_first=True)
    assert len(fresh) == len(after) > 0
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(fresh, after, strict=True))
    assert max(one.abs().max() for one in fresh) > 0


def test_learning_rate_warms_up_and_then_follows_the_schedule() -> None:
    config = RunConfig(warmup_share=0.1, schedule="cosine")
    factors = [learning_rate_factor(step, 100, config) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == 1.0
    assert factors[10] == 1.0
    assert all(later <= earlier for earlier, later in pairwise(factors[10:]))
    assert factors[55] == pytest.approx(0.5)
    linear = dataclasses.replace(config, schedule="linear")
    assert learning_rate_factor(55, 100, linear) == pytest.approx(0.5)
    constant = dataclasses.replace(config, schedule="constant")
    assert learning_rate_factor(99, 100, constant) == 1.0


def test_total_steps_counts_the_last_short_step_of_every_epoch() -> None:
    assert RunConfig(batch_size=4, epochs=2).total_steps(9) == 6
    assert RunConfig(batch_size=4, epochs=2).total_steps(8) == 4


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("broken_at", [0, 1])
def test_a_sample_without_numbers_ends_the_run_as_the_loss_does(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], broken_at: int
) -> None:
    def sample(step: int) -> bool:
        if step >= broken_at:
            raise NotFinite
        return True

    config = dataclasses.replace(MEMORISE, epochs=2)
    kind, found = (Diverged, "no longer a number at step 1") if broken_at else (ModelError, "before anything was")
    with pytest.raises(kind, match=found):
        Trainer(
            make_trainable(loading.load_base(tiny_model, FP32), config),
            train_rows=four_rows,
            validation_rows=(),
            config=config,
            placement=FP32,
            pad_id=PAD,
            emit=lambda event: None,
            should_stop=lambda: False,
            keeper=Keeper(save=lambda progress: "", load=lambda step: pytest.fail("nothing was saved")),
            sample=sample,
        ).run()
