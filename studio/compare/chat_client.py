"""The page's end of the conversation with the chat worker: starts it when it is needed and asks it one thing at a time,
or for any number of answers from one base together.

A worker that died is started again by the next question.
"""

import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from studio import wording
from studio.compare.chat_process import ChatProcess
from studio.compare.chat_protocol import (
    Answered,
    Ask,
    FromWorker,
    Halt,
    Open,
    Opened,
    Opening,
    PaneRequest,
    SelfTest,
    Tested,
    Token,
    Trouble,
    Write,
)
from studio.compare.chat_room import ChatRoom, Place
from studio.compare.turns import Turn, Turns
from studio.data.examples import Message
from studio.errors import RunError
from studio.jobs.tasks import Chat
from studio.logs import logged
from studio.runs.launcher import WORKER_COMMAND
from studio.runs.memory_watch import MemoryWatch

log = logging.getLogger(__name__)

_TURN_SECONDS = 1.0

SILENCE_SECONDS = 1800.0
"""A worker ends itself when a load takes too long (`ml/deadlines`); this is for one that cannot, or hangs later."""

MADE_ROOM = "The models of this conversation made room for other work, so they are loaded again."


class Meter(Protocol):
    """Counts what the models write for one account."""

    def require_tokens(self) -> None: ...

    def answered(self, tokens: int) -> None: ...


class ChatClient:
    """Asks one chat worker, which holds one base model; questions from several pages take turns.

    Answers that are written for programs share a turn as long as they are asked of one base.
    """

    def __init__(
        self,
        home: Path,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        silence_seconds: float = SILENCE_SECONDS,
        watch: MemoryWatch = MemoryWatch(),  # noqa: B008  # it is frozen
        room: ChatRoom | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Start nothing yet. The worker is `command` with `run TASK`; its log is HOME/chat.log. `room` is what it
        shares with the workers of other accounts, and `meter` what counts the answers of this one.

        A worker that should load or answer and says nothing for `silence_seconds` is killed, and so is one that takes
        more memory than `watch` allows.
        """
        self._silence_seconds = silence_seconds
        self._watch = watch
        self._command = command
        self._room = room
        self._meter = meter
        self._task = Chat(home)
        self._turns = Turns()
        self._opening = threading.Lock()
        self._halted: set[str] = set()
        self._ticket = ""
        self._ids = itertools.count(1)
        self._asked: int | None = None
        self._worker: ChatProcess | None = None
        self._starting = threading.Lock()
        self._is_closed = False
        self._made_room = False

    @property
    def is_running(self) -> bool:
        """Whether a worker is up, and so may hold a model in memory."""
        worker = self._worker
        return worker is not None and worker.is_running

    @property
    def is_answering(self) -> bool:
        """Whether a question is being answered, or is about to be."""
        return self._turns.is_taken

    @property
    def made_room(self) -> bool:
        """Whether the worker left to give its memory to other work, and nothing was asked since."""
        return self._made_room

    def loaded(self) -> str:
        """Name the base model that is in memory, as `Open` named it; empty when there is none, or not yet."""
        worker = self._worker
        if worker is None or not worker.is_running or worker.base is None or worker.opens_awaited:
            return ""
        return worker.base.model

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

        Raises RunError when the worker cannot be started or ends in the middle, TooMany where the models have written
        as much as they may for this account.
        """
        yield from self._in_turn(
            base,
            lambda id: Ask(id, tuple(panes), temperature, top_p, max_new_tokens, seed),
            answers=len(panes),
            ticket=ticket,
        )

    def self_test(
        self, base: Open, adapter: str, messages: Sequence[Message], *, tokens: int = 32, ticket: str = ""
    ) -> Generator[FromWorker, None, None]:
        """Have the worker hold its panes against plain transformers and plain peft on a base that is loaded afresh.

        Yields `Opening` as often as something is on its way, and `Tested` or `Trouble` last. It takes turns with
        questions, and `halt` ends it, as they do. Raises RunError as `ask` does.
        """
        yield from self._in_turn(
            base, lambda id: SelfTest(id, adapter, tuple(messages), tokens), answers=1, ticket=ticket
        )

    def _in_turn(
        self, base: Open, question: Callable[[int], Ask | SelfTest], *, answers: int, ticket: str
    ) -> Generator[FromWorker, None, None]:
        """Ask when it is one's turn, and yield what is said until so many answers are complete."""
        self._require_tokens()
        self._halted.discard(ticket)
        turn = self._turns.line_up()
        place: Place | None = None
        try:
            while not turn.wait(_TURN_SECONDS):
                if ticket in self._halted:
                    return
                yield Opening("Another conversation is being answered. Yours is next.")
            place = self._line_up_for_room()
            while place is not None and not place.wait(_TURN_SECONDS):
                if ticket in self._halted:
                    return
                yield Opening("The conversations of others are being answered. Yours comes as soon as one is.")
            self._ticket = ticket
            if self._made_room:
                self._made_room = False
                yield Opening(MADE_ROOM)
            worker = self._running_worker()
            if (yield from self._open(worker, base)):
                yield from self._answers(worker, question(next(self._ids)), answers=answers)
        finally:
            _leave(turn, place)

    def write(self, base: Open, write: Write) -> Generator[FromWorker | None, None, None]:
        """Yield what the worker says of one answer until it is `Answered` or `Trouble`; its `id` is set here.

        It is written together with all that are asked of the same base meanwhile. None is yielded about every second
        in which nothing was said, so that whoever waits can look whether anybody still does. Closing the generator
        halts the answer.

        Raises RunError as `ask` does.
        """
        self._require_tokens()
        turn = self._turns.line_up(together=base)
        place: Place | None = None
        try:
            while not turn.wait(_TURN_SECONDS):
                yield None
            place = self._line_up_for_room()
            while place is not None and not place.wait(_TURN_SECONDS):
                yield None
            worker = yield from self._opened(base)
            if worker is not None:
                yield from self._written(worker, replace(write, id=next(self._ids)))
        finally:
            _leave(turn, place)

    def _require_tokens(self) -> None:
        """Raise TooMany where the models have written as much as they may for this account."""
        if self._meter is not None:
            self._meter.require_tokens()

    def _count(self, tokens: int) -> None:
        if self._meter is not None and tokens:
            self._meter.answered(tokens)

    def _line_up_for_room(self) -> Place | None:
        return None if self._room is None else self._room.line_up(self)

    def _opened(self, base: Open) -> Generator[FromWorker | None, None, ChatProcess | None]:
        """Have `base` in memory; of those that answer together, one opens it. Returns None after `Trouble`."""
        while not self._opening.acquire(timeout=_TURN_SECONDS):
            yield None
        try:
            self._made_room = False
            self._ticket = ""
            self._halted.discard("")
            worker = self._running_worker()
            return worker if (yield from self._open(worker, base)) else None
        finally:
            self._opening.release()

    def _written(self, worker: ChatProcess, write: Write) -> Generator[FromWorker | None, None, None]:
        is_over, written = False, 0
        worker.open_box(write.id)
        spoke = time.monotonic()
        try:
            worker.send(write)
            while not is_over:
                said = self._next_message(worker, spoke, box=write.id)
                spoke = time.monotonic() if said is not None else spoke
                is_over = isinstance(said, Answered | Trouble)
                written = said.tokens if isinstance(said, Answered) else written + isinstance(said, Token)
                yield said
        finally:
            self._count(written)  # also of an answer that nobody waited for to its end
            worker.close_box(write.id)
            if not is_over and worker.is_running:
                with logged(log, "The chat worker is gone, so it could not be told to stop", RunError):
                    worker.send(Halt(write.id))

    def halt(self, ticket: str = "") -> None:
        """Stop the question that was asked with this ticket, whether it is being answered or waits. Returns at once."""
        self._halted.add(ticket)
        worker, asked = self._worker, self._asked
        if worker is not None and asked is not None and self._ticket == ticket:
            with logged(log, "The chat worker is gone, so it could not be told to stop", RunError):
                worker.send(Halt(asked))

    def leave(self, grace_seconds: float = 2.0) -> None:
        """Have the worker leave and give its memory back; the next question starts a new one.

        One that has not left after `grace_seconds` is killed. An answer that is being given ends with a RunError.
        """
        if self.is_running:
            self._made_room = True
        self._end(grace_seconds)

    def close(self) -> None:
        """Kill the worker if there is one, and start no other: the folder of the account may be gone."""
        with self._starting:
            self._is_closed = True
        self._end(0.0)

    def _end(self, grace_seconds: float) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end(grace_seconds)

    def _running_worker(self) -> ChatProcess:
        with self._starting:
            if self._is_closed:
                raise RunError(
                    "This conversation was closed while your question waited.", "Reload the page, then ask again."
                )
            worker = self._worker
            if worker is None or not worker.is_running:
                self._end(0.0)
                worker = self._worker = ChatProcess(self._task, self._command, watch=self._watch)
            return worker

    def _open(self, worker: ChatProcess, base: Open) -> Generator[FromWorker, None, bool]:
        """Have `base` in memory. Returns False when it is not there: after `Trouble`, or when halted."""
        if worker.base != base:
            worker.send(base)
            worker.base = base
            worker.opens_awaited += 1
        # The wait is for every `Open` that was ever sent: one may belong to a page that did not stay for the answer.
        spoke = time.monotonic()
        while worker.opens_awaited:
            if self._ticket in self._halted:
                return False
            said = self._next_message(worker, spoke)
            spoke = time.monotonic() if said is not None else spoke
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

    def _next_message(self, worker: ChatProcess, spoke: float, box: int = 0) -> FromWorker | None:
        """Wait a moment for a message. Raises RunError, and kills the worker, when it was silent for too long."""
        said = worker.next_message(box)
        if said is None and time.monotonic() - spoke > self._silence_seconds:
            log.warning("the chat worker said nothing for %.0f s and is killed", self._silence_seconds)
            worker.end(0.0)
            raise RunError(
                f"The model has not said anything for {wording.duration(self._silence_seconds)}, so it was ended.",
                "Ask again to start it once more, or choose another model if that happens again.",
            )
        return said

    def _answers(
        self, worker: ChatProcess, question: Ask | SelfTest, *, answers: int
    ) -> Generator[FromWorker, None, None]:
        waiting = set(range(answers))
        written: Counter[int] = Counter()
        # In this order, so that a halt which comes at any moment is either seen here or sent by `halt` itself.
        worker.send(question)
        self._asked = question.id
        if self._ticket in self._halted:
            worker.send(Halt(question.id))
        spoke = time.monotonic()
        try:
            while waiting:
                said = self._next_message(worker, spoke)
                spoke = time.monotonic() if said is not None else spoke
                # What is still said to a question that was given up is passed over.
                if isinstance(said, Token | Answered | Tested | Trouble) and said.id != question.id:
                    continue
                if isinstance(said, Token):
                    written[said.pane] += 1
                if isinstance(said, Answered):
                    written[said.pane] = said.tokens
                    waiting.discard(said.pane)
                elif isinstance(said, Trouble | Tested):
                    waiting.clear()
                elif not isinstance(said, Token | Opening):
                    continue
                yield said
        finally:
            self._asked = None
            self._count(written.total())  # also of answers that nobody waited for to their end
            if waiting and worker.is_running:
                with logged(log, "The chat worker is gone, so it could not be told to stop", RunError):
                    worker.send(Halt(question.id))


def _leave(turn: Turn, place: Place | None) -> None:
    if place is not None:
        place.leave()
    turn.leave()
