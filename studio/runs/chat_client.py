"""The page's end of the conversation with the chat worker: starts it when it is needed and asks it one thing at a time.

A worker that died is started again by the next question. Knows nothing of models, and imports nothing of the worker.
"""

import itertools
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path

from studio.errors import RunError
from studio.runs.chat_process import ChatProcess
from studio.runs.chat_protocol import (
    Answered,
    Ask,
    FromWorker,
    Halt,
    Open,
    Opened,
    Opening,
    PaneRequest,
    Token,
    Trouble,
)
from studio.runs.launcher import WORKER_COMMAND

_TURN_SECONDS = 1.0


class ChatClient:
    """Asks one chat worker, which holds one base model; questions from several pages take turns."""

    def __init__(self, home: Path, *, command: Sequence[str] = WORKER_COMMAND) -> None:
        """Start nothing yet. The worker is `command` with `chat --home HOME`; its log is HOME/chat.log."""
        self._home = home
        self._command = (*command, "chat", "--home", str(home))
        self._turn = threading.Lock()
        self._halted: set[str] = set()
        self._ticket = ""
        self._ids = itertools.count(1)
        self._asked: int | None = None
        self._worker: ChatProcess | None = None

    @property
    def is_running(self) -> bool:
        """Whether a worker is up, and so may hold a model in memory."""
        worker = self._worker
        return worker is not None and worker.is_running

    def ask(
        self,
        base: Open,
        panes: Sequence[PaneRequest],
        *,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: int,
        ticket: str = "",
    ) -> Generator[FromWorker, None, None]:
        """Yield what the worker says until every pane is `Answered`, or `Trouble` ends it for all of them.

        `Opening` may come first, while the model is on its way or another question is being answered. Closing the
        generator halts the answer; so does `halt` with the same `ticket`, after which the panes are `Answered` with
        what there is (or nothing more is said, when it was not its turn yet or the model was still on its way).

        Raises RunError when the worker cannot be started or ends in the middle.
        """
        self._halted.discard(ticket)
        while not self._turn.acquire(timeout=_TURN_SECONDS):
            if ticket in self._halted:
                return
            yield Opening("Another conversation is being answered. Yours is next.")
        try:
            self._ticket = ticket
            worker = self._running_worker()
            if (yield from self._open(worker, base)):
                question = Ask(next(self._ids), tuple(panes), temperature, top_p, max_new_tokens, seed)
                yield from self._answers(worker, question)
        finally:
            self._turn.release()

    def halt(self, ticket: str = "") -> None:
        """Stop the question that was asked with this ticket, whether it is being answered or waits. Returns at once."""
        self._halted.add(ticket)
        worker, asked = self._worker, self._asked
        if worker is not None and asked is not None and self._ticket == ticket:
            with suppress(RunError):
                worker.send(Halt(asked))

    def leave(self, grace_seconds: float = 2.0) -> None:
        """Have the worker leave and give its memory back; the next question starts a new one.

        One that has not left after `grace_seconds` is killed. An answer that is being given ends with a RunError.
        """
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end(grace_seconds)

    def close(self) -> None:
        """Kill the worker if there is one."""
        self.leave(grace_seconds=0.0)

    def _running_worker(self) -> ChatProcess:
        worker = self._worker
        if worker is None or not worker.is_running:
            self.close()
            worker = self._worker = ChatProcess(self._command, log_path=self._home / "chat.log")
        return worker

    def _open(self, worker: ChatProcess, base: Open) -> Generator[FromWorker, None, bool]:
        """Have `base` in memory. Returns False when it is not there: after `Trouble`, or when halted."""
        if worker.base != base:
            worker.send(base)
            worker.base = base
            worker.opens_awaited += 1
        # The wait is for every `Open` that was ever sent: one may belong to a page that did not stay for the answer.
        while worker.opens_awaited:
            if self._ticket in self._halted:
                return False
            said = worker.next_message()
            if isinstance(said, Opened):
                worker.opens_awaited -= 1
            elif isinstance(said, Trouble) and said.id == 0:
                worker.opens_awaited -= 1
                if not worker.opens_awaited:
                    worker.base = None
                    yield said
                    return False
            if isinstance(said, Opening | Opened):
                yield said
        return True

    def _answers(self, worker: ChatProcess, question: Ask) -> Generator[FromWorker, None, None]:
        waiting = set(range(len(question.panes)))
        # In this order, so that a halt which comes at any moment is either seen here or sent by `halt` itself.
        worker.send(question)
        self._asked = question.id
        if self._ticket in self._halted:
            worker.send(Halt(question.id))
        try:
            while waiting:
                said = worker.next_message()
                # What is still said to a question that was given up is passed over.
                if not isinstance(said, Token | Answered | Trouble) or said.id != question.id:
                    continue
                if isinstance(said, Answered):
                    waiting.discard(said.pane)
                elif isinstance(said, Trouble):
                    waiting.clear()
                yield said
        finally:
            self._asked = None
            if waiting and worker.is_running:
                with suppress(RunError):
                    worker.send(Halt(question.id))
