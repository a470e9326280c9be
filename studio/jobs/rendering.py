"""The examples of a data set as a model reads them, without this process running anything that came with the model.

A chat template is a program and a tokenizer holds regular expressions, so each model's are run by a process of its own
with little time and memory. A process that takes more is ended, and what it was at is refused for some minutes. Models
do not wait for one another.
"""

import datetime
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from studio.data.examples import Example, fingerprint
from studio.data.tokenizing.limits import TooMuch, letters_of
from studio.errors import DataError, ModelError
from studio.jobs.rendering_process import RenderingLost, RenderingProcess
from studio.jobs.rendering_protocol import Answer, Refusal, Request, Shown

log = logging.getLogger(__name__)

REFUSALS = {kind.__name__: kind for kind in (DataError, ModelError, TooMuch)}
_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "additional_chat_templates/tool_use.jinja",
)
"""The files of a model that decide on how it reads."""
_SHORT = 20_000
"""When so few letters take too long, the model is at fault and not the example."""
_KEPT = 32
_MOST_KEPT_LETTERS = 100_000
_MOST_REFUSED = 200

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class RenderingLimits:
    """`opening_seconds` are for starting a process and reading the tokenizer, `seconds` for an answer after that.

    `letters` bounds one example. A caller waits `waiting_seconds` at most for a process that is busy; there are
    `processes` at once, and what took too much is refused for `refused_seconds`.
    """

    seconds: float = 5.0
    counting_seconds: float = 15.0
    opening_seconds: float = 20.0
    waiting_seconds: float = 10.0
    refused_seconds: float = 300.0
    letters: int = 1_000_000
    processes: int = 3


@dataclass(frozen=True)
class _Model:
    """A model's folder, with the sizes and times of the files that decide on how it reads."""

    folder: Path
    files: tuple[tuple[str, int, int], ...]


@dataclass
class _Slot:
    """The place of one process. `guard` is held by whoever asks it, `users` counts these and those who wait."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    process: RenderingProcess | None = None
    users: int = 0


class Rendering:
    """Answers for any number of threads, with a process for each of the models that were asked for last."""

    def __init__(
        self,
        *,
        limits: RenderingLimits | None = None,
        start: Callable[[Path], RenderingProcess] = RenderingProcess,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or RenderingLimits()
        self._start = start
        self._clock = clock
        self._changed = threading.Condition()
        self._slots: OrderedDict[_Model, _Slot] = OrderedDict()
        self._refused: dict[tuple[_Model, str], tuple[float, ModelError]] = {}
        self._fingerprints: OrderedDict[tuple[_Model, datetime.date], str] = OrderedDict()
        self._shown: OrderedDict[tuple[_Model, datetime.date, Example], Shown] = OrderedDict()

    def fingerprint(self, folder: Path) -> str:
        """Return the hash of all that decides on a model's ids. Raises ModelError when its files cannot be read."""
        model, today = _model(folder), datetime.date.today()
        known = self._fingerprints.get((model, today))
        if known is None:
            known = self._answer(model, Request(), self._limits.seconds).fingerprint
            self._keep(self._fingerprints, (model, today), known)
        return known

    def show(self, folder: Path, example: Example) -> Shown:
        """Return an example as a model reads it, at once when it was shown before.

        Raises DataError when the example is too long or the template refuses it, ModelError when the model's files
        cannot be used.
        """
        model, today = _model(folder), datetime.date.today()
        known = self._shown.get((model, today, example))
        if known is not None:
            return known
        letters = letters_of((example,))
        if letters > self._limits.letters:
            raise DataError(f"With {letters:,} letters this example is too long to be shown token by token.")
        blamed = "" if letters <= _SHORT else fingerprint(example)
        shown = self._answer(model, Request(example=example), self._limits.seconds, blamed=blamed).shown
        assert shown is not None, "an example was asked for"
        if letters <= _MOST_KEPT_LETTERS:
            self._keep(self._shown, (model, today, example), shown)
        return shown

    def count(self, folder: Path, examples: Path, counts: Path, *, seconds: float | None = None) -> None:
        """Count the tokens of a file of examples into the file `counts`, within `seconds`.

        Raises ModelError when the model's files cannot be used or it took longer, DataError for damaged examples.
        """
        request = Request(examples=str(examples), counts=str(counts))
        self._answer(_model(folder), request, seconds or self._limits.counting_seconds, blamed=str(counts))

    def close(self) -> None:
        """End all processes."""
        with self._changed:
            slots = list(self._slots.values())
            self._slots.clear()
        for slot in slots:
            if slot.process is not None:
                slot.process.end()

    def _answer(self, model: _Model, request: Request, seconds: float, *, blamed: str = "") -> Answer:
        """Ask a model's process. `blamed` is what is refused when it takes too much: the whole model when empty."""
        self._check(model, blamed)
        with self._borrowed(model) as slot:
            self._check(model, blamed)  # Whoever had it before may have found out.
            try:
                answer = self._ask(slot, model, request, seconds)
            except (TimeoutError, RenderingLost, ValueError, TypeError) as error:
                _end(slot)
                raise self._refuse(model, blamed, self._trouble(model, error, seconds)) from error
        if answer.refusal is None:
            return answer
        refusal = _error(answer.refusal)
        raise self._refuse(model, blamed, refusal) if isinstance(refusal, TooMuch) else refusal

    def _ask(self, slot: _Slot, model: _Model, request: Request, seconds: float) -> Answer:
        for _ in range(2):  # A process that had nothing to do for long has left.
            if slot.process is None:
                slot.process = self._start(model.folder)
            try:
                if slot.process.is_new:
                    opened = slot.process.ask(Request(), seconds=self._limits.opening_seconds)
                    if opened.refusal is not None:
                        return opened
                return slot.process.ask(request, seconds=seconds)
            except RenderingLost as lost:
                if not lost.was_idle:
                    raise
                _end(slot)
        raise RenderingLost(was_idle=False)

    @contextmanager
    def _borrowed(self, model: _Model) -> Iterator[_Slot]:
        deadline = self._clock() + self._limits.waiting_seconds
        with self._changed:
            while (slot := self._slot(model)) is None:
                if not self._changed.wait(deadline - self._clock()):
                    raise _busy()
            slot.users += 1
        try:
            if not slot.guard.acquire(timeout=max(0.0, deadline - self._clock())):
                raise _busy()
            try:
                yield slot
            finally:
                slot.guard.release()
        finally:
            with self._changed:
                slot.users -= 1
                self._changed.notify_all()

    def _slot(self, model: _Model) -> _Slot | None:
        """Return a model's slot, made in the place of one that nobody uses; None when there is none."""
        if model not in self._slots:
            if len(self._slots) >= self._limits.processes:
                idle = next((each for each, slot in self._slots.items() if not slot.users), None)
                if idle is None:
                    return None
                _end(self._slots.pop(idle))
            self._slots[model] = _Slot()
        self._slots.move_to_end(model)
        return self._slots[model]

    def _check(self, model: _Model, blamed: str) -> None:
        for key in {(model, ""), (model, blamed)}:
            until, error = self._refused.get(key, (0.0, None))
            if error is not None and self._clock() < until:
                raise type(error)(error.message, error.hint)

    def _refuse(self, model: _Model, blamed: str, error: ModelError) -> ModelError:
        with self._changed:
            now = self._clock()
            for key in [key for key, (until, _) in self._refused.items() if until <= now]:
                del self._refused[key]
            if len(self._refused) >= _MOST_REFUSED:
                del self._refused[next(iter(self._refused))]
            self._refused[model, blamed] = (now + self._limits.refused_seconds, error)
        return error

    def _trouble(self, model: _Model, error: Exception, seconds: float) -> ModelError:
        name, minutes = _named(model.folder), max(1, round(self._limits.refused_seconds / 60))
        log.warning("rendering with %s failed: %s", model.folder, error, exc_info=True)
        hint = f"Choose another base model. It is tried again in {minutes} minutes."
        if isinstance(error, TimeoutError):
            return TooMuch(f"The chat template or tokenizer of {name} took longer than {seconds:.0f} seconds.", hint)
        if isinstance(error, RenderingLost):
            text = f"The chat template or tokenizer of {name} broke off, perhaps because it wanted too much memory."
            return TooMuch(text, hint)
        return TooMuch(f"The chat template or tokenizer of {name} makes too much of an example.", hint)

    def _keep(self, kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
        with self._changed:
            kept[key] = value
            while len(kept) > _KEPT:
                kept.popitem(last=False)


def _model(folder: Path) -> _Model:
    found = []
    for name in _FILES:
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        found.append((name, status.st_size, status.st_mtime_ns))
    return _Model(folder, tuple(found))


def _named(folder: Path) -> str:
    """Return the name of a model by its folder: in the Hub's cache it is part of the path."""
    cached = next((part for part in folder.parts if part.startswith("models--")), "")
    return cached.removeprefix("models--").replace("--", "/") or folder.name


def _end(slot: _Slot) -> None:
    if slot.process is not None:
        slot.process.end()
        slot.process = None


def _error(refusal: Refusal) -> DataError | ModelError:
    return REFUSALS.get(refusal.kind, ModelError)(refusal.message, refusal.hint)


def _busy() -> ModelError:
    return ModelError("Examples of other models are being rendered just now.", "Look again in a moment.")
