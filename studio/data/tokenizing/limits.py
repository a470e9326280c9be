"""How long a model's own chat template and tokenizer may work on one piece, and with how much memory.

They come with a model from anywhere, and much of their work cannot be interrupted from Python: a regular expression in
Rust, a power of large numbers. A worker is therefore ended as a whole when a piece takes too long, and its log says so.
"""

import contextlib
import faulthandler
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from studio.data.examples import Example, Message
from studio.errors import ModelError
from studio.logs import logged

log = logging.getLogger(__name__)

Bounds = Callable[[int], AbstractContextManager[None]]
"""Enters the work on a piece of so many letters."""

SECONDS = 30.0
MEMORY_BYTES = 2 * 2**30
_SECONDS_A_LETTER = 1 / 100_000
"""Usual tokenizers read ten times as many in a second."""
_BYTES_A_LETTER = 400
"""A token with its offsets and its text takes about 100 bytes, and is seldom shorter than a letter."""
_LEAST_SECONDS = 0.1
_ANOTHER = "Choose another base model."


class TooMuch(ModelError):
    """A model's chat template or tokenizer wants more time, memory or text than it may have."""


def unbounded(letters: int) -> AbstractContextManager[None]:
    """Bound nothing: for a process that somebody else watches."""
    return contextlib.nullcontext()


def letters_of(examples: Iterable[Example]) -> int:
    """Count the letters of what is said in examples, their tools and calls included."""
    return sum(len(example.tools) + letters_in(example.messages) for example in examples)


def letters_in(messages: Iterable[Message]) -> int:
    """Count the letters of what is said in a conversation, its calls and its reasoning included."""
    return sum(
        len(each.content) + len(each.reasoning) + sum(len(call.arguments) for call in each.tool_calls)
        for each in messages
    )


class ProcessBounds:
    """Bounds the work on pieces in this process. One object serves all its threads, because a process has one alarm.

    A piece that takes longer than `seconds` (more for a long one) ends the process at once, with the status 1 and the
    line "Timeout (0:00:30)!" on standard error. One that asks for more than `memory_bytes` beside what the process has
    raises TooMuch where Python can say so; inside the tokenizer it aborts the process.
    TooMuch is also raised for a tokenizer that panics, as one does whose regular expression goes back too often.
    """

    def __init__(self, *, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._guard = threading.Lock()
        self._ends: list[float] = []
        self._room: _DataLimit | None = None

    @contextlib.contextmanager
    def __call__(self, letters: int) -> Iterator[None]:
        end = time.monotonic() + self._seconds + letters * _SECONDS_A_LETTER
        self._enter(end, letters)
        try:
            yield
        except MemoryError as error:
            raise TooMuch("The model's chat template or tokenizer needs more memory than it may have.", _ANOTHER) from (
                error
            )
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # What Rust raises is no Exception, and has no other name.
                raise
            raise TooMuch(f"The model's tokenizer broke off: {str(error)[:200]}.", _ANOTHER) from error
        finally:
            self._leave(end)

    def _enter(self, end: float, letters: int) -> None:
        with self._guard:
            self._ends.append(end)
            self._arm()
            if self._room is None:
                self._room = _DataLimit()
            self._room.raise_to(self._memory_bytes + letters * _BYTES_A_LETTER)

    def _leave(self, end: float) -> None:
        with self._guard:
            self._ends.remove(end)
            self._arm()
            if not self._ends and self._room is not None:
                self._room.restore()
                self._room = None

    def _arm(self) -> None:
        if self._ends:
            seconds = max(_LEAST_SECONDS, min(self._ends) - time.monotonic())
            faulthandler.dump_traceback_later(seconds, exit=True)
        else:
            faulthandler.cancel_dump_traceback_later()


class _DataLimit:
    """The system's own limit on the data of this process, lowered for a while. Does nothing where there is none."""

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None
        self._used = self._allowed = 0
        with logged(log, "This system tells of no memory limit", ImportError, OSError, ValueError, IndexError):
            import resource

            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
            self._used = pages * resource.getpagesize()
            self._before = resource.getrlimit(resource.RLIMIT_DATA)

    def raise_to(self, more_bytes: int) -> None:
        """Allow so many bytes beside what was used at the start, unless more are allowed already."""
        if more_bytes > self._allowed and self._before is not None:
            self._allowed = more_bytes
            self._set(self._used + more_bytes)

    def restore(self) -> None:
        """Put the limit back that there was."""
        if self._before is not None:
            self._set(self._before[0])

    def _set(self, soft: int) -> None:
        import resource

        assert self._before is not None
        limits = [soft, *(each for each in self._before if each != resource.RLIM_INFINITY)]
        wanted = self._before[0] if soft == self._before[0] else min(limits)
        with logged(log, "The memory limit could not be set", OSError, ValueError, level=logging.INFO):
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, self._before[1]))
