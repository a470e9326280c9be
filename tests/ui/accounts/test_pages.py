"""Signing in, one's own account and those of others, as a browser without scripts sends it."""

import http.client
import io
import os
import subprocess
import sys
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from studio.accounts.people import GUEST, Account
from studio.runs import lock
from tests.accounts.houses import House, house, served
from tests.security.visitor import Answer, Visitor

PASSWORD = "four words of fog"


@dataclass
class Served:
    house: House
    port: int
    owner: Account

    def visitor(self, account: Account | None = None) -> Visitor:
        return self.house.visitor(self.port, account)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with house(tmp_path_factory.mktemp("people") / "home", evaluate=False) as opened:
        owner = opened.add("owner")
        with served(opened) as port:
            yield Served(opened, port, owner)


def post(visitor: Visitor, path: str, **fields: str) -> Answer:
    """Send a form, and keep the cookie that comes."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = visitor.ask("POST", path, urllib.parse.urlencode(fields).encode(), headers)
    if "set-cookie" in answer.headers:
        visitor.cookie = answer.headers["set-cookie"].split(";")[0]
    return answer


def test_the_first_sign_in_chooses_a_password(place: Served) -> None:
    account, code = place.house.people.add("anna")
    visitor = place.visitor()
    answer = post(visitor, "/sign-in", name="anna", password=code)
    assert (answer.status, answer.headers["location"]) == (303, "password")
    assert visitor.get("/config").status == 404
    assert visitor.get("/").headers["location"] == "password"
    assert "Choose a password" in visitor.get("/password").text
    differ = post(visitor, "/password", password=PASSWORD, again="another")
    assert "The two passwords differ" in differ.text
    assert "This password has 3 characters" in post(visitor, "/password", password="abc", again="abc").text
    answer = post(visitor, "/password", password=PASSWORD, again=PASSWORD)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    assert visitor.get("/config").status == 200
    assert post(visitor, "/sign-out").status == 303
    assert visitor.get("/config").status == 404
    assert post(visitor, "/sign-in", name="Anna", password=PASSWORD).status == 303
    assert visitor.get("/config").status == 200
    assert place.house.people.get("anna").id == account.id


def test_the_cookie_is_for_the_browser_alone(place: Served) -> None:
    _, code = place.house.people.add("anna")
    visitor = place.visitor()
    cookie = post(visitor, "/sign-in", name="anna", password=code).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "ecure" not in cookie
    form = urllib.parse.urlencode({"name": "anna", "password": code}).encode()
    encrypted = visitor.ask("POST", "/sign-in", form, {"X-Forwarded-Proto": "https"})
    assert encrypted.headers["set-cookie"].endswith("; secure")


def test_a_wrong_password_is_one_sentence_and_few_are_taken(place: Served) -> None:
    place.house.people.add("anna")
    visitor = place.visitor()
    for name in ("anna", "nobody"):
        answer = post(visitor, "/sign-in", name=name, password="wrong one")
        assert (answer.status, "do not belong together" in answer.text) == (403, True)
        assert "set-cookie" not in answer.headers
    for _ in range(4):
        post(visitor, "/sign-in", name="ANNA", password="wrong one")
    refused = post(visitor, "/sign-in", name="anna", password="wrong one")
    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)
    assert "Too many wrong passwords" in refused.text
    assert post(visitor, "/sign-in", name="ben", password="wrong one").status == 403


@pytest.mark.parametrize("body", [b"", b"name=a", b"x" * 5000, b"\xff\xfe=\x00", b"&" * 200, b"name=%00&password=%00"])
def test_a_form_that_is_none_is_refused(place: Served, body: bytes) -> None:
    assert place.visitor().ask("POST", "/sign-in", body).status in (400, 403, 413)


def test_what_was_typed_is_shown_as_text(place: Served) -> None:
    answer = post(place.visitor(), "/sign-in", name='"><script>a()</script>', password="x")
    assert "<script>" not in answer.text


@pytest.mark.parametrize(("language", "words"), [("de", "Anmelden"), ("es", "Iniciar sesión"), ("en", "Sign in")])
def test_the_page_speaks_three_languages(place: Served, language: str, words: str) -> None:
    visitor = place.visitor()
    assert words in visitor.get("/", {"Accept-Language": language}).text
    chosen = visitor.get(f"/?language={language}")
    assert (chosen.status, f"studio-language={language}" in chosen.headers["set-cookie"]) == (303, True)
    visitor.cookie = chosen.headers["set-cookie"].split(";")[0]
    assert f'<html lang="{language}">' in visitor.get("/").text


def test_one_changes_ones_password_and_takes_all_away(place: Served) -> None:
    anna, code = place.house.people.add("anna")
    visitor, elsewhere = place.visitor(), place.visitor(anna)
    post(visitor, "/sign-in", name="anna", password=code)
    post(visitor, "/password", password=PASSWORD, again=PASSWORD)
    assert elsewhere.get("/account").status == 404
    home = place.house.people.home_of(anna)
    (home / "runs").mkdir(parents=True, exist_ok=True)
    (home / "runs" / "diary.txt").write_text("mine", encoding="utf-8")
    (home / "api-key").write_text("sk-studio-secret", encoding="utf-8")
    (home / "runs" / "link").symlink_to("/etc/hostname")
    answer = visitor.get("/archive")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        assert packed.read("runs/diary.txt") == b"mine"
    assert not {"api-key", "runs/link"} & set(names)
    wrong = post(
        visitor, "/account", action="password", current="wrong", password="another of them", again="another of them"
    )
    assert "This is not your password" in wrong.text
    done = post(
        visitor, "/account", action="password", current=PASSWORD, password="another of them", again="another of them"
    )
    assert "Your password is changed" in done.text
    assert visitor.get("/account").status == 200


def test_the_owners_archive_holds_nothing_of_others(place: Served) -> None:
    anna = place.house.add("anna")
    home = place.house.people.home_of(anna)
    home.mkdir(parents=True, exist_ok=True)
    (home / "diary.txt").write_text("Mondlicht", encoding="utf-8")
    (place.house.home / "runs").mkdir(exist_ok=True)
    (place.house.home / "runs" / "own.txt").write_text("own", encoding="utf-8")
    (place.house.home / ".mirror").mkdir()
    (place.house.home / ".mirror" / "table.json").write_text("all that anybody has", encoding="utf-8")
    packed = zipfile.ZipFile(io.BytesIO(place.visitor(place.owner).get("/archive").body))
    assert "runs/own.txt" in packed.namelist()
    assert not [name for name in packed.namelist() if name.startswith(("accounts", "models", "uploads", ".mirror"))]


def test_one_deletes_ones_account_for_good(place: Served) -> None:
    anna, code = place.house.people.add("anna")
    visitor = place.visitor()
    post(visitor, "/sign-in", name="anna", password=code)
    post(visitor, "/password", password=PASSWORD, again=PASSWORD)
    assert visitor.get("/config").status == 200  # its page is open
    assert "not your password" in post(visitor, "/account", action="delete", current="wrong").text
    assert post(visitor, "/account", action="delete", current=PASSWORD).status == 303
    assert visitor.get("/config").status == 404
    assert place.house.people.removed() == ()
    left = [path for path in place.house.home.rglob("*") if anna.id in path.name and ".going-" not in path.name]
    assert not left


def test_only_an_owner_looks_after_accounts(place: Served) -> None:
    anna, guest = place.house.add("anna"), place.house.add("guest", GUEST)
    for account in (anna, guest, None):
        visitor = place.visitor(account)
        nothing = visitor.get("/people.txt")
        assert visitor.get("/people").status == 404
        assert post(visitor, "/people", action="add", name="evil", role="owner").status == 404
        assert nothing.status == 404
    assert [each.name for each in place.house.people.all()] == ["anna", "guest", "owner"]


def test_an_owner_adds_changes_removes_and_brings_back(place: Served) -> None:
    owner, people = place.visitor(place.owner), place.house.people
    added = post(owner, "/people", action="add", name="anna", role="member")
    code = added.text.split('class="secret" translate="no">')[1].split("<")[0]
    assert post(place.visitor(), "/sign-in", name="anna", password=code).status == 303
    assert code not in owner.get("/people").text
    anna = people.get("anna")
    assert "already" in post(owner, "/people", action="add", name="Anna", role="member").text
    assert "is not a role" in post(owner, "/people", action="role", id=anna.id, role="king").text
    post(owner, "/people", action="role", id=anna.id, role="guest")
    assert people.get("anna").role == GUEST
    signed_in = place.visitor(people.get("anna"))
    assert signed_in.get("/config").status == 200
    assert "One-time code" in post(owner, "/people", action="reset", id=anna.id).text
    assert signed_in.get("/config").status == 404
    assert "Trash" in post(owner, "/people", action="remove", id=anna.id).text
    assert people.named("anna") is None
    post(owner, "/people", action="restore", id=anna.id)
    assert people.get("anna").role == GUEST
    post(owner, "/people", action="remove", id=anna.id)
    post(owner, "/people", action="delete", id=anna.id)
    assert people.removed() == ()
    for action, id in (("remove", place.owner.id), ("remove", "x"), ("reset", "../x"), ("nothing", anna.id), ("", "")):
        assert 'class="trouble"' in post(owner, "/people", action=action, id=id).text, action


def test_what_a_removed_account_has_at_work_ends(place: Served) -> None:
    """A worker wrote on into a folder that was moved away."""
    anna = place.house.add("anna")
    home = place.house.people.home_of(anna)
    (home / "runs" / "x").mkdir(parents=True)
    held = lock.acquire(home / "runs" / "x" / "run.lock")
    assert held is not None
    worker = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=(held,), start_new_session=True
    )
    lock.name_holder(home / "runs" / "x" / "run.lock", worker.pid)
    os.close(held)
    post(place.visitor(place.owner), "/people", action="remove", id=anna.id)
    assert worker.wait(10) == -9
    assert not home.exists()


def test_the_open_stream_of_a_removed_account_ends(place: Served) -> None:
    anna = place.house.add("anna")
    visitor = place.visitor(anna)
    assert visitor.get("/config").status == 200
    ended = threading.Event()

    def follow() -> None:
        visitor.get("/studio/changes", timeout=30)
        ended.set()

    following = threading.Thread(target=follow)
    following.start()
    assert not ended.wait(1.0)
    post(place.visitor(place.owner), "/people", action="remove", id=anna.id)
    assert ended.wait(10)
    following.join()


def test_an_account_that_goes_while_its_person_deletes_it_is_no_server_error(place: Served) -> None:
    """What was wrong was to be said on the page of an account that was not there any more."""
    people = place.house.people
    anna = people.choose_password(place.house.add("anna").id, PASSWORD)
    visitor = place.visitor(anna)

    def drop(id: str) -> None:
        people.remove(id)  # as another program does at that moment

    place.house.studios.drop_page = drop
    answer = post(visitor, "/account", action="delete", current=PASSWORD)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    assert "Sign in" in visitor.get("/").text


@pytest.mark.parametrize("how", ["sign out", "a new code", "a new password", "no sign-out"])
def test_the_open_streams_of_who_signed_out_end(place: Served, how: str) -> None:
    """Whoever had looked over a shoulder, in a browser of their own, went on being told what happens."""
    anna = place.house.people.choose_password(place.house.add("anna").id, PASSWORD)
    visitor, elsewhere = place.visitor(anna), place.visitor(anna)
    assert visitor.get("/config").status == 200
    ended = {"here": threading.Event(), "elsewhere": threading.Event()}

    def follow(where: str, who: Visitor) -> None:
        who.get("/studio/changes", timeout=8)
        ended[where].set()

    following = [threading.Thread(target=follow, args=each) for each in (("here", visitor), ("elsewhere", elsewhere))]
    for thread in following:
        thread.start()
    assert not ended["here"].wait(1.0)
    if how == "sign out":
        post(place.visitor(anna), "/sign-out")  # of another session
        assert not ended["here"].wait(1.0)
        assert post(visitor, "/sign-out").status == 303
    elif how == "a new code":
        post(place.visitor(place.owner), "/people", action="reset", id=anna.id)
    elif how == "a new password":
        new = {"password": "five words of fog", "again": "five words of fog"}
        assert "is changed" in post(place.visitor(anna), "/account", action="password", current=PASSWORD, **new).text
    assert ended["here"].wait(3) == (how != "no sign-out")
    assert ended["elsewhere"].wait(1) == (how in ("a new code", "a new password"))
    for thread in following:
        thread.join()


def test_strangers_use_up_nothing_that_uploads_of_the_people_here_need(place: Served) -> None:
    stranger, owner = place.visitor(), place.visitor(place.owner)
    statuses = {stranger.ask("POST", "/gradio_api/upload", b"abc").status for _ in range(120)}
    assert statuses == {404}
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nabc\r\n--x--\r\n'
    sent = owner.ask("POST", "/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert sent.status == 200


def test_whoever_tries_many_names_shuts_out_only_their_own_address(place: Served) -> None:
    anna, code = place.house.people.add("anna")
    for number in range(70):
        post(place.visitor(), "/sign-in", name=f"nobody{number}", password="wrong one")
    assert post(place.visitor(), "/sign-in", name="anna", password=code).status == 429
    owner = post(
        place.visitor(place.owner), "/account", action="password", old="wrong one", new=PASSWORD, again=PASSWORD
    )
    assert "Too many" not in owner.text
    elsewhere = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30, source_address=("127.0.0.2", 0))
    form = urllib.parse.urlencode({"name": anna.name, "password": code})
    elsewhere.request("POST", "/sign-in", form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert elsewhere.getresponse().status == 303
    elsewhere.close()


def test_one_name_in_other_letters_is_one_name(place: Served) -> None:
    place.house.people.add("anna")
    for name in ("anna", "ａnna", "aｎna", "anｎa", "annａ"):  # noqa: RUF001  # letters of full width
        assert post(place.visitor(), "/sign-in", name=name, password="wrong one").status == 403
    assert post(place.visitor(), "/sign-in", name="ａｎna", password="wrong one").status == 429  # noqa: RUF001
