"""The engine computes what plain transformers and peft compute, for every family, with every speed-up."""

import copy
import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.config import SPEEDUPS, RunConfig
from studio.ml import loading
from studio.ml.batches import IGNORED, TokenRow
from studio.ml.engine import Engine, transform_of_logits
from studio.ml.methods import make_trainable
from studio.ml.speed.attention import blocked_attention
from studio.ml.speed.logits import Head, cross_entropies, summed_cross_entropy
from studio.ml.speed.packing import why_not_packed
from tests.ml.tiny_families import FAMILIES, WORDS, make_adapted, make_model

FP32 = loading.Placement(device="cpu", precision="fp32")
BF16 = loading.Placement(device="cpu", precision="bf16")
CONFIG = RunConfig(rank=4, alpha=8)
FAST = dataclasses.replace(CONFIG, micro_batch_tokens=4096)
PLAIN = dataclasses.replace(FAST, switched_off=SPEEDUPS)


def make_rows(lengths: tuple[int, ...] = (23, 5, 41, 12), *, seed: int = 0) -> list[TokenRow]:
    """Rows of random tokens of which a random part is learned."""
    rng = random.Random(seed)
    rows = []
    for length in lengths:
        ids = [rng.randrange(3, WORDS) for _ in range(length)]
        labels = [token if rng.random() < 0.5 else IGNORED for token in ids[:-1]]
        rows.append(TokenRow(ids, [*labels, ids[-1]]))
    return rows


def adapted(family: str, config: RunConfig = FAST) -> Any:
    """A family's model with an adapter that is not zero."""
    return make_adapted(family, config).train()


def engine_of(model: Any, config: RunConfig = FAST, placement: loading.Placement = FP32) -> Engine:
    return Engine(model, config=config, placement=placement, pad_id=0, join=True)


def plain_loss(model: Any, rows: list[TokenRow]) -> torch.Tensor:
    """The loss of plain transformers, each row alone and unpadded, as a mean over all learned tokens."""
    total = torch.zeros(())
    for row in rows:
        output = model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels]))
        total = total + output.loss * row.learned
    return total / sum(row.learned for row in rows)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_plain_transformers_and_peft(family: str) -> None:
    rows = make_rows()
    model = adapted(family)
    expected = plain_loss(model, rows)
    expected.backward()
    plain = gradients(model)
    model.zero_grad()
    engine = engine_of(model)
    assert engine.is_packed
    learned = sum(row.learned for row in rows)
    loss = engine.summed_loss(engine.batch(rows)) / learned
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    ours = gradients(model)
    assert ours.keys() == plain.keys()
    for name, gradient in plain.items():
        assert torch.allclose(ours[name], gradient, atol=1e-4, rtol=1e-4), name
    assert max(float(gradient.abs().max()) for gradient in plain.values()) > 1e-3


@pytest.mark.parametrize(
    ("family", "transform"),
    [("llama", (1.0, None)), ("granite", (0.125, None)), ("cohere", (0.25, None)), ("gemma2", (1.0, 30.0))],
)
def test_scaled_and_capped_logits_are_made_in_chunks(family: str, transform: tuple[float, float | None]) -> None:
    """Those of Granite, Cohere and Gemma 2 were made for all learned positions at once, which no forecast knew."""
    assert engine_of(adapted(family))._transform == transform


def test_logits_that_something_else_is_done_to_are_left_to_the_model() -> None:
    model = adapted("llama")

    def bend(module: Any, inputs: Any, output: Any) -> Any:
        output.logits.add_(output.logits.sin())
        return output

    model.register_forward_hook(bend)
    assert transform_of_logits(model) is None


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("scale", "softcap"), [(0.5, None), (1.0, 3.0), (2.0, 4.0)])
def test_the_loss_in_chunks_has_the_gradients_of_scaled_and_capped_logits(
    scale: float, softcap: float | None, bias: bool
) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(600, 16).requires_grad_(), torch.randn(50, 16).requires_grad_()
    made = [hidden, weight, *([torch.randn(50).requires_grad_()] if bias else [])]
    targets = torch.randint(50, (600,))
    logits = torch.nn.functional.linear(*made) * scale
    logits = logits if softcap is None else softcap * torch.tanh(logits / softcap)
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    head = Head(*made[1:], scale=scale, softcap=softcap)
    found = summed_cross_entropy(hidden, head, targets)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    for one, other in zip(torch.autograd.grad(found, made), torch.autograd.grad(expected, made), strict=True):
        assert torch.allclose(one, other, atol=1e-3, rtol=1e-4)
    each = cross_entropies(hidden.detach(), head, targets).detach()
    assert float(each.sum()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_sequence_sees_another(family: str) -> None:
    model = adapted(family)
    engine = engine_of(model)
    first, second, *rest = make_rows()
    other = make_rows((len(first.ids),), seed=9)[0]
    model.eval()

    def hidden(rows: list[TokenRow]) -> torch.Tensor:
        batch = engine.batch(rows)
        engine._packing.announce(batch.lengths)  # type: ignore[union-attr]
        with torch.no_grad():
            logits: torch.Tensor = model(
                input_ids=batch.ids, position_ids=batch.positions, attention_mask=None, use_cache=False
            ).logits[0]
        return logits

    before, after = hidden([first, second, *rest]), hidden([other, second, *rest])
    assert not torch.equal(before[: len(first.ids)], after[: len(first.ids)])
    before, after = before[len(first.ids) :], after[len(first.ids) :]
    if family == "mixtral":  # some processors round by the number of tokens that an expert gets
        assert torch.allclose(before, after, atol=1e-5, rtol=1e-5)
    else:
        assert torch.equal(before, after)


@pytest.mark.parametrize("name", SPEEDUPS)
def test_each_speed_up_can_be_switched_off_and_changes_nothing(name: str) -> None:
    rows = make_rows()

    def loss_and_gradients(config: RunConfig) -> tuple[float, dict[str, torch.Tensor]]:
        model = adapted("qwen2", config)
        engine = engine_of(model, config)
        loss = engine.summed_loss(engine.batch(rows))
        loss.backward()
        return float(loss.detach()), gradients(model)

    loss, expected = loss_and_gradients(PLAIN)
    for config in (
        dataclasses.replace(FAST, switched_off=(name,)),
        dataclasses.replace(FAST, switched_off=tuple(each for each in SPEEDUPS if each != name)),
    ):
        ours, found = loss_and_gradients(config)
        assert ours == pytest.approx(loss, rel=1e-5)
        assert all(torch.allclose(found[key], expected[key], atol=1e-3, rtol=1e-4) for key in expected)


def test_it_says_which_speed_ups_are_on_and_why_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a model did not take was left out in silence, and a forecast assumed it all the same."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    found = engine_of(adapted("qwen2")).speedups
    assert set(found.on) == set(SPEEDUPS) - {"low-precision-adapters", "side-by-side"}
    assert found.left_out == (
        "low-precision-adapters: the run computes in fp32",
        "side-by-side: there is one core",
    )
    assert found.attention == "blocked attention"
    off = engine_of(adapted("qwen2"), dataclasses.replace(FAST, switched_off=("packing",))).speedups
    assert "packing: switched off" in off.left_out
    assert "fast-attention: rows are not packed" in off.left_out
    assert off.attention == "the model's own"


def test_want_of_memory_while_packing_is_tried_out_is_told() -> None:
    def greedy(*tensors: Any, **others: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    def broken(*tensors: Any, **others: Any) -> Any:
        raise RuntimeError("no kernel image is available\nfor execution on the device")

    with pytest.raises(torch.OutOfMemoryError):
        why_not_packed(make_model("llama"), greedy)
    assert why_not_packed(make_model("llama"), broken) == "RuntimeError: no kernel image is available"


def test_a_base_in_8_bits_is_packed(tiny_model: Path) -> None:
    """LLM.int8 looks for large columns in the whole row, so the last bits depend on what lies beside."""
    placement = loading.Placement(device="cpu", precision="fp32", bits=8)
    config = dataclasses.replace(FAST, method="qlora-8bit")
    assert engine_of(make_trainable(loading.load_base(tiny_model, placement), config), config, placement).is_packed


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "mixtral"])
def test_undo_gives_the_model_back_as_it_was(family: str) -> None:
    model = adapted(family)
    ids = torch.tensor([make_rows()[0].ids])
    model.eval()
    with torch.no_grad():
        before = model(input_ids=ids).logits
        attention = model.config._attn_implementation
        engine = engine_of(model)
        engine.undo()
        assert torch.equal(model(input_ids=ids).logits, before)
    assert model.config._attn_implementation == attention
    assert not any("forward" in module.__dict__ for module in model.modules())


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_cutting_a_step_into_groups_equals_one_large_batch(family: str) -> None:
    rows = make_rows((30, 31, 8, 9, 10, 60))

    def whole_gradient(tokens: int) -> dict[str, torch.Tensor]:
        model = adapted(family)
        engine = engine_of(model, dataclasses.replace(FAST, micro_batch_tokens=tokens))
        groups = engine.cut(rows)
        assert (len(groups) > 2) == (tokens == 40)
        for group in groups:
            engine.summed_loss(engine.batch(group)).backward()
        return gradients(model)

    whole, cut = whole_gradient(4096), whole_gradient(40)
    assert all(torch.allclose(whole[name], cut[name], atol=1e-4, rtol=1e-4) for name in whole)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_checkpointing_changes_nothing(family: str) -> None:
    rows = make_rows()
    results = []
    for checkpointing in (False, True):
        model = adapted(family)
        engine = Engine(model, config=FAST, placement=FP32, pad_id=0, checkpointing=checkpointing, join=True)
        loss = engine.summed_loss(engine.batch(rows))
        loss.backward()
        results.append((float(loss.detach()), gradients(model)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    assert all(torch.allclose(results[0][1][name], results[1][1][name], atol=1e-5) for name in results[0][1])


def test_low_precision_stays_close_to_fp32() -> None:
    rows = make_rows()
    model = adapted("llama")
    exact = engine_of(copy.deepcopy(model))
    loss = float(exact.summed_loss(exact.batch(rows)).detach())
    lowered = engine_of(model.to(torch.bfloat16), placement=BF16)
    assert {each.dtype for each in lowered.model.parameters()} == {torch.bfloat16}
    assert float(lowered.summed_loss(lowered.batch(rows)).detach()) == pytest.approx(loss, rel=0.02)


def test_full_fine_tuning_has_the_gradients_of_plain_transformers() -> None:
    rows = make_rows()
    config = dataclasses.replace(FAST, method="full")
    model = make_trainable(make_model("llama"), config).train()
    plain_loss(model, rows).backward()
    plain = gradients(model)
    model.zero_grad()
    engine = engine_of(model, config)
    (engine.summed_loss(engine.batch(rows)) / sum(row.learned for row in rows)).backward()
    ours = gradients(model)
    assert ours.keys() == plain.keys()
    assert all(torch.allclose(ours[name], plain[name], atol=1e-4, rtol=1e-3) for name in plain)


def test_a_model_that_looks_back_by_other_means_is_not_packed() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    model = MambaForCausalLM(
        MambaConfig(vocab_size=WORDS, hidden_size=32, state_size=8, num_hidden_layers=2, intermediate_size=64)
    )
    assert why_not_packed(model.eval(), blocked_attention)


def test_rounding_alone_does_not_keep_a_model_from_packing() -> None:
    """Which sequences lie beside moves the logits by the last bits of fp32, as experts do on some processors."""
    model = make_model("llama")
    looks = iter(range(100))

    def rounded(module: Any, inputs: Any, output: Any) -> Any:
        output.logits.mul_(1 + next(looks) % 2 * 3e-7)
        return output

    model.register_forward_hook(rounded)
    assert not why_not_packed(model, blocked_attention)


def test_a_faint_sight_of_another_sequence_keeps_a_model_from_packing() -> None:
    model = make_model("llama")

    def leak(module: Any, inputs: Any, output: Any) -> Any:
        output.logits.add_(output.logits[:, :1] * 1e-3)
        return output

    model.register_forward_hook(leak)
    assert why_not_packed(model, blocked_attention) == "one sequence would see another"
