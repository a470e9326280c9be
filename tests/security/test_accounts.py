"""Two accounts and nobody: whatever one has is not there for the others, by whichever way they ask for it."""

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from studio.accounts.people import Account
from studio.compare.conversations import open_conversations
from studio.compare.sheets import open_sheets
from studio.jobs.exports import export_archive
from studio.openai_api.keys import ApiKey
from studio.runs.store import RunStore
from studio.ui.kit.downloads import download_address
from tests.accounts.houses import House, house, served
from tests.security.small_home import NOW, Ids, write_small_home
from tests.security.visitor import Answer, Visitor

pytestmark = pytest.mark.security

NAMES = ("Mondlicht", "the best so far", "What is slips")
"""What is called so lies in one account alone."""


@dataclass
class Street:
    """A served studio. `anna` has one of everything, as has the `owner`; `ben` has nothing."""

    house: House
    port: int
    owner: Account
    anna: Account
    ben: Account
    ids: Mapping[str, Ids]
    beside: Mapping[str, tuple[str, ...]]

    def visitor(self, account: Account | None) -> Visitor:
        return self.house.visitor(self.port, account)

    def home(self, account: Account) -> Path:
        return self.house.people.home_of(account)

    def known(self, account: Account) -> tuple[str, ...]:
        """All ids of what an account has."""
        return (*vars(self.ids[account.id]).values(), *self.beside[account.id])


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    home = tmp_path_factory.mktemp("street") / "home"
    with house(home, api=True, evaluate=False) as opened:
        owner, anna, ben = opened.add("owner"), opened.add("anna"), opened.add("ben")
        ids, beside = {}, {}
        for hours, account in enumerate((owner, anna)):
            source = tmp_path_factory.mktemp("source")
            place = opened.people.home_of(account)
            ids[account.id] = write_small_home(place, source, now=NOW + 3600 * hours)
            RunStore(place).describe(ids[account.id].finished, name="Mondlicht")
            kept = (*open_conversations(place, lambda: NOW).all(), *open_sheets(place, lambda: NOW).all())
            beside[account.id] = tuple(each.id for each in kept)
        with served(opened) as port:
            yield Street(opened, port, owner, anna, ben, ids, beside)


def unlike(id: str) -> str:
    """Return an id of the same kind that nothing has."""
    return f"{id[:-2]}{'zz' if not id[-1].isdigit() and id[-1] not in 'abcdef' else '00' if id[-2:] != '00' else '11'}"


def shape(answer: Answer, *ids: str) -> tuple[int, str, dict[str, str]]:
    """What an answer is but for the ids that were asked for, and for the time."""
    text = answer.text
    for id in ids:
        text = text.replace(id, "ID")
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "content-length")}
    return answer.status, text, headers


def tree(folder: Path) -> dict[str, str]:
    """What lies in a folder, by its path and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "accounts" not in path.relative_to(folder).parts and "uploads" not in path.parts:
            if path.suffix not in (".lock", ".json") or "queue" not in path.name:
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_nobody_gets_the_same_answer_everywhere_but_at_the_page(street: Street) -> None:
    nobody = street.visitor(None)
    page = nobody.get("/")
    assert page.status == 200
    assert "Sign in" in page.text
    assert "gradio" not in page.text.lower()
    ids = street.ids[street.anna.id]
    asked = [
        *(
            "/config",
            "/theme.css",
            "/gradio_api/info",
            "/studio/changes",
            "/studio/plotly.min.js",
            "/login",
        ),
        "/gradio_api/queue/data?session_hash=abc",
        "/gradio_api/heartbeat/abc",
        f"/gradio_api/file={street.home(street.anna) / 'runs' / ids.finished / 'config.json'}",
        download_address("run", ids.finished, f"{ids.finished}-adapter.zip").join(["/", ""]),
    ]
    answers = {path: shape(nobody.get(path))[:2] for path in asked}
    assert {status for status, _ in answers.values()} == {404}, answers
    assert len(set(answers.values())) == 1, answers
    posted = [
        nobody.post(path, {}) for path in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel")
    ]
    assert {each.status for each in posted} == {404}
    assert nobody.upload("a.csv", b"a,b\n").status == 404


def test_a_file_of_one_is_not_there_for_another(street: Street) -> None:
    for account in (street.anna, street.owner):
        ids = street.ids[account.id]
        run = street.house.studios.open(account).runs.get(ids.finished)
        path = "/" + download_address("run", run.id, export_archive(run, "adapter").name)
        assert street.visitor(account).get(path).status == 200  # else this test could not fail
        for other in (street.ben, street.owner if account is street.anna else street.anna):
            answer = street.visitor(other).get(path)
            unknown = street.visitor(other).get(path.replace(run.id, unlike(run.id)))
            assert answer.status == 404
            assert shape(answer, run.id) == shape(unknown, unlike(run.id))
        assert street.visitor(None).get(path).status == 404


def test_an_upload_of_one_is_not_there_for_another(street: Street) -> None:
    """Gradio keeps the uploads of all pages of a process in one folder, and serves all that lies there."""
    anna, ben = street.visitor(street.anna), street.visitor(street.ben)
    file = anna.file("diary.csv", b"question,answer\nWho?,otter\n")
    assert file is not None
    path = str(file["path"])
    assert street.anna.id in path
    assert anna.get(f"/gradio_api/file={path}").status == 200
    lost = str(Path(path).with_name("nothing.csv"))
    roundabout = str(
        street.house.home / "uploads" / street.ben.id / ".." / street.anna.id / path.split(street.anna.id + "/")[1]
    )
    for other in (ben, street.visitor(street.owner), street.visitor(None)):
        answer = other.get(f"/gradio_api/file={path}")
        assert answer.status == 404
        assert shape(answer) == shape(other.get(f"/gradio_api/file={lost}"))
        assert other.get(f"/gradio_api/file={roundabout}").status == 404
    before = sorted((street.house.home / "uploads" / street.ben.id).rglob("*.csv"))
    refused = ben.call(ben.listener("data-upload", "upload"), {"data-upload": [file]})
    assert "was not uploaded to this page" in refused.error
    assert sorted((street.house.home / "uploads" / street.ben.id).rglob("*.csv")) == before


def test_the_progress_of_an_upload_is_known_to_who_uploads(street: Street) -> None:
    """Gradio follows uploads by a name that the browser invents, for all pages of a process."""
    anna, ben = street.visitor(street.anna), street.visitor(street.ben)
    boundary = "b0undary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="secret-otter.csv"\r\n\r\n'.encode()
    body = head + b"x" * 200_000 + f"\r\n--{boundary}--\r\n".encode()
    heard: list[Answer] = []
    asking = threading.Thread(
        target=lambda: heard.append(ben.get("/gradio_api/upload_progress?upload_id=one", timeout=5))
    )
    asking.start()
    time.sleep(0.2)
    sent = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert anna.ask("POST", "/gradio_api/upload?upload_id=one", body, sent).status == 200
    asking.join()
    assert "otter" not in heard[0].text


def test_the_events_of_one_are_not_told_to_another(street: Street) -> None:
    """Whoever knows the name of a session could have followed what its page is told."""
    anna, ben = street.visitor(street.anna), street.visitor(street.ben)
    listener = next(each for each in anna.listeners if each["api_name"] == "run_status")
    given = [street.ids[street.anna.id].finished]
    body = {"fn_index": listener["id"], "data": given, "session_hash": "shared", "trigger_id": None, "event_data": None}
    joined = anna.post("/gradio_api/queue/join", body)
    assert joined.status == 200
    event = json.loads(joined.body)["event_id"]
    stolen = ben.get("/gradio_api/queue/data?session_hash=shared", timeout=3)
    called = ben.get(f"/gradio_api/call/run_status/{event}", timeout=3)
    for answer in (stolen, called):
        assert given[0] not in answer.text
    anna.session = "shared"
    heard = anna._follow(event, time.monotonic() + 20)
    assert given[0] in json.dumps(heard.data)


def test_every_listener_refuses_the_ids_of_another_as_it_refuses_unknown_ones(street: Street) -> None:
    """Each is called by its number, private ones too, with each id of another account in each place for a text."""
    ben = street.visitor(street.ben)
    before = {account.id: tree(street.home(account)) for account in (street.anna, street.owner)}
    ids = (*street.known(street.anna), *street.known(street.owner))
    calls = 0
    for listener in ben.listeners:
        for known in _spread(ids, listener["id"]):
            pair = (known, unlike(known))
            answers = [ben.call(listener, data=_filled(ben, listener, id), timeout=60) for id in pair]
            calls += 1
            told = [
                json.dumps([each.data, each.error]).replace(id, "ID") for each, id in zip(answers, pair, strict=True)
            ]
            assert not any(name in told[0] for name in NAMES), (listener["id"], listener["api_name"], told[0][:500])
            assert answers[0].status == answers[1].status, (listener["id"], listener["api_name"], told)
            if listener["api_name"] in ("run_status", "export_run", "ask"):
                assert told[0] == told[1], (listener["api_name"], told)
    assert calls > 200
    for account in (street.anna, street.owner):
        assert tree(street.home(account)) == before[account.id]


def _spread(ids: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Choose two of the ids, others for each listener: all of them are asked for by many."""
    return ids[number % len(ids)], ids[(number * 7 + 3) % len(ids)]


def _filled(visitor: Visitor, listener: Mapping[str, Any], id: str) -> list[Any]:
    """Return what a page sends, with an id in each place that holds a text or nothing."""
    values = visitor.inputs(listener, {})
    kinds = [visitor.components.get(place, {"type": ""})["type"] for place in listener["inputs"]]
    return [
        id
        if kind in ("dropdown", "textbox", "radio", "api", "html", "") and not isinstance(value, int | float)
        else value
        for kind, value in zip(kinds, values, strict=True)
    ]


def test_programs_find_only_what_is_their_persons(street: Street) -> None:
    keys = {each.id: ApiKey(street.home(each)).read() for each in (street.owner, street.anna, street.ben)}
    nobody = street.visitor(None)

    def ask(account: Account, path: str, value: object = None, method: str = "GET") -> Answer:
        headers = {"Authorization": f"Bearer {keys[account.id]}"}
        if value is not None:
            return nobody.post(path, value, headers)
        return nobody.ask(method, path, headers=headers)

    ids = street.ids[street.anna.id]
    assert ids.finished in ask(street.anna, "/v1/models").text
    listed = (
        ask(street.ben, "/v1/models").text
        + ask(street.ben, "/v1/files").text
        + ask(street.ben, "/v1/fine_tuning/jobs").text
    )
    assert not any(
        f'"{before}{id}"' in listed for id in street.known(street.anna) for before in ("", "file-", "ftjob-")
    )
    for path in (
        f"/v1/models/{ids.finished}",
        f"/v1/files/file-{ids.dataset}",
        f"/v1/files/file-{ids.dataset}/content",
        f"/v1/fine_tuning/jobs/ftjob-{ids.finished}",
        f"/v1/fine_tuning/jobs/ftjob-{ids.finished}/events",
        f"/v1/fine_tuning/jobs/ftjob-{ids.finished}/checkpoints",
    ):
        unknown = re.sub(r"(file-|ftjob-|models/)([^/]+)", lambda found: found[1] + unlike(found[2]), path)
        assert ask(street.anna, path).status == 200, path
        # The owner has brought the same file, and a data set is named by what is in it.
        for other in (street.ben,) if "/v1/files" in path else (street.ben, street.owner):
            answer = ask(other, path)
            assert answer.status == 404, path
            asked = [re.findall(r"(?:file-|ftjob-|models/)([^/]+)", each)[0] for each in (path, unknown)]
            assert shape(answer, asked[0])[:2] == shape(ask(other, unknown), asked[1])[:2], path
        assert nobody.get(path).status == 401
    question = {"model": ids.finished, "messages": [{"role": "user", "content": "Who are you?"}]}
    assert ask(street.ben, "/v1/chat/completions", question).status == 404
    assert ask(street.ben, f"/v1/files/file-{ids.dataset}", method="DELETE").status == 404
    assert ask(street.ben, f"/v1/fine_tuning/jobs/ftjob-{ids.finished}/cancel", {}).status == 404


def test_the_page_of_one_tells_nothing_of_another(street: Street) -> None:
    ben = street.visitor(street.ben)
    told = ben.get("/").text + ben.get("/config").text + ben.get("/gradio_api/info").text
    assert not any(id in told for account in (street.anna, street.owner) for id in street.known(account))
    assert "anna" not in re.sub(r"Anna\b", "", told)


def test_a_session_that_ended_opens_nothing(street: Street) -> None:
    anna = street.visitor(street.anna)
    assert anna.get("/config").status == 200
    left = anna.ask("POST", "/sign-out", b"")
    assert left.status == 303
    assert anna.get("/config").status == 404
    assert "Sign in" in anna.get("/").text


def test_another_page_signs_nobody_in_or_out(street: Street) -> None:
    anna = street.visitor(street.anna)
    for path in ("/sign-out", "/sign-in", "/password"):
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert anna.ask("POST", path, b"name=a&password=b", headers).status == 403
    assert anna.get("/config").status == 200
    assert os.environ.get("GRADIO_TEMP_DIR") is None or str(street.anna.id) not in os.environ["GRADIO_TEMP_DIR"]
