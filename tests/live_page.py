"""The real page in a real browser: a server as a person starts it, and a page that notes what must not happen.

The fixtures are handed to all tests by `tests/conftest.py`.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from studio.jobs.calibration import machine_key, machine_path, write_machine
from studio.models.machine import Machine, Rates
from studio.runs.launcher import PROJECT_ROOT

MACHINE = Machine("cpu", "a processor", 1, False, 1, (Rates("fp32", 2e11, 2e10, 5e-6),), "", 6.0)


class Server:
    """`python app.py` as a person starts it, with a folder of its own in which this machine is `measured` already."""

    def __init__(self, home: Path, *, measured: bool = True) -> None:
        self._home = home
        if measured and not machine_path(home).exists():
            home.mkdir(parents=True, exist_ok=True)
            write_machine(home, replace(MACHINE, versions=machine_key()))
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
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "home")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser tests need Debian's chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page that notes every request to another host, every fault of a script and whatever its own policy refuses."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    elsewhere: list[str] = []
    faults: list[str] = []
    opened.on("request", lambda sent: None if sent.url.startswith(_local(server)) else elsewhere.append(sent.url))
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    opened.goto(server.address)
    yield opened
    context.close()
    assert elsewhere == []
    assert faults == []


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


def _local(server: Server) -> tuple[str, ...]:
    return (server.address, f"ws://127.0.0.1:{server.port}", "data:", "blob:")
