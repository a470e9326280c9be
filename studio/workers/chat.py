"""The chat worker: one base model in memory, its adapters beside it, answers streamed to the page line by line.

Reads messages from standard input and writes messages to standard output; everything else that is printed in this
process goes to standard error. It ends when it is told to leave or when its input is closed.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

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


@dataclass
class _Opened:
    """The model in memory, and the name that each adapter's folder has in it."""

    request: Open
    model: Any
    renderer: ChatRenderer
    adapters: dict[tuple[str, int], str] = field(default_factory=dict)


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
                say(Opened(device=str(opened.model.device), precision=str(opened.model.dtype).removeprefix("torch.")))
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


def _open(request: Open, home: Path, say: Any) -> _Opened:
    say(Opening(what="Loading the base model"))
    files = locate(request.model, home)
    if files is None:
        raise ModelError(f"The model {request.model} is not on this machine.", "Fetch it on the Configure tab first.")
    from studio.ml import loading

    placement = loading.choose_placement(precision=request.precision, bits=request.bits)
    return _Opened(
        request=request, model=loading.load_base(files.folder, placement), renderer=ChatRenderer.load(files.folder)
    )


def _adapter_name(opened: _Opened, folder: str) -> str:
    """Return the name that the adapter in `folder` has in the loaded model, loading it where it is new."""
    from studio.ml import loading
    from studio.ml.generation import BASE

    if not folder:
        return BASE
    weights = Path(folder) / "adapter_model.safetensors"
    if not weights.is_file():
        raise ModelError("This run's adapter is no longer on the disk.", "Choose another run.")
    key = (folder, weights.stat().st_mtime_ns)
    if key not in opened.adapters:
        name = f"adapter-{len(opened.adapters)}"
        opened.model = loading.load_adapter(opened.model, Path(folder), name=name)
        opened.adapters[key] = name
    return opened.adapters[key]


def _answer(ask: Ask, opened: _Opened, say: Any, halted: set[int]) -> None:
    from studio.ml.generation import PaneInput, Sampling, generate

    prompts = [opened.renderer.prompt(pane.messages) for pane in ask.panes]
    room = _room(opened, longest=max(map(len, prompts)))
    panes = [
        PaneInput(adapter=_adapter_name(opened, pane.adapter), ids=ids)
        for pane, ids in zip(ask.panes, prompts, strict=True)
    ]
    ends = frozenset(opened.renderer.end_ids)
    texts = [_Text(opened.renderer) for _ in panes]
    began = time.monotonic()

    def done(pane: int, ended: str) -> None:
        text = texts[pane]
        if rest := text.rest():
            say(Token(id=ask.id, pane=pane, text=rest))
        text.ended = ended
        seconds = round(time.monotonic() - began, 3)
        say(Answered(id=ask.id, pane=pane, tokens=len(text.ids), seconds=seconds, ended=ended))

    def on_tokens(tokens: Sequence[int | None]) -> None:
        for pane, token in enumerate(tokens):
            if token is None:
                continue
            if token in ends:
                done(pane, "end")
            elif piece := texts[pane].add(token):
                say(Token(id=ask.id, pane=pane, text=piece))

    generate(
        opened.model,
        panes,
        sampling=Sampling(
            temperature=ask.temperature, top_p=ask.top_p, max_new_tokens=min(ask.max_new_tokens, room), seed=ask.seed
        ),
        end_ids=opened.renderer.end_ids,
        pad_id=pad_id(opened.renderer),
        on_tokens=on_tokens,
        should_stop=lambda: ask.id in halted,
    )
    for pane, text in enumerate(texts):
        if not text.ended:
            done(pane, "stopped" if ask.id in halted else "length")


def _room(opened: _Opened, *, longest: int) -> int:
    """Return how many tokens an answer may have. Raises ModelError when the conversation fills the model's context."""
    from studio.ml.loading import context_length

    context = context_length(opened.model) or sys.maxsize
    if longest >= context:
        raise ModelError(
            f"The conversation has {longest:,} tokens, and this model reads at most {context:,}.",
            "Shorten your message, or clear the conversation and ask again.",
        )
    return context - longest


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
