"""Blends against sums of changes worked out by hand, and loaded back with plain peft."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from studio.errors import ModelError
from studio.ml import loading
from studio.ml.blending import BLEND, blend, save_blend, skeleton
from studio.models.blend_kinds import KINDS
from tests.ml.conftest import FP32

Changes = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def write(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Write an adapter with a fixed random content."""

    def _write(seed: int, *, rank: int = 4, **settings: Any) -> Path:
        torch.manual_seed(seed)
        options = {"lora_alpha": 2 * rank, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **settings}
        model = get_peft_model(loading.load_base(tiny_model, FP32), LoraConfig(r=rank, **options))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
        folder = tmp_path_factory.mktemp("adapter")
        model.save_pretrained(str(folder))
        return folder

    return _write


def changes(model: PeftModel, name: str = BLEND) -> Changes:
    """What an adapter adds to each weight, scaling and all."""
    return {
        path: module.get_delta_weight(name).detach()
        for path, module in model.named_modules()
        if hasattr(module, "get_delta_weight") and name in module.lora_A
    }


def changes_of(tiny_model: Path, folder: Path) -> Changes:
    return changes(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(folder)), "default")


def assert_same(found: Changes, expected: Changes, *, atol: float = 1e-5) -> None:
    assert found.keys() == expected.keys()
    for path, change in expected.items():
        assert torch.allclose(found[path], change, atol=atol), path
    assert max(float(change.abs().max()) for change in expected.values()) > 100 * atol


def added_up(tiny_model: Path, *parts: tuple[float, Path]) -> Changes:
    found = [(weight, changes_of(tiny_model, folder)) for weight, folder in parts]
    return {path: sum(weight * change[path] for weight, change in found) for path in found[0][1]}  # type: ignore[misc]


@pytest.mark.parametrize("kind", [name for name in KINDS if "dare" not in name])
def test_alike_adapters_at_a_half_each_are_the_adapter(tiny_model: Path, write: Any, kind: str) -> None:
    """By itself peft makes two alike twice as loud with `linear`, and half as loud with `ties`."""
    one = write(1)
    model = blend(skeleton(tiny_model), [one, one], [0.5, 0.5], KINDS[kind])
    assert_same(changes(model), changes_of(tiny_model, one))


@pytest.mark.parametrize("kind", ["cat", "svd"])
@pytest.mark.parametrize("second", [0.3, -0.5])
def test_whole_changes_add_up_with_their_weights(tiny_model: Path, write: Any, kind: str, second: float) -> None:
    one, two = write(1), write(2, rank=6, use_rslora=True)
    model = blend(skeleton(tiny_model), [one, two], [0.7, second], KINDS[kind], rank=10)
    assert model.peft_config[BLEND].r == 10
    assert_same(changes(model), added_up(tiny_model, (0.7, one), (second, two)))


def test_the_first_ones_scaling_does_not_scale_the_blend(tiny_model: Path, write: Any) -> None:
    """peft scaled the blend of rsLoRA adapters by the root of its rank: twice as loud at rank 4."""
    one, two = write(1, use_rslora=True), write(2)
    model = blend(skeleton(tiny_model), [one, two], [0.5, 0.5], KINDS["cat"])
    assert_same(changes(model), added_up(tiny_model, (0.5, one), (0.5, two)))


def test_linear_mixes_the_halves(tiny_model: Path, write: Any) -> None:
    """(a A1 + b A2) and (a B1 + b B2), divided by a + b once."""
    one, two = write(1), write(2)
    model = blend(skeleton(tiny_model), [one, two], [0.6, 0.2], KINDS["linear"])
    plain = [
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(each)) for each in (one, two)
    ]
    layers = [{path: module for path, module in each.named_modules() if hasattr(module, "lora_A")} for each in plain]
    expected = {}
    for path, first in layers[0].items():
        if not hasattr(first, "get_delta_weight"):
            continue
        second = layers[1][path]
        half_a, half_b = (
            0.6 * getattr(first, half)["default"].weight + 0.2 * getattr(second, half)["default"].weight
            for half in ("lora_A", "lora_B")
        )
        expected[path] = 2.0 * half_b @ half_a / 0.8  # alpha / rank is 2 for both
    assert_same(changes(model), expected)


def test_a_smaller_rank_keeps_the_strongest_directions(tiny_model: Path, write: Any) -> None:
    one, two = write(1), write(2)
    found = changes(blend(skeleton(tiny_model), [one, two], [0.5, 0.5], KINDS["svd"], rank=3))
    for path, whole in added_up(tiny_model, (0.5, one), (0.5, two)).items():
        left, sizes, right = torch.linalg.svd(whole)
        best = left[:, :3] @ torch.diag(sizes[:3]) @ right[:3]
        assert torch.allclose(found[path], best, atol=1e-5)


def test_the_strongest_directions_are_those_that_peft_finds(tiny_model: Path, write: Any) -> None:
    """The blend takes a shorter way to them; so adapters of other layers, rank patterns and one rank of their own."""
    one, two = write(1, target_modules=["q_proj", "up_proj"]), write(2, rank=2, rank_pattern={"up_proj": 5})
    model = blend(skeleton(tiny_model), [one, two], [0.8, -0.3], KINDS["svd"])
    assert model.peft_config[BLEND].r == 5
    model.add_weighted_adapter(["parent-0", "parent-1"], [0.8, -0.3], "peft", combination_type="svd")
    assert_same(changes(model), changes(model, "peft"))


def test_ties_takes_the_mean_of_those_that_agree(tiny_model: Path, write: Any) -> None:
    """With two adapters at a half each: the mean where the signs agree, the heavier one alone where they do not."""
    one, two = write(1), write(2)
    found = changes(blend(skeleton(tiny_model), [one, two], [0.5, 0.5], KINDS["ties_svd"], rank=8))
    first, second = (changes_of(tiny_model, each) for each in (one, two))
    for path in first:
        a, b = first[path], second[path]
        expected = torch.where(a.sign() == b.sign(), (a + b) / 2, torch.where(a.abs() > b.abs(), a, b))
        left, sizes, right = torch.linalg.svd(expected)
        best = left[:, :8] @ torch.diag(sizes[:8]) @ right[:8]
        assert torch.allclose(found[path], best, atol=1e-4)


@pytest.mark.parametrize("kind", ["dare_linear_svd", "dare_ties", "dare_linear", "dare_ties_svd"])
def test_dare_drops_by_chance_that_can_be_repeated(tiny_model: Path, write: Any, kind: str) -> None:
    one, two = write(1), write(2)

    def draw(seed: int) -> Changes:
        return changes(blend(skeleton(tiny_model), [one, two], [0.5, 0.5], KINDS[kind], density=0.6, seed=seed))

    first, again, other = draw(1), draw(1), draw(2)
    assert all(torch.equal(first[path], again[path]) for path in first)
    assert not any(torch.allclose(first[path], other[path], atol=1e-4) for path in first)


@pytest.mark.parametrize("kind", ["cat", "svd"])
def test_a_saved_blend_loads_with_plain_peft_and_answers_as_the_sum(
    tiny_model: Path, tmp_path: Path, write: Any, kind: str
) -> None:
    one, two = write(1, lora_dropout=0.3, init_lora_weights="orthogonal"), write(2, rank=3)
    save_blend(blend(skeleton(tiny_model), [one, two], [0.9, 0.4], KINDS[kind], rank=7), tmp_path / "blend")
    assert sorted(path.name for path in (tmp_path / "blend").iterdir() if path.name != "README.md") == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(tmp_path / "blend")).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    merged = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        for path, change in added_up(tiny_model, (0.9, one), (0.4, two)).items():
            merged.get_submodule(path.removeprefix("base_model.model.")).weight += change
        assert torch.allclose(tuned(input_ids=ids).logits, merged(input_ids=ids).logits, atol=1e-4)
        base = AutoModelForCausalLM.from_pretrained(tiny_model)(input_ids=ids).logits
        assert not torch.allclose(tuned(input_ids=ids).logits, base, atol=1e-2)


def test_the_skeleton_of_a_model_takes_no_memory(tiny_model: Path) -> None:
    model = skeleton(tiny_model)
    stored = sum(each.untyped_storage().nbytes() for each in model.parameters())
    assert stored == 4 * sum(1 for _ in model.parameters())
    shapes = {name: each.shape for name, each in model.named_parameters()}
    real = loading.load_base(tiny_model, FP32)
    assert shapes == {name: each.shape for name, each in real.named_parameters()}


def test_adapters_that_do_not_fit_are_a_sentence(tiny_model: Path, tmp_path: Path, write: Any) -> None:
    with pytest.raises(ModelError, match=r"Rank 40 is above the width of the layer .*, which is 32"):
        blend(skeleton(tiny_model), [write(1, rank=24), write(2, rank=16)], [1, 1], KINDS["svd"], rank=40)
    with pytest.raises(ModelError, match="cannot be read"):
        blend(skeleton(tiny_model), [write(1), tmp_path], [1, 1], KINDS["svd"])
    with pytest.raises(ModelError, match="cannot be merged: All adapters must have the same r"):
        blend(skeleton(tiny_model), [write(1), write(2, rank=2)], [1, 1], KINDS["linear"])
    with pytest.raises(ModelError, match=r"has no readable config\.json"):
        skeleton(tmp_path)
