"""An adapter at several strengths, against plain peft with its B halves multiplied."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError
from studio.ml import loading
from studio.ml.generation import BASE, PaneInput, Sampling, generate
from studio.ml.strength import add_strength, forget
from studio.models.adapter_settings import check_strength
from tests.ml.conftest import FP32, PAD, conversation

IDS = torch.tensor([[5, 6, 7, 8, 9]])


def write_adapter(tiny_model: Path, folder: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Write an adapter that changes much, as if it had been trained."""
    torch.manual_seed(seed)
    options = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **settings}
    model = get_peft_model(loading.load_base(tiny_model, FP32), LoraConfig(**options))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    model.save_pretrained(str(folder))
    return folder


def logits(model: Any, adapter: str | None = None) -> torch.Tensor:
    if adapter is not None:
        model.set_adapter(adapter)
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0, 1.5])
def test_a_strength_is_the_b_halves_multiplied(tiny_model: Path, tmp_path: Path, strength: float, rslora: bool) -> None:
    folder = write_adapter(tiny_model, tmp_path / "adapter", use_rslora=rslora)
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), folder)
    found = logits(model, add_strength(model, "default", strength))

    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(folder)).eval()
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            if "lora_B" in name:
                parameter.mul_(strength)
    expected = logits(plain)
    assert torch.allclose(found, expected, atol=1e-5)
    base = logits(AutoModelForCausalLM.from_pretrained(tiny_model).eval())
    assert torch.allclose(found, base, atol=1e-3) == (strength == 0)


def test_the_adapter_itself_stays_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    folder = write_adapter(tiny_model, tmp_path / "adapter")
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), folder)
    before = logits(model)
    add_strength(model, "default", 0.5)
    assert torch.equal(logits(model, "default"), before)
    assert add_strength(model, "default", 1.0) == "default"


def test_several_strengths_answer_in_one_batch_as_they_do_alone(
    tiny_model: Path, tmp_path: Path, renderer: ChatRenderer
) -> None:
    folder = write_adapter(tiny_model, tmp_path / "adapter")
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), folder)
    names = [BASE, "default", *(add_strength(model, "default", strength) for strength in (0.25, 0.7, 1.4))]
    prompts = ("What is red?", "And blue, which is not in the sea?", "Hi", "Count to four.", "Say nothing at all.")
    panes = [
        PaneInput(name, renderer.prompt(conversation(prompt))) for name, prompt in zip(names, prompts, strict=True)
    ]

    def ask(*asked: PaneInput) -> list[list[int]]:
        sampling = Sampling(max_new_tokens=24)
        return generate(model, asked, sampling=sampling, end_ids=renderer.end_ids, pad_id=PAD)

    together = ask(*panes)
    assert together == [ask(pane)[0] for pane in panes]
    same = [PaneInput(name, panes[0].ids) for name in names]
    assert len({tuple(answer) for answer in ask(*same)}) == len(names), "each strength says something else"


def weights_bytes(model: Any) -> int:
    return sum({each.data_ptr(): each.numel() * each.element_size() for each in model.parameters()}.values())


def test_a_strength_takes_no_memory_and_is_gone_when_it_is_forgotten(tiny_model: Path, tmp_path: Path) -> None:
    folder = write_adapter(tiny_model, tmp_path / "adapter")
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), folder)
    before, size = logits(model), weights_bytes(model)
    alias = add_strength(model, "default", 0.5)
    assert weights_bytes(model) == size
    model.set_adapter(alias)
    forget(model, alias)
    assert list(model.peft_config) == ["default"]
    assert model.active_adapter == "default"
    assert torch.equal(logits(model), before)


def test_forgetting_the_active_adapter_leaves_one_active_in_every_layer(tiny_model: Path, tmp_path: Path) -> None:
    """peft chooses layer by layer: where adapters sit in different layers, parts of two were active at once."""
    base = loading.load_base(tiny_model, FP32)
    for name, targets in (("first", "all-linear"), ("second", ["q_proj"]), ("third", "all-linear")):
        folder = write_adapter(tiny_model, tmp_path / name, seed=len(name), target_modules=targets)
        base = loading.load_adapter(base, folder, name=name)
    alone = loading.load_adapter(loading.load_base(tiny_model, FP32), tmp_path / "second")
    forget(base, "first")
    assert base.active_adapter == "second"
    assert torch.equal(logits(base), logits(alone))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"use_dora": True}, "as DoRA does"), ({"modules_to_save": ["lm_head"]}, "as a whole")],
)
def test_what_is_more_than_two_halves_has_no_strength(
    tiny_model: Path, tmp_path: Path, settings: dict[str, object], reason: str
) -> None:
    folder = write_adapter(tiny_model, tmp_path / "adapter", **settings)
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), folder)
    with pytest.raises(ModelError, match=reason):
        add_strength(model, "default", 0.5)
    assert list(model.peft_config) == ["default"]


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan"), float("inf")])
def test_a_strength_out_of_range_is_a_sentence(strength: float) -> None:
    with pytest.raises(ModelError, match=r"from 0 to 1\.5"):
        check_strength(strength)
