"""More processes for one run: each trains on a GPU or a node of its own; the first of them reports and saves.

They find one another by the variables that PyTorch's own launcher sets. The first process of each node is started by
what has the nodes, which says where the first of all is to be reached; it starts the others of its node.
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

import psutil

from studio.files import HELD_PORT
from studio.jobs.tasks import Train
from studio.logs import logged
from studio.runs.launcher import PROJECT_ROOT

log = logging.getLogger(__name__)

_GRACE_SECONDS = 30.0
_SIGNAL_WHEN_PARENT_ENDS = 1
_FIRST = "STUDIO_FIRST_PROCESS"

OTHERS_LOST = 75
NOT_CONNECTED = 76
"""The exit codes of a process that cannot go on because it lost those of its run on other nodes, or never had them."""


def end_with_the_first() -> None:
    """Have the system kill this process when the first one of its run ends; on Linux alone."""
    with logged(log, "This system does not end a process with its parent", OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_SIGNAL_WHEN_PARENT_ENDS, int(signal.SIGKILL))
    if os.environ.get(_FIRST, "") not in ("", str(os.getppid())):  # it has ended already
        os._exit(1)


def rank() -> int:
    """Return which process of its run this is; 0 for the first and for one that is alone."""
    return int(os.environ.get("RANK", "") or node_rank())


def node_rank() -> int:
    """Return which node of its run this is; 0 for the first and for one that is alone."""
    return int(os.environ.get("GROUP_RANK", "0"))


def nodes() -> int:
    """Return how many nodes are at the run of this process."""
    return int(os.environ.get("GROUP_WORLD_SIZE", "1"))


def is_first_of_its_node() -> bool:
    """Tell whether no other process of the run has started this one."""
    return _FIRST not in os.environ


def interfaces(address: str) -> dict[str, str]:
    """Return the variables that have PyTorch use the network that has this address; none where it is not found.

    By itself gloo takes the network of the host's name, which often leads nowhere else.
    """
    for name, found in psutil.net_if_addrs().items():
        if address and any(each.address == address for each in found):
            return {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name}
    return {}


@contextlib.contextmanager
def together(task: Train, *, processes: int) -> Iterator[None]:
    """Have `processes` processes of each node work on a training, this one included; the others end with this one.

    Does nothing for one process, and in those that were started here.
    """
    if processes * nodes() < 2 or not is_first_of_its_node():
        yield
        return
    shared = {"WORLD_SIZE": str(processes * nodes()), _FIRST: str(os.getpid())}
    with contextlib.ExitStack() as held:
        if nodes() == 1:
            listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=processes))
            shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(listener.getsockname()[1])}
            shared[HELD_PORT] = str(listener.fileno())
        others = [_start(task, shared | _numbered(number, of=processes)) for number in range(1, processes)]
        before = dict(os.environ)
        os.environ.update(shared | _numbered(0, of=processes))
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            for other in others:
                _end(other)


def held_port(environment: Mapping[str, str]) -> tuple[int, ...]:
    """Return the open file that a process which is started has to be given, so that the port is held for it."""
    with logged(log, "No port is held for the first process of this run", ValueError, OSError, level=logging.DEBUG):
        held = int(environment.get(HELD_PORT, ""))
        os.fstat(held)
        return (held,)
    return ()


def _start(task: Train, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "studio.workers", "run", str(task.paths.task)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, env={**os.environ, **variables}, stdin=subprocess.DEVNULL)


def _numbered(number: int, *, of: int) -> dict[str, str]:
    """Return the numbers of a process that is one `of` so many of this node."""
    return {"RANK": str(node_rank() * of + number), "LOCAL_RANK": str(number)}


def _end(other: "subprocess.Popen[bytes]") -> None:
    """Wait for a process that has nothing left to do, and kill it if it does not end."""
    try:
        other.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        other.kill()
        other.wait()
