"""One process that renders the examples of one model, with a socket to it and a deadline for every answer."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from studio.errors import RunError
from studio.jobs.rendering_protocol import Answer, Request, decode, encode
from studio.runs.launcher import PROJECT_ROOT, worker_environment

RENDER_COMMAND = (sys.executable, "-m", "studio.workers.render")
MOST_BYTES = 32 * 2**20
"""An answer may have so many bytes."""
_READ_BYTES = 1 << 20
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
"""Numpy reserves memory for each thread, more than the process may have where there are many processors."""


class RenderingLost(Exception):
    """The process ended before it answered. `was_idle` says whether it had left by itself, having had nothing to do."""

    def __init__(self, *, was_idle: bool) -> None:
        super().__init__("the process that renders has ended")
        self.was_idle = was_idle


class RenderingProcess:
    """One process, which answers one request after the other. `is_new` until it has answered for the first time."""

    def __init__(self, folder: Path, *, command: Sequence[str] = RENDER_COMMAND) -> None:
        """Start it for the model in `folder`. Raises RunError when that is not possible."""
        self.is_new = True
        self._rest = b""
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*command, str(folder)],
                    cwd=PROJECT_ROOT,
                    env=worker_environment(os.environ) | _ONE_THREAD,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            self._socket.close()
            raise RunError(
                f"The examples cannot be rendered: {error.strerror or error}.", "Check that the memory is not full."
            ) from error

    @property
    def process_id(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, request: Request, *, seconds: float) -> Answer:
        """Send a request and wait for its answer.

        Raises TimeoutError when it does not come in time, RenderingLost when the process has ended, and ValueError or
        TypeError for an answer that is too long or is none. After any of these the process is of no more use.
        """
        deadline = time.monotonic() + seconds
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(encode(request))
            while b"\n" not in self._rest:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                self._take(self._socket.recv(_READ_BYTES))
        except TimeoutError:
            raise
        except OSError as error:
            raise self._lost() from error
        line, _, self._rest = self._rest.partition(b"\n")
        answer = decode(Answer, line)
        self.is_new = False
        return answer

    def end(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            raise ConnectionResetError
        self._rest += chunk
        if len(self._rest) > MOST_BYTES:
            raise ValueError("the answer is too long")

    def _lost(self) -> RenderingLost:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            code = None
        return RenderingLost(was_idle=code == 0)
