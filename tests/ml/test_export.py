import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.data.examples import Example
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.ml import export, loading
from studio.ml.batches import TokenRow
from studio.ml.reference import Probe, Reference, compare, load_reference, observe, save_reference
from studio.ml.shipped_check import CONVERSATION, ask_shipped
from tests.ml.conftest import FOUR, FP32, PAD, conversation


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
        shipped = ask_shipped(folder, reference.probes, placement=FP32, base=tiny_model)
    agreement = compare(reference, shipped.reference)
    assert agreement.largest_difference == 0
    assert agreement.same_answers == 3
    assert set(renderer.end_ids) <= set(shipped.end_ids)


def test_a_model_that_answers_differently_is_found_out(tiny_model: Path, reference: Reference) -> None:
    agreement = compare(reference, ask_shipped(tiny_model, reference.probes, placement=FP32).reference)
    assert agreement.largest_difference > export.tolerance(FP32, agreement)
    assert agreement.same_answers < 3


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
