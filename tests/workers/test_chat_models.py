"""Which model answers in which pane, and what stays in memory."""

import gc
import os
import weakref
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from studio.errors import ModelError
from studio.ml import loading
from studio.ml.generation import BASE
from studio.workers.chat_models import ChatModels, Pass
from tests.tiny_model import write_tiny_model

FP32 = loading.Placement(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, str]:
    """A plain adapter, a DoRA one, and two whole models."""
    folder = tmp_path_factory.mktemp("learned")
    for name, dora in (("plain", False), ("dora", True)):
        config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=dora)
        get_peft_model(loading.load_base(tiny_model, FP32), config).save_pretrained(str(folder / name))
    for seed, name in enumerate(("one", "two"), start=1):
        write_tiny_model(folder / name, seed=seed)
    return {name: str(folder / name) for name in ("plain", "dora", "one", "two")}


@pytest.fixture
def models(tiny_model: Path) -> ChatModels:
    return ChatModels(loading.load_base(tiny_model, FP32), FP32)


def shape(passes: tuple[Pass, ...]) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    return [(each.panes, each.adapters) for each in passes]


def test_base_and_an_adapter_answer_together(models: ChatModels, folders: dict[str, str]) -> None:
    assert shape(models.passes(["", folders["plain"]])) == [((0, 1), (BASE, "adapter-0"))]
    assert shape(models.passes([folders["plain"], ""])) == [((0, 1), ("adapter-0", BASE))]


def test_what_peft_cannot_mix_takes_turns(models: ChatModels, folders: dict[str, str]) -> None:
    passes = models.passes(["", folders["dora"], ""])
    assert shape(passes) == [((0, 2), (BASE, BASE)), ((1,), ("adapter-0",))]
    assert passes[0].model is passes[1].model is models.base


def test_a_whole_model_answers_in_a_pass_of_its_own(models: ChatModels, folders: dict[str, str]) -> None:
    first = models.passes([folders["one"], "", folders["plain"], folders["one"]])
    assert shape(first) == [((0, 3), (BASE, BASE)), ((1, 2), (BASE, "adapter-0"))]
    assert first[1].model is models.base
    assert first[0].model is not models.base
    assert models.passes(["", folders["one"]])[1].model is first[0].model, "it is loaded once"
    with torch.no_grad():
        ids = torch.tensor([[5, 6, 7]])
        alone = loading.load_base(Path(folders["one"]), FP32)(input_ids=ids).logits
        assert torch.equal(first[0].model(input_ids=ids).logits, alone)


def test_a_whole_model_is_let_go_before_another_is_loaded(models: ChatModels, folders: dict[str, str]) -> None:
    kept = weakref.ref(models.passes(["", folders["one"]])[1].model)
    models.passes(["", folders["plain"]])
    assert kept() is not None
    models.passes(["", folders["two"]])
    gc.collect()
    assert kept() is None


def test_a_run_that_was_trained_again_is_loaded_again(models: ChatModels, folders: dict[str, str]) -> None:
    assert shape(models.passes([folders["plain"]])) == [((0,), ("adapter-0",))]
    weights = Path(folders["plain"]) / "adapter_model.safetensors"
    os.utime(weights, ns=(weights.stat().st_atime_ns, weights.stat().st_mtime_ns + 1))
    assert shape(models.passes([folders["plain"]])) == [((0,), ("adapter-1",))]


def test_a_folder_that_is_gone_is_a_sentence(models: ChatModels) -> None:
    with pytest.raises(ModelError, match="no longer on the disk"):
        models.passes(["", "/no/such/run"])
