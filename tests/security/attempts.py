"""What every group of attempts shares: the studio under attack, what an attempt found, and how it is judged."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.security.visitor import Answer, Heard, Visitor


@dataclass(frozen=True)
class Outcome:
    """One attempt and what came of it."""

    name: str
    is_open: bool
    what: str
    is_left_out: bool = False

    def line(self) -> str:
        verdict = "left out" if self.is_left_out else "OPEN    " if self.is_open else "refused "
        return f"{verdict} {self.name}: {' '.join(self.what.split())[:160]}"


@dataclass
class Target:
    """The studio under attack. `folder` is the attacker's own on the same machine; `secret` lies in it, in `private`.

    `process` is the server where it is known, and `home` its folder. `is_quick` leaves out what takes long.
    """

    url: str
    folder: Path
    password: str = ""
    home: Path | None = None
    process: psutil.Process | None = None
    is_quick: bool = False
    answer_seconds: float = 20.0
    """No listener may keep one visitor waiting for longer, whatever it was given."""
    page_seconds: float = 2.0
    """Within what time the page has to come beside an attempt."""
    secret: str = field(default_factory=lambda: f"canary-{secrets.token_hex(12)}")
    _cookie: str = ""
    _logging_in: threading.Lock = field(default_factory=threading.Lock)

    @property
    def private(self) -> Path:
        """A file that this machine's user can read and no visitor may see."""
        path = self.folder / "private.txt"
        if not path.exists():
            path.write_text(f"{self.secret}\n", encoding="utf-8")
        return path

    def visitor(self, timeout: float = 0.0) -> Visitor:
        """Come as a new visitor; all of them share one login, of which only a few may be under way at once."""
        visitor = Visitor(self.url, timeout=max(timeout, self.answer_seconds))
        with self._logging_in:
            if self.password and not self._cookie:
                visitor.login(self.password)
                self._cookie = visitor.cookie
        visitor.password, visitor.cookie = self.password, self._cookie
        return visitor

    def leaks(self, text: str) -> bool:
        return self.secret in text

    def memory_mib(self) -> float:
        """Return what the server and its workers hold now; 0 where the server is not known."""
        return sum(held.memory_info().rss for held in self.processes()) / 2**20

    def server_mib(self) -> float:
        return self.process.memory_info().rss / 2**20 if self.process else 0.0

    def processes(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        found = []
        for each in (self.process, *self.process.children(recursive=True)):
            try:
                if each.status() != psutil.STATUS_ZOMBIE:
                    each.memory_info()
                    found.append(each)
            except psutil.NoSuchProcess:
                continue  # it ended between the two looks
        return found


Attempt = Callable[[Target], Iterator[Outcome]]


def judged(name: str, said: Heard, target: Target) -> Outcome:
    """Judge what a listener said: silence, a bug and the secret are open doors, a sentence or plain data is not."""
    if said.is_silent:
        return Outcome(name, True, f"no answer in {said.seconds:.0f} s: {said.error}")
    if said.is_bug:
        return Outcome(name, True, said.error)
    if said.data is not None and target.leaks(json.dumps(said.data)):
        return Outcome(name, True, "the answer holds the private file")
    return Outcome(name, False, said.error or f"answered in {said.seconds:.1f} s, nothing given away")


def must_refuse(name: str, answer: Answer, *, may_cut: bool = False) -> Outcome:
    """Judge a request that has to be turned away: with a status of 400 to 499, or by being sent to the login.

    With `may_cut` the connection may also be closed before all of the request was sent.
    """
    if may_cut and answer.status == 0 and any(each in answer.text for each in ("Reset", "BrokenPipe")):
        return Outcome(name, False, answer.text)
    to_login = answer.status in (302, 303, 307) and answer.headers.get("location", "").split("?")[0].endswith("/login")
    return Outcome(name, not (400 <= answer.status < 500 or to_login), f"{answer.status} {answer.text[:80]}")


def choices(visitor: Visitor, elem_id: str) -> set[str]:
    """List what a selection offers, as a page that was just opened learns it; several listeners may say it.

    A page is told only what it does not know yet, so it is asked as a new one.
    """
    visitor = visitor.opened_again()
    id, found = visitor.id_of(elem_id), set[str]()
    for listener in visitor.listeners:
        if visitor.comes_by_itself(listener) and id in listener["outputs"]:
            said = visitor.call(listener)
            found |= _values(said.data[listener["outputs"].index(id)]) if said.data else set()
    return found


def kept(target: Target) -> dict[str, set[str]]:
    """List the runs and data sets that there are, or that the page offers, which are the newest ones, at most 200."""
    if target.home is not None:
        folders = {"data sets": target.home / "datasets", "runs": target.home / "runs"}
        return {what: {each.name for each in folder.glob("[!.]*")} for what, folder in folders.items()}
    visitor = target.visitor(60)
    return {"data sets": choices(visitor, "data-library"), "runs": choices(visitor, "train-run")}


def _values(update: Any) -> set[str]:
    offered = update.get("choices", []) if isinstance(update, dict) else []
    return {str(each[1]) if isinstance(each, list) else str(each) for each in offered}
