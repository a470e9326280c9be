"""Adapters that say or hold what an honest one would not: each is a sentence before any memory is taken for it."""

import math
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from studio.errors import ModelError
from studio.models.adapter_files import Base, check_adapter
from studio.models.adapter_settings import MOST_RANK, read_document, read_settings
from studio.models.layout import LinearLayer
from studio.models.tensor_files import read_header
from tests.tiny_adapter import HALVES, LAYER, with_header, write_adapter

pytestmark = pytest.mark.security

TABLE = LinearLayer("model.embed_tokens", inputs=6, outputs=10)
BASE = Base(
    layers=(LinearLayer("model.layers.0.self_attn.q_proj", inputs=6, outputs=8), LinearLayer("lm_head", 6, 10)),
    word_modules=(TABLE, LinearLayer("lm_head", 6, 10)),
)


def tensor(dtype: object = "F32", shape: object = (1,), offsets: object = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_an_honest_adapter_is_taken(tmp_path: Path) -> None:
    """What all the other tests start from must itself be allowed, or they could not fail."""
    assert check_adapter(write_adapter(tmp_path), BASE).rank == 2
    write_adapter(
        tmp_path, HALVES | {f"{LAYER}.lora_magnitude_vector": [8]}, use_dora=True, init_lora_weights="orthogonal"
    )
    assert check_adapter(tmp_path, BASE).dora
    whole = {"base_model.model.model.embed_tokens.weight": [10, 6]}
    assert check_adapter(write_adapter(tmp_path, HALVES | whole, modules_to_save=["embed_tokens"]), BASE).saved_whole
    ranks = {f"{LAYER}.lora_A.weight": [3, 6], f"{LAYER}.lora_B.weight": [8, 3]}
    assert check_adapter(write_adapter(tmp_path, ranks, rank_pattern={"self_attn.q_proj": 3}), BASE).largest_rank == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_modules", "(x+x+)+y|(.+.+)+_nothing$"),
        ("target_modules", "all-linear"),
        ("target_modules", ["q_proj", "(.+.+)+$"]),
        ("target_modules", {"q_proj": 1}),
        ("target_modules", []),
        ("target_modules", [f"m{number}" for number in range(5000)]),
        ("target_modules", ["base_layer"]),
        ("target_modules", [["q_proj"]]),
        ("r", 2**26),
        ("r", 2.0),
        ("r", True),
        ("r", "2"),
        ("r", 0),
        ("r", -2),
        ("r", MOST_RANK + 1),
        ("lora_alpha", math.nan),
        ("lora_alpha", math.inf),
        ("lora_alpha", 10**400),
        ("lora_dropout", -0.5),
        ("lora_dropout", "much"),
        ("rank_pattern", {"(a|a)+$": 4}),
        ("rank_pattern", {"q_proj": 2**40}),
        ("rank_pattern", [["q_proj", 4]]),
        ("alpha_pattern", {"^.*q_proj": 4}),
        ("alpha_pattern", {"q_proj": math.nan}),
        ("megatron_config", {"a": 1}),
        ("megatron_core", "antigravity"),
        ("loftq_config", {"loftq_bits": 4}),
        ("eva_config", {"rho": 2}),
        ("corda_config", {"cache_file": "/tmp/x"}),
        ("layer_replication", [[0, 10**6]]),
        ("auto_mapping", {"base_model_class": "x", "parent_library": "y"}),
        ("exclude_modules", "(a+)+$"),
        ("modules_to_save", "lm_head"),
        ("target_parameters", ["experts"]),
        ("trainable_token_indices", [1]),
        ("init_lora_weights", "pissa"),
        ("init_lora_weights", "pissa_niter_1000000000"),
        ("bias", "all"),
        ("revision", "main"),
        ("tokenizer_kwargs", {"trust_remote_code": True}),
        ("runtime_config", {"ephemeral_gpu_offload": True}),
        ("nobody_knows", 1),
        ("task_type", "SEQ_CLS"),
    ],
)
def test_a_setting_that_peft_would_act_on_is_refused_by_name(tmp_path: Path, name: str, value: object) -> None:
    """A regular expression hung the chat for everybody, a rank of 2**26 asked for 154 GB, megatron_core was run."""
    with pytest.raises(ModelError, match=f"'{name}'|read"):
        check_adapter(write_adapter(tmp_path, **{name: value}))


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "LOHA", None, 7, ["LORA"]])
def test_only_lora_is_taken(tmp_path: Path, kind: object) -> None:
    """Prompt tuning fetched the tokenizer that it named, with the code that came with it."""
    with pytest.raises(ModelError, match="not LoRA"):
        check_adapter(write_adapter(tmp_path, peft_type=kind))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "nope", '{"a":' + "[" * 90_000 + "]" * 90_000 + "}", " " * 2_000_000]
)
def test_settings_that_are_none_are_a_sentence(tmp_path: Path, text: str) -> None:
    """Deeply nested settings ended in a RecursionError."""
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError):
        read_settings(read_document(tmp_path))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        with_header("[" * 100_000),
        with_header([]),
        with_header({"t": tensor(dtype="F128")}, 4),
        with_header({"t": tensor(dtype=["F32"])}, 4),
        with_header({"t": tensor(shape=[-1, -1])}, 4),
        with_header({"t": tensor(shape=[1.0])}, 4),
        with_header({"t": tensor(shape=[True])}, 4),
        with_header({"t": tensor(shape=[2**32, 2**32])}, 4),
        with_header({"t": tensor(shape=[2**62, 4])}, 4),
        with_header({"t": tensor(offsets=[0, 2**60])}, 4),
        with_header({"t": tensor(offsets=[4, 0])}, 4),
        with_header({"t": tensor(offsets=[-4, 0])}, 4),
        with_header({"t": tensor(), "u": tensor()}, 8),
        with_header({"t": tensor(), "u": tensor(offsets=[8, 12])}, 12),
        with_header({"t": tensor()}, 8),
        with_header({"t": tensor() | {"more": 1}}, 4),
        with_header({"t": 1}),
    ],
)
def test_a_header_that_lies_is_damaged(tmp_path: Path, body: bytes) -> None:
    """A header's length and spans were believed."""
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(body)
    with pytest.raises(ModelError, match="damaged"):
        read_header(path)


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {f"{LAYER}.lora_A.weight": [2, 6]},
        {f"{LAYER}.lora_A.weight": [3, 6], f"{LAYER}.lora_B.weight": [8, 3]},
        {f"{LAYER}.lora_A.weight": [2, 6], f"{LAYER}.lora_B.weight": [9, 2]},
        {f"{LAYER}.lora_A.weight": [2, 7], f"{LAYER}.lora_B.weight": [8, 2]},
        {f"{LAYER}.lora_A.weight": [12], f"{LAYER}.lora_B.weight": [16]},
        HALVES | {"t": [1]},
        HALVES | {f"{LAYER}.base_layer.weight": [8, 6]},
        HALVES | {"base_model.model.model.layers.0.mlp.up_proj.weight": [1, 1]},
        HALVES | {f"{LAYER}.lora_magnitude_vector": [8]},
        HALVES | {f"{LAYER}.lora_B.bias": [8]},
        HALVES | {"base_model.model.model.norm.weight": [6]},
        {name.replace("layers.0", "layers.1"): shape for name, shape in HALVES.items()},
    ],
)
def test_tensors_that_are_not_lora_on_this_base_are_refused(tmp_path: Path, shapes: dict[str, list[int]]) -> None:
    """Tensors under the names of the base's weights were written over them, for everyone who asked that base."""
    with pytest.raises(ModelError, match="cannot be loaded"):
        check_adapter(write_adapter(tmp_path, shapes), BASE)


def test_magnitudes_of_the_wrong_length_are_refused(tmp_path: Path) -> None:
    """DoRA's magnitudes were believed."""
    write_adapter(tmp_path, HALVES | {f"{LAYER}.lora_magnitude_vector": [7]}, use_dora=True)
    with pytest.raises(ModelError, match="magnitude"):
        check_adapter(tmp_path, BASE)


def test_a_small_file_cannot_ask_for_more_than_it_holds(tmp_path: Path) -> None:
    """Layers that the settings name and the file lacks were made all the same, of any rank."""
    with pytest.raises(ModelError, match="no weights for the layer lm_head"):
        check_adapter(write_adapter(tmp_path, target_modules=["q_proj", "lm_head"]), BASE)
    with pytest.raises(ModelError, match="trained whole"):
        check_adapter(write_adapter(tmp_path, modules_to_save=["layers"]), BASE)
    with pytest.raises(ModelError, match="word table"):
        check_adapter(write_adapter(tmp_path, modules_to_save=["lm_head"]), BASE)


class _Opens:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt", "weights.pkl"])
def test_pickled_weights_are_a_sentence_and_never_read(tmp_path: Path, name: str) -> None:
    """Pickled weights ended in a trace; they can run code."""
    trap = tmp_path / "made-by-the-pickle"
    write_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    (tmp_path / name).write_bytes(pickle.dumps(_Opens(str(trap))))
    with pytest.raises(ModelError, match="can run code"):
        check_adapter(tmp_path, BASE)
    assert not trap.exists()
