"""Signing in with the Hub and looking around without an account, as browsers send it and as attackers do."""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.accounts.people import GUEST, MEMBER, OWNER, Account
from studio.errors import RunError
from studio.settings import HubApp, Settings, ensure_guarded, read_settings
from studio.ui.accounts.pages import TRIES_AT_THE_HUB
from studio.ui.accounts.serving import served_accounts
from tests.accounts.houses import House, house
from tests.security.visitor import Answer, Visitor
from tests.sign_in_hub import CLIENT, SECRET, SignInHub, sign_in_hub
from tests.ui.accounts.test_pages import post

ADA, ME = "62f0a1b2c3d4e5f607182930", "62f0a1b2c3d4e5f607182931"
FROM_THE_HUB = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass
class InSpace:
    house: House
    hub: SignInHub
    port: int

    def visitor(self) -> Visitor:
        return self.house.visitor(self.port, None)

    def sign_in(self, sub: str, name: str) -> Visitor:
        """Come from the Hub as somebody."""
        visitor = self.visitor()
        assert self.come_back(visitor, sub, name).status == 303
        return visitor

    def come_back(self, visitor: Visitor, sub: str, name: str) -> Answer:
        gone = visitor.get("/login/huggingface")
        assert gone.status == 303
        visitor.cookie = gone.headers["set-cookie"].split(";")[0]
        given = self.hub.grant(gone.headers["location"], sub=sub, name=name)
        back = visitor.get(f"/login/callback?code={given['code']}&state={given['state']}", FROM_THE_HUB)
        visitor.cookie = back.headers["set-cookie"].split(";")[0]
        return back


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def space(tmp_path: Path) -> Iterator[InSpace]:
    port = free_port()
    with sign_in_hub() as hub:
        app = HubApp(CLIENT, SECRET, hub.address, f"127.0.0.1:{port}", "me", takes_members=True)
        settings = {"where": "space", "hub_app": app, "guests": True, "evaluate": False}
        limits = (("visitors_at_once", 2),)
        with house(tmp_path / "home", limit_changes=limits, **settings) as opened:
            opened.add("me")
            with served_accounts(opened.studios, port=port):
                yield InSpace(opened, hub, port)


def test_a_first_sign_in_makes_an_account_and_the_next_one_finds_it(space: InSpace) -> None:
    ada = space.sign_in(ADA, "ada")
    assert ada.get("/config").status == 200
    account = space.house.people.get("ada")
    assert (account.role, account.hub, account.password) == (MEMBER, ADA, "")
    renamed = space.sign_in(ADA, "countess")
    assert renamed.get("/config").status == 200
    assert [(each.id, each.name) for each in space.house.people.all() if each.hub] == [(account.id, "countess")]
    other = space.sign_in("62f0a1b2c3d4e5f607182999", "ada")  # who has the name on the Hub now
    assert other.get("/config").status == 200
    assert len({each.id for each in space.house.people.all()}) == 3


def test_the_cookies_are_for_this_browser_and_for_the_hubs_frame(space: InSpace) -> None:
    visitor = space.visitor()
    gone = visitor.get("/login/huggingface").headers["set-cookie"]
    assert gone.startswith("__Host-studio-to-hub=")
    assert gone.endswith("; Path=/; Max-Age=600; HttpOnly; secure; SameSite=Lax")
    back = space.come_back(visitor, ADA, "ada")
    assert back.headers["location"] == "../"
    session, ended = back.headers["set-cookie"].split(", __Host-")
    assert session.endswith("; HttpOnly; SameSite=None; secure; partitioned")
    assert ended.startswith("studio-to-hub=; Path=/; Max-Age=0")
    assert "hf_oauth" not in back.text + str(back.headers)


def test_the_author_of_the_space_is_its_owner_for_good(space: InSpace) -> None:
    owner = space.sign_in(ME, "Me")
    assert owner.get("/people").status == 200
    first = space.house.people.first()
    assert (first.hub, first.role) == (ME, OWNER)
    space.sign_in(ME, "renamed")
    assert space.house.people.first().id == first.id
    # The name that the owner had on the Hub is free there now, and the Space was told of it at its start.
    taken = space.sign_in("62f0a1b2c3d4e5f607182977", "me")
    assert taken.get("/config").status == 200
    assert taken.get("/people").status == 404
    # Somebody who takes a name that is the owner's here, and is not the author's on the Hub, gets nothing of theirs.
    squatter = space.sign_in(ADA, "renamed")
    assert squatter.get("/people").status == 404
    assert space.house.people.first().hub == ME


def test_nobody_gets_the_account_of_a_password_by_its_name(space: InSpace) -> None:
    anna = space.house.add("anna")
    visitor = space.sign_in(ADA, "anna")
    assert visitor.get("/config").status == 200
    hubs = [each for each in space.house.people.all() if each.hub == ADA]
    assert [(each.name, each.id == anna.id) for each in hubs] == [("anna-2", False)]


def test_a_sign_in_of_another_browser_signs_nobody_in(space: InSpace) -> None:
    mallory, victim = space.visitor(), space.visitor()
    gone = mallory.get("/login/huggingface")
    given = space.hub.grant(gone.headers["location"], sub=ADA, name="mallory")
    sent = f"/login/callback?code={given['code']}&state={given['state']}"
    answer = victim.get(sent, FROM_THE_HUB)
    assert (answer.status, "not begun in this browser" in answer.text) == (403, True)
    assert "studio-session" not in answer.headers["set-cookie"]
    assert space.house.people.named("mallory") is None
    own = victim.get("/login/huggingface").headers["set-cookie"].split(";")[0]
    victim.cookie = own
    assert victim.get(sent, FROM_THE_HUB).status == 403
    assert 'action="../sign-in"' in answer.text, "the form beside it works from this address too"


@pytest.mark.parametrize(
    "query",
    ["", "code=x", "state=x", "error=access_denied", "code=%00&state=%00", "code=x&state=" + "x" * 3000, "&" * 900],
)
def test_what_comes_back_without_a_beginning_is_refused(space: InSpace, query: str) -> None:
    answer = space.visitor().get(f"/login/callback?{query}", FROM_THE_HUB)
    assert answer.status in (403, 400)
    assert "<script" not in answer.text


def test_sign_ins_that_fail_are_bounded_and_those_that_succeed_are_not_counted(space: InSpace) -> None:
    """Whoever came back with nothing again and again kept the line to the Hub full."""
    space.sign_in(ADA, "ada")
    answers = [space.visitor().get("/login/callback?code=x&state=x", FROM_THE_HUB) for _ in range(TRIES_AT_THE_HUB)]
    assert {answer.status for answer in answers} == {403}
    refused = space.visitor().get("/login/callback?code=x&state=x", FROM_THE_HUB)
    assert (refused.status, "Too many sign-ins failed" in refused.text) == (429, True)


def test_a_guest_uploads_nothing_and_uses_up_nothing_of_others(space: InSpace) -> None:
    """Twenty guests filled all the room for uploads, and nobody could bring a file any more."""
    guest = space.visitor()
    post(guest, "/visit")
    refused = guest.upload("a.csv", b"a,b")
    assert (refused.status, "You are a guest here" in refused.text) == (403, True)
    assert space.sign_in(ADA, "ada").upload("a.csv", b"a,b").status == 200


def test_nothing_is_followed_to_where_the_address_says(space: InSpace) -> None:
    """Gradio's own sign-in takes the place to go to from the address."""
    visitor = space.visitor()
    gone = visitor.get("/login/huggingface?_target_url=https://evil.example&next=//evil.example")
    assert "evil" not in gone.headers["location"]
    visitor.cookie = gone.headers["set-cookie"].split(";")[0]
    given = space.hub.grant(gone.headers["location"], sub=ADA, name="ada")
    query = f"code={given['code']}&state={given['state']}&_target_url=//evil.example"
    assert visitor.get(f"/login/callback?{query}", FROM_THE_HUB).headers["location"] == "../"


def test_another_name_of_the_space_leads_to_its_own_first(space: InSpace) -> None:
    there = space.visitor().get("/login/huggingface", {"Host": f"localhost:{space.port}"})
    assert there.headers["location"] == f"http://127.0.0.1:{space.port}/login/huggingface?again=1"
    assert "set-cookie" not in there.headers
    again = space.visitor().get("/login/huggingface?again=1", {"Host": f"localhost:{space.port}"})
    assert again.headers["location"].startswith(space.hub.address), "no circle where a proxy writes another name"


def test_another_page_cannot_post_or_read_with_a_signed_in_browser(space: InSpace) -> None:
    ada = space.sign_in(ADA, "ada")
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    for method, path in (("POST", "/sign-out"), ("POST", "/visit"), ("GET", "/login/callback"), ("GET", "/config")):
        assert ada.ask(method, path, b"" if method == "POST" else None, evil).status == 403, path
    assert ada.get("/config").status == 200


def test_the_frame_of_the_hub_opens_the_sign_in_in_a_page_of_its_own(space: InSpace) -> None:
    framed = {**FROM_THE_HUB, "Sec-Fetch-Dest": "iframe"}
    page = space.visitor().get("/", framed)
    assert page.status == 200
    assert re.search(r'href="http://127\.0\.0\.1:\d+/login/huggingface" target="_blank" rel="noopener"', page.text)
    assert "frame-ancestors https://huggingface.co" in page.headers["content-security-policy"]
    assert "_blank" not in space.visitor().get("/").text


def test_who_was_removed_does_not_come_back_by_signing_in(space: InSpace) -> None:
    space.sign_in(ADA, "ada")
    space.house.people.remove(space.house.people.get("ada").id)
    visitor = space.visitor()
    refused = space.come_back(visitor, ADA, "ada")
    assert (refused.status, "Your account here was removed" in refused.text) == (403, True)


def test_one_without_a_password_leaves_by_their_name(space: InSpace) -> None:
    ada = space.sign_in(ADA, "ada")
    page = ada.get("/account").text
    assert "Your password" not in page
    assert "not your name" in post(ada, "/account", action="delete", current="somebody").text
    assert post(ada, "/account", action="delete", current="ada").status == 303
    assert space.house.people.named("ada") is None
    assert space.house.people.removed() == ()


def test_one_without_a_password_gets_none_by_their_name(space: InSpace) -> None:
    """Whoever had the session for a moment chose a password, and came in with it for good."""
    ada = space.sign_in(ADA, "ada")
    chosen = {"password": "four words of fog", "again": "four words of fog"}
    refused = post(ada, "/account", action="password", current="ada", **chosen)
    assert (refused.status, "has no password that could be changed" in refused.text) == (400, True)
    assert space.house.people.get("ada").password == ""


def test_a_visitor_looks_around_as_a_guest_and_one_that_left_makes_place(space: InSpace) -> None:
    visitors = []
    for _ in range(2):
        visitor = space.visitor()
        assert post(visitor, "/visit").status == 303
        assert visitor.get("/config").status == 200
        visitors.append(visitor)
    made = [each for each in space.house.people.all() if each.visits]
    assert [each.role for each in made] == [GUEST, GUEST]
    assert "look around already" in post(space.visitor(), "/visit").text  # both have their pages open
    first = min(made, key=lambda each: each.created)
    space.house.studios.drop(first.id)
    third = space.visitor()
    assert post(third, "/visit").status == 303
    assert third.get("/config").status == 200
    assert space.house.people.find(first.id) is None
    left = [path.name for path in space.house.home.rglob("*") if first.id in path.name]
    assert left == [f".going-{first.id}.json"]
    with pytest.raises(RunError, match="You are a guest here"):
        space.house.studios.open(made[1]).import_run(Path("x"))


def test_visitors_are_let_in_a_few_a_minute_and_deleted_after_a_day(
    space: InSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = [post(space.visitor(), "/visit").status for _ in range(12)]
    assert (statuses.count(303), statuses[-1]) == (10, 429)
    assert sum(each.visits for each in space.house.people.all()) == 2
    studios, tomorrow = space.house.studios, time.time() + 25 * 3600
    studios._swept_at = float("-inf")
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    studios.tick()
    assert not any(each.visits for each in space.house.people.all())


def test_where_guests_are_not_let_in_there_is_nothing(tmp_path: Path) -> None:
    with house(tmp_path / "home") as opened, served_accounts(opened.studios, port=0) as server:
        opened.add("owner")
        visitor = opened.visitor(server.port, None)
        assert visitor.ask("POST", "/visit", b"").status == 404
        assert visitor.get("/login/huggingface").status == 404
        page = visitor.get("/").text
        assert "Hugging Face" not in page
        assert "Look around" not in page


SPACE = {
    "SPACE_ID": "me/studio",
    "SPACE_HOST": "me-studio.hf.space,studio.example.org",
    "SPACE_AUTHOR_NAME": "me",
    "OAUTH_CLIENT_ID": CLIENT,
    "OAUTH_CLIENT_SECRET": SECRET,
    "OPENID_PROVIDER_URL": "https://huggingface.co",
}


def settings_of(tmp_path: Path, **more: str) -> Settings:
    return read_settings({"STUDIO_HOME": str(tmp_path), **SPACE, **more})


def test_a_space_with_a_sign_in_has_accounts_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    space = settings_of(tmp_path)
    assert (space.accounts, space.hosts) == (True, ("me-studio.hf.space", "studio.example.org"))
    assert space.hub_app == HubApp(CLIENT, SECRET, "https://huggingface.co", "me-studio.hf.space", "me")
    ensure_guarded(space)
    for other in ({"STUDIO_PASSWORD": "long enough"}, {"STUDIO_OPEN": "1"}, {"STUDIO_ACCOUNTS": "0"}):
        found = settings_of(tmp_path, **other)
        assert (bool(found.accounts), found.hub_app) == (False, None), other
    assert settings_of(tmp_path, STUDIO_OWNER="ada").hub_app == HubApp(
        CLIENT, SECRET, "https://huggingface.co", "me-studio.hf.space", "ada"
    )
    laptop = read_settings({"STUDIO_HOME": str(tmp_path), **{k: v for k, v in SPACE.items() if k != "SPACE_ID"}})
    assert (laptop.accounts, laptop.hub_app) == (None, None)
    with pytest.raises(RunError, match="OPENID_PROVIDER_URL"):
        settings_of(tmp_path, OPENID_PROVIDER_URL="http://huggingface.co")


def test_a_space_that_nobody_set_up_takes_members_of_none(tmp_path: Path) -> None:
    """Every user of the Hub could train on the hardware of whoever had duplicated a public Space."""
    for takes, more in ((False, {}), (False, {"STUDIO_ACCOUNTS": ""}), (True, {"STUDIO_ACCOUNTS": "1"})):
        app = settings_of(tmp_path, **more).hub_app
        assert (app is not None and app.takes_members) == takes
    port = free_port()
    with (
        sign_in_hub() as hub,
        house(
            tmp_path / "home",
            where="space",
            hub_app=HubApp(CLIENT, SECRET, hub.address, f"127.0.0.1:{port}", "me"),
            evaluate=False,
        ) as opened,
    ):
        opened.add("me")
        with served_accounts(opened.studios, port=port):
            space = InSpace(opened, hub, port)
            space.sign_in(ADA, "ada")
            space.sign_in(ME, "me")
            assert [(each.name, each.role) for each in opened.people.all()] == [("ada", GUEST), ("me", OWNER)]
            opened.people.give_role(opened.people.get("ada").id, MEMBER)
            space.sign_in(ADA, "ada")
            assert opened.people.get("ada").role == MEMBER


def test_guests_are_let_in_only_beside_accounts(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this studio has none"):
        ensure_guarded(settings_of(tmp_path, STUDIO_GUESTS="1", STUDIO_PASSWORD="long enough"))
    ensure_guarded(settings_of(tmp_path, STUDIO_GUESTS="1"))


def test_an_account_of_before_opens() -> None:
    assert (Account().hub, Account().visits, Account().leaving) == ("", False, "")
