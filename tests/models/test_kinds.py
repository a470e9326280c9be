import json
from pathlib import Path
from typing import Any

import pytest

from studio.errors import ModelError
from studio.models.architecture import read_architecture
from studio.models.base_files import check_base
from studio.models.hub import Hub
from studio.models.kinds import check_kind, original_of
from studio.models.locate import fetch, locate
from tests.models.conftest import TINY_SHAPES, Shop, pack_shapes
from tests.models.known_configs import KNOWN, LLAMA_2_7B


@pytest.mark.parametrize("name", KNOWN)
def test_well_known_decoders_pass(name: str) -> None:
    check_kind(KNOWN[name][0])


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"model_type": "llama", "architectures": ["LlamaModel"]},
        {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": {}},
        {"model_type": "bert", "is_decoder": True, "architectures": ["BertLMHeadModel"]},
        {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM", "Qwen3ForSequenceClassification"]},
        {"model_type": "llama", "quantization_config": None},
    ],
)
def test_decoders_however_they_are_described(document: dict[str, Any]) -> None:
    check_kind(document)


@pytest.mark.case("65-not-a-decoder")
@pytest.mark.parametrize(
    "document",
    [
        {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
        {"model_type": "roberta"},
        {"model_type": "t5", "is_encoder_decoder": True},
        {"model_type": "unheard", "is_encoder_decoder": True},
        {"model_type": "clip", "text_config": {"model_type": "clip_text_model"}},
        {"model_type": "qwen2", "architectures": ["Qwen2Model"], "is_causal": False},
        {"model_type": "gemma3_text", "architectures": ["Gemma3TextModel"], "use_bidirectional_attention": True},
    ],
)
def test_what_reads_both_ways_is_no_decoder(document: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="is not a decoder"):
        check_kind(document)


@pytest.mark.case("65-not-a-decoder")
@pytest.mark.parametrize("head", ["SequenceClassification", "TokenClassification", "QuestionAnswering", "RewardModel"])
def test_a_decoder_with_another_head_is_named(head: str) -> None:
    document = {"model_type": "llama", "architectures": [f"LlamaFor{head}"]}
    with pytest.raises(ModelError, match=f"made for another task .LlamaFor{head}"):
        check_kind(document)


@pytest.mark.case("66-mamba")
@pytest.mark.parametrize("family", ["mamba", "mamba2", "falcon_mamba", "rwkv"])
def test_a_state_space_model_is_said_to_be_one(family: str) -> None:
    with pytest.raises(ModelError, match=rf"\({family}\) is a state-space model"):
        check_kind({"model_type": family})


@pytest.mark.case("64-packed-by-another-tool")
@pytest.mark.parametrize("method", "gptq awq aqlm hqq fp8 mxfp4 bitsandbytes torchao compressed-tensors bitnet".split())
def test_packed_weights_name_the_tool(method: str) -> None:
    for packing in (
        {"quantization_config": {"quant_method": method}},
        {"compression_config": {"quant_method": method}},
    ):
        for document in (LLAMA_2_7B | packing, {"model_type": "llava", "text_config": LLAMA_2_7B | packing}):
            with pytest.raises(ModelError, match=rf"compressed by another tool \({method}\).*QLoRA"):
                check_kind(document)


@pytest.mark.parametrize(
    ("name", "config", "original"),
    [
        ("unsloth/Llama-3.2-1B-Instruct-unsloth-bnb-4bit", {}, "unsloth/Llama-3.2-1B-Instruct"),
        ("TheBloke/Mistral-7B-v0.1-GPTQ", {}, "TheBloke/Mistral-7B-v0.1"),
        ("Qwen/Qwen3-4B-FP8", {}, "Qwen/Qwen3-4B"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", {}, "Qwen/Qwen2.5-7B-Instruct"),
        ("someone/packed", {"_name_or_path": "Qwen/Qwen3-4B"}, "Qwen/Qwen3-4B"),
        ("someone/packed", {"_name_or_path": "/home/me/model"}, ""),
        ("someone/packed", {"_name_or_path": 3}, ""),
    ],
)
def test_a_packed_model_names_the_one_that_it_was_made_of(name: str, config: dict[str, Any], original: str) -> None:
    """One in 4 bits of bitsandbytes was forecast wrongly, and its adapter merged into 4 bits."""
    assert original_of(name, config) == original
    packing = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    with pytest.raises(ModelError, match=f"probably {original}," if original else "Choose the original model instead"):
        check_kind(LLAMA_2_7B | config | packing, name=name)


@pytest.mark.case("64-packed-by-another-tool")
def test_packed_weights_whose_config_does_not_say_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="compressed by another tool"):
        check_kind(LLAMA_2_7B | {"quantization": {"group_size": 64, "bits": 4}})
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_2_7B))
    for part in ("qweight", "scales", "weight_packed", "weight_scale"):
        (tmp_path / "model.safetensors").write_bytes(pack_shapes({f"model.layers.0.self_attn.q_proj.{part}": (4, 4)}))
        with pytest.raises(ModelError, match="compressed by another tool"):
            check_base(tmp_path)


@pytest.mark.parametrize("case", ["folder", "architecture"])
def test_the_look_up_of_a_model_tells_its_kind(case: str, tmp_path: Path) -> None:
    document = {"model_type": "mamba", "hidden_size": 4}
    if case == "architecture":
        with pytest.raises(ModelError, match="state-space"):
            read_architecture(document)
        return
    (tmp_path / "config.json").write_text(json.dumps(document))
    (tmp_path / "model.safetensors").write_bytes(pack_shapes(TINY_SHAPES))
    with pytest.raises(ModelError, match="state-space"):
        locate(str(tmp_path), tmp_path)


def test_no_weight_is_fetched_of_a_model_that_cannot_be_trained(shop: Shop, tmp_path: Path) -> None:
    shop.repos["some/encoder"] = {
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": pack_shapes(TINY_SHAPES),
    }
    hub = Hub(shop.address, cache=tmp_path / "cache")
    with pytest.raises(ModelError, match="not a decoder"):
        fetch("some/encoder", tmp_path, report=lambda *_: None, should_stop=lambda: False, hub=hub)
    assert not [path for path, _ in shop.asked if path.endswith(".safetensors")]
