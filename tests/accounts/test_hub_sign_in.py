"""Who somebody is, as the Hub says it, and what is made of a Hub or a browser that lies."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from studio.accounts.hub_sign_in import BEGUN_SECONDS, HubPerson, HubSignIn
from studio.errors import RunError
from studio.settings import HubApp
from tests.sign_in_hub import CLIENT, SECRET, SignInHub, sign_in_hub

ADA = "62f0a1b2c3d4e5f607182930"


@pytest.fixture
def hub() -> Iterator[SignInHub]:
    with sign_in_hub() as server:
        yield server


def sign_in(hub: SignInHub, **more: Any) -> HubSignIn:
    return HubSignIn(HubApp(CLIENT, SECRET, hub.address, "me-studio.hf.space", "me"), **more)


def test_the_hub_says_who_came_back(hub: SignInHub) -> None:
    asking = sign_in(hub)
    begun = asking.begin()
    given = hub.grant(begun.address, sub=ADA, name="ada")
    assert hub.codes["code0"].asked["redirect_uri"] == "http://me-studio.hf.space/login/callback"
    assert hub.codes["code0"].asked["scope"] == "openid profile"
    assert asking.finish(given, begun.kept) == HubPerson(ADA, "ada")
    assert SECRET not in repr(HubApp(CLIENT, SECRET, hub.address, "x", "me"))
    with pytest.raises(RunError, match="did not say who you are"):
        asking.finish(given, begun.kept)  # a code is good once


def test_each_sign_in_is_one_of_its_own(hub: SignInHub) -> None:
    asking = sign_in(hub)
    kept = {part for _ in range(5) for part in asking.begin().kept.split(".")[:3]}
    assert len(kept) == 15
    assert hub.asked == ["/.well-known/openid-configuration"], "what the Hub names is asked for once"


def test_a_sign_in_of_another_browser_is_refused_before_the_hub_is_asked(hub: SignInHub) -> None:
    """Somebody would be signed in as whoever sent them the link."""
    asking = sign_in(hub)
    theirs, own = asking.begin(), asking.begin()
    given = hub.grant(theirs.address, sub=ADA, name="mallory")
    for kept in ("", own.kept, "a.b.c.1", "....", theirs.kept[:-12], theirs.kept.replace(".", ".x", 1), "é" * 200):
        with pytest.raises(RunError, match=r"not begun in this browser|taken too long"):
            asking.finish(given, kept)
    with pytest.raises(RunError, match="not begun in this browser"):
        asking.finish({"code": given["code"]}, theirs.kept)
    assert "/oauth/token" not in hub.asked


def test_a_code_for_one_browser_is_no_use_in_another(hub: SignInHub) -> None:
    """The state of one with the code of another: the Hub compares the verifier."""
    asking = sign_in(hub)
    theirs, own = asking.begin(), asking.begin()
    stolen = hub.grant(theirs.address, sub=ADA, name="ada")["code"]
    with pytest.raises(RunError, match="did not say who you are"):
        asking.finish({"code": stolen, "state": own.kept.split(".")[0]}, own.kept)


def test_a_sign_in_ends(hub: SignInHub) -> None:
    now = [time.time()]
    asking = sign_in(hub, clock=lambda: now[0])
    begun = asking.begin()
    given = hub.grant(begun.address, sub=ADA, name="ada")
    now[0] += BEGUN_SECONDS + 1
    with pytest.raises(RunError, match="has taken too long"):
        asking.finish(given, begun.kept)


def test_who_does_not_agree_is_told(hub: SignInHub) -> None:
    begun = sign_in(hub).begin()
    with pytest.raises(RunError, match="did not sign in"):
        sign_in(hub).finish({"error": "access_denied", "state": begun.kept.split(".")[0]}, begun.kept)


@pytest.mark.parametrize(
    ("claims", "what"),
    [
        ({"nonce": "of another"}, "of another sign-in"),
        ({"nonce": None}, "of another sign-in"),
        ({"aud": "another-program"}, "for another program"),
        ({"aud": ["another-program"]}, "for another program"),
        ({"iss": "https://evil.example"}, "for another program"),
        ({"exp": 1_000_000_000}, "has ended"),
        ({"exp": "never"}, "has ended"),
        ({"sub": "somebody-else"}, "named two people"),
        ({"sub": ""}, "did not say who you are"),
        ({"sub": "../../owner"}, "did not say who you are"),
        ({"sub": ["x"]}, "did not say who you are"),
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    hub: SignInHub, claims: dict[str, Any], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.claims = claims
    asking = sign_in(hub)
    begun = asking.begin()
    with pytest.raises(RunError, match="Hugging Face did not say who you are") as caught:
        asking.finish(hub.grant(begun.address, sub=ADA, name="ada"), begun.kept)
    assert what in caplog.text
    assert "hf_oauth" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "lie"),
    [
        ("/oauth/token", b"<html>"),
        ("/oauth/token", b"[1]"),
        ("/oauth/token", b"x" * 200_000),
        ("/oauth/token", {"id_token": "a.b"}),
        ("/oauth/token", {"id_token": "a.!.c"}),
        ("/oauth/token", {"id_token": 7}),
        ("/oauth/token", {"access_token": "a\r\nX-Evil: 1"}),
        ("/oauth/token", {"access_token": None}),
        ("/oauth/token", 302),
        ("/oauth/userinfo", 500),
        ("/oauth/userinfo", {"sub": "another"}),
        ("/oauth/userinfo", 4.0),
    ],
)
def test_a_hub_that_answers_strangely_is_a_sentence(hub: SignInHub, path: str, lie: Any) -> None:
    asking = sign_in(hub, patience_seconds=1.5)
    begun = asking.begin()
    hub.lies[path] = lie
    with pytest.raises(RunError):
        asking.finish(hub.grant(begun.address, sub=ADA, name="ada"), begun.kept)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "issuer"])
def test_a_hub_that_names_addresses_of_others_is_not_followed(hub: SignInHub, name: str) -> None:
    hub.lies["/.well-known/openid-configuration"] = {name: "http://evil.example/oauth"}
    with pytest.raises(RunError, match="did not say who you are"):
        sign_in(hub).begin()


def test_a_hub_that_is_away_is_a_sentence() -> None:
    app = HubApp(CLIENT, SECRET, "http://127.0.0.1:9", "me-studio.hf.space", "me")
    with pytest.raises(RunError, match="cannot be reached"):
        HubSignIn(app).begin()


@pytest.mark.parametrize("name", ["", "\x00", "a b", "<b>", "x" * 5000, ".."])
def test_a_name_that_cannot_be_one_does_no_harm(hub: SignInHub, name: str) -> None:
    asking = sign_in(hub)
    begun = asking.begin()
    assert asking.finish(hub.grant(begun.address, sub=ADA, name=name), begun.kept).id == ADA
