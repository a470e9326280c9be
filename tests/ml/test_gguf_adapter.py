"""An adapter as a GGUF: llama.cpp with it on a GGUF of the base, held against peft; whole, damaged, and refused."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.ml import export, gguf_check, gguf_converting, loading
from studio.ml.gguf_halves import ensure_same_halves
from studio.ml.gguf_prompts import OWN
from studio.ml.gguf_writing import write_gguf
from tests.ml.conftest import FP32
from tests.ml.tiny_families import FAMILIES, make_model
from tests.tiny_model import write_tiny_gguf_base

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPTS = (*OWN, (Message("user", "Is number 7 red?"),))


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf_base(tmp_path_factory.mktemp("gguf") / "base")


@pytest.fixture(scope="module")
def whole(base: Path) -> Path:
    """The base without code beside it, and its GGUF."""
    folder = base.parent / "linked"
    export.write_base(base, renderer=ChatRenderer.load(base), target=folder)
    assert (folder / "model.safetensors").is_symlink()
    write_gguf(folder, base.parent / "base.gguf", quantisation="f16", should_stop=never)
    return base.parent / "base.gguf"


def write_adapter(base: Path, folder: Path, **settings: Any) -> Path:
    """Write an adapter of random numbers on every layer."""
    torch.manual_seed(0)
    options = {"r": 8, "lora_alpha": 16, "target_modules": ALL, "task_type": "CAUSAL_LM"} | settings
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**options))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    return folder


def likeness(base: Path, whole: Path, file: Path, adapter: Path | None, *, scale: float = 1.0) -> gguf_check.Likeness:
    """Ask llama.cpp with the adapter in `file`, and hold that against the base with `adapter`."""
    renderer = ChatRenderer.load(base)
    prompts = gguf_check.prompts_of(PROMPTS, renderer)
    questions = [prompt.ids for prompt in prompts]
    asked = gguf_check.ask_llama(
        whole, prompts, questions=questions, ends=renderer.end_ids, should_stop=never, adapter=file, scale=scale
    )
    gguf_check.ensure_same_prompts(prompts, asked, renderer)
    model = loading.load_base(base, FP32)
    return gguf_check.hold_against(model if adapter is None else loading.load_adapter(model, adapter), questions, asked)


@pytest.mark.parametrize(
    "settings",
    [{}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 4}, "alpha_pattern": {"down_proj": 3}}],
    ids=["plain", "rslora", "patterns"],
)
def test_it_answers_as_the_tuned_model_and_at_scale_0_as_the_base(
    base: Path, whole: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    adapter = write_adapter(base, tmp_path / "adapter", **settings)
    file = tmp_path / "adapter.gguf"
    write_gguf(base, file, quantisation="f16", should_stop=never, adapter=adapter)
    ensure_same_halves(file, adapter)
    tuned = likeness(base, whole, file, adapter)
    gguf_check.ensure_like(tuned, quantisation="f16")
    assert tuned.same_tokens == tuned.tokens > 4
    plain = likeness(base, whole, file, None, scale=0.0)
    gguf_check.ensure_like(plain, quantisation="f16")
    with pytest.raises(ExportError, match="does not answer like the run"):
        gguf_check.ensure_like(likeness(base, whole, file, None), quantisation="f16")


@pytest.mark.parametrize("fault", ["scaled", "zeroed", "alpha"])
def test_a_damaged_one_is_found_out(base: Path, whole: Path, tmp_path: Path, fault: str) -> None:
    adapter = write_adapter(base, tmp_path / "adapter")
    given = adapter
    if fault == "alpha":
        given = Path(shutil.copytree(adapter, tmp_path / "other"))
        settings = json.loads((given / "adapter_config.json").read_text())
        (given / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 17}))
    file = tmp_path / "adapter.gguf"
    write_gguf(base, file, quantisation="f16", should_stop=never, adapter=given)
    if fault != "alpha":
        reader = gguf.GGUFReader(file, "r+")
        (tensor,) = (each for each in reader.tensors if each.name == "blk.1.ffn_down.weight.lora_b")
        tensor.data[:] = tensor.data * np.float32({"scaled": 1.02, "zeroed": 0.0}[fault])
        reader.data.flush()
    with pytest.raises(ExportError, match="does not hold what the run learned"):
        ensure_same_halves(file, adapter)
    if fault != "scaled":  # 2 % of one matrix of 14 hide in what rounding explains
        with pytest.raises(ExportError, match="does not answer like the run"):
            gguf_check.ensure_like(likeness(base, whole, file, adapter), quantisation="f16")


class Converter:
    """A converter that stores a layer in a way of its own."""

    def __init__(self, moved: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._moved = moved

    @classmethod
    def filter_tensors(cls, item: tuple[str, Callable[[], torch.Tensor]]) -> Any:
        return None if "dropped" in item[0] else item

    def modify_tensors(self, tensor: torch.Tensor, name: str, bid: int | None) -> list[tuple[str, torch.Tensor]]:
        assert bid == 3
        return [(f"blk.3.{name}", self._moved(tensor))]


def places(moved: Callable[[torch.Tensor], torch.Tensor], module: str = "layers.3.x", **settings: Any) -> Any:
    return gguf_converting._places(Converter(moved), module, 6, 4, settings=settings)


def test_rows_that_are_moved_are_moved_alike() -> None:
    ((name, rows),) = places(lambda tensor: tensor.reshape(2, 3, 4).swapaxes(0, 1).reshape(6, 4))
    assert (name, rows.tolist()) == ("blk.3.layers.3.x.weight", [0, 3, 1, 4, 2, 5])
    ((_, rows),) = places(lambda tensor: tensor[2:4])
    assert rows.tolist() == [2, 3]
    ((_, rows),) = places(lambda tensor: tensor.T, fan_in_fan_out=True)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "moved",
    [
        lambda tensor: tensor.T,
        lambda tensor: tensor + 1,
        lambda tensor: tensor[:, [1, 0, 2, 3]],
        lambda tensor: tensor[0],
    ],
    ids=["transposed", "added to", "columns", "a row"],
)
def test_anything_else_is_refused(moved: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises(gguf_converting.Refused, match=r"layers\.3\.x"):
        places(moved)
    with pytest.raises(gguf_converting.Refused):
        places(lambda tensor: tensor, "layers.3.dropped")


def test_b_is_scaled_where_llama_would_scale_otherwise() -> None:
    settings = {"lora_alpha": 16, "alpha_pattern": {"down_proj": 4}}
    assert gguf_converting._factor(settings, "layers.0.up_proj", rank=8) == 1
    assert gguf_converting._factor(settings, "layers.0.down_proj", rank=8) == 0.25
    assert gguf_converting._factor({"lora_alpha": 16, "use_rslora": True}, "x", rank=4) == math.sqrt(4)


@pytest.mark.parametrize("fault", ["lora_magnitude_vector.weight", "lora_embedding_A", "modules_to_save.weight"])
def test_what_no_gguf_holds_is_a_sentence(base: Path, tmp_path: Path, fault: str) -> None:
    from safetensors.torch import load_file, save_file

    adapter = write_adapter(base, tmp_path / "adapter")
    weights = adapter / "adapter_model.safetensors"
    save_file({**load_file(weights), f"base_model.model.lm_head.{fault}": torch.ones(4)}, weights)
    with pytest.raises(ExportError, match=r"no place for what it learned at base_model\.model\.lm_head"):
        write_gguf(base, tmp_path / "x.gguf", quantisation="f16", should_stop=never, adapter=adapter)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "mixtral"])
def test_every_family_has_a_place_for_each_of_its_layers(family: str, base: Path, tmp_path: Path) -> None:
    """The converter itself is asked where each matrix goes; a merged one and the moved halves must come out alike."""
    model = make_model(family)
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(base / name, tmp_path / name)
    converter = gguf_converting._converter(tmp_path, tmp_path / "x.gguf", gguf.LlamaFileType.MOSTLY_F16)
    settings = {"lora_alpha": 16, "fan_in_fan_out": family == "gpt2"}
    kinds = (torch.nn.Linear, type(model.transformer.h[0].attn.c_attn)) if family == "gpt2" else (torch.nn.Linear,)
    found = 0
    for module, layer in model.named_modules():
        if not isinstance(layer, kinds) or module.endswith(("lm_head", "embed_out")):
            continue
        weight = layer.weight.detach()
        outputs, inputs = reversed(weight.shape) if family == "gpt2" else weight.shape
        left, right = torch.randn(outputs, 3), torch.randn(3, inputs)
        delta = left @ right
        block = next(int(part) for part in module.split(".") if part.isdecimal())
        moved = dict(converter.modify_tensors(delta.T if family == "gpt2" else delta, f"{module}.weight", block))
        for name, rows in gguf_converting._places(converter, module, outputs, inputs, settings=settings):
            assert torch.allclose(left[rows] @ right, moved[name], atol=1e-5)
            found += 1
    assert found >= 8
