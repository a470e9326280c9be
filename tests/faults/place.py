"""A place on this machine that shares one folder with the studio: its jobs are real processes in another folder.

`python -m tests.faults.place ADDRESS PIDS -m MODULE ...` is the Python of that place: the agent is the real one, and
its worker is forked from a process that has its libraries in memory already.
Its nodes are processes beside one another.
"""

import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.jobs.places.book import PROCESS, Place, Places
from studio.jobs.places.protocol import AGENT_VARIABLE, NODE_ADDRESS, AgentSpec
from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT
from studio.workers.agent import storage_there
from studio.workers.nodes import Gathering
from tests.processes import session_of
from tests.warm import ONE_THREAD, Forkserver, WarmWorker, ask_forkserver

NAME = "next-door"
_NODES = "nodes"


@dataclass(frozen=True)
class NextDoor:
    """The place from outside. `folder` is what it shares, `scratch` is where its runs work."""

    folder: Path
    scratch: Path
    pids: Path

    def kill_node(self) -> None:
        """End all that runs there, at once, as when the power of a machine fails."""
        for path in self.folder.glob("jobs/*.lock"):
            if (process_id := lock.holder(path)) is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process_id, signal.SIGKILL)
        for path in self.pids.iterdir():
            with suppress(ProcessLookupError):
                os.kill(int(path.name), signal.SIGKILL)
            path.unlink()

    def set_nodes(self, number: int) -> None:
        """Have so many nodes there from now on."""
        (self.pids.parent / _NODES).write_text(str(number))

    def kill_worker(self, number: int) -> None:
        """Kill the worker of one node of a run that trains on several, and nothing beside it."""
        for path in self.pids.iterdir():
            if path.read_text() == str(number):
                os.kill(int(path.name), signal.SIGKILL)
                path.unlink()

    def workers(self) -> list[int]:
        """List the processes of workers that are alive there."""
        return [process_id for path in self.pids.iterdir() for process_id in session_of(int(path.name))]

    def jobs(self) -> list[str]:
        """List the jobs that were ever started there."""
        return sorted(path.stem for path in self.folder.glob("jobs/*.lock"))


def add_next_door(home: Path, folder: Path, forkserver: Forkserver, *, python: str = "") -> NextDoor:
    """Add such a place to the studio of a data folder."""
    made = NextDoor(folder / "shared", folder / "scratch", folder / "pids")
    for path in (made.folder, made.scratch, made.pids):
        path.mkdir(parents=True)
    variables = [f"{name}={value}" for name, value in {**ONE_THREAD, "PYTHONPATH": str(PROJECT_ROOT)}.items()]
    parts = (sys.executable, "-m", "tests.faults.place", str(forkserver.address), str(made.pids))
    command = python or shlex.join(["/usr/bin/env", *variables, *parts])
    place = Place(NAME, PROCESS, folder=str(made.folder), scratch=str(made.scratch), python=command)
    Places(home).add(place)
    return made


class _NodesNextDoor:
    """The nodes of this place: an agent each, all ended when one of them fails."""

    def __init__(self, spec: AgentSpec, folder: Path) -> None:
        self._spec = spec
        self._file = folder / _NODES

    def count(self) -> int:
        return int(self._file.read_text()) if self._file.exists() else 2

    def train(self, nodes: int) -> bool:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
        known = {**os.environ, **first, "GROUP_WORLD_SIZE": str(nodes), AGENT_VARIABLE: codec.dumps(self._spec)}
        known[NODE_ADDRESS] = "127.0.0.1"
        command = [*shlex.split(self._spec.python), "-m", "studio.workers.agent"]
        agents = [subprocess.Popen(command, env={**known, "GROUP_RANK": str(number)}) for number in range(nodes)]
        while all(each.poll() in (None, 0) for each in agents) and any(each.poll() is None for each in agents):
            time.sleep(0.05)
        for each in agents:
            each.kill()
        return all(each.wait() == 0 for each in agents)


def _gather(folder: Path) -> int:
    spec = codec.loads(AgentSpec, os.environ[AGENT_VARIABLE])
    job = Gathering(spec, storage_there(spec, os.environ), patience_seconds=2.0)
    return job.work(_NodesNextDoor(spec, folder))


def _slow_down(worker: WarmWorker) -> None:
    """Let a worker work a third of the time alone: on a quiet machine it would be done before it can be disturbed."""
    while worker.poll() is None:
        worker.send_signal(signal.SIGSTOP)
        time.sleep(0.08)
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.04)


def _main(address: str, pids: str, arguments: list[str]) -> int:
    _, module, *rest = arguments
    if module == "studio.workers.nodes":
        return _gather(Path(pids).parent)
    if module != "studio.workers":
        sys.argv = [module, *rest]
        runpy.run_module(module, run_name="__main__")
        return 0
    worker = ask_forkserver(Path(address), {"arguments": rest, "environment": dict(os.environ)}, [0, 1, 2])
    (Path(pids) / str(worker.pid)).write_text(os.environ.get("GROUP_RANK", "0"))
    signal.signal(signal.SIGTERM, lambda number, frame: worker.send_signal(number))
    threading.Thread(target=_slow_down, args=(worker,), daemon=True).start()
    code = worker.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2], sys.argv[3:]))
