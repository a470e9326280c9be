"""A run that is shared by a link: it can be looked at, by whoever has the link and until it is revoked."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.accounts.people import GUEST, Account
from studio.compare.answering import GenerationSettings
from studio.compare.conversations import Answer, Conversation, Talk, Turn, open_conversations
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column, Sheet, SheetRow, open_sheets
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
        answer = post(self.visitor(self.anna), "/account", action="share", what=f"run/{self.run.id}")
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
    refused = post(ben, "/account", action="share", what=f"run/{street.run.id}")
    unknown = post(ben, "/account", action="share", what="run/20260101-000000-nothing")
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


def compared(street: Street) -> tuple[str, str]:
    """Keep a conversation and a prompt sheet of anna's; return what names each in the form."""
    home = street.house.people.home_of(street.anna)
    answers = (Answer(f"Salt and fog {HOSTILE}"), Answer("", trouble="The model could not answer."))
    talks = tuple(
        Talk(f"key{place}", f"Model {place} {HOSTILE}", (Turn(f"What of {HOSTILE}?", answer),))
        for place, answer in enumerate(answers)
    )
    conversation = open_conversations(home).save(Conversation(name=f"Harbour {HOSTILE}", talks=talks))
    columns = (Column("k", "Tuned", strength=0.5), Column("b", "Base"))
    rows = (SheetRow(Prompt("Who?"), (Cell("Mondlicht"), Cell("Nobody"))), SheetRow(Prompt("Not asked yet")))
    sheet = open_sheets(home).save(Sheet(columns, rows, GenerationSettings("", 0.0, 8, 1), name="Slips"))
    return f"conversation/{conversation.id}", f"sheet/{sheet.id}"


def share(street: Street, what: str) -> str:
    answer = post(street.visitor(street.anna), "/account", action="share", what=what)
    return re.findall(r"http://127[^<]*?(/shared/[\w-]+)", answer.text)[0]


def test_a_comparison_is_shared_as_a_run_is(street: Street) -> None:
    for what, words in zip(
        compared(street),
        (("Harbour", "What of", "Salt and fog", "Model 0", "The model could not answer."), ("Mondlicht", "at 0.5")),
        strict=True,
    ):
        path = share(street, what)
        for account in (None, street.house.add(f"ben{path[-4:].strip('-_')}x"), street.anna):
            shown = street.visitor(account).get(path)
            assert shown.status == 200
            assert all(word in shown.text for word in words)
            assert not re.search(r"<(?:script|form|button|input)", shown.text)
            assert not any(word in shown.text for word in (what.split("/")[1], "key0", "anna", "Not asked yet"))
        assert "sandbox" not in shown.headers["content-security-policy"]


def trouble(visitor: Visitor, what: str) -> str:
    """What somebody is told who may not share this."""
    answer = post(visitor, "/account", action="share", what=what).text
    assert "Harbour" not in answer
    return re.findall(r'<p class="trouble"[^>]*>(.*?)</p>', answer)[0]


def test_a_comparison_is_not_shared_by_another_and_ends_when_it_is_revoked_or_deleted(street: Street) -> None:
    conversation, sheet = compared(street)
    ben = street.visitor(street.house.add("ben"))
    for what in ("conversation/../../people/x", "sheet/", "vote/1", ""):
        assert trouble(ben, what)
    for what in (conversation, sheet, f"run/{conversation[13:]}"):
        unlike = f"{what[:-1]}{'0' if what[-1] != '0' else '1'}"
        told = [trouble(ben, each).replace(each.rpartition("/")[2], "ID") for each in (what, unlike)]
        assert told[0] == told[1]
    path = share(street, conversation)
    home = street.house.people.home_of(street.anna)
    open_conversations(home).delete(conversation.split("/")[1])
    assert street.visitor(None).get(path).status == 404
    open_conversations(home).restore(conversation.split("/")[1])
    assert street.visitor(None).get(path).status == 200
    page = street.visitor(street.anna).get("/account").text
    assert "Harbour" in page
    link = re.findall(r'name="link" value="(\w+)"', page)[0]
    assert "revoked" in post(street.visitor(street.anna), "/account", action="revoke", link=link).text
    assert street.visitor(None).get(path).status == 404


def test_a_link_of_before_there_were_comparisons_still_leads_to_its_run(street: Street) -> None:
    folder = street.house.home / "accounts" / "shared"
    path = street.share()
    (file,) = folder.glob("*.json")
    document = json.loads(file.read_text())
    old = {"account": document["account"], "run": document["id"], "created": document["created"]}
    file.write_text(json.dumps(old), encoding="utf-8")
    assert street.visitor(None).get(path).status == 200


def test_guests_share_nothing(street: Street) -> None:
    conversation, _ = compared(street)
    street.house.people.give_role(street.anna.id, GUEST)
    refused = post(street.visitor(street.anna), "/account", action="share", what=conversation)
    assert "You are a guest here" in refused.text
