"""Which model answers in which pane, and what stays in memory."""

import gc
import itertools
import os
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from studio.errors import ModelError
from studio.ml import loading
from studio.ml.generation import BASE
from studio.workers.chat_models import MOST_ADAPTERS, ChatModels, Pass, Wanted
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


def wanted(*folders: str) -> list[Wanted]:
    return [Wanted(folder) for folder in folders]


def shape(passes: tuple[Pass, ...]) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    return [(each.panes, each.adapters) for each in passes]


def test_base_and_an_adapter_answer_together(models: ChatModels, folders: dict[str, str]) -> None:
    assert shape(models.passes(wanted("", folders["plain"]))) == [((0, 1), (BASE, "adapter-0"))]
    assert shape(models.passes(wanted(folders["plain"], ""))) == [((0, 1), ("adapter-0", BASE))]


def test_what_peft_cannot_mix_takes_turns(models: ChatModels, folders: dict[str, str]) -> None:
    passes = models.passes(wanted("", folders["dora"], ""))
    assert shape(passes) == [((0, 2), (BASE, BASE)), ((1,), ("adapter-0",))]
    assert passes[0].model is passes[1].model is models.base


def test_a_whole_model_answers_in_a_pass_of_its_own(models: ChatModels, folders: dict[str, str]) -> None:
    first = models.passes(wanted(folders["one"], "", folders["plain"], folders["one"]))
    assert shape(first) == [((0, 3), (BASE, BASE)), ((1, 2), (BASE, "adapter-0"))]
    assert first[1].model is models.base
    assert first[0].model is not models.base
    assert models.passes(wanted("", folders["one"]))[1].model is first[0].model, "it is loaded once"
    with torch.no_grad():
        ids = torch.tensor([[5, 6, 7]])
        alone = loading.load_base(Path(folders["one"]), FP32)(input_ids=ids).logits
        assert torch.equal(first[0].model(input_ids=ids).logits, alone)


def test_a_whole_model_is_let_go_before_another_is_loaded(models: ChatModels, folders: dict[str, str]) -> None:
    kept = weakref.ref(models.passes(wanted("", folders["one"]))[1].model)
    models.passes(wanted("", folders["plain"]))
    assert kept() is not None
    gc.disable()
    models.passes(wanted("", folders["two"]))
    gc.enable()
    assert kept() is None


def test_a_run_that_was_trained_again_is_loaded_again(models: ChatModels, folders: dict[str, str]) -> None:
    assert shape(models.passes(wanted(folders["plain"]))) == [((0,), ("adapter-0",))]
    weights = Path(folders["plain"]) / "adapter_model.safetensors"
    os.utime(weights, ns=(weights.stat().st_atime_ns, weights.stat().st_mtime_ns + 1))
    assert shape(models.passes(wanted(folders["plain"]))) == [((0,), ("adapter-1",))]


def test_a_folder_that_is_gone_is_a_sentence(models: ChatModels) -> None:
    with pytest.raises(ModelError, match="no longer on the disk"):
        models.passes(wanted("", "/no/such/run"))


def test_an_adapter_at_several_strengths_answers_together_with_the_base(
    models: ChatModels, folders: dict[str, str]
) -> None:
    plain = folders["plain"]
    asked = [Wanted(""), Wanted(plain), Wanted(plain, 0.5), Wanted(plain, 0.0), Wanted(plain, 1.5)]
    names = (BASE, "adapter-0", "adapter-0-at-0_5", BASE, "adapter-0-at-1_5")
    assert shape(models.passes(asked)) == [((0, 1, 2, 3, 4), names)]
    assert list(models.base.peft_config) == ["adapter-0", "adapter-0-at-0_5", "adapter-0-at-1_5"]
    models.passes([Wanted(plain, 1.5)])
    assert list(models.base.peft_config) == ["adapter-0", "adapter-0-at-1_5"], "a strength not asked is let go"


def test_at_strength_nought_any_adapter_is_the_base_and_is_not_even_loaded(
    models: ChatModels, folders: dict[str, str]
) -> None:
    assert shape(models.passes([Wanted(folders["dora"], 0.0), Wanted("")])) == [((0, 1), (BASE, BASE))]
    assert not hasattr(models.base, "peft_config")


def test_what_has_no_strength_says_so(models: ChatModels, folders: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="as DoRA does"):
        models.passes([Wanted(folders["dora"], 0.5)])
    for strength in (0.0, 0.5):
        with pytest.raises(ModelError, match="as a whole has no adapter"):
            models.passes([Wanted(folders["one"], strength)])
    with pytest.raises(ModelError, match="no strength of 2"):
        models.passes([Wanted(folders["plain"], 2.0)])
    assert shape(models.passes(wanted(""))) == [((0,), (BASE,))]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> list[str]:
    """More adapters than are kept, every other one in other layers."""
    folder = tmp_path_factory.mktemp("many")
    for place in range(MOST_ADAPTERS + 2):
        torch.manual_seed(place)
        targets = ["q_proj"] if place % 2 else "all-linear"
        config = LoraConfig(r=2, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=False)
        get_peft_model(loading.load_base(tiny_model, FP32), config).save_pretrained(str(folder / str(place)))
    return [str(folder / str(place)) for place in range(MOST_ADAPTERS + 2)]


def answered(models: ChatModels, folder: str) -> torch.Tensor:
    """What a model says in a pane of its own."""
    (turn,) = models.passes(wanted(folder))
    with torch.no_grad():
        found: torch.Tensor = turn.model(input_ids=torch.tensor([[5, 6, 7]]), adapter_names=list(turn.adapters)).logits
    return found


def test_of_many_adapters_those_used_last_are_kept(models: ChatModels, many: list[str], tiny_model: Path) -> None:
    for folder in many[:MOST_ADAPTERS]:
        models.passes([Wanted(folder), Wanted(folder, 0.5)])
    models.passes(wanted(many[0]))  # used again: the second is now the one that was not used for longest
    models.passes(wanted(many[MOST_ADAPTERS]))
    assert len(models.base.peft_config) == MOST_ADAPTERS
    assert "adapter-0" in models.base.peft_config
    assert "adapter-1" not in models.base.peft_config
    for folder in (many[1], many[0], many[3]):
        alone = loading.load_adapter(loading.load_base(tiny_model, FP32), Path(folder))
        with torch.no_grad():
            expected = alone(input_ids=torch.tensor([[5, 6, 7]])).logits
        assert torch.equal(answered(models, folder), expected)


def test_one_question_may_ask_for_more_than_are_kept(models: ChatModels, many: list[str]) -> None:
    (turn,) = models.passes(wanted(*many))
    assert len(set(turn.adapters)) == len(many)
    models.passes(wanted(many[0]))
    models.passes(wanted(""))
    assert len(models.base.peft_config) == len(many), "they go when another one comes"


def test_a_damaged_adapter_is_a_sentence_and_the_others_answer_on(
    models: ChatModels, many: list[str], tmp_path: Path
) -> None:
    first = answered(models, many[0])
    broken = tmp_path / "broken"
    shutil.copytree(many[2], broken)
    (broken / "adapter_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="is damaged"):
        models.passes(wanted(str(broken)))
    assert list(models.base.peft_config) == ["adapter-0"]
    assert torch.equal(answered(models, many[0]), first)


def test_a_whole_model_that_finds_no_room_is_a_sentence(tiny_model: Path, folders: dict[str, str]) -> None:
    models = ChatModels(loading.load_base(tiny_model, FP32), FP32, free_bytes=lambda device: 1000)
    with pytest.raises(ModelError, match=r"about 471\.1 kB, and 1\.0 kB are free"):
        models.passes(wanted("", folders["one"]))
    assert shape(models.passes(wanted("", folders["plain"]))) == [((0, 1), (BASE, "adapter-0"))]


def held(model: torch.nn.Module) -> int:
    """The bytes of all weights and buffers, each counted once."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}
    return sum(storages.values())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_base_with_three_adapters_takes_less_than_a_fifth_more_than_the_base_alone(
    tmp_path: Path, precision: str
) -> None:
    """At several strengths too. Its shape is that of a small real model, its width an eighth: so is the rank."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    for name in ("one", "two", "three"):
        adapter = LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        get_peft_model(loading.load_base(tmp_path / "base", FP32), adapter).save_pretrained(str(tmp_path / name))
    placement = loading.Placement("cpu", precision)
    models = ChatModels(loading.load_base(tmp_path / "base", placement), placement)
    alone = held(models.base)
    folders = [str(tmp_path / name) for name in ("one", "two", "three")]
    asked = [Wanted(""), *(Wanted(folder, strength) for folder in folders for strength in (1.0, 0.5))]
    (turn,) = models.passes(asked)
    assert len(set(turn.adapters)) == 7
    assert alone < held(models.base) < 1.2 * alone
    ids = torch.arange(1, 9)[None]
    with torch.inference_mode():
        said = {tuple(models.base(ids, adapter_names=[name]).logits[0, -1].tolist()) for name in turn.adapters}
    assert len(said) == 7
