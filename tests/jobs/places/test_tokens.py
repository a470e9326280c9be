"""Whose access token pays for a run on the Hub: the person's own, and never that of whoever runs a shared studio."""

import pytest

from studio.errors import ConfigError, RunError
from studio.jobs.places.tokens import HubToken, token_here
from studio.jobs.tasks import HUB_TOKEN

GIVEN = "hf_" + "givengiven" * 2


def test_a_token_is_taken_and_forgotten() -> None:
    token = HubToken(is_public=True)
    with pytest.raises(RunError, match="needs an access token") as caught:
        token.for_worker()
    assert "Configure tab" in caught.value.hint
    token.give(f" {GIVEN}\n")
    assert token.for_worker() == GIVEN
    assert GIVEN not in repr(token)
    token.give("")
    assert not token.is_known


@pytest.mark.parametrize("text", ["hf_a b", "hf_ä", "x" * 600, "hf_a\0"])
def test_what_cannot_be_a_token_is_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="no access token"):
        HubToken().give(text)


def test_nobody_on_a_shared_studio_trains_with_the_login_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", GIVEN)
    assert HubToken().for_worker() == GIVEN
    with pytest.raises(RunError, match="needs an access token"):
        HubToken(is_public=True).for_worker()


def test_a_worker_without_any_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was given none took the login of its machine: whoever runs a shared studio paid."""
    monkeypatch.setenv("HF_TOKEN", GIVEN)
    monkeypatch.delenv(HUB_TOKEN, raising=False)
    with pytest.raises(RunError, match="needs an access token"):
        token_here()
    monkeypatch.setenv(HUB_TOKEN, GIVEN)
    assert token_here() == GIVEN
