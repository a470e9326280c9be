"""A run that is shared by a link: it can be looked at, by whoever has the link and until it is revoked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.accounts.people import Account
from studio.config import RunConfig
from studio.events import Evaluated, Finished, Sampled, Saved
from studio.runs.store import RunFolder, RunStore
from tests.accounts.houses import House, house, served
from tests.security.visitor import Visitor
from tests.ui.accounts.test_pages import post
from tests.ui.fake_studio import opening_events, play, step

HOSTILE = "<script>alert(1)</script>"


@dataclass
class Street:
    house: House
    port: int
    anna: Account
    run: RunFolder

    def visitor(self, account: Account | None) -> Visitor:
        return self.house.visitor(self.port, account)

    def share(self) -> str:
        """Share the run, and return the address of the link without its host."""
        answer = post(self.visitor(self.anna), "/account", action="share", run=self.run.id)
        return re.findall(r"http://127[^<]*?(/shared/[\w-]+)", answer.text)[0]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with house(tmp_path / "home", evaluate=False) as opened:
        opened.add("owner")
        anna = opened.add("anna")
        studio = opened.studios.open(anna)
        run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
        asked = [Sampled(0, 0, f"Who? {HOSTILE}", "Nobody"), Sampled(2, 0, f"Who? {HOSTILE}", f"Mondlicht {HOSTILE}")]
        steps = (step(1, loss=3.0), step(2, loss=1.0), Evaluated(0, 3.0), Evaluated(2, 1.2), *asked)
        end = (Saved(2, "adapter"), Finished("finished", "Done.", 9.0))
        play(run, *opening_events(steps=2), *steps, *end, clock=studio.clock)
        opened.workers.leave()
        RunStore(studio.settings.home).describe(run.id, name=f"Lantern {HOSTILE}")
        with served(opened) as port:
            yield Street(opened, port, anna, run)


def test_whoever_has_the_link_sees_the_run_and_nothing_else(street: Street) -> None:
    path = street.share()
    for account in (None, street.house.add("ben"), street.anna):
        answer = street.visitor(account).get(path)
        assert answer.status == 200
        assert "Lantern" in answer.text
        assert "Mondlicht" in answer.text
        assert "3.000 → 1.200" in answer.text
        assert not re.search(r"<(?:script|form|button|input)", answer.text)
        assert street.run.id not in answer.text
        assert "anna" not in answer.text
    assert street.visitor(None).ask("POST", path, b"").status in (404, 405)
    assert street.visitor(None).get("/config").status == 404


def test_a_link_may_be_followed_from_anywhere(street: Street) -> None:
    """A link that came by mail was refused as sent by another page."""
    path = street.share()
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert street.visitor(None).get(path, elsewhere).status == 200
    assert street.visitor(street.anna).get("/account", elsewhere).status == 403
    framed = {**elsewhere, "Sec-Fetch-Dest": "iframe"}
    assert street.visitor(None).get(path, framed).status == 403


@pytest.mark.parametrize("path", ["/shared/", "/shared/x", f"/shared/{'x' * 43}", "/shared/../account", "/shared/%00"])
def test_a_link_that_leads_nowhere_is_like_any_other_address(street: Street, path: str) -> None:
    nobody = street.visitor(None)
    assert (nobody.get(path).status, nobody.get("/account").status) == (404, 404)


def test_a_link_is_revoked_by_who_made_it(street: Street) -> None:
    path = street.share()
    anna, ben = street.visitor(street.anna), street.visitor(street.house.add("ben"))
    page = anna.get("/account").text
    assert path.removeprefix("/shared/") not in page  # it is shown once
    name = re.findall(r'name="link" value="(\w+)"', page)[0]
    assert "no longer there" in post(ben, "/account", action="revoke", link=name).text
    assert ben.get(path).status == 200
    assert "revoked" in post(anna, "/account", action="revoke", link=name).text
    assert anna.get(path).status == 404


def test_nobody_shares_what_is_not_theirs(street: Street) -> None:
    ben = street.visitor(street.house.add("ben"))
    refused = post(ben, "/account", action="share", run=street.run.id)
    unknown = post(ben, "/account", action="share", run="20260101-000000-nothing")
    assert 'class="trouble"' in refused.text
    assert refused.text.replace(street.run.id, "ID") == unknown.text.replace("20260101-000000-nothing", "ID")
    assert "Lantern" not in ben.get("/account").text


def test_a_link_ends_with_its_run_and_with_its_account(street: Street) -> None:
    path = street.share()
    studio = street.house.studios.open(street.anna)
    studio.delete_run(street.run.id)
    assert street.visitor(None).get(path).status == 404
    studio.runs.restore(street.run.id)
    assert street.visitor(None).get(path).status == 200
    street.house.people.remove(street.anna.id)
    assert street.visitor(None).get(path).status == 404
