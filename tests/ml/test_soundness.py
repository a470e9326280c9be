from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, LlamaForCausalLM

from studio.config import RunConfig
from studio.errors import ConfigError, ModelError
from studio.ml import loading
from studio.ml.methods import make_trainable
from studio.ml.soundness import ensure_sound
from tests.ml.conftest import FP32
from tests.ml.tiny_families import FAMILIES, make_model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_decoder_of_every_family_is_sound(family: str, dtype: torch.dtype) -> None:
    ensure_sound(make_model(family).to(dtype))


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("weight", ["model.layers.1.mlp.up_proj.weight", "model.embed_tokens.weight"])
def test_a_weight_that_is_no_number_is_named(value: float, weight: str) -> None:
    """The learning rate was blamed for it."""
    model = make_model("qwen2")
    with torch.no_grad():
        model.get_parameter(weight)[-1, -1] = value
    with pytest.raises(ModelError, match=f"broken: its weight {weight} holds NaN or infinity"):
        ensure_sound(model)


@pytest.mark.case("63-nan-in-the-base")
def test_answers_that_are_no_numbers_though_the_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("qwen2")
    with torch.no_grad():
        for name in ("up_proj", "gate_proj"):
            model.get_parameter(f"model.layers.0.mlp.{name}.weight").fill_(1e30)
    with pytest.raises(ModelError, match="answers with what is no number"):
        ensure_sound(model)


@pytest.mark.case("65-not-a-decoder")
@pytest.mark.parametrize("dtype", [torch.float32])
def test_an_encoder_is_told_by_its_answers(dtype: torch.dtype) -> None:
    sizes: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    for is_decoder in (False, True):
        torch.manual_seed(0)
        config = BertConfig(vocab_size=97, intermediate_size=128, is_decoder=is_decoder, **sizes)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
        if is_decoder:
            ensure_sound(model)
        else:
            with pytest.raises(ModelError, match="not a decoder"):
                ensure_sound(model)


def test_a_model_stored_without_its_head_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """transformers fills what is missing with random numbers, and the run learned from those."""
    model = LlamaForCausalLM.from_pretrained(tiny_model)
    model.model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lack weights that a language model has: lm_head\.weight"):
        loading.load_base(tmp_path, FP32)


@pytest.mark.case("66-mamba")
def test_modules_that_peft_refuses_are_a_sentence() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    base = MambaForCausalLM(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=1, state_size=4))
    with pytest.raises(ConfigError, match=r"cannot sit on some of the target modules.*out_proj"):
        make_trainable(base, RunConfig(rank=2))


def test_a_packed_base_that_only_answers_is_refused() -> None:
    base = make_model("llama")

    class Packed:
        is_trainable = False
        quantization_config = type("Named", (), {"quant_method": "mxfp4"})()

    base.hf_quantizer = Packed()
    with pytest.raises(ModelError, match=r"packed \(mxfp4\) in a way that only answers"):
        make_trainable(base, RunConfig(rank=2))
