from typing import Any

import pytest

from studio.config import RunConfig
from studio.ml.methods import experts_left_out, make_trainable
from tests.ml.tiny_families import make_model

pytestmark = pytest.mark.case("67-experts")


def said(family: str, **settings: Any) -> str:
    config = RunConfig(rank=2, **settings)
    return experts_left_out(make_trainable(make_model(family), config), config)


def test_experts_without_an_adapter_are_named_with_their_share() -> None:
    """Most of a mixture stayed frozen under 'all linear layers' without a word."""
    model = make_model("mixtral")
    experts = sum(each.numel() for name, each in model.named_parameters() if "experts" in name)
    text = said("mixtral")
    assert text.startswith("The experts are not trained, though all linear layers were chosen")
    adapted = make_trainable(make_model("mixtral"), RunConfig(rank=2))
    assert f"hold {experts / sum(each.numel() for each in adapted.parameters()):.0%} of" in text
    assert "model.layers.0.mlp.experts." in text


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("llama", {}),
        ("mixtral", {"targets": "attention"}),
        ("mixtral", {"targets": "chosen", "chosen_modules": ("q_proj",)}),
        ("mixtral", {"method": "full"}),
    ],
)
def test_nothing_is_said_where_nothing_was_expected_of_them(family: str, settings: dict[str, Any]) -> None:
    assert not said(family, **settings)
