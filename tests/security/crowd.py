"""Ordinary visitors and how long they wait: one beside the attack, and a hundred at once.

Each visitor loads the page with what belongs to it, and then asks what the page's own clocks ask at most: on the page
they wait until the studio says that something is new.
"""

import asyncio
import contextlib
import json
import re
import secrets
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.security.visitor import Visitor

MOST_ASSETS = 25
"""How many of its scripts and styles a visitor loads. A browser keeps them once it was here."""

LONGEST_SECONDS = 60.0

_TICKING = {"clock-data": 3.0, "clock-header": 3.0, "clock-train": 5.0}
"""The clocks that tick while the Data tab is open, and every how many seconds at most."""


@dataclass
class Waits:
    """How long answers took, in seconds, by what was asked. `failed` counts what was no answer at all."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)

    def note(self, what: str, seconds: float, status: int) -> None:
        self.seconds[what].append(seconds)
        if status != 200:
            self.failed.append(f"{what}: {status}")

    @property
    def all(self) -> list[float]:
        return [each for waits in self.seconds.values() for each in waits]

    def part(self, share: float) -> float:
        """Return the wait below which this share of all answers stays."""
        waits = sorted(self.all)
        return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else 0.0

    def lines(self) -> list[str]:
        found = [f"{len(self.all)} answers, half within {self.part(0.5):.2f} s, 95% within {self.part(0.95):.2f} s"]
        for what, waits in sorted(self.seconds.items()):
            slow = sorted(waits)[min(len(waits) - 1, int(0.95 * len(waits)))]
            found.append(f"  {what}: {len(waits)}, half {statistics.median(waits):.2f} s, 95% {slow:.2f} s")
        if self.failed:
            found.append(f"  {len(self.failed)} failed, the first: {self.failed[0]}")
        return found


class Ordinary:
    """One ordinary visitor who comes again and again from a thread of its own, and notes how long it waits."""

    def __init__(self, url: str, password: str = "", pause_seconds: float = 0.5) -> None:
        self.waits = Waits()
        self._visitor = Visitor(url, password=password, timeout=LONGEST_SECONDS)
        self._cheap = self._visitor.listener("data-upload", "change")
        self._pause = pause_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._come)

    def __enter__(self) -> "Ordinary":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _come(self) -> None:
        while not self._ended.wait(self._pause):
            for path in ("/", "/config"):
                answer = self._visitor.get(path)
                self.waits.note(path, answer.seconds, answer.status)
            said = self._visitor.call(self._cheap)
            self.waits.note("a listener", said.seconds, said.status)


def crowd(visitor: Visitor, *, visitors: int, seconds: float) -> Waits:
    """Let so many visitors come within the first half of the time, stay, and note how long each answer takes."""
    waits = Waits()
    asyncio.run(_crowd(visitor, waits, visitors=visitors, seconds=seconds))
    return waits


async def _crowd(visitor: Visitor, waits: Waits, *, visitors: int, seconds: float) -> None:
    page = Page(visitor)
    end = time.monotonic() + seconds
    comings = seconds / 2 / max(1, visitors)
    stays = [_stay(page, waits, comes=number * comings, end=end) for number in range(visitors)]
    await asyncio.gather(*stays)


class Page:
    """What a browser asks of the studio: the page's parts, what it calls when loaded, and what its clocks call."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        text = visitor.get("/").text
        found = dict.fromkeys(
            re.findall(r"(?:src|href)=\"(?:\./|/)?((?:assets|static|gradio_api|theme)[^\"]+)\"", text)
        )
        self.assets = ["/" + path for path in found][:MOST_ASSETS]
        self.loads = [each for each in visitor.listeners if [0, "load"] in [list(target) for target in each["targets"]]]
        self.ticks: list[tuple[float, Mapping[str, Any]]] = []
        for listener in visitor.listeners:
            for id, event in listener["targets"]:
                props = visitor.components.get(id, {"props": {}})["props"]
                if event == "tick" and props.get("elem_id") in _TICKING:
                    self.ticks.append((_TICKING[props["elem_id"]], listener))

    async def get(self, path: str) -> tuple[int, float]:
        status, seconds, _ = await self._exchange("GET", path, b"")
        return status, seconds

    async def call(self, listener: Mapping[str, Any], session: str) -> tuple[int, float, bytes]:
        data = self.visitor.inputs(listener, {})
        trigger = listener["targets"][0][0] if listener["targets"] else None
        body = {"fn_index": listener["id"], "data": data, "session_hash": session, "trigger_id": trigger}
        path = "/gradio_api/run/predict" if listener["queue"] is False else "/gradio_api/queue/join"
        return await self._exchange("POST", path, json.dumps(body).encode())

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, float, bytes]:
        start = time.monotonic()
        status, answer = 0, b""
        with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
            async with asyncio.timeout(LONGEST_SECONDS):
                status, answer = await self._send(method, path, body)
        return status, time.monotonic() - start, answer

    async def _send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        visitor = self.visitor
        reader, writer = await asyncio.open_connection(visitor.host, visitor.port)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: {visitor.host}:{visitor.port}\r\nConnection: close\r\n"
            head += f"Cookie: {visitor.cookie}\r\n" if visitor.cookie else ""
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
            writer.write(head.encode() + b"\r\n" + body)
            first = await reader.readline()
            return int(first.split()[1]), await reader.read()
        finally:
            writer.close()


async def _stay(page: Page, waits: Waits, *, comes: float, end: float) -> None:
    await asyncio.sleep(comes)
    session = secrets.token_hex(6)
    for path in ("/", "/config"):
        status, seconds = await page.get(path)
        waits.note(path, seconds, status)
    for path in page.assets:
        status, seconds = await page.get(path)
        waits.note("an asset", seconds, status)
    for listener in page.loads:
        status, seconds, _ = await page.call(listener, session)
        waits.note("what a load calls", seconds, status)
    await asyncio.gather(*(_tick(page, waits, session, each, end=end) for each in page.ticks))


async def _tick(page: Page, waits: Waits, session: str, clock: tuple[float, Mapping[str, Any]], *, end: float) -> None:
    """Ask at the pace of one clock, as a page does while something is at work."""
    period, listener = clock
    while time.monotonic() + period < end:
        await asyncio.sleep(period)
        status, seconds, _ = await page.call(listener, session)
        waits.note("what a clock calls", seconds, status)
