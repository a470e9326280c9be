"""Many people on one studio with accounts: they browse, upload, train, compare and export, and ask for what is others'.

    python benchmarks/visitors.py --people 100 --minutes 10

Starts a studio on a folder of its own with a tiny model as its starter, and lets the people come one after the other.
Measured are the seconds of each answer by what was asked, the memory of the server, and what must hold: one run at a
time, nobody's second run before another's first, and nothing of one for another. Exit status 1 when that does not hold.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from common import ROOT, say

sys.path.insert(0, str(ROOT))

from studio.accounts.people import Account, People
from studio.accounts.sessions import Sessions
from studio.homes import all_homes
from studio.models.starter import READY_MARK, starter_folder
from studio.openai_api.keys import ApiKey
from studio.runs import lock
from studio.settings import Settings
from studio.ui.accounts.identity import Identity
from tests.tiny_model import write_tiny_model

SLOW = ("answer of a model", "upload")
"""What waits for a worker, and so is no measure of the page: an upload of a program is imported before the answer."""

PATIENCE_SECONDS = 120.0


@dataclass
class Seen:
    """What was measured, by what was asked."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    at_once: Counter[int] = field(default_factory=Counter)
    began: list[tuple[float, str, str]] = field(default_factory=list)
    queued: list[tuple[float, str, str]] = field(default_factory=list)


class Person:
    """One visitor with a browser and a program."""

    def __init__(self, url: str, account: Account, cookie: str, key: str, seen: Seen, seed: int) -> None:
        self.account, self.seen, self.rng = account, seen, random.Random(seed)
        self._page = httpx.AsyncClient(base_url=url, headers={"Cookie": cookie}, timeout=PATIENCE_SECONDS)
        self._program = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_SECONDS
        )
        self.file, self.jobs = "", list[str]()
        self._listeners: list[dict[str, Any]] = []
        self._session = f"visitor-{seed}"

    async def ask(self, what: str, client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask, and note how long it took."""
        began = time.monotonic()
        try:
            answer = await client.request(method, path, **more)
        except httpx.ReadError as error:
            raise httpx.ReadError(f"{what}, after {time.monotonic() - began:.1f} s {error}") from error
        self.seen.seconds[what].append(time.monotonic() - began)
        if answer.status_code == 429:
            self.seen.refused[what] += 1
        elif answer.status_code == 500 and "That did not work" in answer.text:  # a sentence, as a program gets it
            self.seen.refused[what] += 1
        elif answer.status_code >= 500 and answer.status_code != 503:
            self.seen.faults.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def come(self) -> None:
        """Open the page for the first time."""
        await self.ask("page, first time", self._page, "GET", "/", headers={"Accept-Encoding": "gzip"})
        config = (await self.ask("settings of the page", self._page, "GET", "/config")).json()
        self._listeners = [each for each in config["dependencies"] if each["api_name"] == "run_status"]

    async def browse(self) -> None:
        """Open the page again, and look at a run."""
        await self.ask("page", self._page, "GET", "/", headers={"Accept-Encoding": "gzip"})
        if self.jobs and self._listeners:
            data = [self.rng.choice(self.jobs).removeprefix("ftjob-")]
            body = {"data": data, "fn_index": self._listeners[0]["id"], "session_hash": self._session}
            await self.ask("listener", self._page, "POST", "/gradio_api/run/run_status", json=body)

    async def upload(self) -> None:
        """Bring examples."""
        chats = [
            {
                "messages": [
                    {"role": "user", "content": f"What is {n}?"},
                    {"role": "assistant", "content": f"It is {n}."},
                ]
            }
            for n in range(self.rng.randint(12, 24))
        ]
        content = "\n".join(json.dumps(each) for each in chats).encode()
        files = {"file": (f"{self.account.name}.jsonl", content)}
        form = {"purpose": "fine-tune"}
        try:
            answer = await self.ask("upload", self._program, "POST", "/v1/files", files=files, data=form)
        except httpx.ReadError:  # what is refused is not read to its end
            self.seen.refused["upload"] += 1
            return
        if answer.status_code == 200:
            self.file = answer.json()["id"]

    async def train(self) -> None:
        """Put a run into the queue."""
        if not self.file:
            await self.upload()
            return
        body = {"model": "base/starter", "training_file": self.file, "hyperparameters": {"n_epochs": 1}}
        answer = await self.ask("start of a run", self._program, "POST", "/v1/fine_tuning/jobs", json=body)
        if answer.status_code == 200:
            self.jobs.append(answer.json()["id"])
            self.seen.queued.append((time.time(), self.account.id, self.jobs[-1].removeprefix("ftjob-")))

    async def compare(self) -> None:
        """Ask a model."""
        body = {"model": "base/starter", "messages": [{"role": "user", "content": "Who?"}], "max_tokens": 8}
        with contextlib.suppress(httpx.TimeoutException):
            await self.ask("answer of a model", self._program, "POST", "/v1/chat/completions", json=body)

    async def export(self) -> None:
        """Ask how the runs are, and for an export of one."""
        await self.ask("list of runs", self._program, "GET", "/v1/fine_tuning/jobs")
        if self.jobs:
            data = [self.rng.choice(self.jobs).removeprefix("ftjob-"), "adapter"]
            await self.ask("export", self._page, "POST", "/gradio_api/run/export_run", json={"data": data})

    async def pry(self, others: list["Person"]) -> None:
        """Ask for what is somebody else's."""
        other = self.rng.choice(others)
        if other is self or not other.jobs:
            return
        job = self.rng.choice(other.jobs)
        run = job.removeprefix("ftjob-")
        told = [await self.ask("what is another's", self._program, "GET", f"/v1/fine_tuning/jobs/{job}")]
        path = f"/studio/download/run/{run}/{run}.run.zip"
        told.append(await self.ask("what is another's", self._page, "GET", path))
        if any(each.status_code not in (404, 429) for each in told):
            self.seen.faults.append(f"{self.account.name} got {run} of {other.account.name}: {told}")

    async def live(self, until: float, others: list["Person"]) -> None:
        """Do one thing after the other until the time is over."""
        await self.come()
        ways = [self.browse] * 6 + [self.upload, self.train, self.train, self.compare, self.export]
        while time.monotonic() < until:
            try:
                await self.rng.choice(ways)()
                await self.pry(others)
            except httpx.HTTPError as error:
                self.seen.faults.append(f"{self.account.name}: {type(error).__name__} {error}")
            await asyncio.sleep(self.rng.uniform(3, 12))

    async def close(self) -> None:
        await self._page.aclose()
        await self._program.aclose()


async def watch(home: Path, server: psutil.Process, seen: Seen, until: float) -> None:
    """Look once a second at the memory of the server, and at which runs are at work."""
    known: set[str] = set()
    while time.monotonic() < until:
        with contextlib.suppress(psutil.Error):
            seen.memory.append(server.memory_info().rss / 2**20)
        at_work = [
            (place.name, path.parent.name)
            for place in all_homes(home)
            for path in place.glob("runs/*/run.lock")
            if lock.is_held(path)
        ]
        seen.at_once[len(at_work)] += 1
        for account, run in at_work:
            if run not in known:
                known.add(run)
                seen.began.append((time.time(), account, run))
        await asyncio.sleep(1.0)


def unfair(seen: Seen) -> list[str]:
    """Name the runs that began as a later one of somebody while a first one of another waited."""
    queued = {run: (at, account) for at, account, run in seen.queued}
    begun: Counter[str] = Counter()
    found = []
    for at, account, run in sorted(seen.began):
        waiting = {each for began, each, _ in seen.queued if began < at - 3} - {account}
        first_ones = [each for each in waiting if not begun[each]]
        if begun[account] and first_ones and run in queued:
            found.append(f"{run}: the {begun[account] + 1}. of one, and {len(first_ones)} had none yet")
        begun[account] += 1
    return found


@contextlib.asynccontextmanager
async def serving(home: Path, people: int) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Start a studio with accounts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "STUDIO_HOME": str(home),
        "STUDIO_PORT": str(port),
        "STUDIO_ACCOUNTS": "1",
        "STUDIO_API": "1",
        "STUDIO_EVALUATE": "0",
        "HF_HUB_OFFLINE": "1",
        "STUDIO_LIMIT_PAGES_AT_ONCE": str(people + 1),
        "STUDIO_LIMIT_RUNS_WAITING": str(5 * people),
        "STUDIO_LIMIT_IMPORTS_WAITING": str(people),
        "STUDIO_LIMIT_UPLOADS_WAITING": str(20 * people),
        "STUDIO_LIMIT_FREE_DISK_GIB": "0.5",
    }
    process = subprocess.Popen([sys.executable, "app.py", "--no-starter"], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    await client.get(url)
                    break
                await asyncio.sleep(0.1)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


async def measure(home: Path, *, people: int, minutes: float, arriving: float) -> Seen:
    """Let people come and do what they do."""
    write_tiny_model(starter_folder(home))
    (starter_folder(home) / READY_MARK).write_text("{}", encoding="utf-8")
    accounts = People(home)
    sessions = Sessions(home, accounts)
    cookie = Identity(Settings(home=home), accounts, sessions).cookie
    accounts.add("owner")
    made = [accounts.add(f"person{number}")[0] for number in range(people)]
    seen = Seen()
    async with serving(home, people) as (url, server):
        persons = [
            Person(url, each, f"{cookie}={sessions.begin(each)}", ApiKey(accounts.home_of(each)).read(), seen, number)
            for number, each in enumerate(made)
        ]
        until = time.monotonic() + minutes * 60
        watching = asyncio.create_task(watch(home, server, seen, until))

        async def arrive(person: Person, after: float) -> None:
            await asyncio.sleep(after)
            await person.live(until, persons)

        await asyncio.gather(*(arrive(each, arriving * place / people) for place, each in enumerate(persons)))
        await watching
        for each in persons:
            await each.close()
    return seen


def report(seen: Seen) -> bool:
    """Print what was measured; tell whether all held that must."""
    say(f"{'what was asked':<24}{'times':>7}{'refused':>9}{'median':>9}{'p95':>9}{'longest':>9}   seconds")
    measured: list[float] = []
    for what, seconds in sorted(seen.seconds.items()):
        p95 = sorted(seconds)[int(len(seconds) * 0.95)]
        median = statistics.median(seconds)
        say(f"{what:<24}{len(seconds):>7}{seen.refused[what]:>9}{median:>9.3f}{p95:>9.3f}{max(seconds):>9.3f}")
        measured += [] if what in SLOW else seconds
    p95 = sorted(measured)[int(len(measured) * 0.95)]
    others = unfair(seen)
    say(f"p95 of all but {', '.join(SLOW)}: {p95:.3f} s of {len(measured):,} answers")
    memory = seen.memory
    say(f"memory of the server: {min(memory):,.0f} to {max(memory):,.0f} MiB, {memory[-1]:,.0f} at the end")
    say(f"runs queued: {len(seen.queued)}, begun: {len(seen.began)}, by {len({a for _, a, _ in seen.began})} people")
    say(f"seconds with so many runs at work: {dict(sorted(seen.at_once.items()))}")
    for each in (*seen.faults[:20], *others[:20]):
        say(f"FAULT {each}")
    return p95 < 2 and not seen.faults and not others and max(seen.at_once) <= 1


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--arriving", type=float, default=180.0, help="seconds until all of them have come")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="visitors-") as folder:
        seen = asyncio.run(
            measure(Path(folder) / "home", people=options.people, minutes=options.minutes, arriving=options.arriving)
        )
    return 0 if report(seen) else 1


if __name__ == "__main__":
    sys.exit(main())
