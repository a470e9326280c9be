"""Base models that ask for more than their files hold, for code, or for files elsewhere: a sentence, and no memory."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.errors import ModelError
from studio.models.architecture import read_architecture
from studio.models.base_files import check_base, ensure_parameters
from studio.models.locate import check_folder
from tests.tiny_adapter import pack

pytestmark = pytest.mark.security

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "vocab_size": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
SHAPES = {"model.layers.0.self_attn.q_proj.weight": [8, 8], "model.embed_tokens.weight": [3, 8]}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def _write(**config: object) -> Path:
        (tmp_path / "config.json").write_text(json.dumps(CONFIG | config))
        (tmp_path / "model.safetensors").write_bytes(pack(SHAPES))
        return tmp_path

    return _write


def test_an_honest_model_is_taken(write: Callable[..., Path]) -> None:
    """What all the other tests start from must itself be allowed, or they could not fail."""
    assert check_base(write()).elements == 88


@pytest.mark.parametrize(
    "config",
    [
        {"hidden_size": 2**40},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 3},
        {"vocab_size": 10**12},
        {"vocab_size": 1e300},
        {"max_position_embeddings": 2**40},
        {"text_config": {"hidden_size": 2**40}},
        {"quantization_config": {"quant_method": "vptq"}},
        {"quantization_config": {"quant_method": "bitsandbytes", "bnb_4bit_compute_dtype": "hub"}},
        {"quantization_config": "code"},
        {"text_config": {"quantization_config": {"quant_method": ["fp8"]}}},
        {"attn_implementation": "somebody/kernels"},
        {"_attn_implementation": {"": "somebody/kernels"}},
        {"transformers_weights": "../other.safetensors"},
    ],
)
def test_a_config_that_asks_for_too_much_or_for_code_is_refused(
    write: Callable[..., Path], config: dict[str, object]
) -> None:
    """A model of two kilobytes could ask for any amount of memory."""
    with pytest.raises(ModelError):
        check_base(write(**config))


@pytest.mark.parametrize("name", ["num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads"])
def test_the_page_counts_no_endless_blocks(name: str) -> None:
    """The page's own process went through the blocks of a config.json one by one."""
    with pytest.raises(ModelError, match="which no model has"):
        read_architecture(CONFIG | {name: 10**9})


def test_more_weights_than_the_files_hold_are_refused(write: Callable[..., Path]) -> None:
    """transformers made up what the files lacked."""
    folder = write()
    stored = check_base(folder)
    ensure_parameters(folder, stored, parameters=100, buffer_bytes=0)
    with pytest.raises(ModelError, match=r"describes 40,000,000,000 weights, and the files hold 88 numbers"):
        ensure_parameters(folder, stored, parameters=40_000_000_000, buffer_bytes=0)
    with pytest.raises(ModelError, match="does not fit its own files"):
        ensure_parameters(folder, stored, parameters=100, buffer_bytes=2**40)


@pytest.mark.parametrize("name", ["../../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.txt", "", 7, [1]])
def test_an_index_that_leaves_its_folder_is_refused(write: Callable[..., Path], name: object) -> None:
    """The names of shards were joined to the folder as they were."""
    folder = write()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelError):
        check_base(folder)
    with pytest.raises(ModelError):
        check_folder(folder)


def test_a_link_out_of_the_folder_is_refused(
    write: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A shard may be a link to any file."""
    folder = write()
    outside = tmp_path_factory.mktemp("outside") / "model.safetensors"
    shutil.move(folder / "model.safetensors", outside)
    (folder / "model.safetensors").symlink_to(outside)
    with pytest.raises(ModelError, match="link"):
        check_base(folder)


def test_the_cache_of_the_hub_is_made_of_links(tmp_path: Path) -> None:
    """Links into the store of the Hub's own cache are what every fetched model has."""
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    folder.mkdir(parents=True)
    (blobs / "1").write_bytes(pack(SHAPES))
    (folder / "model.safetensors").symlink_to("../../blobs/1")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    assert check_base(folder).tensors == 2


def test_an_adapter_beside_a_base_is_refused(write: Callable[..., Path]) -> None:
    """transformers loaded the model that the adapter named instead, wherever that lay."""
    folder = write()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/somewhere/else"}))
    with pytest.raises(ModelError, match="adapter beside a base"):
        check_base(folder)


class _Opens:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.path, "w")


def test_pickled_weights_with_more_than_weights_are_a_sentence(tmp_path: Path) -> None:
    """A hostile pickle ended in a trace; it must never run."""
    from studio.ml.loading import Placement, load_base

    trap = tmp_path / "made-by-the-pickle"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Opens(str(trap)), protocol=2))
    with pytest.raises(ModelError):
        load_base(folder, Placement("cpu", "fp32"))
    assert not trap.exists()


def test_a_model_that_lies_about_its_width_takes_no_memory(write: Callable[..., Path]) -> None:
    """2**14 x 2**18 weights in 350 bytes: each number is one that a real model may have."""
    from studio.ml.loading import Placement, load_base

    with pytest.raises(ModelError, match="does not fit its own files"):
        load_base(write(hidden_size=2**14, vocab_size=2**18), Placement("cpu", "fp32"))
