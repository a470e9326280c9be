from pathlib import Path

import pytest

from studio.errors import RunError
from studio.settings import ensure_writable, read_settings


def test_a_laptop_listens_to_itself_only(tmp_path: Path) -> None:
    settings = read_settings({}, data_mount=tmp_path / "none")
    assert (settings.where, settings.host, settings.port) == ("laptop", "127.0.0.1", 7860)
    assert settings.home == Path.home() / ".lora-studio"


def test_a_space_keeps_its_data_on_the_mounted_disk(tmp_path: Path) -> None:
    settings = read_settings({"SPACE_ID": "me/studio"}, data_mount=tmp_path)
    assert (settings.where, settings.host) == ("space", "0.0.0.0")
    assert settings.home == tmp_path / "lora-studio"


def test_the_environment_wins(tmp_path: Path) -> None:
    environment = {"STUDIO_HOME": str(tmp_path / "x"), "STUDIO_PORT": "8000", "STUDIO_IN_CONTAINER": "1"}
    settings = read_settings(environment, data_mount=tmp_path)
    assert (settings.where, settings.port, settings.home) == ("container", 8000, tmp_path / "x")


@pytest.mark.parametrize("port", ["", "abc", "0", "70000", "-1", "9" * 5000])
def test_a_bad_port_is_a_sentence(port: str) -> None:
    with pytest.raises(RunError, match="is not a port number"):
        read_settings({"STUDIO_PORT": port})


def test_the_home_of_nobody_is_a_sentence() -> None:
    with pytest.raises(RunError, match="cannot be the data folder"):
        read_settings({"STUDIO_HOME": "~nobody-of-this-name/x"})


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written") as raised:
        ensure_writable(tmp_path / "file" / "home")
    assert "STUDIO_HOME" in raised.value.hint
    ensure_writable(tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []
