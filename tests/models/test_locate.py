from pathlib import Path

import pytest

from studio.config import STARTER
from studio.errors import ModelError
from studio.models.hub import Hub
from studio.models.locate import ModelFiles, fetch, locate
from studio.models.starter import starter_folder
from tests.models.conftest import TINY_SHAPES, Shop, pack_shapes


def test_the_starter_is_found_once_it_is_marked_ready(tmp_path: Path) -> None:
    folder = starter_folder(tmp_path)
    folder.mkdir(parents=True)
    assert locate(STARTER, tmp_path) is None
    (folder / "starter.json").write_text("{}")
    assert locate(STARTER, tmp_path) == ModelFiles(STARTER, folder, "starter")


def test_a_whole_folder_is_found(model_folder: Path, tmp_path: Path) -> None:
    assert locate(str(model_folder), tmp_path) == ModelFiles(str(model_folder), model_folder, "folder")


def test_a_folder_beside_the_caller_is_found(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_folder.parent)
    for name in ("a-model", "./a-model", "a-model/"):
        found = locate(name, tmp_path)
        assert found is not None
        assert found.folder == model_folder


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"config.json": "{}"}, r"no weights .* It holds: config\.json"),
        ({"model.safetensors": ""}, r"no config\.json"),
        ({}, "It holds: nothing"),
        ({"adapter_config.json": "{}"}, "holds an adapter"),
        (
            {"config.json": "{}", "model.safetensors.index.json": '{"weight_map": {"a": "model-1.safetensors"}}'},
            r"no model-1\.safetensors",
        ),
        ({"config.json": "{}", "model.safetensors.index.json": "nope"}, "damaged"),
    ],
)
def test_a_folder_that_is_not_whole_says_what_is_missing(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=sentence):
        locate(str(tmp_path), tmp_path)


def test_paths_that_are_no_folders_are_refused(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        locate("/no/such/folder", tmp_path)
    with pytest.raises(ModelError, match="is a file"):
        locate(str(model_folder / "config.json"), tmp_path)


def test_a_hub_model_is_fetched_once(shop: Shop, tmp_path: Path) -> None:
    hub = Hub(endpoint=shop.address, cache=tmp_path / "cache")
    shop.repos["owner/model"] = {"config.json": b"{}", "model.safetensors": pack_shapes(TINY_SHAPES)}
    assert locate("owner/model", tmp_path, hub=hub) is None
    found = fetch("owner/model", tmp_path, report=lambda *_: None, should_stop=lambda: False, hub=hub)
    assert found.source == "hub"
    assert locate("owner/model", tmp_path, hub=hub) == found
    asked = len(shop.asked)
    assert fetch("owner/model", tmp_path, report=lambda *_: None, should_stop=lambda: False, hub=hub) == found
    assert len(shop.asked) == asked


def test_a_hub_model_without_its_weights_must_be_fetched(shop: Shop, tmp_path: Path) -> None:
    hub = Hub(endpoint=shop.address, cache=tmp_path / "cache")
    shop.repos["owner/model"] = {"config.json": b"{}", "model.safetensors": pack_shapes(TINY_SHAPES)}
    found = fetch("owner/model", tmp_path, report=lambda *_: None, should_stop=lambda: False, hub=hub)
    (found.folder / "model.safetensors").unlink()
    assert locate("owner/model", tmp_path, hub=hub) is None


def test_a_name_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither the id"):
        locate("not a model", tmp_path)
