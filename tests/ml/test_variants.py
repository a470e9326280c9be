"""Every variant of an adapter answers in a conversation and in its exports as the live model did after training."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml import export, loading, plain_asking
from studio.ml.batches import TokenRow
from studio.ml.generation import BASE, PaneInput, Sampling, can_mix, generate, passes
from studio.ml.methods import keep_start, make_trainable, save_model
from studio.ml.reference import ANSWER_TOKENS, Probe, Reference, compare, observe
from studio.ml.shipped_check import ask_shipped
from tests.ml.conftest import FOUR, FP32, MEMORISE, NF4, PAD, conversation, run_training
from tests.tiny_model import write_tiny_model

VARIANTS: dict[str, dict[str, Any]] = {
    "dora": {"dora": True},
    "dora-4bit": {"dora": True, "method": "qlora"},
    "rslora": {"rslora": True, "learning_rate": 3e-3},
    "pissa": {"initialisation": "pissa", "learning_rate": 3e-3},
    "olora": {"initialisation": "olora", "learning_rate": 3e-3},
    "embeddings": {"train_embeddings": True, "learning_rate": 3e-3},
    "dora-embeddings": {"dora": True, "train_embeddings": True, "learning_rate": 3e-3},
}


@dataclass(frozen=True)
class Variant:
    """A trained variant: where its base and its adapter lie, and what the live model said."""

    name: str
    base: Path
    adapter: Path
    placement: loading.Placement
    live: Reference


@pytest.fixture(scope="module")
def probes(renderer: ChatRenderer) -> tuple[Probe, ...]:
    prompts = [renderer.prompt(conversation(question)) for question, _ in FOUR[:3]]
    return tuple(Probe(ids=prompt, prompt=prompt) for prompt in prompts)


def train_variant(
    base: Path, folder: Path, rows: tuple[TokenRow, ...], *, name: str, probes: Sequence[Probe], end_ids: Sequence[int]
) -> Variant:
    config = dataclasses.replace(MEMORISE, epochs=20, **VARIANTS[name])
    placement = dataclasses.replace(FP32, bits=config.base_bits)
    torch.manual_seed(0)
    model = make_trainable(loading.load_base(base, placement), config)
    start = keep_start(model, config, folder / "start")
    run_training(base, rows, config=config, placement=placement, model=model)
    save_model(model, folder / "adapter", start=start)
    live = observe(model, probes, end_ids=end_ids, pad_id=PAD)
    return Variant(name, base, folder / "adapter", placement, live)


@pytest.fixture(scope="module", params=VARIANTS)
def variant(
    request: pytest.FixtureRequest,
    tiny_model: Path,
    four_rows: tuple[TokenRow, ...],
    probes: tuple[Probe, ...],
    renderer: ChatRenderer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Variant:
    folder = tmp_path_factory.mktemp(request.param)
    return train_variant(tiny_model, folder, four_rows, name=request.param, probes=probes, end_ids=renderer.end_ids)


def answers(model: Any, panes: Sequence[PaneInput], *, end_ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Answer every pane greedily, in as few passes as can be."""
    found: dict[int, tuple[int, ...]] = {}
    for rows in passes(model, [pane.adapter for pane in panes]):
        together = [panes[row] for row in rows]
        sampling = Sampling(max_new_tokens=ANSWER_TOKENS)
        said = generate(model, together, sampling=sampling, end_ids=end_ids, pad_id=PAD)
        found |= {row: tuple(ids) for row, ids in zip(rows, said, strict=True)}
    return [found[row] for row in range(len(panes))]


def test_it_answers_beside_base_and_other_adapters_as_the_live_model_did(
    variant: Variant, memorised: Path, renderer: ChatRenderer
) -> None:
    """DoRA ended an answer with an error, and left the model unable to give any other one."""
    end_ids = renderer.end_ids
    prompts = [probe.prompt for probe in variant.live.probes]
    bare = loading.load_base(variant.base, variant.placement)
    expected = answers(bare, [PaneInput(BASE, prompt) for prompt in prompts], end_ids=end_ids)
    model = loading.load_adapter(bare, variant.adapter, name="it")
    for names in ((BASE, "it"), ("it", BASE)):
        for index, prompt in enumerate(prompts):
            said = dict(
                zip(names, answers(model, [PaneInput(name, prompt) for name in names], end_ids=end_ids), strict=True)
            )
            assert said == {BASE: expected[index], "it": variant.live.answers[index]}
    other = loading.load_adapter(loading.load_base(variant.base, variant.placement), memorised)
    panes = [PaneInput("default", prompt) for prompt in prompts]
    by_heart = answers(other, panes, end_ids=end_ids)
    model = loading.load_adapter(model, memorised, name="other")
    panes = [PaneInput(name, prompts[0]) for name in ("other", BASE, "it", "other")]
    for _ in range(2):  # the second time, another adapter was the last to answer
        said_by_all = answers(model, panes, end_ids=end_ids)
        assert said_by_all == [by_heart[0], expected[0], variant.live.answers[0], by_heart[0]]


def test_its_files_answer_as_the_live_model_did(variant: Variant, renderer: ChatRenderer, tmp_path: Path) -> None:
    target = tmp_path / "adapter"
    export.write_adapter(variant.adapter, base=variant.base, renderer=renderer, target=target, base_name="x", card="")
    live = variant.live
    shipped = ask_shipped(target, live.probes, placement=variant.placement, base=variant.base, ask=plain_asking.ask)
    agreement = compare(live, shipped.reference)
    assert agreement.largest_difference <= export.tolerance(agreement)
    assert agreement.same_answers == 3


def test_merged_it_answers_as_the_live_model_did(variant: Variant, renderer: ChatRenderer, tmp_path: Path) -> None:
    merged, probes = tmp_path / "merged", variant.live.probes
    before = export.write_merged(
        variant.base, adapter=variant.adapter, renderer=renderer, target=merged, probes=probes, card="", pad_id=PAD
    )
    shipped = ask_shipped(merged, probes, placement=FP32, ask=plain_asking.ask)
    references = (before,) if variant.placement.bits else (before, variant.live)  # a packed base is another one
    for reference in references:
        agreement = compare(reference, shipped.reference)
        assert agreement.largest_difference <= export.tolerance(agreement)
        assert agreement.same_answers == 3


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_a_merged_model_stays_tied(
    four_rows: tuple[TokenRow, ...], probes: tuple[Probe, ...], renderer: ChatRenderer, tmp_path: Path
) -> None:
    """peft merges a copy of the word table and one of the head, which made the model larger than its base."""
    base = write_tiny_model(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(base)
    model.config.tie_word_embeddings = True
    model.lm_head.weight = model.model.embed_tokens.weight
    model.save_pretrained(base)
    size = (base / "model.safetensors").stat().st_size
    tied = train_variant(base, tmp_path, four_rows, name="embeddings", probes=probes, end_ids=renderer.end_ids)
    target = tmp_path / "merged"
    export.write_merged(
        base, adapter=tied.adapter, renderer=renderer, target=target, probes=probes, card="", pad_id=PAD
    )
    shipped = ask_shipped(target, probes, placement=FP32, ask=plain_asking.ask)
    agreement = compare(tied.live, shipped.reference)
    assert agreement.largest_difference <= export.tolerance(agreement)
    assert (tmp_path / "merged" / "model.safetensors").stat().st_size == size


def test_a_word_table_that_was_trained_in_bf16_can_be_asked(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], probes: tuple[Probe, ...], renderer: ChatRenderer, tmp_path: Path
) -> None:
    """A training leaves it in fp32 beside a bf16 base, so the run ended in an error when its answers were asked for."""
    config = dataclasses.replace(MEMORISE, epochs=4, learning_rate=1e-3, train_embeddings=True)
    placement = dataclasses.replace(FP32, precision="bf16")
    model = run_training(tiny_model, four_rows, config=config, placement=placement).model
    live = observe(model, probes, end_ids=renderer.end_ids, pad_id=PAD)
    assert {parameter.dtype for name, parameter in model.named_parameters() if "default" in name} == {torch.float32}
    save_model(model, tmp_path)
    again = loading.load_adapter(loading.load_base(tiny_model, placement), tmp_path)
    agreement = compare(live, observe(again, probes, end_ids=renderer.end_ids, pad_id=PAD))
    assert (agreement.largest_difference, agreement.same_answers) == (0, 3)


def test_only_what_peft_mixes_goes_in_one_batch(
    tiny_model: Path, memorised: Path, four_rows: tuple[TokenRow, ...], tmp_path: Path
) -> None:
    model = loading.load_adapter(loading.load_base(tiny_model, NF4), memorised, name="plain")
    model = loading.load_adapter(model, memorised, name="second")
    assert passes(model, [BASE, "plain", "second"]) == ((0, 1, 2),)
    whole = make_trainable(loading.load_base(tiny_model, FP32), dataclasses.replace(MEMORISE, train_embeddings=True))
    whole.eval()
    assert can_mix(whole, [BASE, "default"])
    loading.load_adapter(whole, memorised, name="plain")
    assert passes(whole, ["plain", BASE, "plain", "default"]) == ((0, 2), (1,), (3,))
