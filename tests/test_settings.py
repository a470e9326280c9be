from pathlib import Path

import pytest

from studio.errors import RunError
from studio.settings import Space, ensure_guarded, ensure_writable, read_settings


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


def test_who_may_visit_comes_from_the_environment(tmp_path: Path) -> None:
    environment = {"STUDIO_PASSWORD": "a harbour in fog", "STUDIO_OPEN": "1", "STUDIO_HOSTS": " Studio.Example., b "}
    settings = read_settings(environment, data_mount=tmp_path / "none")
    assert (settings.password, settings.open, settings.hosts) == ("a harbour in fog", True, ("studio.example", "b"))
    assert not read_settings({"STUDIO_OPEN": "0"}, data_mount=tmp_path / "none").open


def test_a_space_and_a_proxy_name_themselves(tmp_path: Path) -> None:
    environment = {"SPACE_ID": "me/x", "SPACE_HOST": "me-x.hf.space", "GRADIO_ROOT_PATH": "https://p.example/studio"}
    assert read_settings(environment, data_mount=tmp_path).hosts == ("me-x.hf.space", "p.example")


@pytest.mark.parametrize("hosts", ["https://studio.example", "studio.example:443", "*.example", "a b", "a/b", "-"])
def test_a_bad_host_is_a_sentence(hosts: str) -> None:
    with pytest.raises(RunError, match="STUDIO_HOSTS is not the name of a host"):
        read_settings({"STUDIO_HOSTS": hosts})


@pytest.mark.parametrize(
    ("environment", "hint"),
    [
        ({"STUDIO_HOST": "0.0.0.0"}, "--open"),
        ({"STUDIO_HOST": "::"}, "STUDIO_PASSWORD"),
        ({"STUDIO_HOST": "192.168.1.20"}, "STUDIO_PASSWORD"),
        ({"STUDIO_IN_CONTAINER": "1"}, "-e STUDIO_PASSWORD=..."),
        ({"SPACE_ID": "me/studio"}, "secret named STUDIO_PASSWORD"),
    ],
)
def test_a_studio_that_others_can_reach_has_a_password_or_is_open_on_purpose(
    environment: dict[str, str], hint: str
) -> None:
    """Whoever could reach the address could read, start and delete everything, and nobody had been asked."""
    with pytest.raises(RunError, match="no password") as raised:
        ensure_guarded(read_settings(environment))
    assert hint in raised.value.hint
    ensure_guarded(read_settings({**environment, "STUDIO_OPEN": "1"}))
    ensure_guarded(read_settings({**environment, "STUDIO_PASSWORD": "a harbour in fog"}))


def test_a_short_password_is_a_sentence() -> None:
    ensure_guarded(read_settings({}))
    with pytest.raises(RunError, match="has 7 characters"):
        ensure_guarded(read_settings({"STUDIO_PASSWORD": "1234567", "STUDIO_OPEN": "1"}))


def test_a_space_is_known_by_what_hugging_face_tells_it() -> None:
    told = {"SPACE_ID": "me/studio", "CPU_CORES": "2", "MEMORY": "16Gi", "ACCELERATOR": "none"}
    space = read_settings(told, data_mount=Path("/nonexistent")).space
    assert space == Space("me/studio", cores=2, memory_gib=16.0)
    assert space.sleeps
    with_gpu = read_settings(told | {"CPU_CORES": "4", "ACCELERATOR": "t4-small", "SPACES_ZERO_GPU": "true"}).space
    assert with_gpu == Space("me/studio", cores=4, memory_gib=16.0, accelerator="t4-small", is_zero_gpu=True)
    assert not with_gpu.sleeps
    strange = read_settings({"SPACE_ID": "me/studio", "CPU_CORES": "\u0662", "MEMORY": "a lot"}).space
    assert strange == Space("me/studio")
    assert read_settings({}).space is None


def test_a_mirror_is_kept_where_the_environment_says_so() -> None:
    settings = read_settings({"STUDIO_MIRROR": " me/kept ", "STUDIO_MIRROR_SECONDS": "5"})
    assert (settings.mirror, settings.mirror_seconds) == ("me/kept", 5.0)
    assert (read_settings({}).mirror, read_settings({}).mirror_seconds) == ("", 30.0)
    for wrong in ("0", "-1", "soon", "1e9"):
        with pytest.raises(RunError, match="is not a number of seconds"):
            read_settings({"STUDIO_MIRROR_SECONDS": wrong})


def test_on_a_space_each_account_has_its_own_bounds() -> None:
    """Behind the Hub all come from one address, but accounts tell them apart."""
    space = {"STUDIO_HOME": "/data", "SPACE_ID": "ada/studio"}
    alone, people = (
        read_settings({**space, **more}).limits
        for more in ({"STUDIO_PASSWORD": "a harbour in fog"}, {"STUDIO_ACCOUNTS": "1"})
    )
    assert alone.runs_waiting_each >= alone.runs_waiting
    assert people.runs_waiting_each < people.runs_waiting
    assert people.uploads_waiting_each < people.uploads_waiting
