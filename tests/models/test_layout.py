import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save_file

from studio.config import ALL_LINEAR, ATTENTION, CHOSEN
from studio.errors import ConfigError, ModelError
from studio.models.hub import Hub
from studio.models.layout import (
    LinearLayer,
    find_layers,
    read_layout,
    remote_layout,
    select_modules,
    trainable_parameters,
)
from tests.models.conftest import TINY_SHAPES, Shop, pack_shapes

TINY_LAYERS = (
    LinearLayer("model.layers.0.mlp.up_proj", 4, 6),
    LinearLayer("model.layers.0.self_attn.q_proj", 4, 4),
    LinearLayer("model.layers.0.self_attn.v_proj", 4, 2),
)


def llama_2_7b() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (32_000, 4096), "lm_head.weight": (32_000, 4096)}
    for block in range(32):
        prefix = f"model.layers.{block}"
        for name in "qkvo":
            shapes[f"{prefix}.self_attn.{name}_proj.weight"] = (4096, 4096)
        for name in ("gate", "up"):
            shapes[f"{prefix}.mlp.{name}_proj.weight"] = (11_008, 4096)
        shapes[f"{prefix}.mlp.down_proj.weight"] = (4096, 11_008)
        shapes[f"{prefix}.input_layernorm.weight"] = (4096,)
        shapes[f"{prefix}.post_attention_layernorm.weight"] = (4096,)
    shapes["model.norm.weight"] = (4096,)
    return shapes


def test_llama_2_7b_counts_as_published() -> None:
    layout = find_layers(llama_2_7b())
    assert layout.parameters == 6_738_415_616
    assert len(layout.layers) == 32 * 7
    assert trainable_parameters(layout, ("q_proj", "v_proj"), rank=16) == 8_388_608
    assert trainable_parameters(layout, layout.module_names, rank=16) == 39_976_960
    assert trainable_parameters(layout, ("model.layers.1.mlp.up_proj",), rank=8) == 8 * (4096 + 11_008)
    assert trainable_parameters(layout, ("proj",), rank=8) == 0


def test_blocks_stand_in_order() -> None:
    names = [layer.name for layer in find_layers(llama_2_7b()).layers]
    assert [name.split(".")[2] for name in names[::7]] == [str(block) for block in range(32)]


def test_a_file_of_the_library_is_read(tmp_path: Path) -> None:
    save_file(
        {name: numpy.zeros(shape, dtype=numpy.float16) for name, shape in TINY_SHAPES.items()},
        tmp_path / "model.safetensors",
    )
    layout = read_layout(tmp_path)
    assert layout.layers == TINY_LAYERS
    assert layout.parameters == 40 + 16 + 8 + 24 + 4 + 40
    assert layout.module_names == ("up_proj", "q_proj", "v_proj")


def test_shards_are_put_together(tmp_path: Path) -> None:
    halves = [dict(list(TINY_SHAPES.items())[:3]), dict(list(TINY_SHAPES.items())[3:])]
    placed = {}
    for number, half in enumerate(halves, start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        (tmp_path / file).write_bytes(pack_shapes(half))
        placed |= dict.fromkeys(half, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    assert read_layout(tmp_path) == find_layers(TINY_SHAPES)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match="damaged"):
        read_layout(tmp_path)


def test_a_layout_comes_from_the_hub(shop: Shop, tmp_path: Path) -> None:
    shop.repos["owner/model"] = {"config.json": b"{}", "model.safetensors": pack_shapes(TINY_SHAPES)}
    assert remote_layout("owner/model", hub=Hub(endpoint=shop.address, cache=tmp_path)) == find_layers(TINY_SHAPES)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"short",
        b"\xff" * 64,
        pack_shapes(TINY_SHAPES)[:-4],
        pack_shapes(TINY_SHAPES)[:60],
        b"\x02\0\0\0\0\0\0\0[]",
        b'\x10\0\0\0\0\0\0\0{"a":{"shape":1}}',
    ],
)
def test_damaged_files_are_a_sentence(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(body)
    with pytest.raises(ModelError, match="damaged"):
        read_layout(tmp_path)


def test_files_without_a_header_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no safetensors weights"):
        read_layout(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="once it is loaded"):
        read_layout(tmp_path)


def test_packed_weights_say_so() -> None:
    with pytest.raises(ModelError, match="compressed 4-bit"):
        find_layers({"model.layers.0.q_proj.weight": (8, 1), "model.layers.0.q_proj.weight.absmax": (2,)})


def test_experts_and_their_router_are_no_layers() -> None:
    shapes = {
        "model.layers.0.self_attn.q_proj.weight": (4, 4),
        "model.layers.0.mlp.gate.weight": (8, 4),
        "model.layers.0.mlp.experts.3.up_proj.weight": (6, 4),
    }
    assert find_layers(shapes).module_names == ("q_proj",)


def make_model(kind: str) -> Any:
    import transformers

    sizes = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
    if kind == "llama":
        config = transformers.LlamaConfig(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=False,
            **sizes,
        )
    elif kind == "gpt2":
        config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=4, n_positions=32, **sizes)
    else:
        config = transformers.GPTNeoXConfig(
            hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, **sizes
        )
    return transformers.AutoModelForCausalLM.from_config(config)


def linear_layers(model: Any) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of the layers that peft can sit on, as the loaded model tells them."""
    import torch
    from transformers.pytorch_utils import Conv1D

    found = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            found[name] = (module.in_features, module.out_features)
        elif isinstance(module, Conv1D):
            found[name] = (module.nx, module.nf)
    return found


@pytest.mark.parametrize("kind", ["llama", "gpt2", "neox"])
def test_files_tell_what_the_loaded_model_tells(tmp_path: Path, kind: str) -> None:
    model = make_model(kind)
    model.save_pretrained(tmp_path)
    layout = read_layout(tmp_path)
    loaded = linear_layers(model)
    heads = {name for name in loaded if name in ("lm_head", "embed_out")}
    assert len(heads) == 1
    assert {layer.name: (layer.inputs, layer.outputs) for layer in layout.layers} == {
        name: sizes for name, sizes in loaded.items() if name not in heads
    }
    assert layout.parameters == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("kind", ["llama", "gpt2", "neox"])
@pytest.mark.parametrize("targets", [ALL_LINEAR, ATTENTION])
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
def test_peft_sits_where_the_selection_says(tmp_path: Path, kind: str, targets: str) -> None:
    import peft

    model = make_model(kind)
    model.save_pretrained(tmp_path)
    modules = select_modules(tuple(linear_layers(model)), targets=targets, chosen=())
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=list(modules)))
    sat_on = {
        name.removeprefix("base_model.model.").removesuffix(".lora_A.default")
        for name, _ in adapted.named_modules()
        if name.endswith(".lora_A.default")
    }
    layout = read_layout(tmp_path)
    names = {layer.name for layer in layout.layers}
    assert sat_on == {name for name in names if targets == ALL_LINEAR or "attn" in name or "attention" in name}
    trainable, _ = adapted.get_nb_trainable_parameters()
    assert trainable == trainable_parameters(layout, modules, rank=4)


LLAMA_NAMES = ("layers.0.self_attn.q_proj", "layers.0.self_attn.o_proj", "layers.0.mlp.up_proj", "lm_head")
GPT2_NAMES = ("h.0.attn.c_attn", "h.0.attn.c_proj", "h.0.mlp.c_proj", "h.1.attn.c_attn", "h.1.attn.c_proj")


def test_all_linear_leaves_the_head_out() -> None:
    assert select_modules(LLAMA_NAMES, targets=ALL_LINEAR, chosen=()) == ("q_proj", "o_proj", "up_proj")


def test_attention_gives_full_names_where_a_component_is_not_attention_alone() -> None:
    assert select_modules(LLAMA_NAMES, targets=ATTENTION, chosen=()) == ("q_proj", "o_proj")
    assert select_modules(GPT2_NAMES, targets=ATTENTION, chosen=()) == ("c_attn", "h.0.attn.c_proj", "h.1.attn.c_proj")


def test_chosen_modules_must_exist() -> None:
    twice = ("up_proj", "lm_head", "up_proj")
    assert select_modules(LLAMA_NAMES, targets=CHOSEN, chosen=twice) == ("up_proj", "lm_head")
    with pytest.raises(ConfigError, match="no module named w_proj, proj") as trouble:
        select_modules(LLAMA_NAMES, targets=CHOSEN, chosen=("q_proj", "w_proj", "proj"))
    assert "q_proj, o_proj, up_proj, lm_head" in trouble.value.hint
    with pytest.raises(ConfigError, match="No target module is chosen"):
        select_modules(LLAMA_NAMES, targets=CHOSEN, chosen=())


def test_a_model_without_such_layers_says_so() -> None:
    with pytest.raises(ConfigError, match="named as attention"):
        select_modules(("layers.0.mlp.up",), targets=ATTENTION, chosen=())
    with pytest.raises(ConfigError, match="no linear layers"):
        select_modules(("lm_head",), targets=ALL_LINEAR, chosen=())
    with pytest.raises(ConfigError, match="names no target modules"):
        select_modules(LLAMA_NAMES, targets="everything", chosen=())


@pytest.mark.parametrize(
    ("targets", "chosen", "parts"),
    [
        (ALL_LINEAR, (), ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1")),
        (ATTENTION, (), ("self_attn.q_proj", "self_attn.out_proj")),
        (CHOSEN, ("q_proj",), ("self_attn.q_proj",)),
    ],
)
def test_the_part_of_a_model_that_sees_is_left_alone(targets: str, chosen: tuple[str, ...], parts: list[str]) -> None:
    """Of a Gemma 3 that reads images too, half of the adapter sat where no gradient ever came."""
    inner = ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1")
    text = [f"model.language_model.layers.{number}" for number in range(2)]
    seeing = ["model.vision_tower.vision_model.encoder.layers.0", "model.visual.blocks.0"]
    names = [f"{block}.{part}" for block in (*seeing, *text) for part in inner]
    found = select_modules(names, targets=targets, chosen=chosen)
    assert found == tuple(f"{block}.{part}" for block in text for part in parts)
