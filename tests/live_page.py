"""The real page in a real browser, and a page that notes what must not happen.

The page is served from the process of the tests, by the studio that `app.py` opens: what is left out is the start of a
process and what its workers read at theirs. `Server` is a studio as a person starts it; one journey has it.
The fixtures are handed to all tests by `tests/conftest.py`.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from studio.cli.public_address import arrange
from studio.cli.serve import keep_queue
from studio.compare.chat_client import ChatClient
from studio.data.library import DatasetLibrary
from studio.jobs.calibration import machine_key, machine_path, write_machine
from studio.models.machine import Machine, Rates
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.serving.server import served
from tests.warm import Forkserver, WarmLaunch, warm_command

MACHINE = Machine("cpu", "a processor", 1, False, 1, (Rates("fp32", 2e11, 2e10, 5e-6),), "", 6.0)
QUEUE_SECONDS = 0.2
PATIENCE_MS = 150_000
"""How long a press or an expectation may take: much is asked of a slow machine."""


@dataclass(frozen=True)
class Served:
    """Where the page of a studio is."""

    port: int
    home: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve_page(home: Path, forkserver: Forkserver) -> Iterator[Served]:
    """Serve the page of a studio on a machine that was measured already; its workers start in a moment."""
    _measure(home)
    settings = Settings(home=home)
    studio = Studio(
        settings=settings,
        data=DatasetLibrary(home, samples_folder=PROJECT_ROOT / "assets" / "samples"),
        runs=RunStore(home),
        chat=ChatClient(home, command=warm_command(forkserver)),
        launch=WarmLaunch(forkserver.address),
    )
    ended = threading.Event()
    keeper = threading.Thread(target=keep_queue, args=(studio, ended, QUEUE_SECONDS), daemon=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_TEMP_DIR", "")  # put back at the end
        arrange(settings)
        studio.recover()
        keeper.start()
        try:
            with served(studio, port=0) as page_server:
                yield Served(page_server.port, home)
        finally:
            ended.set()
            keeper.join()
            studio.close()


def _measure(home: Path) -> None:
    if not machine_path(home).exists():
        home.mkdir(parents=True, exist_ok=True)
        write_machine(home, replace(MACHINE, versions=machine_key()))


class Server:
    """`python app.py` as a person starts it, with a folder of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "STUDIO_HOME": str(self._home), "STUDIO_PORT": str(self.port)}
        process = subprocess.Popen(
            [sys.executable, "app.py", "--no-starter"],
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.address, timeout=5).close()
                return process
            except OSError:
                assert time.monotonic() < deadline, "the page did not come up"
                assert process.poll() is None, "the server ended"
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = self._start()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The data folder that is served; nothing is in it yet."""
    return tmp_path / "home"


@pytest.fixture
def server(home: Path, warm: Forkserver) -> Iterator[Served]:
    with serve_page(home, warm) as running:
        yield running


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers. A process can have one alone."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser tests need Debian's chromium: apt-get install chromium"
    opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    expect.set_options(timeout=PATIENCE_MS)
    yield opened
    opened.close()


@contextmanager
def opened(browser: Browser, server: "Served | Server") -> Iterator[Page]:
    """Give a page that is not open yet, and refuse requests to another host and faults of scripts and of its policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    elsewhere: list[str] = []
    faults: list[str] = []
    ours = (server.address, f"ws://127.0.0.1:{server.port}", "data:", "blob:")
    page.on("request", lambda sent: None if sent.url.startswith(ours) else elsewhere.append(sent.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert elsewhere == [], elsewhere
    assert faults == [], faults


@pytest.fixture
def new_page(browser: Browser, server: Served) -> Iterator[Page]:
    """A page that is not open yet."""
    with opened(browser, server) as page:
        yield page


@pytest.fixture
def page(new_page: Page, server: Served) -> Page:
    """The page of the studio, open."""
    new_page.goto(server.address)
    return new_page


def seen(page: Page, home: Path | None) -> str:
    """Return what a page shows and what the workers of its data folder said last, for whoever reads of a failure."""
    try:
        said = [page.locator("body").inner_text(timeout=5000)]
    except PlaywrightError as error:
        said = [f"The page cannot be read: {error}"]
    for log in sorted(home.rglob("log")) if home is not None else ():
        if lines := log.read_text(encoding="utf-8", errors="replace").splitlines():
            said += [f"--- {log.relative_to(home or log)}", *lines[-20:]]
    return "\n".join(said)


def assert_fits(page: Page) -> None:
    """Assert that nothing stands out sideways, and that no name in a selection runs beneath its arrow."""
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page is {overflow} pixels too wide"
    covered = page.locator("input[role=combobox]:visible").evaluate_all(_COVERED)
    assert covered == [], "names run beneath the arrow of their selection"


_COVERED = """inputs => inputs.filter(input => {
    const arrow = input.closest('.wrap').querySelector('.icon-wrap').getBoundingClientRect();
    const ends = input.getBoundingClientRect().right - parseFloat(getComputedStyle(input).paddingRight);
    return ends > arrow.left;
}).map(input => input.value)"""
