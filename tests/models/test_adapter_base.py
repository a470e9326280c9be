"""Whether an adapter belongs to the base that it is put on."""

import json
import shutil
from pathlib import Path

import pytest

from studio.errors import ModelError
from studio.models.adapter_base import ensure_same_base
from tests.tiny_adapter import pack, write_adapter

pytestmark = pytest.mark.case("70-adapter-of-another-base")


def write_base(folder: Path, *, mark: int = 0, **config: object) -> Path:
    """Write a model folder whose weights differ by one byte in the middle."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8} | config))
    weights = bytearray(pack({"table": [512, 512]}))
    weights[len(weights) // 2] = mark
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "one" / "herbs")


@pytest.fixture
def check(base: Path, tmp_path: Path):
    def checked(learned_on: str, *, base_name: str = "", told: object = None) -> None:
        adapter = write_adapter(tmp_path / "adapter", base_model_name_or_path=told)
        ensure_same_base(
            adapter, learned_on=learned_on, base=base, base_name=base_name or str(base), home=tmp_path / "home"
        )

    return checked


def test_the_same_folder_and_a_copy_of_it_are_one_base(base: Path, check, tmp_path: Path) -> None:
    check(str(base))
    check("", told=str(base))
    check(str(shutil.copytree(base, tmp_path / "copy")))


@pytest.mark.parametrize("name", ["owner/herbs", "/gone/herbs", "folder:herbs", "Owner/HERBS"])
def test_a_base_that_is_not_here_is_known_by_its_name(check, name: str) -> None:
    check(name)
    check("", told=name)


def test_an_adapter_that_does_not_say_is_taken_at_its_sizes(check) -> None:
    check("")
    check("", told="")


def test_the_starter_and_its_name_on_the_hub_are_one(check) -> None:
    check("HuggingFaceTB/SmolLM2-135M-Instruct", base_name="starter")
    check("starter", base_name="HuggingFaceTB/SmolLM2-135M-Instruct")
    with pytest.raises(ModelError, match="on starter, and this run's is owner/herbs"):
        check("starter", base_name="owner/herbs")


def test_other_weights_in_the_same_sizes_are_another_base(check, tmp_path: Path) -> None:
    """Only its weights tell it apart: even its name is the same."""
    other = write_base(tmp_path / "two" / "herbs", mark=1)
    expected = r"on herbs, and this run's is herbs.* same sizes, and other weights"
    with pytest.raises(ModelError, match=expected) as caught:
        check(str(other))
    assert "--other-base" in caught.value.hint
    with pytest.raises(ModelError, match="other weights"):
        check("", told=str(other))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "phi3"}, "One is of the family phi3, the other llama"),
        ({"hidden_size": 16}, "They differ in hidden_size 16 and 8"),
    ],
)
def test_what_differs_is_said(check, tmp_path: Path, config: dict[str, object], said: str) -> None:
    other = write_base(tmp_path / "two", mark=1, **config)
    with pytest.raises(ModelError, match=said):
        check(str(other))


def test_another_name_is_another_base(check) -> None:
    with pytest.raises(ModelError, match="on owner/roses, and this run's is herbs"):
        check("", told="owner/roses")
