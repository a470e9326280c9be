"""The pages of several accounts in one process: made when they are asked for, dropped, and never mixed."""

import asyncio
import contextlib
import http.client
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import anyio.to_thread
import gradio as gr
import pytest
from gradio.context import Context

from studio.ui.accounts.gate import Gate
from tests.accounts.houses import House, house, served
from tests.patience import PATIENCE_SECONDS
from tests.security.small_home import write_small_home
from tests.security.visitor import Visitor


@pytest.fixture
def street(tmp_path: Path) -> Iterator[tuple[House, int]]:
    with house(tmp_path / "home", evaluate=False, limit_changes=(("pages_at_once", 2),)) as opened:
        opened.add("owner")
        with served(opened) as port:
            yield opened, port


def test_no_listener_adds_to_a_page_that_is_being_built(street: tuple[House, int], tmp_path: Path) -> None:
    """Gradio has one place for the page that is built, for all threads: what a listener makes of its layout went there.

    The page of one account would have had parts of another's.
    """
    opened, port = street
    anna = opened.add("anna")
    ids = write_small_home(opened.people.home_of(anna), tmp_path)
    visitor = opened.visitor(port, anna)
    listeners = visitor.listeners
    with gr.Blocks() as being_built:
        assert Context.root_block is being_built
        for listener in listeners:
            values = visitor.inputs(listener, {})
            kinds = [visitor.components.get(place, {"type": ""})["type"] for place in listener["inputs"]]
            data = [ids.finished if kind == "dropdown" else each for kind, each in zip(kinds, values, strict=True)]
            visitor.call(listener, data=data, timeout=30)
        for verb in ("train", "compare", "evaluate", "export", "data"):
            for listener in listeners:
                if listener["targets"] and listener["targets"][0][1] == "trigger":
                    event = {"verb": verb, "key": ids.finished, "value": ""}
                    visitor.call(listener, event=event, timeout=30)
        assert being_built.children == []


def test_the_page_that_was_used_longest_ago_makes_place(street: tuple[House, int]) -> None:
    opened, port = street
    people = [opened.visitor(port, opened.add(name)) for name in ("anna", "ben", "carla")]
    servers = [_names_server(visitor) for visitor in people]
    assert servers[0] != servers[1]
    assert _names_server(people[2]) == servers[2]
    assert _names_server(people[0]) not in servers  # it was dropped, and made again


def _names_server(visitor: Visitor) -> str:
    """Return what a page calls its server: another one after it was made again."""
    answer = visitor.get("/config")
    assert answer.status == 200
    return str(json.loads(answer.body)["app_id"])


def test_an_account_that_cannot_be_opened_is_a_sentence_for_it_alone(street: tuple[House, int]) -> None:
    """A folder that could not be written ended the page of everybody."""
    opened, port = street
    anna, ben = opened.add("anna"), opened.add("ben")
    place = opened.people.home_of(anna)
    place.write_text("a file in the place of the folder", encoding="utf-8")
    refused = opened.visitor(port, anna).get("/")
    assert (refused.status, "cannot be written" in refused.text) == (503, True)
    assert opened.visitor(port, ben).get("/config").status == 200
    place.unlink()
    assert opened.visitor(port, anna).get("/config").status == 200


def test_whoever_has_no_account_does_not_use_up_what_the_people_here_have(tmp_path: Path) -> None:
    """Guests held all requests that were answered at once, and the owner's page answered 429."""
    limits = (("streams_at_once", 1),)
    with house(tmp_path / "home", evaluate=False, guests=True, limit_changes=limits) as opened:
        owner, guest = opened.add("owner"), opened.people.add_visitor(most=1)
        with served(opened) as port:
            with holding_a_stream(opened.visitor(port, guest)):
                assert opened.visitor(port, guest).get(STREAM, timeout=5).status == 429
                with holding_a_stream(opened.visitor(port, owner)) as status:
                    assert status == 200


STREAM = "/gradio_api/heartbeat/x"


@contextlib.contextmanager
def holding_a_stream(visitor: Visitor) -> Iterator[int]:
    """Open a stream, and hold it; gives the status that came."""
    connection = http.client.HTTPConnection(urlsplit(visitor.url).netloc, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", STREAM, headers={"Cookie": visitor.cookie})
        yield connection.getresponse().status
    finally:
        connection.close()


class Hanging:
    """A page that does not end."""

    def __init__(self, studio: object) -> None: ...

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    def stop(self) -> None: ...


def test_a_page_that_hangs_holds_up_no_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One visitor whose page hung kept all others here, and nothing else of the sweep was done."""
    with house(tmp_path / "home", guests=True) as opened:
        opened.add("owner")
        visitors = [opened.studios.add_visitor() for _ in range(2)]
        pages = SimpleNamespace(in_thread=anyio.to_thread.run_sync)
        gate = Gate(opened.studios, SimpleNamespace(), pages, make=Hanging, drop_seconds=0.1)  # type: ignore[arg-type]

        async def sweep() -> None:
            gate._loop = asyncio.get_running_loop()
            for each in visitors:
                await gate._page_of(each)
            opened.studios._swept_at, tomorrow = float("-inf"), time.time() + 25 * 3600
            monkeypatch.setattr(time, "time", lambda: tomorrow)
            await anyio.to_thread.run_sync(opened.studios.tick)

        asyncio.run(sweep())
        assert [each.name for each in opened.people.all()] == ["owner"]
        assert opened.people.removed() == ()
