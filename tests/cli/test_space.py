"""`python app.py space`: what is said, and that no secret is."""

import io

import pytest
from rich.console import Console

from studio.cli.main import main
from studio.cli.space import SpaceOptions, space, space_order
from studio.errors import ExportError, MirrorError
from tests.publishing_hub import TOKEN, publishing_hub

SECRETS = {"STUDIO_PASSWORD": "a harbour in fog", "STUDIO_MIRROR_TOKEN": "hf_forthebucket"}


def test_a_dry_run_lists_what_would_be_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert main(["--open", "space", "me/studio", "--mirror", "me/kept", "--dry-run"]) == 0
    said = capsys.readouterr().out
    for line in ("app.py", "studio/cli/main.py", "variable STUDIO_MIRROR=me/kept", "variable STUDIO_OPEN=1"):
        assert line in said
    assert "secret HF_TOKEN" in said
    assert "secret STUDIO_PASSWORD" in said
    assert "Nothing was sent." in said
    assert not any(value in said for value in SECRETS.values())
    assert "tests/" not in said


def test_a_space_is_made_and_its_address_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    console = Console(file=io.StringIO(), width=200)
    with publishing_hub() as hub:
        options = SpaceOptions("me/studio", mirror="me/kept")
        assert space(options, SECRETS, console=console, endpoint=hub.address) == 0
        there = hub.repositories["spaces/me/studio"]
        assert there.secrets == {"STUDIO_PASSWORD": "a harbour in fog", "HF_TOKEN": "hf_forthebucket"}
        assert there.variables == {"STUDIO_MIRROR": "me/kept"}
        assert there.files["README.md"].startswith(b"---\ntitle: LoRA Studio\n")
        assert isinstance(console.file, io.StringIO)
        said = console.file.getvalue()
        assert f"{hub.address}/spaces/me/studio" in said
        assert not any(secret in said for secret in (*SECRETS.values(), TOKEN))


def test_the_token_of_the_person_is_not_given_to_the_space() -> None:
    with pytest.raises(ExportError, match="needs an access token of its own"):
        space_order(SpaceOptions("me/studio", mirror="me/kept"), {"HF_TOKEN": "hf_mine"})
    with pytest.raises(MirrorError, match="cannot be the name of a bucket"):
        space_order(SpaceOptions("me/studio", mirror="kept"), SECRETS)
    with pytest.raises(ExportError, match="has 5 characters"):
        space_order(SpaceOptions("me/studio"), {"STUDIO_PASSWORD": "short"})


def test_without_a_password_the_command_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STUDIO_PASSWORD", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["space", "me/studio"]) == 2
    assert "switched off by HF_HUB_OFFLINE" in capsys.readouterr().err
