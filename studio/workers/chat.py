"""The chat worker: keeps one base model with its adapters in memory and streams answers to page and programs.

Reads messages from standard input and writes messages to standard output; everything else that is printed in this
process goes to standard error. It ends when it is told to leave or when its input is closed.
"""

import dataclasses
import logging
import os
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from studio import codec
from studio.compare.chat_protocol import (
    Answered,
    Ask,
    FromWorker,
    Halt,
    Leave,
    Open,
    Opened,
    Opening,
    SelfTest,
    ToWorker,
    Trouble,
    Write,
    decode_to_worker,
    encode,
)
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError, StudioError
from studio.jobs.tasks import Chat
from studio.models.locate import locate_settled
from studio.runs.store import RunFolder
from studio.workers.base_model import load_renderer
from studio.workers.job import failure
from studio.workers.streaming import Say, Streaming
from studio.workers.together import Setting, write_together
from studio.workers.train import pad_id

if TYPE_CHECKING:
    from studio.ml.loading import Placement
    from studio.workers.chat_models import ChatModels, Pass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _OpenModel:
    """What is in memory for a base model."""

    request: Open
    folder: Path
    placement: "Placement"
    models: "ChatModels"
    renderer: ChatRenderer

    def placement_of(self, model: object) -> "Placement":
        """Return the placement of a model: a whole one beside the base is never packed."""
        return self.placement if model is self.models.base else dataclasses.replace(self.placement, bits=0)


def chat(task: Chat) -> int:
    """Answer until told to leave. Returns the exit status."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a library that prints must not break the protocol
    inbox: queue.Queue[ToWorker | Exception] = queue.Queue()
    halted: set[int] = set()
    threading.Thread(target=_read, args=(sys.stdin, inbox, halted), daemon=True).start()

    def say(message: FromWorker) -> None:
        out.write(encode(message) + "\n")
        out.flush()

    opened: _OpenModel | None = None
    put_back: ToWorker | Exception | None = None
    while True:
        message, put_back = put_back or inbox.get(), None
        try:
            if isinstance(message, Exception):  # nobody may wait for an answer that never comes
                sys.stderr.write(f"a message was not understood: {message}\n")
                return 1
            if isinstance(message, Leave):
                return 0
            if isinstance(message, Open):
                if opened is None or opened.request != message:
                    opened = None
                    opened = _open(message, task.home, say)
                say(Opened(device=opened.placement.device, precision=opened.placement.sentence))
            elif isinstance(message, Ask | Write | SelfTest):
                if opened is None:
                    raise ModelError("No model is loaded for this conversation.", "Send the message again.")
                if isinstance(message, Write):
                    put_back = write_together(message, _setting(opened), inbox=inbox, say=say, halted=halted)
                elif isinstance(message, Ask):
                    _answer(message, opened, say, halted)
                else:
                    _test(message, opened, say, halted)
        except Exception as error:  # the top frame of this worker: every failure becomes a sentence
            told = failure(error)
            sys.stderr.write(f"{told.message}\n" if isinstance(error, StudioError) else told.detail)
            about = message.id if isinstance(message, Ask | Write | SelfTest) else 0
            say(Trouble(id=about, message=told.message, hint=told.hint))


def _read(source: IO[str], inbox: "queue.Queue[ToWorker | Exception]", halted: set[int]) -> None:
    for line in source:
        try:
            message = decode_to_worker(line)
        except codec.Damaged as error:
            inbox.put(error)
            continue
        if isinstance(message, Halt):
            halted.add(message.id)
        else:
            inbox.put(message)
    inbox.put(Leave())


def _open(request: Open, home: Path, say: Say) -> _OpenModel:
    say(Opening(what="Loading the base model"))
    files = locate_settled(request.model, home)
    if files is None:
        raise ModelError(f"The model {request.model} is not on this machine.", "Fetch it on the Configure tab first.")
    from studio.ml import loading
    from studio.ml.memory import release_memory
    from studio.workers.chat_models import ChatModels
    from studio.workers.memory_check import ensure_base_room, free_bytes

    release_memory()  # the memory of the base before must be free by now
    placement = loading.choose_placement(precision=request.precision, bits=request.bits)
    ensure_base_room(files.folder, placement, free=free_bytes(placement.device))
    models = ChatModels(loading.load_base(files.folder, placement), placement)
    return _OpenModel(request, files.folder, placement, models, load_renderer(files.folder))


def _setting(opened: _OpenModel) -> Setting:
    return Setting(
        models=opened.models,
        renderer=opened.renderer,
        placement=opened.placement,
        pad_id=pad_id(opened.renderer),
        room=lambda length: _room(opened, longest=length),
        whose_fault=lambda folder, prompt: _whose_fault(opened, folder, tuple(prompt)),
    )


def _test(test: SelfTest, opened: _OpenModel, say: Say, halted: set[int]) -> None:
    from studio.workers.memory_check import free_bytes
    from studio.workers.self_test import Setup, self_test

    prompt = opened.renderer.prompt(test.messages)
    setup = Setup(
        models=opened.models,
        folder=opened.folder,
        placement=opened.placement,
        end_ids=tuple(opened.renderer.end_ids),
        pad_id=pad_id(opened.renderer),
        free_bytes=free_bytes,
        tell=lambda what: say(Opening(what=what)),
        should_stop=lambda: test.id in halted,
    )
    test = dataclasses.replace(test, tokens=max(1, min(test.tokens, _room(opened, longest=len(prompt)))))
    say(self_test(test, prompt, setup))


def _answer(ask: Ask, opened: _OpenModel, say: Say, halted: set[int]) -> None:
    """Answer in every pane that can be answered, and say of the others why not. Raises StudioError when none can."""
    asking = _Asking(ask, opened, say, halted)
    prompts = asking.prompts()
    for turn in asking.passes(list(prompts)):
        asking.answer(turn, prompts)
    asking.tell_failed()


class _Asking:
    """One question to several panes. A pane in trouble does not end it for the others."""

    def __init__(self, ask: Ask, opened: _OpenModel, say: Say, halted: set[int]) -> None:
        self._ask = ask
        self._opened = opened
        self._say = say
        self._halted = halted
        self._failed: dict[int, StudioError] = {}

    def prompts(self) -> dict[int, tuple[int, ...]]:
        """Return what each pane is asked, as ids, by the number of the pane."""
        found: dict[int, tuple[int, ...]] = {}
        for number, pane in enumerate(self._ask.panes):
            try:
                prompt = self._opened.renderer.prompt(pane.messages)
                _room(self._opened, longest=len(prompt))
                found[number] = prompt
            except StudioError as error:
                self._fail(number, error)
        return found

    def passes(self, numbers: Sequence[int]) -> list["Pass"]:
        """Load what answers in these panes, and say which of them answer together."""
        try:
            return self._load(numbers)
        except StudioError:
            log.info("Not all panes of a question can be loaded; they are tried one by one", exc_info=True)
        able: list[int] = []
        for number in numbers:
            try:
                self._load([*able, number])
                able.append(number)
            except StudioError as error:
                self._fail(number, error)
        return self._load(able) if able else []

    def _load(self, numbers: Sequence[int]) -> list["Pass"]:
        from studio.workers.chat_models import Wanted

        panes = [self._ask.panes[number] for number in numbers]
        turns = self._opened.models.passes([Wanted(pane.adapter, pane.strength) for pane in panes])
        return [dataclasses.replace(turn, panes=tuple(numbers[place] for place in turn.panes)) for turn in turns]

    def answer(self, turn: "Pass", prompts: Mapping[int, tuple[int, ...]]) -> None:
        """Answer the panes of one pass."""
        from studio.ml.soundness import NotFinite

        opened = self._opened
        answering = Streaming(
            self._ask, turn, renderer=opened.renderer, placement=opened.placement_of(turn.model), say=self._say
        )
        if self._ask.id not in self._halted:
            try:
                _generate(self._ask, turn, opened=opened, prompts=prompts, answering=answering, halted=self._halted)
            except NotFinite as error:
                for number in (turn.panes[row] for row in error.rows):
                    self._fail(number, _whose_fault(opened, self._ask.panes[number].adapter, prompts[number]))
        answering.end("stopped" if self._ask.id in self._halted else "length", but=self._failed)

    def tell_failed(self) -> None:
        """Say which panes were not answered, and why. Raises that where no pane was."""
        if len(self._failed) == len(self._ask.panes):
            raise next(iter(self._failed.values()))
        for number, error in self._failed.items():
            self._say(Answered(self._ask.id, number, tokens=0, seconds=0.0, ended="failed", trouble=str(error)))

    def _fail(self, number: int, error: StudioError) -> None:
        log.warning("Pane %d of a question cannot be answered: %s", number + 1, error)
        self._failed[number] = error


def _generate(
    ask: Ask,
    turn: "Pass",
    *,
    opened: _OpenModel,
    prompts: Mapping[int, tuple[int, ...]],
    answering: Streaming,
    halted: set[int],
) -> None:
    from studio.ml.generation import PaneInput, Sampling, generate

    asked = [PaneInput(adapter, prompts[pane]) for pane, adapter in zip(turn.panes, turn.adapters, strict=True)]
    room = _room(opened, longest=max(len(each.ids) for each in asked))
    generate(
        turn.model,
        asked,
        sampling=Sampling(
            temperature=ask.temperature, top_p=ask.top_p, max_new_tokens=min(ask.max_new_tokens, room), seed=ask.seed
        ),
        end_ids=opened.renderer.end_ids,
        pad_id=pad_id(opened.renderer),
        on_tokens=answering.add,
        should_stop=lambda: ask.id in halted,
    )


def _whose_fault(opened: _OpenModel, folder: str, prompt: tuple[int, ...]) -> ModelError:
    """Say whether the base or what was learned is broken, when an answer is NaN or infinity."""
    from studio.ml.generation import BASE, PaneInput, Sampling, generate
    from studio.ml.soundness import NotFinite, broken_model

    if not folder:
        return broken_model(is_base=True)
    try:
        asked = [PaneInput(BASE, prompt)]
        generate(opened.models.base, asked, sampling=Sampling(max_new_tokens=1), end_ids=(), pad_id=prompt[-1])
    except NotFinite:
        log.exception("The base of %s answers with what is no number itself.", folder)
        return broken_model(is_base=True)
    return broken_model(is_base=False, run=RunFolder(Path(folder).parent).name)


def _room(opened: _OpenModel, *, longest: int) -> int:
    """Return how many tokens an answer may have. Raises ModelError when the conversation fills the model's context."""
    from studio.ml.loading import context_length

    context = context_length(opened.models.base) or sys.maxsize
    if longest >= context:
        raise ModelError(
            f"The conversation has {longest:,} tokens, and this model reads at most {context:,}.",
            "Shorten your message, or clear the conversation and ask again.",
        )
    return context - longest
