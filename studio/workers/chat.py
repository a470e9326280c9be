"""The chat worker: one base model in memory with what was learned from it, answers streamed to the page line by line.

Reads messages from standard input and writes messages to standard output; everything else that is printed in this
process goes to standard error. It ends when it is told to leave or when its input is closed.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError, StudioError
from studio.models.locate import locate
from studio.runs.chat_protocol import (
    Answered,
    Ask,
    FromWorker,
    Halt,
    Leave,
    Open,
    Opened,
    Opening,
    Token,
    ToWorker,
    Trouble,
    decode_to_worker,
    encode,
)
from studio.workers.job import failure
from studio.workers.train import pad_id

if TYPE_CHECKING:
    from studio.workers.chat_models import ChatModels, Pass

Say = Callable[[FromWorker], None]


@dataclass(frozen=True)
class _Opened:
    """What is in memory for a base model."""

    request: Open
    models: "ChatModels"
    renderer: ChatRenderer


def chat(home: Path) -> int:
    """Answer until told to leave. Returns the exit status."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not break the protocol
    inbox: queue.Queue[ToWorker | Exception] = queue.Queue()
    halted: set[int] = set()
    threading.Thread(target=_read, args=(sys.stdin, inbox, halted), daemon=True).start()

    def say(message: FromWorker) -> None:
        out.write(encode(message) + "\n")
        out.flush()

    opened: _Opened | None = None
    while True:
        message = inbox.get()
        try:
            if isinstance(message, Exception):  # nobody may wait for an answer that never comes
                sys.stderr.write(f"a message was not understood: {message}\n")
                return 1
            if isinstance(message, Leave):
                return 0
            if isinstance(message, Open):
                if opened is None or opened.request != message:
                    opened = None
                    opened = _open(message, home, say)
                base = opened.models.base
                say(Opened(device=str(base.device), precision=str(base.dtype).removeprefix("torch.")))
            elif isinstance(message, Ask):
                if opened is None:
                    raise ModelError("No model is loaded for this conversation.", "Send the message again.")
                _answer(message, opened, say, halted)
        except Exception as error:  # the top frame of this worker: every failure becomes a sentence
            told = failure(error)
            sys.stderr.write(f"{told.message}\n" if isinstance(error, StudioError) else told.detail)
            say(Trouble(id=message.id if isinstance(message, Ask) else 0, message=told.message, hint=told.hint))


def _read(source: IO[str], inbox: "queue.Queue[ToWorker | Exception]", halted: set[int]) -> None:
    for line in source:
        try:
            message = decode_to_worker(line)
        except (ValueError, TypeError) as error:
            inbox.put(error)
            continue
        if isinstance(message, Halt):
            halted.add(message.id)
        else:
            inbox.put(message)
    inbox.put(Leave())


def _open(request: Open, home: Path, say: Say) -> _Opened:
    say(Opening(what="Loading the base model"))
    files = locate(request.model, home)
    if files is None:
        raise ModelError(f"The model {request.model} is not on this machine.", "Fetch it on the Configure tab first.")
    from studio.ml import loading
    from studio.workers.chat_models import ChatModels

    placement = loading.choose_placement(precision=request.precision, bits=request.bits)
    models = ChatModels(loading.load_base(files.folder, placement), placement)
    return _Opened(request=request, models=models, renderer=ChatRenderer.load(files.folder))


def _answer(ask: Ask, opened: _Opened, say: Say, halted: set[int]) -> None:
    prompts = [opened.renderer.prompt(pane.messages) for pane in ask.panes]
    room = _room(opened, longest=max(map(len, prompts)))
    for turn in opened.models.passes([pane.adapter for pane in ask.panes]):
        answering = _Answering(ask, turn, renderer=opened.renderer, say=say)
        if ask.id not in halted:
            _generate(ask, turn, prompts=prompts, room=room, answering=answering, halted=halted)
        answering.end("stopped" if ask.id in halted else "length")


def _generate(
    ask: Ask,
    turn: "Pass",
    *,
    prompts: Sequence[tuple[int, ...]],
    room: int,
    answering: "_Answering",
    halted: set[int],
) -> None:
    from studio.ml.generation import PaneInput, Sampling, generate

    generate(
        turn.model,
        [PaneInput(adapter, prompts[pane]) for pane, adapter in zip(turn.panes, turn.adapters, strict=True)],
        sampling=Sampling(
            temperature=ask.temperature, top_p=ask.top_p, max_new_tokens=min(ask.max_new_tokens, room), seed=ask.seed
        ),
        end_ids=answering.renderer.end_ids,
        pad_id=pad_id(answering.renderer),
        on_tokens=answering.add,
        should_stop=lambda: ask.id in halted,
    )


def _room(opened: _Opened, *, longest: int) -> int:
    """Return how many tokens an answer may have. Raises ModelError when the conversation fills the model's context."""
    from studio.ml.loading import context_length

    context = context_length(opened.models.base) or sys.maxsize
    if longest >= context:
        raise ModelError(
            f"The conversation has {longest:,} tokens, and this model reads at most {context:,}.",
            "Shorten your message, or clear the conversation and ask again.",
        )
    return context - longest


class _Answering:
    """The panes of one pass while they are answered: says each piece of text, and once for each pane that it is done.

    Seconds count from the beginning of the pass.
    """

    def __init__(self, ask: Ask, turn: "Pass", *, renderer: ChatRenderer, say: Say) -> None:
        self.renderer = renderer
        self._ask = ask
        self._panes = turn.panes
        self._say = say
        self._texts = [_Text(renderer) for _ in turn.panes]
        self._began = time.monotonic()

    def add(self, tokens: Sequence[int | None]) -> None:
        """Take one token for each pane of the pass, None where there is none."""
        for text, pane, token in zip(self._texts, self._panes, tokens, strict=True):
            if token is None:
                continue
            if token in self.renderer.end_ids:
                self._done(text, pane, "end")
            elif piece := text.add(token):
                self._say(Token(id=self._ask.id, pane=pane, text=piece))

    def end(self, ended: str) -> None:
        """Say that every pane is done which has not ended by itself."""
        for text, pane in zip(self._texts, self._panes, strict=True):
            if not text.ended:
                self._done(text, pane, ended)

    def _done(self, text: "_Text", pane: int, ended: str) -> None:
        if rest := text.rest():
            self._say(Token(id=self._ask.id, pane=pane, text=rest))
        text.ended = ended
        seconds = round(time.monotonic() - self._began, 3)
        self._say(Answered(id=self._ask.id, pane=pane, tokens=len(text.ids), seconds=seconds, ended=ended))


class _Text:
    """Turns one pane's tokens into text, holding back a character whose bytes have not all come."""

    def __init__(self, renderer: ChatRenderer) -> None:
        self.ids: list[int] = []
        self.ended = ""
        self._renderer = renderer
        self._told = ""

    def add(self, token: int) -> str:
        self.ids.append(token)
        text = self._renderer.decode(tuple(self.ids))
        if text.endswith("\N{REPLACEMENT CHARACTER}") or not text.startswith(self._told):
            return ""
        piece, self._told = text[len(self._told) :], text
        return piece

    def rest(self) -> str:
        text = self._renderer.decode(tuple(self.ids))
        return text[len(self._told) :] if text.startswith(self._told) else ""
