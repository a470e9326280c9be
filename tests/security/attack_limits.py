"""Attempts with numbers: many pastes, model names, uploads, sessions and runs at once.

Each is bounded and ends by itself.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.security.attack_archives import quick_page, wait_for_data, write_model
from tests.security.attempts import Outcome, Target
from tests.security.hostile_archives import tiny_model
from tests.security.visitor import Heard

MOST_WORKERS = 12
"""Workers that may be at work for visitors at one time, whatever they ask for."""

MOST_NEW_THREADS = 48
MOST_GROWTH_MIB = 600.0
"""What the server itself may grow by while one kind of attempt runs."""


class Counted:
    """Watches the server's processes, threads and memory while a `with` block runs."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._ended = threading.Event()
        self.workers = 0
        self.threads = 0
        self.grown_mib = 0.0

    def __enter__(self) -> "Counted":
        process = self._target.process
        if process:
            self._threads, self._mib = process.num_threads(), self._target.server_mib()
            self._watcher = threading.Thread(target=self._watch)
            self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._target.process:
            self._watcher.join()

    def _watch(self) -> None:
        process = self._target.process
        assert process is not None
        while not self._ended.wait(0.2):
            self.workers = max(self.workers, len(self._target.processes()) - 1)
            self.threads = max(self.threads, process.num_threads() - self._threads)
            self.grown_mib = max(self.grown_mib, self._target.server_mib() - self._mib)

    def outcome(self, name: str, heard: list[Heard]) -> Outcome:
        """Judge: some bound has to hold, either by a refusal or by the counts."""
        refused = sum(bool(each.error) for each in heard)
        silent = sum(each.is_silent or each.is_bug for each in heard)
        what = f"{len(heard)} asked, {refused} refused, {silent} unanswered"
        if self._target.process is None:
            return Outcome(name, silent > 0 or refused == 0, f"{what}; the server is not known, so nothing was counted")
        what += f"; {self.workers} workers, {self.threads} more threads, {self.grown_mib:.0f} MiB more at once"
        too_many = self.workers > MOST_WORKERS or self.threads > MOST_NEW_THREADS or self.grown_mib > MOST_GROWTH_MIB
        return Outcome(name, too_many or silent > 0, what)


def pastes(target: Target, count: int = 40) -> Iterator[Outcome]:
    """Paste one text after the other without waiting for any."""

    def paste(number: int) -> Heard:
        visitor = target.visitor(60)
        text = "\n".join(f'{{"prompt": "What is {n} of {number}?", "completion": "It is {n}."}}' for n in range(50))
        values = {"data-pasted": text, "data-pasted-name": f"paste {number} {secrets.token_hex(2)}"}
        return visitor.call(visitor.listener("data-add-pasted", "click"), values)

    yield from _together(target, "pasted texts", paste, count if not target.is_quick else 16)


def model_names(target: Target, count: int = 60) -> Iterator[Outcome]:
    """Type many names of models that are looked up one by one."""

    def look_up(number: int) -> Heard:
        visitor = target.visitor(60)
        header = next(each for each in visitor.listeners if visitor.id_of("header") in each["outputs"])
        name = f"nobody/model-{number}-{secrets.token_hex(2)}"
        visitor.call(header, {"setting-model": name})
        return visitor.call(visitor.listener("setting-model", "change"), {"setting-model": name})

    yield from _together(target, "names of models", look_up, count if not target.is_quick else 20)


def sessions(target: Target, count: int = 200) -> Iterator[Outcome]:
    """Open many sessions, each of which the server remembers."""

    def open_one(_: int) -> Heard:
        visitor = target.visitor(60)
        return visitor.call(visitor.listener("data-upload", "change"))

    yield from _together(target, "sessions", open_one, count if not target.is_quick else 60)


def uploads(target: Target) -> Iterator[Outcome]:
    """Announce an upload that no disk takes, send many small ones, and many files in one."""
    visitor = target.visitor()
    announced = {"Content-Length": str(10**12), "Content-Type": "multipart/form-data; boundary=x"}
    answer = visitor.ask("POST", "/gradio_api/upload", b"--x\r\n", announced)
    yield Outcome("an upload of 1 TB is announced", answer.status != 413, f"{answer.status} {answer.text[:60]}")
    answer = visitor.ask("POST", "/gradio_api/run/predict", b"{", {**announced, "Content-Type": "application/json"})
    yield Outcome("a call of 1 TB is announced", answer.status != 413, f"{answer.status} {answer.text[:60]}")
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\na\r\n' for _ in range(3_000)
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = visitor.ask("POST", "/gradio_api/upload", parts + b"--x--\r\n", headers)
    yield Outcome("3,000 files in one upload", answer.status == 200, f"{answer.status} {answer.text[:60]}")

    def send(_: int) -> Heard:
        sent = target.visitor().upload("x.csv", bytes(2**20))
        return Heard(sent.status, [], "" if sent.status == 200 else sent.text[:100] or "closed", sent.seconds)

    yield from _together(target, "uploads of 1 MB", send, 20 if target.is_quick else 60)


def long_queue(target: Target, count: int = 230) -> Iterator[Outcome]:
    """Start one run after the other until the queue says that it is full. Each waits; none is worth training."""
    if target.is_quick:
        return
    visitor = target.visitor(60)
    versions = wait_for_data(visitor)
    model = write_model(target.folder / "honest-model", tiny_model())
    if not versions:
        yield Outcome("runs in the queue", False, "no data set could be had, so none was started", is_left_out=True)
        return
    started = 0
    for _ in range(count):
        said = visitor.call(
            visitor.listener("start", "click"),
            {"data-version": versions[0], "setting-model": str(model), "setting-max-length": 64},
        )
        if said.error:
            yield Outcome("runs in the queue", said.is_bug or said.is_silent, f"{started} taken, then: {said.error}")
            return
        started += 1
    yield Outcome("runs in the queue", True, f"all {started} were taken")


def _together(target: Target, name: str, act: Callable[[int], Heard], count: int) -> Iterator[Outcome]:
    """Do one thing many times, 20 at once, and judge what it did to the server and to the next visitor."""
    with Counted(target) as counted, ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(act, number) for number in range(count)]
        time.sleep(0.5)
        page = quick_page(target, f"the page beside {count} {name}")
        heard = [future.result() for future in futures]
    yield counted.outcome(f"{count} {name}", heard)
    yield page


GROUPS = (sessions, model_names, uploads, pastes, long_queue)
