"""The check of an exported adapter on each family: a whole one passes by far, and a damaged one fails."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

from studio.ml import export, loading, plain_asking
from studio.ml.loading import Placement
from studio.ml.reference import Probe, Reference, compare, observe
from studio.ml.shipped_check import ask_shipped
from studio.models.adapter_files import hash_learned
from tests.ml.conftest import FP32
from tests.ml.tiny_families import FAMILIES, WORDS, make_model

FAULTS = ("scaled", "zeroed", "alpha")
PROBES = tuple(
    Probe(ids=tuple((start + 7 * n) % (WORDS - 3) + 3 for n in range(30)), prompt=(5, 6, 7 + start))
    for start in (0, 40)
)
PLACEMENTS = (FP32, Placement(device="cpu", precision="bf16"))
ADAPTED = {
    "gpt2": ["c_attn", "c_proj", "c_fc"],
    "gpt_neox": ["query_key_value", "dense"],
    "mixtral": ["q_proj", "v_proj"],
    "phi": ["q_proj", "v_proj", "fc1"],
}


def write_base(family: str, folder: Path) -> Path:
    """Write a family's model with a tokenizer of as many words."""
    make_model(family).save_pretrained(folder)
    words = {f"w{number}": number for number in range(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w3"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="w2").save_pretrained(folder)
    return folder


def write_adapter(base: Path, folder: Path, modules: list[str]) -> Path:
    """Write an adapter of random numbers, with what an export has beside it."""
    torch.manual_seed(0)
    settings = LoraConfig(
        r=4, lora_alpha=8, target_modules=modules, task_type="CAUSAL_LM", fan_in_fan_out="c_attn" in modules
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(base / name, folder / name)
    GenerationConfig(eos_token_id=2).save_pretrained(folder)
    return folder


def damaged(adapter: Path, target: Path, fault: str) -> Path:
    shutil.copytree(adapter, target)
    if fault == "alpha":
        settings = json.loads((target / "adapter_config.json").read_text())
        (target / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 9}))
        return target
    tensors = load_file(target / "adapter_model.safetensors")
    name = next(name for name in sorted(tensors) if "lora_B" in name)
    tensors[name] = tensors[name] * {"scaled": 1.02, "zeroed": 0.0}[fault]
    save_file(tensors, target / "adapter_model.safetensors", metadata={"format": "pt"})
    return target


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_of_each_family_may_be_off_by_rounding_alone(family: str, tmp_path: Path) -> None:
    base = write_base(family, tmp_path / "base")
    adapter = write_adapter(base, tmp_path / "adapter", ADAPTED.get(family, ["q_proj", "v_proj", "down_proj"]))
    faults = {fault: damaged(adapter, tmp_path / fault, fault) for fault in FAULTS}
    for placement in PLACEMENTS:
        model = loading.load_adapter(loading.load_base(base, placement), adapter)
        live = observe(model, PROBES, end_ids=(2,), pad_id=0)
        assert share(live, adapter, base, placement) < 0.5
        for folder in faults.values():
            assert share(live, folder, base, placement) > 2, f"{folder.name} in {placement.precision}"
    assert len({hash_learned(folder) for folder in (adapter, *faults.values())}) == 4


def share(live: Reference, adapter: Path, base: Path, placement: Placement) -> float:
    """Return by which share of what is allowed the logits of an adapter, loaded by plain peft, are off."""
    shipped = ask_shipped(adapter, PROBES, placement=placement, base=base, ask=plain_asking.ask)
    agreement = compare(live, shipped.reference)
    return agreement.largest_difference / export.tolerance(agreement, rounding=shipped.rounding)


def test_what_cannot_be_computed_exactly_is_bounded_by_what_its_own_rounding_does(tmp_path: Path) -> None:
    """As on an 8-bit base. It was 2^-4 of the largest logit, by which an adapter without its effect passed."""
    base = write_base("llama", tmp_path / "base")
    adapter = write_adapter(base, tmp_path / "adapter", ["q_proj", "v_proj", "down_proj"])
    placement = PLACEMENTS[1]
    model = loading.load_adapter(loading.load_base(base, placement), adapter)
    model.is_loaded_in_8bit = True
    live = observe(model, PROBES, end_ids=(2,), pad_id=0)
    assert not live.exact

    def off(folder: Path) -> float:
        shipped = ask_shipped(folder, PROBES, placement=placement, base=base, exact=False, ask=plain_asking.ask)
        agreement = compare(live, shipped.reference)
        assert 0 < shipped.rounding < 0.1 * agreement.largest_logit
        return agreement.largest_difference / export.tolerance(agreement, exact=False, rounding=shipped.rounding)

    assert off(adapter) < 0.7
    assert off(damaged(adapter, tmp_path / "zeroed", "zeroed")) > 1


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_an_adapter_of_an_8_bit_base_is_held_against_what_rounding_does(family: str, tmp_path: Path) -> None:
    """2 % of one matrix hide in that rounding. The files themselves tell it: see `hash_learned`."""
    base = write_base(family, tmp_path / "base")
    adapter = write_adapter(base, tmp_path / "adapter", ["q_proj", "v_proj", "down_proj"])
    placement = Placement(device="cpu", precision="bf16", bits=8)
    live = observe(loading.load_adapter(loading.load_base(base, placement), adapter), PROBES, end_ids=(2,), pad_id=0)
    assert not live.exact

    def off(folder: Path) -> float:
        shipped = ask_shipped(folder, PROBES, placement=placement, base=base, exact=live.exact, ask=plain_asking.ask)
        agreement = compare(live, shipped.reference)
        return agreement.largest_difference / export.tolerance(agreement, exact=False, rounding=shipped.rounding)

    assert off(adapter) < 0.7
    for fault in ("zeroed", "alpha"):
        assert off(damaged(adapter, tmp_path / fault, fault)) > 1
    assert hash_learned(damaged(adapter, tmp_path / "scaled", "scaled")) != hash_learned(adapter)
