import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from studio.config import STARTER
from studio.errors import ModelError
from studio.models.lookup import find_architecture
from tests.models.conftest import TINY_SHAPES, pack_shapes
from tests.models.known_configs import LLAMA_2_7B

UNKNOWN = {"model_type": "starcoder9", "n_embd": 4, "n_layer": 1, "n_head": 2, "vocab_size": 10}


class FakeHub:
    """A Hub with one model."""

    def __init__(self, document: Mapping[str, Any], *, cached: Path | None = None) -> None:
        self.document, self.folder, self.asked = document, cached, 0

    def cached(self, repo_id: str) -> Path | None:
        return self.folder

    def config(self, repo_id: str) -> Mapping[str, Any]:
        self.asked += 1
        return self.document

    def shapes(self, repo_id: str) -> Mapping[str, tuple[int, ...]]:
        self.asked += 1
        return TINY_SHAPES


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_a_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_2_7B))
    (folder / "model.safetensors").write_bytes(pack_shapes(TINY_SHAPES))
    hub = FakeHub({})
    assert find_architecture(str(folder), tmp_path, hub=hub).parameters == 6_738_415_616
    assert hub.asked == 0


def test_the_starter_is_known_before_it_is_here(tmp_path: Path) -> None:
    found = find_architecture(STARTER, tmp_path, hub=FakeHub({}))
    assert (found.parameters, found.stored) == (134_515_008, "fp32")


def test_a_model_on_the_hub_needs_its_config_alone(tmp_path: Path) -> None:
    hub = FakeHub(LLAMA_2_7B)
    assert find_architecture("meta-llama/Llama-2-7b-hf", tmp_path, hub=hub).layers == 32
    assert hub.asked == 1


def test_a_config_that_was_fetched_before_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_2_7B))
    hub = FakeHub({}, cached=tmp_path)
    assert find_architecture("meta-llama/Llama-2-7b-hf", tmp_path, hub=hub).layers == 32
    assert hub.asked == 0


def test_an_unknown_family_is_measured_by_the_headers_of_its_files(tmp_path: Path) -> None:
    hub = FakeHub(UNKNOWN)
    assert len(find_architecture("some/model", tmp_path, hub=hub).layout.layers) == 3
    assert hub.asked == 2


def test_what_is_no_decoder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a decoder"):
        find_architecture("google/bert", tmp_path, hub=FakeHub({"model_type": "bert"}))
