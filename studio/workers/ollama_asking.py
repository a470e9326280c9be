"""Asks Ollama, where it is on this machine, one of the questions that llama.cpp was asked.

It gets a server, a folder of models and a home of its own for that, so nothing of a person's Ollama is touched and
nothing is left of it.
"""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio import codec
from studio.data.examples import Message
from studio.ml.deadlines import finish_within
from studio.models.download import Stopped

log = logging.getLogger(__name__)

NAME = "lora-studio-check"
SECONDS_TO_START = 60.0
SECONDS_TO_ANSWER = 900.0
_LOOK_SECONDS = 0.1
_MOST_ANSWER_BYTES = 2**20
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NoAnswer(Exception):
    """Ollama is there and gave no answer; the text says why, for the log."""


def find_ollama() -> str | None:
    """Return the program, None where there is none on this machine."""
    return shutil.which("ollama")


def ask_ollama(
    modelfile: Path,
    messages: Sequence[Message],
    *,
    program: str,
    tokens: int,
    should_stop: Callable[[], bool],
    seconds: float = SECONDS_TO_START,
) -> str:
    """Make a model of a Modelfile, ask it greedily for so many tokens, and return the answer.

    It takes as much disk as the GGUF beside the Modelfile, for a while. Raises NoAnswer, and Stopped when asked to.
    """
    if shutil.disk_usage(modelfile.parent).free < 2 * sum(path.stat().st_size for path in modelfile.parent.iterdir()):
        raise NoAnswer("there is not enough room on the disk for a copy of the file")
    with tempfile.TemporaryDirectory(dir=modelfile.parent, ignore_cleanup_errors=True) as scratch:
        address = f"127.0.0.1:{_free_port()}"
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": scratch,
            "OLLAMA_HOST": address,
            "OLLAMA_MODELS": str(Path(scratch) / "models"),
        }
        try:
            server = subprocess.Popen(
                [program, "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise NoAnswer(f"it cannot be started: {error}") from error
        try:
            _wait_for(server, f"http://{address}/api/version", seconds=seconds, should_stop=should_stop)
            _run([program, "create", NAME, "-f", str(modelfile)], environment, should_stop=should_stop)
            said = _chat(f"http://{address}/api/chat", messages, tokens=tokens)
            _run([program, "rm", NAME], environment, should_stop=should_stop)
            return said
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(
    server: "subprocess.Popen[bytes]", address: str, *, seconds: float, should_stop: Callable[[], bool]
) -> None:
    until = time.monotonic() + seconds
    while True:
        if should_stop():
            raise Stopped
        if server.poll() is not None:
            raise NoAnswer(f"its server ended with {server.returncode}")
        try:
            with _OPENER.open(address, timeout=_LOOK_SECONDS * 10):
                return
        except OSError:
            log.debug("The server of Ollama does not answer yet", exc_info=True)
        if time.monotonic() > until:
            raise NoAnswer("its server did not answer in time")
        time.sleep(_LOOK_SECONDS)


def _run(command: list[str], environment: dict[str, str], *, should_stop: Callable[[], bool]) -> None:
    """Run a command of Ollama. Raises NoAnswer when it fails."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        text = finish_within(process, seconds=SECONDS_TO_ANSWER, should_stop=should_stop)
    except TimeoutError as error:
        raise NoAnswer(f"'ollama {command[1]}' was not done in time") from error
    if process.returncode:
        said = text.decode(errors="replace").strip()[-300:]
        raise NoAnswer(f"'ollama {command[1]}' ended with {process.returncode}: {said}")


def _chat(address: str, messages: Sequence[Message], *, tokens: int) -> str:
    body = {
        "model": NAME,
        "messages": [{"role": each.role, "content": each.content} for each in messages],
        "stream": False,
        "options": {"temperature": 0, "seed": 0, "num_predict": tokens},
    }
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with _OPENER.open(request, timeout=SECONDS_TO_ANSWER) as answer:
        told: Any = codec.parse(answer.read(_MOST_ANSWER_BYTES))
    said: str = told["message"]["content"]
    return said + ""  # a text, or it raises TypeError
