"""An account goes: as a whole, or not at all, and it does nothing while it goes."""

import http.client
import os
import threading
from pathlib import Path

import pytest

from studio.accounts.people import FOR_GOOD, MEMBER, TO_TRASH, People
from studio.accounts.removing import finish_removals, remove_account
from studio.accounts.sessions import Sessions, SignIn
from studio.errors import RunError
from studio.openai_api.keys import ApiKey
from studio.runs import lock
from tests.accounts.houses import house, served

PASSWORD = "four words of fog"


def test_an_account_that_cannot_be_removed_is_as_it_was(tmp_path: Path) -> None:
    """Its password was forgotten first, so a removal that failed locked its person out."""
    people = People(tmp_path)
    people.add("owner")
    anna = people.choose_password(people.add("anna")[0].id, PASSWORD)
    home = people.home_of(anna)
    key = ApiKey(home).read()
    held = lock.acquire(home / "export.lock")  # by nobody who could be ended
    assert held is not None
    with pytest.raises(RunError, match=r"'anna' was not removed\. Something of this account is still at work") as said:
        remove_account(people, anna, patience_seconds=0.0)
    assert said.value.hint == "Try again in a moment."
    sessions = Sessions(tmp_path, people)
    assert SignIn(people, sessions).token_for("anna", PASSWORD)[1] is False
    assert ApiKey(home).is_right(key)
    os.close(held)
    remove_account(people, anna)
    assert [each.id for each in people.removed()] == [anna.id]
    back = people.restore(anna.id)
    assert (back.password, back.code, back.leaving, ApiKey(home).is_there) == ("", "", "", False)


@pytest.mark.parametrize("how", [TO_TRASH, FOR_GOOD])
def test_what_was_cut_off_is_finished_at_the_start(tmp_path: Path, how: str) -> None:
    people = People(tmp_path)
    people.add("owner")
    anna = people.add("anna")[0]
    people.home_of(anna).mkdir(parents=True)
    people.begin_removal(anna.id, how=how)
    finish_removals(People(tmp_path))
    assert [each.name for each in people.all()] == ["owner"]
    assert [each.id for each in people.removed()] == ([anna.id] if how == TO_TRASH else [])
    assert not people.home_of(anna).exists()


def test_an_account_that_goes_asks_for_nothing_by_no_way(tmp_path: Path) -> None:
    """By its key, or by the word of a proxy, it was let in until its record was moved: its folder was made anew."""
    proxy = {"proxy_header": "x-forwarded-user", "proxy_addresses": ("127.0.0.1",)}
    with house(tmp_path / "home", api=True, evaluate=False, **proxy) as opened, served(opened) as port:
        opened.add("owner")
        anna, code = opened.people.add("anna", MEMBER)
        key, session = ApiKey(opened.people.home_of(anna)).read(), opened.visitor(port, anna)
        nobody = opened.visitor(port, None)

        def statuses() -> list[int]:
            return [
                nobody.get("/v1/models", {"Authorization": f"Bearer {key}"}).status,
                nobody.get("/config", {"X-Forwarded-User": "anna"}).status,
                session.get("/config").status,
            ]

        assert statuses() == [200, 200, 200]
        opened.people.begin_removal(anna.id)
        assert statuses() == [401, 403, 404]
        with pytest.raises(RunError, match="being removed"):
            opened.studios.open(anna)
        with pytest.raises(RunError, match="do not belong together"):
            SignIn(opened.people, Sessions(opened.home, opened.people)).token_for("anna", code)
        opened.people.call_off_removal(anna.id)
        assert statuses() == [200, 200, 200]


def test_nothing_is_made_anew_for_those_who_ask_while_it_goes(tmp_path: Path) -> None:
    with house(tmp_path / "home", api=True, evaluate=False) as opened, served(opened) as port:
        opened.add("owner")
        anna = opened.add("anna")
        key = ApiKey(opened.people.home_of(anna)).read()
        ended = threading.Event()

        def ask() -> None:
            while not ended.is_set():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
                connection.getresponse().read()
                connection.close()

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for thread in asking:
            thread.start()
        try:
            remove_account(opened.people, anna, drop=opened.studios.drop)
        finally:
            ended.set()
            for thread in asking:
                thread.join()
        assert not opened.people.home_of(anna).exists()


def test_a_removal_that_has_begun_is_called_off_by_no_other(tmp_path: Path) -> None:
    """A second one that could not wait let the account in again, while the first still ended its work."""
    people = People(tmp_path)
    people.add("owner")
    anna = people.add("anna")[0]
    people.begin_removal(anna.id, how=FOR_GOOD)
    with pytest.raises(RunError, match="being removed already"):
        remove_account(people, anna, patience_seconds=0.0)
    found = people.find(anna.id)
    assert found is not None
    assert found.leaving == FOR_GOOD


def test_a_removal_that_cannot_be_finished_at_the_start_lets_nobody_in(tmp_path: Path) -> None:
    """The account was let in again with its password, as if nobody had removed it."""
    people = People(tmp_path)
    people.add("owner")
    anna = people.add("anna")[0]
    people.home_of(anna).mkdir(parents=True)
    held = lock.acquire(people.home_of(anna) / "export.lock")
    assert held is not None
    people.begin_removal(anna.id)
    finish_removals(people, patience_seconds=0.0)
    found = people.find(anna.id)
    assert found is not None
    assert found.leaving == TO_TRASH
    os.close(held)
    finish_removals(people)
    assert [each.id for each in people.removed()] == [anna.id]
