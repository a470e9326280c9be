import json
from pathlib import Path
from typing import Any

import pytest

from studio.config import ALL_LINEAR, ATTENTION
from studio.errors import ModelError
from studio.models.architecture import UnknownFamily, architecture_in, read_architecture
from studio.models.families import FAMILIES
from studio.models.layout import find_layers, select_modules, trainable_parameters
from tests.models.conftest import TINY_SHAPES, pack_shapes
from tests.models.known_configs import KNOWN, LLAMA_2_7B


@pytest.mark.parametrize("name", KNOWN)
def test_a_well_known_model_counts_as_published(name: str) -> None:
    document, parameters = KNOWN[name]
    assert read_architecture(document).parameters == parameters


def test_every_family_has_a_well_known_model() -> None:
    assert {str(document["model_type"]) for document, _ in KNOWN.values()} == set(FAMILIES)


def on_meta(document: dict[str, Any]) -> Any:
    """Build the model in transformers without any memory."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    config = CONFIG_MAPPING[document["model_type"]](**{k: v for k, v in document.items() if k != "model_type"})
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_layers_and_adapters_are_those_of_transformers_and_peft(name: str) -> None:
    from peft import LoraConfig, get_peft_model

    from studio.ml.loading import linear_names, parameter_counts

    document, _ = KNOWN[name]
    architecture = read_architecture(document)
    model = on_meta(document)
    assert architecture.parameters == sum(parameter.numel() for parameter in model.parameters())
    names = linear_names(model)
    assert sorted(layer.name for layer in architecture.layout.layers) == sorted(names)
    modules = dict(model.named_modules())
    for layer in architecture.layout.layers[:12]:
        shape = tuple(modules[layer.name].weight.shape)
        assert (layer.outputs, layer.inputs) == (shape[::-1] if document["model_type"] == "gpt2" else shape)
    assert architecture.tied == (model.get_output_embeddings().weight is model.get_input_embeddings().weight)
    targets = select_modules(names, targets=ATTENTION, chosen=())
    adapted = get_peft_model(
        model, LoraConfig(r=16, target_modules=list(targets), fan_in_fan_out=document["model_type"] == "gpt2")
    )
    assert trainable_parameters(architecture.layout, targets, rank=16) == parameter_counts(adapted)[1]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Llama-2-7B", {"attention_bias": True, "mlp_bias": True}),
        ("phi-2", {"qk_layernorm": True}),
        ("pythia-410m", {"attention_bias": False}),
        ("Qwen1.5-MoE-A2.7B", {"mlp_only_layers": [0, 3], "decoder_sparse_step": 2}),
        ("Qwen3-30B-A3B", {"num_experts": 16, "mlp_only_layers": [1]}),
        ("gpt2", {"n_inner": 1000, "n_positions": 64}),
        ("gemma-2b", {"tie_word_embeddings": False}),
    ],
)
def test_what_config_json_may_say_otherwise_counts(name: str, changes: dict[str, Any]) -> None:
    from studio.ml.loading import linear_names

    document = {**KNOWN[name][0], **changes, **({} if name == "gpt2" else {"num_hidden_layers": 6})}
    architecture, model = read_architecture(document), on_meta(document)
    assert architecture.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert sorted(layer.name for layer in architecture.layout.layers) == sorted(linear_names(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_config_json_leaves_out_is_what_transformers_takes(family: str) -> None:
    from transformers import CONFIG_MAPPING

    needed = {"hidden_size": 2048, "intermediate_size": 512, "num_hidden_layers": 2, "vocab_size": 200_000}
    document = {"model_type": family, **needed, "num_attention_heads": 32}
    if family == "gpt2":
        document = {"model_type": family, "n_embd": 2048, "n_layer": 2, "n_head": 32, "vocab_size": 200_000}
    sparse = dict.fromkeys(("num_experts", "num_local_experts"), 8) if FAMILIES[family].experts else {}
    assert family in CONFIG_MAPPING
    model = on_meta({**document, **sparse})
    architecture = read_architecture({**document, **sparse})
    assert architecture.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_llama_2_7b_has_the_published_number_of_trainable_parameters() -> None:
    architecture = read_architecture(LLAMA_2_7B)
    assert trainable_parameters(architecture.layout, ("q_proj", "v_proj"), rank=16) == 8_388_608
    everything = select_modules([layer.name for layer in architecture.layout.layers], targets=ALL_LINEAR, chosen=())
    assert trainable_parameters(architecture.layout, everything, rank=16) == 39_976_960
    assert architecture.linear_parameters == 32 * (4 * 4096**2 + 3 * 4096 * 11_008)
    assert architecture.context == 4096


def test_the_numbers_of_a_mixture_are_those_that_a_token_meets() -> None:
    architecture = read_architecture(KNOWN["Qwen1.5-MoE-A2.7B"][0])
    assert (architecture.experts, architecture.experts_per_token) == (60, 4)
    assert architecture.intermediate == 4 * 1408 + 5632


def test_the_text_model_inside_gemma_3_counts() -> None:
    inner = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10_240, "num_hidden_layers": 34}
    architecture = read_architecture({"model_type": "gemma3", "text_config": inner})
    assert (architecture.family, architecture.layers, architecture.vocabulary) == ("gemma3_text", 34, 262_208)


def test_an_unknown_family_takes_its_layers_from_its_files(tmp_path: Path) -> None:
    document = {"model_type": "starcoder9", "n_embd": 4, "n_layer": 1, "n_head": 2, "vocab_size": 10, "n_ctx": 99}
    with pytest.raises(UnknownFamily, match="starcoder9"):
        read_architecture(document)
    architecture = read_architecture(document, find_layers(TINY_SHAPES))
    assert (architecture.hidden, architecture.layers, architecture.heads, architecture.context) == (4, 1, 2, 99)
    assert architecture.layout == find_layers(TINY_SHAPES)
    (tmp_path / "config.json").write_text(json.dumps(document))
    (tmp_path / "model.safetensors").write_bytes(pack_shapes(TINY_SHAPES))
    assert architecture_in(tmp_path) == architecture


@pytest.mark.parametrize(
    ("says", "stored"),
    [
        ({"dtype": "bfloat16"}, "bf16"),
        ({"torch_dtype": "float16"}, "fp16"),
        ({}, "fp32"),
        ({"dtype": "float8"}, "fp32"),
    ],
)
def test_the_number_format_of_the_files(says: dict[str, str], stored: str) -> None:
    assert read_architecture({**LLAMA_2_7B, **says}).stored == stored


def test_a_known_family_needs_no_files_beside_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_2_7B))
    assert architecture_in(tmp_path) == read_architecture(LLAMA_2_7B)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"model_type": "bert", "hidden_size": 8}, "not a decoder"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "not a decoder"),
        ({"model_type": "chatglm", "auto_map": {"AutoModel": "x.Y"}}, "run code"),
        ({"model_type": "llama"}, "does not say its hidden_size"),
        ({"model_type": "llama", "hidden_size": "many"}, "hidden_size"),
        ({}, "unnamed"),
    ],
)
def test_what_cannot_be_forecast_is_a_sentence(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        read_architecture(document)


def test_a_folder_without_a_config_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        architecture_in(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="does not describe a model"):
        architecture_in(tmp_path)
