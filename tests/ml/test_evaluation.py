"""Losses by the row and likelihoods of continuations are those of a plain pass over each row alone."""

import dataclasses
import math
import random
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from studio.config import RunConfig
from studio.ml.batches import IGNORED, TokenRow
from studio.ml.engine import Engine, head_of
from studio.ml.evaluation import row_losses, score_continuations
from studio.ml.generation import BASE, switched_on
from studio.models.forecast.plan import LOGIT_POSITIONS
from tests.ml.conftest import FP32
from tests.ml.test_answering import recurrent
from tests.ml.tiny_families import FAMILIES, WORDS, make_adapted, make_model

CONFIG = RunConfig(rank=4, alpha=8)
CLOSE = 1e-4


def make_rows() -> list[TokenRow]:
    """Rows of random tokens of which a part is learned; in the last one nothing is."""
    rng = random.Random(0)
    rows = []
    for length in (23, 5, 41, 12, 200):
        ids = [rng.randrange(3, WORDS) for _ in range(length)]
        rows.append(TokenRow(ids, [token if rng.random() < 0.6 else IGNORED for token in ids]))
    return [*rows, TokenRow([5, 6, 7], [5, IGNORED, IGNORED])]


def log_shares(model: Any, ids: list[int]) -> torch.Tensor:
    """The log-likelihood of every word at every place of one row, in fp64."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)


def plain_losses(model: Any, rows: list[TokenRow], *, adapter: str) -> list[tuple[float, int]]:
    losses = []
    with switched_on(model, [adapter]):
        for row in rows:
            shares = log_shares(model, list(row.ids))
            learned = [(place, label) for place, label in enumerate(row.labels[1:]) if label != IGNORED]
            losses.append((-sum(float(shares[place, label]) for place, label in learned), len(learned)))
    return losses


def assert_close(found: list[tuple[float, int]], expected: list[tuple[float, int]]) -> None:
    assert [count for _, count in found] == [count for _, count in expected]
    assert [loss for loss, _ in found] == pytest.approx([loss for loss, _ in expected], rel=CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_each_row_is_that_of_plain_transformers(family: str) -> None:
    model = make_adapted(family, CONFIG)
    rows = make_rows()
    before = log_shares(model, [5, 6, 7])
    found = {}
    for adapter in (BASE, "default"):
        found[adapter] = row_losses(model, rows, adapter=adapter, placement=FP32, pad_id=0)
        assert_close(found[adapter], plain_losses(model, rows, adapter=adapter))
    assert found[BASE][0][0] != pytest.approx(found["default"][0][0], rel=1e-4)
    assert found[BASE][-1] == (0.0, 0)
    assert torch.equal(log_shares(model, [5, 6, 7]), before)


def test_losses_by_the_row_add_up_to_what_a_training_scores() -> None:
    model = make_adapted("qwen3", CONFIG)
    rows = make_rows()
    losses = row_losses(model, rows, adapter="default", placement=FP32, pad_id=0)
    engine = Engine(model, config=CONFIG, placement=FP32, pad_id=0)
    with torch.inference_mode():
        whole = sum(float(engine.summed_loss(engine.batch(group))) for group in engine.cut(rows))
    assert sum(loss for loss, _ in losses) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_head_that_was_trained_counts_for_the_adapter_alone(family: str) -> None:
    model = make_adapted(family, dataclasses.replace(CONFIG, train_embeddings=True))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "modules_to_save" in name:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)), alpha=0.2)
    rows = make_rows()
    head = model.get_base_model().get_output_embeddings()
    answering = {BASE: head.original_module, "default": head.modules_to_save["default"]}
    for adapter in (BASE, "default", BASE):
        with switched_on(model, [adapter]):
            assert head_of(model.get_base_model())[0] is answering[adapter].weight
        found = row_losses(model, rows, adapter=adapter, placement=FP32, pad_id=0)
        assert_close(found, plain_losses(model, rows, adapter=adapter))


class _Logits(TorchFunctionMode):
    """Notes how many logits were made at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        made = function(*arguments, **(options or {}))
        if isinstance(made, torch.Tensor) and made.ndim and made.shape[-1] == WORDS:
            self.most = max(self.most, made.numel() // WORDS)
        return made


def test_the_logits_of_a_batch_are_never_all_there() -> None:
    model = make_model("llama")
    rows = [TokenRow(list(range(3, 90)) * 6, list(range(3, 90)) * 6)]
    with _Logits() as logits:
        ((_, learned),) = row_losses(model, rows, adapter=BASE, placement=FP32, pad_id=0)
    assert learned == 521
    assert 0 < logits.most <= LOGIT_POSITIONS


def test_losses_stop_when_asked_and_tell_how_far_they_are() -> None:
    model = make_model("llama")
    rows = [TokenRow([5] * 300, [5] * 300) for _ in range(4)]  # one of them fills a batch
    done: list[int] = []
    losses = row_losses(
        model,
        rows,
        adapter=BASE,
        placement=FP32,
        pad_id=0,
        should_stop=lambda: len(done) == 2,
        on_progress=done.append,
    )
    assert done == [1, 2]
    assert [learned for _, learned in losses] == [299, 299, 0, 0]
    assert row_losses(model, [], adapter=BASE, placement=FP32, pad_id=0) == []


def questions(*, shared: int) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Prompts of different lengths, each with continuations of up to five tokens; one of those has none."""
    rng = random.Random(shared)

    def tokens(length: int) -> list[int]:
        return [rng.randrange(3, WORDS) for _ in range(length)]

    start = tokens(shared)
    prompts = [start + tokens(length) for length in (3, 38, 1, 12, 12)]
    follows = [[tokens(length) for length in lengths] for lengths in ((1, 2, 5, 0), (4, 4), (3,), (), (1, 1, 1, 1))]
    return prompts, follows


def plain_scores(
    model: Any, prompts: list[list[int]], follows: list[list[list[int]]], *, adapter: str
) -> list[list[float]]:
    scores = []
    with switched_on(model, [adapter]):
        for prompt, of_prompt in zip(prompts, follows, strict=True):
            shares = [log_shares(model, prompt + text) for text in of_prompt]
            scores.append(
                [
                    sum(float(share[len(prompt) - 1 + place, token]) for place, token in enumerate(text))
                    for share, text in zip(shares, of_prompt, strict=True)
                ]
            )
    return scores


def assert_same_scores(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(each) for each in found] == [len(each) for each in expected]
    for ours, plain in zip(found, expected, strict=True):
        assert ours == pytest.approx(plain, rel=CLOSE, abs=CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_continuations_are_as_likely_as_in_a_plain_pass(family: str) -> None:
    model = make_adapted(family, CONFIG)
    found = {}
    for adapter in (BASE, "default"):
        for shared in (0, 20):
            prompts, follows = questions(shared=shared)
            expected = plain_scores(model, prompts, follows, adapter=adapter)
            found[adapter, shared] = score_continuations(model, prompts, follows, adapter=adapter, pad_id=0)
            assert_same_scores(found[adapter, shared], expected)
            cut = score_continuations(model, prompts, follows, adapter=adapter, pad_id=0, token_budget=90)
            assert_same_scores(cut, expected)
    assert found[BASE, 0][0][0] != pytest.approx(found["default", 0][0][0], rel=1e-2)


@pytest.mark.parametrize("family", ["mamba", "lfm2"])
def test_a_model_that_keeps_a_state_reads_each_continuation_again(family: str) -> None:
    model = recurrent(family)
    prompts, follows = questions(shared=0)
    found = score_continuations(model, prompts, follows, adapter=BASE, pad_id=0)
    assert_same_scores(found, plain_scores(model, prompts, follows, adapter=BASE))


def test_labels_are_scored_for_every_prompt_and_the_prompts_are_read_once() -> None:
    model = make_model("llama")
    prompts, _ = questions(shared=30)
    labels = [[10, 11], [12], [10, 13, 14]]
    read: list[int] = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, made: read.append(inputs[0].numel())
    )
    found = score_continuations(model, prompts, [labels] * 5, adapter=BASE, pad_id=0)
    hook.remove()
    assert_same_scores(found, plain_scores(model, prompts, [labels] * 5, adapter=BASE))
    # The shared beginning, what is behind it in five prompts of up to 38 tokens, and two or one of each longer label.
    assert read[-3:] == [30, 5 * 38, 10 * 2]


def test_scores_that_were_not_reached_are_not_numbers() -> None:
    model = make_model("llama")
    prompts, follows = questions(shared=0)
    done: list[int] = []
    found = score_continuations(
        model,
        prompts,
        follows,
        adapter=BASE,
        pad_id=0,
        token_budget=10,
        should_stop=lambda: bool(done),
        on_progress=done.append,
    )
    assert done == [2]  # the shortest ones
    assert [[math.isnan(value) for value in each] for each in found] == [
        [False] * 4,
        [True] * 2,
        [False],
        [],
        [True] * 4,
    ]
    with pytest.raises(ValueError, match="at least one token"):
        score_continuations(model, [[]], [[[5]]], adapter=BASE, pad_id=0)
