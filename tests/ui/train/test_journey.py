"""The Train tab in a real browser, on a real server, while a played worker says what a run would say."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.events import (
    Checking,
    Evaluated,
    Event,
    Finished,
    Forecasted,
    Loaded,
    Loading,
    Prepared,
    Sampled,
    Started,
    Stepped,
)
from studio.runs.event_log import EventLog
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunFolder, RunStore
from tests.live_page import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

HOLD = """
import sys, time
from pathlib import Path
from studio.runs import lock
lock.name_self(lock.acquire(Path(sys.argv[1])))
print("held", flush=True)
time.sleep(600)
"""


class PlayedWorker:
    """A process that holds a run's lock and does nothing; the test writes what it says."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        run.log_path.write_text("the worker woke up\n", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(run.lock_path)],
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"
        self._log = EventLog(run.events_path)
        self.say(Started(self._process.pid, "train"))

    def say(self, *events: Event) -> None:
        for event in events:
            self._log.emit(event)

    def train(self, *, total: int, until: int) -> None:
        """Say all from the start until a step."""
        self.say(
            Loaded(1000, 100, "cpu", "fp32", ("q_proj",)),
            Prepared(80, 8, 0, 4000, 1500, total),
            Forecasted(2.5, 60.0),
            Evaluated(0, 3.2),
            Sampled(0, 0, "Who keeps the light?", "A computer program."),
        )
        self.say(*(step(number, total) for number in range(1, until + 1)))

    def leave(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()


def step(number: int, total: int) -> Stepped:
    return Stepped(number, number / total, 3.0 - number / total, 5e-4, 0.9, 800.0, 1.9, 120)


def new_run(home: Path, name: str) -> RunFolder:
    example = Example(messages=(Message("user", "Why?"), Message("assistant", "So.")))
    origin = {"dataset_id": "d", "dataset_name": "Lighthouse", "dataset_sha256": "x"}
    return RunStore(home).create(RunConfig(name=name), train=[example], validation=[], **origin)


@pytest.fixture
def page(new_page: Page) -> Page:
    """The page before it is opened: the run is there first."""
    return new_page


@pytest.fixture
def worker(home: Path) -> Iterator[PlayedWorker]:
    playing = PlayedWorker(new_run(home, "harbour"))
    yield playing
    playing.leave()


def points(page: Page) -> int:
    """How many training steps the chart shows."""
    drawn = "document.querySelector('#train-chart .js-plotly-plot')?.data?.[0].x.length ?? 0"
    return int(page.evaluate(drawn))


def chart(page: Page, what: str) -> object:
    return page.evaluate(f"document.querySelector('#train-chart .js-plotly-plot').{what}")


def wait_for_points(page: Page, count: int) -> None:
    """Wait until so many steps are shown."""
    deadline = time.monotonic() + 90
    while points(page) < count:
        assert time.monotonic() < deadline, "the chart did not grow"
        time.sleep(0.1)


def open_train(page: Page, server: Served) -> None:
    page.goto(server.address)
    page.get_by_role("tab", name="3. Train", exact=True).click()


def test_a_step_is_on_the_chart_at_the_next_tick_and_the_zoom_stays(
    page: Page, server: Served, worker: PlayedWorker
) -> None:
    worker.train(total=200, until=50)
    open_train(page, server)
    wait_for_points(page, 50)
    for number in range(51, 54):
        worker.say(step(number, 200))
        wait_for_points(page, number)

    more = page.locator("#train-chart .ls-chart-more > summary")
    if page.locator("#train-chart .ls-chart-small").is_hidden():
        more.click()
    page.locator("#train-chart .ls-chart-small").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = page.locator("#train-chart .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    zoomed = chart(page, "layout.xaxis.range")
    assert zoomed != [-2.4, 204]
    worker.say(step(54, 200))
    wait_for_points(page, 54)
    assert chart(page, "layout.xaxis.range") == zoomed


def test_axis_scale_picture_and_table(page: Page, server: Served, worker: PlayedWorker, tmp_path: Path) -> None:
    worker.train(total=20, until=12)
    open_train(page, server)
    wait_for_points(page, 12)
    page.get_by_label("Across", exact=True).select_option("tokens")
    assert chart(page, "layout.xaxis.title.text") == "tokens read"
    assert chart(page, "data[0].x[11]") == 12 * 120
    page.get_by_label("Across", exact=True).select_option("time")
    assert chart(page, "layout.xaxis.title.text") == "seconds of training"
    page.get_by_label("Loss", exact=True).select_option("log")
    assert chart(page, "layout.yaxis.type") == "log"
    page.reload()
    page.get_by_role("tab", name="3. Train", exact=True).click()
    wait_for_points(page, 12)
    assert chart(page, "layout.yaxis.type") == "log"

    more = page.locator("#train-chart .ls-chart-more > summary")
    if page.locator("#train-chart .ls-chart-small").is_hidden():
        more.click()
    page.locator("#train-chart .ls-chart-small").scroll_into_view_if_needed()
    expect(page.locator("#train-chart .js-plotly-plot")).to_have_count(5)

    with page.expect_download() as picture:
        page.get_by_role("button", name="Save as PNG", exact=True).click()
    picture.value.save_as(tmp_path / "loss.png")
    assert picture.value.suggested_filename == f"{worker.run.id}-loss.png"
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    for _ in range(2):
        with page.expect_download() as table:
            page.get_by_role("button", name="All steps as CSV", exact=True).click()
        table.value.save_as(tmp_path / "steps.csv")
        assert len((tmp_path / "steps.csv").read_text().splitlines()) == 2 + points(page)
        worker.say(step(13, 20))
        wait_for_points(page, 13)
    said = page.get_by_text("The held-out curve is over the same 24 of 1,000 examples at every check")
    expect(said).to_be_hidden()
    worker.say(Evaluated(13, 2.0, 24, 1000), step(14, 20))
    expect(said).to_be_visible()
    assert chart(page, "data[2].name") == "24 of 1,000 held-out examples"


def test_the_answers_follow_until_a_person_turns_back(page: Page, server: Served, worker: PlayedWorker) -> None:
    worker.train(total=20, until=0)
    worker.say(Checking(0, "Asking the 3 prompts to watch", 8, 24, "words"))
    open_train(page, server)
    status, log = page.locator("#train-status"), page.locator("#train-log")
    expect(status).to_contain_text("Before training: Asking the 3 prompts to watch (8 of 24 words).")
    log.get_by_role("button", name="Log").click()
    expect(log.locator("textarea")).to_have_value(re.compile("The run started.(.|\\n)*held-out loss is 3.20."))
    worker.say(*(step(number, 20) for number in range(1, 6)))
    answers = page.locator("#train-answers")
    expect(answers).to_contain_text("A computer program.")
    slider = page.get_by_role("slider", name="Check", exact=True)
    expect(slider).to_be_hidden()
    worker.say(Sampled(5, 0, "Who keeps the light?", "My <b>father</b>."))
    expect(answers).to_contain_text("My <b>father</b>.")
    worker.say(step(6, 20), Sampled(6, 0, "Who keeps the light?", "My sister."))
    expect(answers).to_contain_text("My sister.")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(answers).to_contain_text("father")
    worker.say(step(7, 20), Sampled(7, 0, "Who keeps the light?", "I do."))
    expect(slider).to_have_attribute("max", "2")
    expect(answers).to_contain_text("father")
    page.keyboard.press("End")
    expect(answers).to_contain_text("I do.")


def test_the_title_says_how_far_and_how_it_ended(page: Page, server: Served, worker: PlayedWorker) -> None:
    worker.say(Loading("Waiting for the evaluation of otter, 2 to 4 min", waits_for="evaluation"))
    open_train(page, server)
    expect(page.locator("#train-status")).to_contain_text("Waiting for the evaluation of otter, 2 to 4 min")
    worker.say(Loading("downloading the base model", 45_000_000, 90_000_000, "bytes"))
    expect(page).to_have_title("Getting ready · LoRA Studio")
    expect(page.get_by_role("progressbar", name="Progress of the run")).to_have_attribute("aria-valuenow", "50")
    worker.train(total=20, until=5)
    expect(page).to_have_title("25 % · LoRA Studio")
    page.get_by_role("button", name="Play a sound", exact=True).click()
    page.reload()
    page.get_by_role("tab", name="3. Train", exact=True).click()
    sound = page.get_by_role("button", name="Play a sound", exact=True)
    expect(sound).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Notify me", exact=True)).to_have_attribute("aria-pressed", "false")
    worker.say(Finished("finished", "Done.", 12.0))
    expect(page).to_have_title("Finished · LoRA Studio")
    expect(sound).to_be_hidden()


def test_a_hidden_page_hears_of_the_end_and_notifies(page: Page, server: Served, worker: PlayedWorker) -> None:
    page.context.grant_permissions(["notifications"], origin=server.address)
    page.add_init_script(
        "window.told = []; const Real = window.Notification;"
        "window.Notification = class { constructor(title, more) { window.told.push([title, more.body]); } };"
        "Object.defineProperty(window.Notification, 'permission', {get: () => 'granted'});"
        "Object.defineProperty(document, 'hidden', {get: () => window.away === true});"
    )
    worker.train(total=20, until=5)
    open_train(page, server)
    page.get_by_role("button", name="Notify me", exact=True).click()
    expect(page).to_have_title("25 % · LoRA Studio")
    page.route("**/gradio_api/queue/**", lambda route: route.abort())
    page.evaluate("window.away = true")
    asked = page.expect_request("**/gradio_api/run/run_notice")
    with asked:
        pass
    worker.say(Finished("finished", "Done.", 12.0))
    page.wait_for_function("window.told.length === 1")
    title, text = json.loads(page.evaluate("JSON.stringify(window.told[0])"))
    assert title == "harbour: Finished"
    assert text.startswith("Finished early, after 5 of 20 steps")


def test_discard_asks_once_and_works_from_the_keyboard(page: Page, server: Served, worker: PlayedWorker) -> None:
    worker.train(total=20, until=5)
    open_train(page, server)
    question = page.locator("#train-actions summary")
    expect(question).to_contain_text("Ends the run at once")
    sure = page.get_by_role("button", name="Yes, discard this run", exact=True)
    expect(sure).to_be_hidden()
    question.focus()
    page.keyboard.press("Enter")
    expect(sure).to_be_visible()
    sure.press("Enter")
    expect(page.locator("#train-status")).to_contain_text("harbour was discarded.")
    assert not worker.run.path.exists()
    assert (worker.run.path.parents[1] / "bin" / worker.run.id).is_dir()


def test_the_queue_can_be_changed_here(page: Page, server: Served, worker: PlayedWorker, home: Path) -> None:
    worker.train(total=20, until=5)
    queue = home / "queue.json"
    queue.write_text(json.dumps({"waiting": [], "working": [worker.run.id]}))
    draft = new_run(home, "draft")
    other = new_run(home, "other")
    queue.write_text(json.dumps({"waiting": [other.id], "working": [worker.run.id]}))
    open_train(page, server)
    page.locator("#train-run input").click()
    page.get_by_role("option", name="draft").click()
    page.get_by_role("button", name="Add to queue", exact=True).click()
    expect(page.locator("#train-actions")).to_contain_text("Place 2 of 2 in the queue")
    page.get_by_role("button", name="Move this run one place up in the queue", exact=True).click()
    expect(page.locator("#train-actions")).to_contain_text("Place 1 of 2 in the queue")
    assert json.loads(queue.read_text())["waiting"] == [draft.id, other.id]
    page.get_by_role("button", name="Remove from queue", exact=True).click()
    expect(page.locator("#train-status")).to_contain_text("Not started yet")
