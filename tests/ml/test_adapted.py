"""Adapters over a base in 4 bits, computed in one function, are what peft computes."""

import dataclasses
from pathlib import Path

import pytest
import torch

from studio.ml import loading
from studio.ml.methods import make_trainable
from studio.ml.speed.adapted import Joined, fusible
from tests.ml.conftest import MEMORISE

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
def test_adapters_over_packed_weights_are_those_of_peft(tiny_model: Path, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    placement = loading.Placement(device=device, precision="fp32", bits=4)
    config = dataclasses.replace(MEMORISE, method="qlora")
    model = make_trainable(loading.load_base(tiny_model, placement), config).train()
    layers = [each for each in model.modules() if fusible(each, over_packed=True)]
    assert len(layers) == 14
    assert not any(fusible(each) for each in layers)
    torch.manual_seed(0)
    for layer in layers:
        layer.lora_B["default"].weight.data.normal_(std=0.1)
        x = torch.randn(2, 5, layer.in_features, device=device, requires_grad=True)
        learned = [x, layer.lora_A["default"].weight, layer.lora_B["default"].weight]
        down = torch.randn(2, 5, layer.out_features, device=device)
        plain = layer(x)
        expected = [plain, *torch.autograd.grad(plain, learned, down)]
        joined = Joined([layer])
        fused = layer(x)
        found = [fused, *torch.autograd.grad(fused, learned, down)]
        with torch.no_grad():
            assert torch.allclose(layer(x), plain, atol=1e-4)
        joined.undo()
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, atol=1e-4, rtol=1e-4)
