"""Everything that a visitor can ask for has a bound, a sentence that names it, and a variable that changes it."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.context import LocalContext
from gradio.state_holder import SessionState

from studio.compare.answering import GenerationSettings, check_asked, check_sheet
from studio.config import RunConfig
from studio.data.library import DatasetLibrary
from studio.errors import ConfigError, ModelError, RunError, TooMany
from studio.events import Finished, Started
from studio.jobs.imports import ImportRequest
from studio.jobs.jobs import Jobs
from studio.jobs.pool import Pool, Room
from studio.jobs.tasks import Export, Import, Task
from studio.limits import LAPTOP, PUBLIC, Limits, limits_of, read_changes, variable
from studio.models.hub import Hub
from studio.models.locate import ModelFiles
from studio.planning.background import InBackground, Threads
from studio.runs.event_log import EventLog
from studio.runs.launcher import PROJECT_ROOT, Worker
from studio.runs.store import RunStore
from studio.settings import Settings, read_settings
from studio.studio import Studio
from studio.ui.kit.errors import report_errors
from studio.ui.serving.request_limits import RequestLimits
from studio.ui.serving.session_config import share
from studio.visitors import visiting, visitor, visitor_at
from tests.ui.fake_studio import NO_PROCESS, FakeChat, FakeWorkers, brought, end_workers

pytestmark = pytest.mark.security

PLENTY = Room(memory_gib=100.0, disk_gib=100.0)


def open_with(home: Path, *changes: tuple[str, float], room: Room = PLENTY, host: str = "127.0.0.1") -> Studio:
    workers = FakeWorkers()
    workers.hold_imports = True
    return Studio(
        settings=Settings(home=home, host=host, limit_changes=tuple(changes)),
        data=DatasetLibrary(home, samples_folder=PROJECT_ROOT / "assets" / "samples"),
        runs=RunStore(home),
        chat=FakeChat(),  # type: ignore[arg-type]
        launch=workers,
        locate=lambda name, home: ModelFiles(name, home, "hub"),
        room=lambda _: room,
    )


def workers_of(studio: Studio) -> FakeWorkers:
    assert isinstance(studio._launch, FakeWorkers)
    return studio._launch


def paste(studio: Studio, number: int = 0) -> str:
    return studio.imports.start(ImportRequest(pasted=f"question,answer\nWhat is {number}?,It is {number}.\n"))


def end_import(studio: Studio, home: Path, id: str) -> None:
    """Let the worker of an import die: its lock is free, and the others keep theirs."""
    path = Import(home / "imports" / id).paths.lock
    os.close(workers_of(studio)._locks.pop(path))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_with(tmp_path)
    yield opened
    end_workers(opened)


def test_forty_pastes_make_four_workers_and_the_others_wait_their_turn(studio: Studio, tmp_path: Path) -> None:
    """Each paste made a worker at once: forty of them took 3.9 GB."""
    ids = [paste(studio, number) for number in range(40)]
    started = workers_of(studio).jobs
    assert len(started) == LAPTOP.imports_at_once == 4
    assert studio.imports.state(ids[0]).sentence == "Starting."
    assert studio.imports.state(ids[5]).sentence == "Waiting for 5 other imports of data"
    assert all(studio.imports.state(id).working for id in ids)
    for place in range(40):
        end_import(studio, tmp_path, ids[place])
        studio.tick()
    assert [job.folder.name for job in started] == ids, "all of them, each once, in their order"


def test_a_worker_that_dies_frees_its_place(studio: Studio, tmp_path: Path) -> None:
    ids = [paste(studio, number) for number in range(5)]
    assert studio.imports.state(ids[4]).sentence.startswith("Waiting")
    end_import(studio, tmp_path, ids[1])
    assert studio.imports.state(ids[4]).sentence == "Starting.", "whoever looks finds that its turn has come"
    failed = studio.imports.state(ids[1]).failed
    assert failed is not None
    assert "ended before it was done" in failed.message


def test_a_full_line_is_refused_with_the_bound_and_leaves_nothing(tmp_path: Path) -> None:
    studio = open_with(tmp_path, ("imports_at_once", 1), ("imports_waiting", 2))
    for number in range(3):
        paste(studio, number)
    with pytest.raises(TooMany, match=r"no more than 2 may wait.*STUDIO_LIMIT_IMPORTS_WAITING"):
        paste(studio)
    assert len(list((tmp_path / "imports").iterdir())) == 3
    end_workers(studio)


def test_an_import_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    studio = open_with(tmp_path, ("imports_at_once", 1))
    ids = [paste(studio, number) for number in range(3)]
    studio.imports.cancel(ids[1])
    state = studio.imports.state(ids[1])
    assert state.status == "stopped"
    end_import(studio, tmp_path, ids[0])
    studio.tick()
    assert [job.folder.name for job in workers_of(studio).jobs] == [ids[0], ids[2]]
    end_workers(studio)
    later = open_with(tmp_path)
    later.recover()
    assert workers_of(later).jobs == [], "neither what was cancelled nor what was begun is begun again"


def test_a_restart_neither_loses_nor_doubles_what_waits(tmp_path: Path) -> None:
    """What waits is in the memory of the server alone but for its folder: another server takes it up from there."""
    first = open_with(tmp_path, ("imports_at_once", 1))
    ids = [paste(first, number) for number in range(4)]
    second, third = (open_with(tmp_path, ("imports_at_once", 1)) for _ in range(2))
    second.recover()
    third.recover()
    assert workers_of(second).jobs == [], "the worker of the first server is at work still"
    assert [second.imports.state(id).working for id in ids[1:]] == [True] * 3
    end_import(first, tmp_path, ids[0])
    EventLog(Import(tmp_path / "imports" / ids[0]).paths.events, time.time).close()
    for id in ids[1:]:
        second.tick()
        third.tick()
        paths = Import(tmp_path / "imports" / id).paths
        log = EventLog(paths.events, time.time)
        log.emit(Started(process_id=NO_PROCESS, job="import"))
        log.emit(Finished("finished", "Done.", 1.0))
        log.close()
        for server in (second, third):
            if paths.lock in workers_of(server)._locks:
                os.close(workers_of(server)._locks.pop(paths.lock))
    begun = [job.folder.name for server in (second, third) for job in workers_of(server).jobs]
    assert sorted(begun) == sorted(ids[1:])
    assert not any(second.imports.state(id).working for id in ids[1:])


def test_one_visitor_does_not_take_the_places_of_all(tmp_path: Path) -> None:
    studio = open_with(tmp_path, ("workers_each", 3))
    with visiting("10.0.0.1"):
        for number in range(3):
            paste(studio, number)
        with pytest.raises(TooMany, match=r"3 of your jobs.*STUDIO_LIMIT_WORKERS_EACH"):
            paste(studio)
    with visiting("10.0.0.2"):
        assert studio.imports.state(paste(studio)).working
    end_workers(studio)


def test_what_cannot_wait_is_refused(tmp_path: Path) -> None:
    workers = FakeWorkers()
    pool = Pool(
        tmp_path, limits_of(public=False, changes=(("exports_at_once", 1), ("exports_waiting", 0))), launch=workers
    )
    pool.launch(Export(tmp_path, "adapter"))
    with pytest.raises(TooMany, match=r"1 other exports, which cannot wait.*STUDIO_LIMIT_EXPORTS_AT_ONCE"):
        pool.launch(Export(tmp_path, "merged"))
    workers.leave()


def test_all_kinds_together_have_a_bound(tmp_path: Path) -> None:
    workers = FakeWorkers()
    workers.hold_imports = True
    pool = Pool(tmp_path, Limits(workers_at_once=2), launch=workers, room=lambda _: PLENTY)
    for task in (Export(tmp_path, "a"), Import(tmp_path / "b"), Export(tmp_path, "c"), Import(tmp_path / "d")):
        pool.launch(task)
    assert len(workers.jobs) == 2
    workers.leave()
    pool.tick()
    assert len(workers.jobs) == 4
    workers.leave()


def test_without_memory_work_waits_and_without_disk_it_is_refused(tmp_path: Path) -> None:
    short = open_with(tmp_path, ("free_memory_gib", 1), room=Room(memory_gib=0.5, disk_gib=100))
    assert short.imports.state(paste(short)).sentence == "Waiting for memory: 1.1 GB of it have to be free"
    assert workers_of(short).jobs == []
    full = open_with(tmp_path, room=Room(memory_gib=100, disk_gib=0.01))
    for new in (lambda: paste(full), lambda: full.import_run(tmp_path / "run.zip"), lambda: full.duplicate_run("x")):
        with pytest.raises(RunError, match=r"(10.7 MB of the disk are free.*STUDIO_LIMIT_FREE_DISK_GIB)|no run 'x'"):
            new()


def test_work_that_cannot_be_started_when_its_turn_comes_says_why(tmp_path: Path) -> None:
    workers = FakeWorkers()

    def launch(task: Task) -> Worker:
        if workers.jobs:
            raise RunError("The work could not be started: the disk is full.", "Free some.")
        return workers(task)

    pool = Pool(tmp_path, Limits(exports_at_once=1), launch=launch, room=lambda _: PLENTY)
    jobs = Jobs(pool.launch)
    for kind in ("adapter", "merged"):
        jobs.start(Export(tmp_path, kind))
    assert jobs.state(Export(tmp_path, "merged")).working
    workers.leave()
    state = jobs.state(Export(tmp_path, "merged"))
    assert not state.working
    assert state.failed is not None
    assert state.failed.message == "The work could not be started: the disk is full."


def make_data(studio: Studio, tmp_path: Path) -> str:
    workers_of(studio).hold_imports = False
    path = tmp_path / "pairs.csv"
    path.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(8)))
    return brought(studio, path).id


def test_a_thousand_queue_entries_are_refused_at_the_bound_before_anything_is_written(tmp_path: Path) -> None:
    """A thousand runs were taken into the queue, each with its copy of the data."""
    studio = open_with(tmp_path / "home", ("runs_waiting", 3))
    data = make_data(studio, tmp_path)
    for _ in range(4):  # the first one trains
        last = studio.start_run(RunConfig(), data)
    for more in (
        lambda: studio.start_run(RunConfig(), data),
        lambda: studio.queue_run(last.id),
        lambda: studio.duplicate_run(last.id),
    ):
        with pytest.raises(TooMany, match=r"3 runs wait.*STUDIO_LIMIT_RUNS_WAITING"):
            more()
    assert len(studio.runs.all()) == 4
    end_workers(studio)


def test_one_visitor_does_not_fill_the_queue(tmp_path: Path) -> None:
    studio = open_with(tmp_path / "home", ("runs_waiting_each", 1))
    data = make_data(studio, tmp_path)
    with visiting("10.0.0.1"):
        studio.start_run(RunConfig(), data)
        waits = studio.start_run(RunConfig(), data)
        with pytest.raises(TooMany, match=r"1 of your runs.*STUDIO_LIMIT_RUNS_WAITING_EACH"):
            studio.start_run(RunConfig(), data)
    with visiting("10.0.0.2"):
        studio.start_run(RunConfig(), data)
    studio.scheduler.queue.remove(waits.id)
    with visiting("10.0.0.1"):
        studio.start_run(RunConfig(), data)
    end_workers(studio)


def test_runs_that_are_started_at_the_same_moment_share_the_places(tmp_path: Path) -> None:
    studio = open_with(tmp_path / "home", ("runs_waiting", 2))
    data = make_data(studio, tmp_path)
    refused = []

    def start() -> None:
        try:
            studio.start_run(RunConfig(), data)
        except TooMany as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(studio.scheduler.waiting()) <= 2
    assert len(studio.runs.all()) + len(refused) == 12
    end_workers(studio)


def test_sixty_model_names_take_four_threads() -> None:
    """Each name that was typed made a thread of its own, 104 of them for sixty names."""
    may_end, most, running, guard = threading.Event(), 0, 0, threading.Lock()

    def find(name: str) -> str:
        nonlocal most, running
        with guard:
            running += 1
            most = max(most, running)
        may_end.wait(30)
        with guard:
            running -= 1
        return name

    threads = Threads(LAPTOP)
    lookups = InBackground(find, threads=threads)
    names = [f"owner/model-{number}" for number in range(60)]
    for name in names:
        assert lookups.get(name) is None
    working = [name for name in names if lookups.is_working(name)]
    assert len(working) == LAPTOP.lookups_at_once + LAPTOP.lookups_waiting
    may_end.set()
    wait_for(lambda: not any(map(lookups.is_working, names)))
    assert most <= LAPTOP.lookups_at_once
    assert [name for name in names if lookups.get(name)] == working, "the others are asked for again"


def test_a_look_up_that_failed_is_tried_again_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """It was never tried again before a restart, and its reason was dropped."""
    now, asked = [0.0], []

    def find(name: str) -> str:
        asked.append(name)
        if len(asked) == 1:
            raise ModelError("The Hub cannot be reached.")
        return name

    lookups = InBackground(find, clock=lambda: now[0])
    with caplog.at_level("INFO", logger="studio.planning.background"):
        lookups.get("a")
        wait_for(lambda: not lookups.is_working("a"))
    assert "The Hub cannot be reached." in caplog.text
    now[0] = 59.0
    lookups.get("a")
    assert asked == ["a"]
    now[0] = 61.0
    lookups.get("a")
    wait_for(lambda: lookups.get("a") == "a")


def test_few_answers_are_remembered() -> None:
    lookups = InBackground(lambda name: name, limits=Limits(lookups_remembered=2))
    for name in "abc":
        lookups.get(name)
        wait_for(lambda name=name: lookups.get(name) == name)
    assert list(lookups._known) == ["b", "c"]


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (ImportRequest(pasted="x" * 101), r"101 characters were pasted; 100 are.*STUDIO_LIMIT_PASTED_CHARACTERS"),
        (ImportRequest(typed=(("a", "b"),) * 3), r"3 rows were typed; 2 are.*STUDIO_LIMIT_TYPED_ROWS"),
    ],
)
def test_text_that_is_too_long(tmp_path: Path, request_: ImportRequest, sentence: str) -> None:
    studio = open_with(tmp_path, ("pasted_characters", 100), ("typed_rows", 2))
    with pytest.raises(TooMany, match=sentence):
        studio.imports.start(request_)
    assert not (tmp_path / "imports").exists()


def test_a_model_that_is_too_large_is_not_fetched(tmp_path: Path) -> None:
    hub = Hub(cache=tmp_path)
    with pytest.raises(ModelError, match=r"has 21.5 GB, and a base model may have 10.7 GB.*STUDIO_LIMIT_MODEL_GIB"):
        hub._require_room("a/b", total=20 * 2**30, left=0, limits=PUBLIC)
    with pytest.raises(ModelError, match=r"GB have to stay free.*STUDIO_LIMIT_FREE_DISK_GIB"):
        hub._require_room("a/b", total=1, left=1, limits=Limits(free_disk_gib=1e9))


# Requests, as the layer around the page sees them.


class Page:
    """Stands in for the page: takes the whole body, and answers when it is let."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.bodies: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the visitor is gone")
            size, more = size + len(message["body"]), message.get("more_body", False)
        await self.may_answer.wait()
        self.bodies.append(size)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def ask(
    layer: RequestLimits,
    *,
    path: str = "/gradio_api/queue/join",
    chunks: tuple[int, ...] = (10,),
    said: int | None = None,
    address: str = "10.0.0.1",
) -> tuple[int, str]:
    """Send a request whose body comes in chunks of so many bytes; return the status and the text of the answer."""
    left, sent = list(chunks), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(left.pop(0)), "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if said is None else [(b"content-length", str(said).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": (address, 5000)}
    await layer(scope, receive, send)
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], sent[1]["body"].decode()


def layer_with(page: Page, clock: Callable[[], float] = lambda: 0.0, **changes: Any) -> RequestLimits:
    return RequestLimits(page, Limits(**changes), clock=clock, free_gib=lambda: 100.0)


@pytest.mark.parametrize("said", [None, 2 * 2**20])
def test_a_body_that_is_too_long_is_refused_however_it_comes(said: int | None) -> None:
    async def run() -> None:
        page = Page()
        layer = layer_with(page, request_mib=1)
        status, text = await ask(layer, chunks=(2**19,) * 4, said=said)
        assert (status, page.bodies) == (413, [])
        assert "longer than 1 MiB" in text
        assert "STUDIO_LIMIT_REQUEST_MIB" in text
        assert (await ask(layer, chunks=(2**19,) * 2))[0] == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "name"), [("/gradio_api/queue/join", "requests_at_once"), ("/gradio_api/queue/data", "streams_at_once")]
)
def test_many_requests_at_once(path: str, name: str) -> None:
    async def run() -> None:
        page = Page()
        page.may_answer.clear()
        layer = layer_with(page, **{f"{name}_each": 2, name: 3})
        open_ = [asyncio.create_task(ask(layer, path=path)) for _ in range(2)]
        await asyncio.sleep(0)
        status, text = await ask(layer, path=path)
        assert status == 429
        assert f"STUDIO_LIMIT_{name.upper()}_EACH" in text
        open_.append(asyncio.create_task(ask(layer, path=path, address="10.0.0.2")))
        await asyncio.sleep(0)
        status, text = await ask(layer, path=path, address="10.0.0.3")
        assert (status, f"STUDIO_LIMIT_{name.upper()}." in text) == (429, True)
        page.may_answer.set()
        assert [(await each)[0] for each in open_] == [200] * 3
        assert (await ask(layer, path=path))[0] == 200, "the places are free again"

    asyncio.run(run())


def test_uploads_have_a_number_and_a_size_until_they_are_old() -> None:
    async def run() -> None:
        now = [0.0]
        layer = layer_with(Page(), lambda: now[0], uploads_waiting_each=2, uploads_waiting=3, upload_minutes=1)
        for _ in range(2):
            assert (await ask(layer, path="/gradio_api/upload", said=10))[0] == 200
        status, text = await ask(layer, path="/gradio_api/upload", said=10)
        assert (status, "STUDIO_LIMIT_UPLOADS_WAITING_EACH" in text) == (429, True)
        assert (await ask(layer, path="/gradio_api/upload", said=10, address="10.0.0.2"))[0] == 200
        status, text = await ask(layer, path="/gradio_api/upload", said=10, address="10.0.0.3")
        assert (status, "STUDIO_LIMIT_UPLOADS_WAITING." in text) == (429, True)
        now[0] = 61.0
        assert (await ask(layer, path="/gradio_api/upload", said=10))[0] == 200

    asyncio.run(run())


def test_uploads_on_their_way_count_with_what_they_announced() -> None:
    """A visitor who sends many large files at once must not get past the bound before the first has arrived."""

    async def run() -> None:
        page = Page()
        page.may_answer.clear()
        layer = layer_with(page, uploads_waiting_mib_each=3)
        first = asyncio.create_task(ask(layer, path="/gradio_api/upload", chunks=(2 * 2**20,), said=2 * 2**20))
        await asyncio.sleep(0)
        status, text = await ask(layer, path="/gradio_api/upload", said=2 * 2**20)
        assert (status, "STUDIO_LIMIT_UPLOADS_WAITING_MIB_EACH" in text) == (429, True)
        page.may_answer.set()
        assert (await first)[0] == 200

    asyncio.run(run())


def test_no_upload_is_taken_on_a_full_disk() -> None:
    layer = RequestLimits(Page(), LAPTOP, free_gib=lambda: 0.1)
    status, text = asyncio.run(ask(layer, path="/gradio_api/upload", said=10))
    assert (status, "no room" in text) == (429, True)


# Who a visitor is.


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        (None, "unknown"),
    ],
)
def test_a_visitor_is_an_address_and_a_network_of_ipv6_is_one(host: str | None, who: str) -> None:
    assert visitor_at(host) == who


def test_a_listener_and_each_step_of_a_generator_know_the_visitor_by_address() -> None:
    """A session's name is chosen by the browser: who invents another one is the same visitor still."""

    @report_errors
    def listener() -> str:
        return visitor()

    @report_errors
    def steps() -> Iterator[str]:
        yield visitor()
        yield visitor()

    def ask() -> list[str]:
        client = SimpleNamespace(host="10.0.0.9")
        LocalContext.request.set(SimpleNamespace(client=client, session_hash="anything"))  # type: ignore[arg-type]
        taken = steps()
        # Gradio may take each step in another context.
        return [listener(), *(copy_context().run(next, taken) for _ in range(2)), visitor()]

    assert copy_context().run(ask) == ["10.0.0.9", "10.0.0.9", "10.0.0.9", ""]
    assert listener() == "", "outside of a request there is no visitor"


@pytest.mark.parametrize(
    ("generation", "texts", "turns", "name"),
    [
        (GenerationSettings("", 0, 9, 1), ["x" * 11], 1, "prompt_characters"),
        (GenerationSettings("x" * 11, 0, 9, 1), ["x"], 1, "prompt_characters"),
        (GenerationSettings("", 0, 11, 1), ["x"], 1, "answer_tokens"),
        (GenerationSettings("", 0, 9, 1), ["x"], 11, "conversation_turns"),
    ],
)
def test_a_question_that_is_too_much(generation: GenerationSettings, texts: list[str], turns: int, name: str) -> None:
    limits = Limits(prompt_characters=10, answer_tokens=10, conversation_turns=10)
    check_asked(limits, GenerationSettings("x" * 10, 0, 10, 1), ["x" * 10], turns=10)
    with pytest.raises(TooMany, match=rf"11 .* are too many; 10 are taken.*{variable(name)}"):
        check_asked(limits, generation, texts, turns=turns)


def test_a_sheet_with_too_many_prompts() -> None:
    with pytest.raises(TooMany, match=r"3 prompts for a sheet are too many; 2.*STUDIO_LIMIT_SHEET_PROMPTS"):
        check_sheet(Limits(sheet_prompts=2), GenerationSettings("", 0, 9, 1), ["a", "b", "c"])


def test_what_a_session_does_not_change_is_shared_and_what_it_changes_is_its_own() -> None:
    """Gradio described all 600 components of the page again for each session: 0.1 seconds and 1 MB."""
    with gr.Blocks() as page:
        box = gr.Textbox("first", label="Text")
    plain = SessionState(page)
    share(page)
    one, other = SessionState(page), SessionState(page)
    assert one.config_values == plain.config_values
    one._update_value_in_config(box._id, "second")
    assert one.config_values[box._id]["props"]["value"] == "second"
    assert other.config_values[box._id]["props"]["value"] == "first"
    one[box._id] = gr.Textbox("third", label="Another", render=False)
    one._update_config(box._id)
    assert one.config_values[box._id]["props"]["label"] == "Another"
    assert SessionState(page).config_values == plain.config_values


# The bounds themselves.


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
def test_each_bound_has_a_variable_of_its_own(name: str, tmp_path: Path) -> None:
    given = {"STUDIO_HOME": str(tmp_path), variable(name): "7"}
    assert getattr(read_settings(given).limits, name) == 7
    assert getattr(read_settings({**given, "STUDIO_HOST": "0.0.0.0"}).limits, name) == 7


def test_a_worker_keeps_the_bounds_of_its_studio() -> None:
    assert limits_of(public=False, changes=read_changes(PUBLIC.variables())) == PUBLIC


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
def test_no_bound_is_wider_on_a_public_address(name: str) -> None:
    keeps_free = name in ("free_memory_gib", "free_disk_gib")
    tight, wide = getattr(PUBLIC, name), getattr(LAPTOP, name)
    assert tight >= wide if keeps_free else tight <= wide


@pytest.mark.parametrize("name", [name for each in fields(Limits) if (name := each.name).endswith("_each")])
def test_on_a_laptop_one_visitor_may_take_the_whole(name: str) -> None:
    whole = getattr(LAPTOP, name.removesuffix("_each"), 0) if name != "workers_each" else 0
    assert getattr(LAPTOP, name) >= whole


@pytest.mark.parametrize("text", ["", "many", "-1", "1e999", "nan", "inf", "1.5", "9" * 5000])
def test_a_wrong_value_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"STUDIO_LIMIT_IMPORTS_AT_ONCE is '.{0,40}'. Give a whole number"):
        read_changes({"STUDIO_LIMIT_IMPORTS_AT_ONCE": text})


def test_a_wrong_name_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"There is no limit STUDIO_LIMIT_IMPORT.*STUDIO_LIMIT_IMPORTS_AT_ONCE"):
        read_changes({"STUDIO_LIMIT_IMPORT": "1"})


def test_visitors_of_a_space_share_one_address() -> None:
    """All of them come through the proxy of the Space, so a bound of one visitor would be a bound of all."""
    space = Settings(home=Path("/nowhere"), where="space", host="0.0.0.0").limits
    assert space.requests_at_once_each >= space.requests_at_once
    assert space.runs_waiting == PUBLIC.runs_waiting
