"""What watching costs: an open page beside a run, and the training's speed with many pages open on it.

    python benchmarks/watching.py --model FOLDER --pages 50 --rounds 3 --seconds 20

Starts the studio on a folder of its own and trains on made conversations. A page in headless Chromium is open on the
Train tab while the run is at work, and what it and the server take of a core is counted; once more when the run was
stopped. Before that, stretches without and with many pages take turns while it trains. Such a page holds the server's
stream of changes, and asks on what it is told as the real page did, whose requests were recorded; all of them are one
process of the lowest priority, whose time is not counted, for real browsers would be elsewhere. It still takes
something from the training: the share is printed.
"""

import argparse
import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from chats import write_chats
from common import ROOT, say, starter
from playwright.sync_api import Browser, Page, sync_playwright

CALLS = "/run/predict"
CHANGES = "/studio/changes"
SETTLING_SECONDS = 10.0
"""After so long a page that was opened has drawn itself, also a second time."""


@dataclass(frozen=True)
class Call:
    """One call that an open page repeats: what it sends, and every how many seconds on average."""

    body: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Stretch:
    """A while with so many pages: what the server took of a core, what the pages did, and tokens a second."""

    pages: int
    server_share: float
    pages_share: float
    tokens_per_second: float
    slowest: float


class Server:
    """A studio that serves a folder, and a training in it."""

    def __init__(self, home: Path, model: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address, self.home = f"http://127.0.0.1:{port}", home
        app = [sys.executable, str(ROOT / "app.py"), "--home", str(home)]
        write_chats(home / "chats.jsonl", rows=400)
        data = ["--data", str(home / "chats.jsonl"), "--model", str(model), "--epochs", "100"]
        self._server = subprocess.Popen([*app, "--port", str(port), "--no-starter"], stdout=subprocess.DEVNULL)
        self._training = subprocess.Popen([*app, "train", *data], stdout=subprocess.DEVNULL)
        self.run = self._wait_for_steps()

    def _wait_for_steps(self) -> Path:
        deadline = time.monotonic() + 400
        while time.monotonic() < deadline:
            for events in self.home.glob("runs/*/events.jsonl"):
                if events.read_text(encoding="utf-8").count('"Stepped"') > 2:
                    return events.parent
            time.sleep(1)
        raise SystemExit("The training did not begin within some minutes.")

    def used(self) -> float:
        """Return the seconds of the processor that the server took."""
        times = psutil.Process(self._server.pid).cpu_times()
        return times.user + times.system

    def speed(self, *, since: float) -> float:
        """Return the median tokens a second of the steps since a time; 0 without any."""
        lines = (self.run / "events.jsonl").read_text(encoding="utf-8").splitlines()
        steps = [each for each in map(json.loads, lines) if each["kind"] == "Stepped" and each["time"] > since]
        return statistics.median(each["tokens_per_second"] for each in steps) if steps else 0.0

    def stop_training(self) -> None:
        """Have the worker put its work away, as a person's request to stop does, and wait until it has ended."""
        with suppress(psutil.NoSuchProcess):
            worker = self._worker()
            worker.terminate()
            worker.wait(timeout=300)
        self._training.wait()

    def _worker(self) -> psutil.Process:
        """Find the process that trains: it is no child of the command, so that it outlives it."""
        lines = (self.run / "events.jsonl").read_text(encoding="utf-8").splitlines()
        (started,) = (each for each in map(json.loads, lines) if each["kind"] == "Started")
        return psutil.Process(started["process_id"])

    def close(self) -> None:
        """End both, and what they started."""
        self.stop_training()
        for process in psutil.Process().children(recursive=True):
            process.kill()
        self._server.wait()


def main() -> int:
    """Run the benchmark."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="watching-") as folder, sync_playwright() as playwright:
        server = Server(Path(folder), (options.model or starter()).absolute())
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            calls = _recorded(browser, server)
            say(f"A page asks {len(calls)} things: every {', '.join(f'{each.seconds:.1f} s' for each in calls)}.")
            found = []
            for turn in range(options.rounds):
                for pages in (0, options.pages) if turn % 2 == 0 else (options.pages, 0):
                    found.append(_stretch(server, calls, pages=pages, seconds=options.seconds))
                    say(f"round {turn + 1}: {found[-1]}")
            live = [_one_page(browser, server, options.seconds) for _ in range(options.rounds)]
            server.stop_training()
            ended = [_one_page(browser, server, options.seconds) for _ in range(options.rounds)]
        finally:
            server.close()
    _report(found, options.pages)
    for name, shares in (("at work", live), ("stopped", ended)):
        page, served = (statistics.median(each) for each in zip(*shares, strict=True))
        say(f"One page on a run that is {name}: {page:.1%} of a core in the browser, {served:.1%} in the server")
    return 0


def _report(found: list[Stretch], pages: int) -> None:
    for count in (0, pages):
        mine = [each for each in found if each.pages == count]
        say(
            f"{count} pages, median of {len(mine)}: server {statistics.median(each.server_share for each in mine):.0%} "
            f"of a core, training {statistics.median(each.tokens_per_second for each in mine):.0f} tokens/s, slowest "
            f"answer {statistics.median(each.slowest for each in mine):.2f} s, the pages themselves "
            f"{statistics.median(each.pages_share for each in mine):.0%} of a core"
        )


@contextmanager
def _opened(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{server.address}/?tab=train&run={server.run.name}")
    page.wait_for_timeout(1000 * SETTLING_SECONDS)
    try:
        yield page
    finally:
        context.close()


def _recorded(browser: Browser, server: Server, *, seconds: float = 20.0) -> list[Call]:
    """Open the page on the run at work, and return what it asks again and again."""
    bodies: list[dict[str, Any]] = []
    with _opened(browser, server) as page:
        page.on("request", lambda sent: bodies.append(sent.post_data_json) if CALLS in sent.url else None)
        page.wait_for_timeout(1000 * seconds)
    numbers = [body["fn_index"] for body in bodies]
    return [
        Call(next(body for body in reversed(bodies) if body["fn_index"] == number), seconds / numbers.count(number))
        for number in dict.fromkeys(numbers)
        if numbers.count(number) > 1
    ]


def _one_page(browser: Browser, server: Server, seconds: float) -> tuple[float, float]:
    """Return what one open page takes of a core in the browser, and what the server does meanwhile."""
    with _opened(browser, server) as page:
        before, served, began = _browser_used(), server.used(), time.monotonic()
        page.wait_for_timeout(1000 * seconds)
        took = time.monotonic() - began
        return (_browser_used() - before) / took, (server.used() - served) / took


def _browser_used() -> float:
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            times = process.cpu_times()
            used += times.user + times.system
    return used


def _stretch(server: Server, calls: list[Call], *, pages: int, seconds: float) -> Stretch:
    given = json.dumps([asdict(each) for each in calls])
    program = ["nice", "-n", "19", sys.executable, __file__, "--be-pages", str(pages)]
    program += ["--address", server.address, "--calls", given, "--seconds", str(seconds)]
    before, began, at = server.used(), time.monotonic(), time.time()
    told = json.loads(subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True).stdout)
    took = time.monotonic() - began
    share = (server.used() - before) / took
    return Stretch(pages, share, told["used"] / took, server.speed(since=at), told["slowest"])


async def be_pages(count: int, calls: list[Call], *, address: str, seconds: float) -> float:
    """Be so many pages for some seconds, and return how long the slowest answer took."""
    slowest = 0.0

    async def page(client: httpx.AsyncClient, *, wait: float) -> None:
        nonlocal slowest
        session, asked_at = uuid.uuid4().hex[:12], [0.0] * len(calls)
        await asyncio.sleep(wait)  # people do not open their pages at the same moment
        async with client.stream("GET", CHANGES) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data: ") or not line.removeprefix("data: ").isdigit():
                    continue
                for place, call in enumerate(calls):
                    began = time.monotonic()
                    if began - asked_at[place] < 0.9 * call.seconds:
                        continue
                    asked_at[place] = began
                    answer = await client.post(f"/gradio_api{CALLS}", json=call.body | {"session_hash": session})
                    answer.raise_for_status()
                    slowest = max(slowest, time.monotonic() - began)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        tasks = [asyncio.create_task(page(client, wait=place / count)) for place in range(count)]
        await asyncio.sleep(seconds)
        broken = [task.exception() for task in tasks if task.done() and not task.cancelled()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if broken:
        raise SystemExit(f"{len(broken)} of {count} pages broke off: {broken[0]!r}")
    return slowest


def _be_pages(options: argparse.Namespace) -> int:
    calls = [Call(**each) for each in json.loads(options.calls)]
    began = time.process_time()
    slowest = asyncio.run(be_pages(options.be_pages, calls, address=options.address, seconds=options.seconds))
    sys.stdout.write(json.dumps({"slowest": slowest, "used": time.process_time() - began}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="the folder of the model that is trained; the starter by default")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each stretch lasts")
    for hidden in ("--address", "--calls"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    parser.add_argument("--be-pages", type=int, default=-1, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    given = _parser().parse_args()
    raise SystemExit(_be_pages(given) if given.be_pages >= 0 else main())
