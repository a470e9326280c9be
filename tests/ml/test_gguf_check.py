"""A GGUF, asked by llama.cpp and held against the model that it was made of: whole, and damaged in many ways."""

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.ml import gguf_check, loading
from studio.ml.gguf_check import Asked, Likeness, Prompt
from studio.ml.gguf_prompts import OWN
from studio.ml.gguf_writing import write_gguf
from studio.models.download import Stopped
from tests.ml.conftest import FP32
from tests.tiny_model import write_tiny_gguf_base, write_tiny_model

ASKED = (*OWN, (Message("user", "Is number 7 red?"),))


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf_base(tmp_path_factory.mktemp("gguf") / "model")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    file = folder.parent / "whole.gguf"
    write_gguf(folder, file, quantisation="f16", should_stop=never)
    return file


@pytest.fixture
def renderer(folder: Path) -> ChatRenderer:
    return ChatRenderer.load(folder)


@pytest.fixture
def prompts(renderer: ChatRenderer) -> list[Prompt]:
    return gguf_check.prompts_of(ASKED, renderer)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy2(whole, tmp_path / "copy.gguf"))


def ask(file: Path, prompts: list[Prompt], renderer: ChatRenderer) -> Asked:
    questions = [prompt.ids for prompt in prompts]
    return gguf_check.ask_llama(file, prompts, questions=questions, ends=renderer.end_ids, should_stop=never)


def likeness(model: torch.nn.Module, prompts: list[Prompt], asked: Asked) -> Likeness:
    return gguf_check.hold_against(model, [prompt.ids for prompt in prompts], asked)


def replaced(file: Path, old: bytes, new: bytes, *, nth: int = 0) -> None:
    """Change some bytes of a file for as many others."""
    assert len(old) == len(new)
    parts = file.read_bytes().split(old)
    assert len(parts) > nth + 1
    file.write_bytes(old.join(parts[: nth + 1]) + new + old.join(parts[nth + 1 :]))


def test_a_whole_file_writes_and_answers_as_the_model(
    folder: Path, whole: Path, prompts: list[Prompt], renderer: ChatRenderer
) -> None:
    """And one whose model has another alpha than the run is found out."""
    asked = ask(whole, prompts, renderer)
    gguf_check.ensure_same_prompts(prompts, asked, renderer)
    model = loading.load_base(folder, FP32)
    found = likeness(model, prompts, asked)
    gguf_check.ensure_like(found, quantisation="f16")
    assert found.same_answers == found.answers == 4
    assert found.same_tokens == found.tokens > 4
    assert 0 <= found.divergence < 1e-5

    torch.manual_seed(3)
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=1, target_modules=["q_proj", "down_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    with pytest.raises(ExportError, match="does not answer like the run"):
        gguf_check.ensure_like(likeness(adapted, prompts, asked), quantisation="f16")


@pytest.mark.parametrize("share", [1.02, 0.0], ids=["scaled", "zeroed"])
def test_one_changed_tensor_fails(
    folder: Path, copy: Path, prompts: list[Prompt], renderer: ChatRenderer, share: float
) -> None:
    reader = gguf.GGUFReader(copy, "r+")
    tensor = next(each for each in reader.tensors if each.name == "blk.1.ffn_down.weight")
    tensor.data[:] = (tensor.data.astype(np.float32) * share).astype(np.float16)
    reader.data.flush()
    asked = ask(copy, prompts, renderer)
    gguf_check.ensure_same_prompts(prompts, asked, renderer)
    with pytest.raises(ExportError, match="does not answer like the run"):
        gguf_check.ensure_like(likeness(loading.load_base(folder, FP32), prompts, asked), quantisation="f16")


def test_another_template_fails_and_the_place_is_named(
    copy: Path, prompts: list[Prompt], renderer: ChatRenderer
) -> None:
    replaced(copy, b"<|im_start|>assistant", b"<|im_start|>assisting")
    with pytest.raises(ExportError, match="in another way: from character") as caught:
        gguf_check.ensure_same_prompts(prompts, ask(copy, prompts, renderer), renderer)
    assert "assisting" in caught.value.message


def test_a_special_token_that_is_missing_fails_and_is_named(
    copy: Path, prompts: list[Prompt], renderer: ChatRenderer
) -> None:
    replaced(copy, b"<|im_start|>", b"<|im_stort|>")  # the first is that of the vocabulary
    with pytest.raises(ExportError, match="as other tokens: token 1 of") as caught:
        gguf_check.ensure_same_prompts(prompts, ask(copy, prompts, renderer), renderer)
    assert "'<|im_start|>'" in caught.value.message


def test_a_file_that_does_not_stop_where_the_run_does_fails(
    whole: Path, prompts: list[Prompt], renderer: ChatRenderer
) -> None:
    asked = ask(whole, prompts, renderer)
    assert asked.ends == renderer.end_ids
    with pytest.raises(ExportError, match="does not stop where the run does"):
        gguf_check.ensure_same_prompts(prompts, replace(asked, ends=()), renderer)


def test_a_cut_file_is_a_sentence(whole: Path, tmp_path: Path, prompts: list[Prompt], renderer: ChatRenderer) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(ExportError, match=r"llama\.cpp cannot load the GGUF"):
        ask(cut, prompts, renderer)


def test_a_divergence_that_is_no_number_fails() -> None:
    with pytest.raises(ExportError, match="diverges"):
        gguf_check.ensure_like(Likeness(1, 1, 9, 9, float("nan")), quantisation="q8_0")


def test_a_tokenizer_that_cannot_be_carried_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot carry the tokenizer of this model"):
        write_gguf(write_tiny_model(tmp_path / "model"), tmp_path / "x.gguf", quantisation="q4_k_m", should_stop=never)
    assert not (tmp_path / "x.gguf").exists()


def test_a_model_that_llama_does_not_know_is_refused(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    (other / "config.json").write_text(json.dumps({**config, "architectures": ["OtterForCausalLM"]}), encoding="utf-8")
    with pytest.raises(ExportError, match=r"does not know models of this kind \(OtterForCausalLM\)"):
        write_gguf(other, tmp_path / "x.gguf", quantisation="f16", should_stop=never)


@pytest.mark.security
def test_code_that_a_base_brings_is_not_run(tmp_path: Path) -> None:
    """The converter asks transformers to trust it, where the family is known nothing before had refused such a base."""
    other, mark = write_tiny_model(tmp_path / "other"), tmp_path / "it ran"
    (other / "evil.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Evil: ...\n")
    for name, called in (("config.json", "AutoConfig"), ("tokenizer_config.json", "AutoTokenizer")):
        settings = json.loads((other / name).read_text(encoding="utf-8"))
        named = {"auto_map": {called: ["evil.Evil"] * 2 if called == "AutoTokenizer" else "evil.Evil"}}
        (other / name).write_text(json.dumps(settings | named), encoding="utf-8")
    with pytest.raises(ExportError, match="tokenizer"):
        write_gguf(other, tmp_path / "x.gguf", quantisation="f16", should_stop=never)
    assert not mark.exists()
    assert not (other / "evil.py").exists(), "what is not there cannot be trusted"
    assert "auto_map" not in (other / "config.json").read_text(encoding="utf-8")
    assert "auto_map" not in (other / "tokenizer_config.json").read_text(encoding="utf-8")


def test_it_stops_when_asked_to(folder: Path, tmp_path: Path) -> None:
    asked = threading.Event()
    asked.set()
    began = time.monotonic()
    with pytest.raises(Stopped):
        write_gguf(folder, tmp_path / "x.gguf", quantisation="q4_k_m", should_stop=asked.is_set)
    assert time.monotonic() - began < 3
    assert not (tmp_path / "x.gguf").exists()
