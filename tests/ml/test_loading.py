import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from studio.config import RunConfig
from studio.errors import ConfigError, ModelError
from studio.ml import loading
from studio.ml.methods import make_trainable
from studio.models.layout import read_layout, select_modules, trainable_parameters
from tests.ml.conftest import FP32, NF4


@pytest.mark.parametrize("placement", [FP32, NF4], ids=["fp32", "nf4"])
def test_before_the_first_step_the_adapted_model_is_the_base(tiny_model: Path, placement: loading.Placement) -> None:
    ids = torch.arange(40).reshape(2, 20)
    with torch.inference_mode():
        base = loading.load_base(tiny_model, placement)(input_ids=ids).logits
        adapted = make_trainable(loading.load_base(tiny_model, placement), RunConfig())(input_ids=ids).logits
    assert torch.equal(base, adapted)


def test_four_bit_is_nf4_with_double_quantisation(tiny_model: Path) -> None:
    import bitsandbytes as bnb

    model = loading.load_base(tiny_model, NF4)
    layer = model.model.layers[0].mlp.up_proj
    assert isinstance(layer, bnb.nn.Linear4bit)
    assert layer.weight.quant_type == "nf4"
    assert layer.weight.quant_state.nested
    assert not isinstance(model.lm_head, bnb.nn.Linear4bit)


def test_a_four_bit_weight_counts_as_the_weights_that_it_packs(tiny_model: Path) -> None:
    whole, _ = loading.parameter_counts(loading.load_base(tiny_model, FP32))
    packed, _ = loading.parameter_counts(loading.load_base(tiny_model, NF4))
    assert whole == packed


def test_the_count_on_the_page_is_the_count_in_the_model(tiny_model: Path) -> None:
    layout = read_layout(tiny_model)
    for config in (RunConfig(rank=4), RunConfig(rank=8, targets="attention")):
        model = make_trainable(loading.load_base(tiny_model, FP32), config)
        total, trainable = loading.parameter_counts(model)
        names = [layer.name for layer in layout.layers]
        modules = select_modules(names, targets=config.targets, chosen=config.chosen_modules)
        assert trainable == trainable_parameters(layout, modules, rank=config.rank)
        assert total - trainable == layout.parameters
        assert sorted(names) == sorted(loading.linear_names(loading.load_base(tiny_model, FP32)))


def test_a_module_that_the_model_lacks_is_named(tiny_model: Path) -> None:
    config = RunConfig(targets="chosen", chosen_modules=("q_proj", "w_pack"))
    with pytest.raises(ConfigError, match="w_pack"):
        make_trainable(loading.load_base(tiny_model, FP32), config)


def test_damaged_weights_are_said_to_be_damaged(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="damaged"):
        loading.load_base(folder, FP32)


def test_a_model_that_brings_code_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "custom"
    shutil.copytree(tiny_model, folder)
    config = (
        (folder / "config.json").read_text().replace('"model_type": "llama"', '"model_type": "mine", "auto_map": {}')
    )
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelError, match="wants to run code"):
        loading.load_base(folder, FP32)


def test_something_that_is_no_decoder_is_refused_in_words(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_model, folder)
    config = (folder / "config.json").read_text().replace('"model_type": "llama"', '"model_type": "vit"')
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelError, match="not a decoder"):
        loading.load_base(folder, FP32)


def test_an_adapter_of_another_base_is_refused_in_words(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="adapter"):
        loading.load_adapter(loading.load_base(tiny_model, FP32), tmp_path)


def test_placement_says_its_precision() -> None:
    assert FP32.sentence == "fp32"
    assert "NF4" in dataclasses.replace(FP32, bits=4).sentence
    assert loading.choose_placement(precision="fp32", bits=0).precision == "fp32"
