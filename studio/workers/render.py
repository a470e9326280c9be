"""`python -m studio.workers.render FOLDER`: renders examples with one model's chat template and tokenizer.

Answers the requests on its standard input, which is a socket. It has little memory and loads no weights. It ends when
its input is closed, when a request takes too long, and when nothing was asked for a while.
"""

import functools
import logging
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from studio.data.tokenizing.limits import ProcessBounds, TooMuch
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import StudioError
from studio.jobs.rendering_protocol import Answer, Refusal, Request, Shown, decode, encode
from studio.logs import log_to_stderr

log = logging.getLogger(__name__)

MEMORY_BYTES = 2 * 2**30
"""How much it may use beside what it starts with: the largest tokenizers in use take a quarter of it."""
SECONDS = 60.0
"""The page ends it sooner; this is for a page that has ended itself."""
MOST_BYTES = 16 * 2**20
IDLE_SECONDS = 600.0


def main(folder: Path) -> int:
    """Answer until nothing more is asked. Returns the exit status."""
    bound_memory()
    load = functools.lru_cache(maxsize=1)(
        lambda: ChatRenderer.load(folder, bounds=ProcessBounds(seconds=SECONDS, memory_bytes=MEMORY_BYTES))
    )
    with socket.socket(fileno=0) as channel:
        channel.settimeout(IDLE_SECONDS)
        with channel.makefile("rb") as lines:
            while line := _next(lines.readline):
                channel.sendall(encode(_answer(decode(Request, line), load)))
    return 0


def bound_memory() -> None:
    """Limit this process to `MEMORY_BYTES` beside what it has, and forbid it to leave a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError as error:  # macOS has no /proc and does not keep this limit: there the time alone is bounded
        log.warning("the memory of this process is not bounded: %s", error, exc_info=True)
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))


def _next(read: Callable[[int], bytes]) -> bytes:
    """Return the next request; nothing when the input is closed, or nothing was asked for long."""
    try:
        return read(MOST_BYTES)
    except TimeoutError:
        return b""


def _answer(request: Request, load: Callable[[], ChatRenderer]) -> Answer:
    try:
        renderer = load()
        shown = None
        if request.example is not None:
            rendered = renderer.render(request.example)
            shown = Shown(len(rendered.ids), rendered.note, renderer.pieces(rendered))
        elif request.examples:
            _count(renderer, Path(request.examples), Path(request.counts))
        return Answer(renderer.fingerprint, shown)
    except MemoryError:
        error: StudioError = TooMuch("The model's chat template or tokenizer needs more memory than it may have.")
    except StudioError as raised:
        error = raised
    return Answer(refusal=Refusal(type(error).__name__, error.message, error.hint))


def _count(renderer: ChatRenderer, path: Path, counts: Path) -> None:
    # Only here: showing an example needs no numpy.
    from studio.data.example_files import ExampleFile
    from studio.data.tokenizing.tokens import count_tokens, save

    examples = ExampleFile(path)
    counts.parent.mkdir(exist_ok=True)
    save(count_tokens(examples, total=len(examples), renderer=renderer), counts)


if __name__ == "__main__":
    log_to_stderr(os.environ)
    sys.exit(main(Path(sys.argv[1])))
