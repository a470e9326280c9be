import time
from pathlib import Path

import pytest

from studio.errors import ModelError
from studio.models.download import Listener, Stopped, Unreachable
from studio.models.hub import Hub, choose_files, is_offline, translating
from tests.models.conftest import TINY_SHAPES, Shop, pack_shapes

FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"[]",
    "README.md": b"read me",
    "modeling_it.py": b"raise SystemExit",
    "model.safetensors": pack_shapes(TINY_SHAPES),
}


def listen(heard: list[tuple[str, int, int]] | None = None, *, stop: bool = False) -> Listener:
    return Listener(
        report=lambda what, done, total: None if heard is None else heard.append((what, done, total)),
        should_stop=lambda: stop,
        pause=lambda _: None,
    )


@pytest.fixture
def hub(shop: Shop, tmp_path: Path) -> Hub:
    return Hub(endpoint=shop.address, cache=tmp_path / "cache")


def test_downloads_what_is_needed_with_progress(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = FILES
    heard: list[tuple[str, int, int]] = []
    assert hub.cached("owner/model") is None
    folder = hub.download("owner/model", listener=listen(heard))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    total = sum(len(FILES[name]) for name in ("config.json", "model.safetensors", "tokenizer.json"))
    assert heard[0] == ("Downloading owner/model", 0, total)
    assert heard[-1] == ("Downloading owner/model", total, total)
    assert hub.cached("owner/model") == folder


def test_whole_files_are_kept_after_a_stop(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = FILES
    with pytest.raises(Stopped):
        hub.download("owner/model", listener=listen(stop=True))
    hub.download("owner/model", listener=listen())
    asked = len(shop.asked)
    hub.download("owner/model", listener=listen())
    assert not [path for path, _ in shop.asked[asked:] if "resolve" in path]


@pytest.mark.parametrize(
    ("status", "code", "sentence", "hint"),
    [
        (403, "GatedRepo", "is gated", "HF_TOKEN"),
        (404, "RepoNotFound", "no model 'owner/model'", "spelling"),
        (401, "RepoNotFound", "no model 'owner/model'", "HF_TOKEN"),
        (403, "", "does not let this machine read", "HF_TOKEN"),
        (418, "", "status 418", "few minutes"),
    ],
)
def test_refusals_become_sentences(shop: Shop, hub: Hub, status: int, code: str, sentence: str, hint: str) -> None:
    shop.refusals["owner/model"] = (status, code)
    for ask in (lambda: hub.download("owner/model", listener=listen()), lambda: hub.shapes("owner/model")):
        with pytest.raises(ModelError, match=sentence) as trouble:
            ask()
        assert hint in trouble.value.hint


def test_a_repository_without_a_model_is_named(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = {"adapter_config.json": b"{}", "adapter_model.safetensors": b""}
    with pytest.raises(ModelError, match="holds no model that can be trained"):
        hub.download("owner/model", listener=listen())
    with pytest.raises(ModelError, match="no safetensors files"):
        hub.shapes("owner/model")


def test_shapes_come_without_the_weights(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = FILES
    assert hub.shapes("owner/model") == TINY_SHAPES
    assert all(wanted for path, wanted in shop.asked if path.endswith(".safetensors"))


def test_damaged_files_on_the_hub_are_a_sentence(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = FILES | {"model.safetensors": b"\x05\0\0\0\0\0\0\0{nope"}
    with pytest.raises(ModelError, match="damaged"):
        hub.shapes("owner/model")


def test_no_network_gives_up_within_five_seconds(tmp_path: Path) -> None:
    hub = Hub(endpoint="http://name.invalid", cache=tmp_path)
    before = time.monotonic()
    for ask in (lambda: hub.download("owner/model", listener=listen()), lambda: hub.shapes("owner/model")):
        with pytest.raises(Unreachable, match="cannot be reached"):
            ask()
    assert time.monotonic() - before < 5


def test_a_cache_that_cannot_be_written_is_named(shop: Shop, tmp_path: Path) -> None:
    shop.repos["owner/model"] = FILES
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="cannot be written to the disk"):
        Hub(endpoint=shop.address, cache=tmp_path / "cache").download("owner/model", listener=listen())


@pytest.mark.parametrize("name", ["", "a/b/c", "owner/ model", "https://huggingface.co/owner/model", "-x/y"])
def test_malformed_ids_are_refused(hub: Hub, name: str) -> None:
    with pytest.raises(ModelError, match="neither the id"):
        hub.cached(name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="No space left on device"), translating("owner/model", "http://hub"):
        with open("/dev/full", "w") as full:
            full.write("weights")


def test_offline_is_read_from_the_environment() -> None:
    assert is_offline({"HF_HUB_OFFLINE": "1"})
    assert is_offline({"TRANSFORMERS_OFFLINE": "yes"})
    assert not is_offline({"HF_HUB_OFFLINE": "0"})
    assert not is_offline({})


def test_only_one_set_of_weights_is_chosen() -> None:
    small = ["config.json", "tokenizer.json"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    noise = ["consolidated.safetensors", "pytorch_model.bin", "onnx/model.onnx", "training_args.bin", "run.py"]
    index = "model.safetensors.index.json"
    assert choose_files([*small, *shards, index, *noise]) == ("config.json", index, "tokenizer.json", *shards)
    assert choose_files([*small, "pytorch_model.bin", "evil.pkl"]) == (*small, "pytorch_model.bin")
    assert choose_files(["model.safetensors"]) == ()


def test_a_config_alone_is_fetched(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = FILES | {"config.json": b'{"model_type": "llama"}'}
    assert hub.config("owner/model") == {"model_type": "llama"}
    folder = hub.cached("owner/model")
    assert folder is not None
    assert [path.name for path in folder.iterdir()] == ["config.json"]


@pytest.mark.parametrize(("text", "sentence"), [(b"{", "damaged"), (b"[]", "does not describe a model")])
def test_a_config_that_is_none(text: bytes, sentence: str, shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = FILES | {"config.json": text}
    with pytest.raises(ModelError, match=sentence):
        hub.config("owner/model")


def test_a_repository_without_a_config(shop: Shop, hub: Hub) -> None:
    shop.repos["owner/model"] = {"model.gguf": b"x"}
    with pytest.raises(ModelError, match=r"config\.json"):
        hub.config("owner/model")
