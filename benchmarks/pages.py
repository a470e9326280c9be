"""What watching costs: the server's processor time, and the training's speed, with many pages open on a live run.

    python benchmarks/pages.py --model FOLDER --pages 50 --rounds 3 --seconds 20

Starts the studio on a folder of its own, trains on made conversations, and lets stretches with and without pages take
turns while it trains. A page here is what a browser asks for while its Train tab is open: every look that its timers
cause, at their pace, in a session of its own. The pages run in a process of their own, whose time is not counted; its
priority is the lowest, for real browsers would be elsewhere, and it still takes something from the training.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from chats import write_chats
from common import ROOT, say

PORT = 7993
DRAWN = {"train-status", "header"}
"""What is drawn again by the clocks that run while the Train tab is open; those of the other tabs stand still then."""


@dataclass(frozen=True)
class Look:
    """One call that a timer of the page makes: its number, its inputs, and every how many seconds."""

    number: int
    inputs: tuple[Any, ...]
    seconds: float


@dataclass(frozen=True)
class Stretch:
    """A while with so many pages: the server's share of one core, the steps of the run, and its tokens a second."""

    pages: int
    server_share: float
    tokens_per_second: float
    slowest_look: float


def main() -> int:
    """Run the benchmark."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="pages-") as folder, _studio(Path(folder), options) as server:
        run = _wait_for_steps(Path(folder))
        looks = looks_of(run.name)
        say(f"A page asks {len(looks)} times: every {', '.join(f'{each.seconds:g} s' for each in looks)}.")
        found = []
        for turn in range(options.rounds):
            for pages in (0, options.pages) if turn % 2 == 0 else (options.pages, 0):
                found.append(_stretch(run, server, pages=pages, seconds=options.seconds))
                say(f"round {turn + 1}: {found[-1]}")
    for pages in (0, options.pages):
        mine = [each for each in found if each.pages == pages]
        say(
            f"{pages} pages, median of {len(mine)}: server {statistics.median(each.server_share for each in mine):.0%} "
            f"of a core, training {statistics.median(each.tokens_per_second for each in mine):.0f} tokens/s, "
            f"slowest look {statistics.median(each.slowest_look for each in mine):.2f} s"
        )
    return 0


@contextmanager
def _studio(home: Path, options: argparse.Namespace) -> Iterator[psutil.Process]:
    """Serve a studio with a training under way, and end both."""
    chats = home / "chats.jsonl"
    write_chats(chats, rows=400)
    app = [sys.executable, str(ROOT / "app.py"), "--home", str(home)]
    server = subprocess.Popen([*app, "--port", str(PORT), "--no-starter"], stdout=subprocess.DEVNULL)
    train = [*app, "train", "--data", str(chats), "--model", str(options.model.absolute()), "--epochs", "100"]
    training = subprocess.Popen(train, stdout=subprocess.DEVNULL, env={**os.environ})
    try:
        yield psutil.Process(server.pid)
    finally:
        for process in psutil.Process().children(recursive=True):
            process.kill()
        server.wait()
        training.wait()


def _wait_for_steps(home: Path) -> Path:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for events in home.glob("runs/*/events.jsonl"):
            if events.read_text(encoding="utf-8").count('"Stepped"') > 2:
                return events.parent
        time.sleep(1)
    raise SystemExit("The training did not begin within three minutes.")


def looks_of(run_id: str) -> list[Look]:
    """Read from the page's own description what its timers ask for while the Train tab is open."""
    config = httpx.get(f"http://127.0.0.1:{PORT}/config", timeout=30).json()
    parts = {part["id"]: part for part in config["components"]}
    found = []
    for each in config["dependencies"]:
        drawn = {parts[id]["props"].get("elem_id") for id in each["outputs"]}
        timers = [parts[target] for target, event in each["targets"] if event == "tick"]
        if drawn & DRAWN:
            inputs = tuple(_value(parts[id]["props"], run_id) for id in each["inputs"])
            found += [Look(each["id"], inputs, float(timer["props"]["value"])) for timer in timers]
    return found


def _value(properties: dict[str, Any], run_id: str) -> Any:
    return run_id if properties.get("elem_id") == "train-run" else properties.get("value")


def _stretch(run: Path, server: psutil.Process, *, pages: int, seconds: float) -> Stretch:
    looks = json.dumps([vars(each) for each in looks_of(run.name)])
    program = [
        "nice",
        "-n",
        "19",
        sys.executable,
        __file__,
        "--be-pages",
        str(pages),
        "--looks",
        looks,
        "--seconds",
        str(seconds),
    ]
    before, began, at = server.cpu_times(), time.monotonic(), time.time()
    told = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)
    after, took = server.cpu_times(), time.monotonic() - began
    used = after.user + after.system - before.user - before.system
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    speeds = [each["tokens_per_second"] for each in events if each["kind"] == "Stepped" and each["time"] > at]
    return Stretch(pages, used / took, statistics.median(speeds) if speeds else 0.0, float(told.stdout))


async def be_pages(count: int, looks: list[Look], seconds: float) -> float:
    """Look as so many pages would, and return how long the slowest look took."""
    slowest = 0.0
    end = time.monotonic() + seconds

    async def repeat(client: httpx.AsyncClient, look: Look, session: str, *, wait: float) -> None:
        nonlocal slowest
        await asyncio.sleep(wait)  # people do not open their pages at the same moment
        while time.monotonic() < end:
            began = time.monotonic()
            body = {"data": list(look.inputs), "fn_index": look.number, "session_hash": session, "event_data": None}
            answer = await client.post("/gradio_api/run/predict", json=body)
            answer.raise_for_status()
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(max(0.0, look.seconds - (time.monotonic() - began)))

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=60, limits=limits) as client:
        sessions = [uuid.uuid4().hex[:12] for _ in range(count)]
        tasks = [
            repeat(client, look, session, wait=look.seconds * place / count)
            for place, session in enumerate(sessions)
            for look in looks
        ]
        await asyncio.gather(*tasks, asyncio.sleep(seconds))
    return slowest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="the folder of the model that is trained")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each stretch lasts")
    parser.add_argument("--be-pages", type=int, default=-1, help=argparse.SUPPRESS)
    parser.add_argument("--looks", default="[]", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    given = _parser().parse_args()
    if given.be_pages >= 0:
        calls = [Look(**each) for each in json.loads(given.looks)]
        sys.stdout.write(str(asyncio.run(be_pages(given.be_pages, calls, given.seconds))))
        raise SystemExit(0)
    raise SystemExit(main())
