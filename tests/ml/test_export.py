import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.data.examples import Example
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.ml import export, loading, plain_asking
from studio.ml.batches import TokenRow
from studio.ml.reference import Probe, Reference, compare, load_reference, observe, save_reference
from studio.ml.shipped_check import CONVERSATION, ask_shipped
from studio.models.adapter_files import hash_learned
from tests.ml.conftest import FOUR, FP32, PAD, conversation

BF16 = dataclasses.replace(FP32, precision="bf16")


@pytest.fixture(scope="module")
def probes(renderer: ChatRenderer) -> tuple[Probe, ...]:
    return tuple(
        Probe(ids=renderer.render(Example(conversation(*pair))).ids, prompt=renderer.prompt(conversation(pair[0])))
        for pair in FOUR[:3]
    )


@pytest.fixture(scope="module")
def reference(tiny_model: Path, memorised: Path, probes: tuple[Probe, ...], renderer: ChatRenderer) -> Reference:
    model = loading.load_adapter(loading.load_base(tiny_model, FP32), memorised)
    return observe(model, probes, end_ids=renderer.end_ids, pad_id=PAD)


def test_the_merged_model_answers_like_the_adapted_one(
    tiny_model: Path,
    memorised: Path,
    probes: tuple[Probe, ...],
    reference: Reference,
    renderer: ChatRenderer,
    tmp_path: Path,
    four_rows: tuple[TokenRow, ...],
) -> None:
    target = tmp_path / "merged"
    before = export.write_merged(
        tiny_model, adapter=memorised, renderer=renderer, target=target, probes=probes, card="# x", pad_id=PAD
    )
    assert compare(before, reference).largest_difference == 0
    shipped = ask_shipped(target, probes, placement=FP32)
    agreement = compare(reference, shipped.reference)
    assert agreement.largest_difference < 1e-4
    assert agreement.same_answers == agreement.answers == 3
    assert set(renderer.end_ids) <= set(shipped.end_ids)
    assert shipped.prompt == renderer.prompt(conversation(CONVERSATION[0]["content"]))

    plain = AutoModelForCausalLM.from_pretrained(target)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(memorised))
    ids = torch.tensor([four_rows[0].ids])
    with torch.inference_mode():
        difference = (plain(input_ids=ids).logits - adapted(input_ids=ids).logits).abs().max()
    assert difference < 1e-4
    assert AutoTokenizer.from_pretrained(target).chat_template


def test_the_adapter_zip_loads_with_plain_peft(
    tiny_model: Path, memorised: Path, reference: Reference, renderer: ChatRenderer, tmp_path: Path
) -> None:
    target = tmp_path / "run-adapter"
    export.write_adapter(
        memorised, base=tiny_model, renderer=renderer, target=target, base_name="someone/base", card="# card"
    )
    archive = tmp_path / "run-adapter.zip"
    export.zip_folder(target, archive)
    assert sorted(zipfile.ZipFile(archive).namelist()) == [
        "run-adapter/README.md",
        "run-adapter/adapter_config.json",
        "run-adapter/adapter_model.safetensors",
        "run-adapter/chat_template.jinja",
        "run-adapter/generation_config.json",
        "run-adapter/tokenizer.json",
        "run-adapter/tokenizer_config.json",
    ]
    assert "someone/base" in (target / "adapter_config.json").read_text()
    with export.unpacked(archive) as folder:
        shipped = ask_shipped(folder, reference.probes, placement=FP32, base=tiny_model, ask=plain_asking.ask)
    agreement = compare(reference, shipped.reference)
    assert agreement.largest_difference <= 1e-5  # rounding: another process may use another number of threads
    assert agreement.same_answers == 3
    assert set(renderer.end_ids) <= set(shipped.end_ids)


def test_a_model_that_answers_differently_is_found_out(tiny_model: Path, reference: Reference) -> None:
    agreement = compare(
        reference, ask_shipped(tiny_model, reference.probes, placement=FP32, ask=plain_asking.ask).reference
    )
    assert agreement.largest_difference > export.tolerance(agreement)
    assert agreement.same_answers < 3


FAULTS = ("scaled", "zeroed", "alpha")


@pytest.fixture(scope="module")
def strong(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter that changes every layer."""
    folder = tmp_path_factory.mktemp("adapters") / "strong"
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    torch.manual_seed(0)
    settings = LoraConfig(r=8, lora_alpha=16, target_modules=names, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), settings)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(folder)
    return folder


def changed(tensors: dict[str, torch.Tensor], fault: str) -> dict[str, torch.Tensor]:
    """Have one matrix "scaled" by 1.02, or one "zeroed"."""
    (name,) = (name for name in tensors if "layers.0.mlp.down_proj" in name and "lora_A" not in name)
    return {**tensors, name: tensors[name] * {"scaled": 1.02, "zeroed": 0}[fault]}


def tampered(adapter: Path, target: Path, fault: str) -> Path:
    """Copy an adapter, with a fault unless that is empty."""
    shutil.copytree(adapter, target)
    weights, settings = target / "adapter_model.safetensors", target / "adapter_config.json"
    if fault == "alpha":
        document = json.loads(settings.read_text(encoding="utf-8"))
        settings.write_text(json.dumps(document | {"lora_alpha": document["lora_alpha"] + 1}), encoding="utf-8")
    elif fault:
        save_file(changed(load_file(weights), fault), weights, metadata={"format": "pt"})
    return target


@pytest.mark.parametrize("placement", [FP32, BF16], ids=lambda placement: placement.precision)
def test_an_adapter_may_be_off_by_rounding_alone(
    tiny_model: Path,
    strong: Path,
    probes: tuple[Probe, ...],
    renderer: ChatRenderer,
    tmp_path: Path,
    placement: loading.Placement,
) -> None:
    """In bf16 a logit could be off by 2.3, so every one of these passed."""
    model = loading.load_adapter(loading.load_base(tiny_model, placement), strong)
    live = observe(model, probes, end_ids=renderer.end_ids, pad_id=PAD)
    assert live.exact

    def off(fault: str) -> float:
        """Return by which share of what is allowed an adapter with a fault is off."""
        folder, target = tampered(strong, tmp_path / f"{fault}-adapter", fault), tmp_path / f"{fault}-export"
        export.write_adapter(folder, base=tiny_model, renderer=renderer, target=target, base_name="x", card="")
        shipped = ask_shipped(target, probes, placement=placement, base=tiny_model, ask=plain_asking.ask)
        agreement = compare(live, shipped.reference)
        return agreement.largest_difference / export.tolerance(agreement, rounding=shipped.rounding)

    assert off("") < 0.5
    for fault in FAULTS:
        assert off(fault) > 10
    assert len({hash_learned(path) for path in tmp_path.glob("*-adapter")}) == 4
    assert hash_learned(tmp_path / "-export") == hash_learned(strong)


@pytest.mark.parametrize("stored", ["float32", "bfloat16", "float16"])
def test_a_merged_model_may_be_off_by_the_rounding_of_its_weights(
    tiny_model: Path, strong: Path, probes: tuple[Probe, ...], renderer: ChatRenderer, tmp_path: Path, stored: str
) -> None:
    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    AutoModelForCausalLM.from_pretrained(tiny_model, dtype=stored).save_pretrained(base)
    placement = export.stored_placement(base)
    assert str(placement.dtype) == f"torch.{stored}"
    files = {"base": base, "renderer": renderer, "probes": probes, "pad_id": PAD, "card": ""}
    before = export.write_merged(adapter=strong, target=tmp_path / "merged", **files)
    wrong = tampered(strong, tmp_path / "wrong-adapter", "alpha")
    export.write_merged(adapter=wrong, target=tmp_path / "alpha", **files)

    def off(folder: Path) -> float:
        shipped = ask_shipped(folder, probes, placement=placement, was_rounded=True, ask=plain_asking.ask)
        agreement = compare(before, shipped.reference)
        return agreement.largest_difference / export.tolerance(agreement, rounding=shipped.rounding)

    assert off(tmp_path / "merged") < 1
    assert off(tmp_path / "alpha") > 1
    weights = tmp_path / "merged" / "model.safetensors"
    whole = load_file(weights)
    for fault in ("scaled", "zeroed"):
        save_file(changed(whole, fault), weights, metadata={"format": "pt"})
        assert off(tmp_path / "merged") > 1


def test_an_export_that_plain_transformers_cannot_load_is_refused(
    tiny_model: Path, probes: tuple[Probe, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ExportError, match="cannot be loaded by plain transformers"):
        ask_shipped(folder, probes, placement=FP32)
    assert "Traceback" in capfd.readouterr().err


def test_an_adapter_without_weights_is_refused(renderer: ChatRenderer, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"lacks adapter_model\.safetensors"):
        export.write_adapter(
            tmp_path, base=tmp_path, renderer=renderer, target=tmp_path / "out", base_name="x", card=""
        )


def test_a_reference_survives_the_disk(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    save_reference(reference, path)
    again = load_reference(path)
    assert again.probes == reference.probes
    assert again.answers == reference.answers
    assert compare(again, reference).largest_difference == 0
    with pytest.raises(ExportError, match="no reference"):
        load_reference(tmp_path / "nothing.safetensors")
