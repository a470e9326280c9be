"""More processes for one run: each trains on a GPU of its own; the first of them reports and saves.

They find one another by the variables that PyTorch's own launcher sets.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

from studio.jobs.tasks import Train
from studio.logs import logged
from studio.runs.launcher import PROJECT_ROOT

log = logging.getLogger(__name__)

_GRACE_SECONDS = 30.0
_SIGNAL_WHEN_PARENT_ENDS = 1
_FIRST = "STUDIO_FIRST_PROCESS"


def end_with_the_first() -> None:
    """Have the system kill this process when the first one of its run ends; on Linux alone."""
    with logged(log, "This system does not end a process with its parent", OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_SIGNAL_WHEN_PARENT_ENDS, int(signal.SIGKILL))
    if os.environ.get(_FIRST, "") not in ("", str(os.getppid())):  # it has ended already
        os._exit(1)


def rank() -> int:
    """Return which process of its run this is; 0 for the first and for one that is alone."""
    return int(os.environ.get("RANK", "0"))


@contextlib.contextmanager
def together(task: Train, *, processes: int) -> Iterator[None]:
    """Have `processes` processes work on a training, this one included; the others end with this one.

    Does nothing for one process, and in those that were started here.
    """
    if processes < 2 or rank() > 0:
        yield
        return
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(processes)}
    shared |= {_FIRST: str(os.getpid())}
    others = [_start(task, shared | _numbered(number)) for number in range(1, processes)]
    before = dict(os.environ)
    os.environ.update(shared | _numbered(0))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for other in others:
            _end(other)


def _start(task: Train, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "studio.workers", "run", str(task.paths.task)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, env={**os.environ, **variables}, stdin=subprocess.DEVNULL)


def _numbered(number: int) -> dict[str, str]:
    return {"RANK": str(number), "LOCAL_RANK": str(number)}


def _end(other: "subprocess.Popen[bytes]") -> None:
    """Wait for a process that has nothing left to do, and kill it if it does not end."""
    try:
        other.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        other.kill()
        other.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
