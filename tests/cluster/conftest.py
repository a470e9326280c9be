"""A real Ray cluster on this machine: a head that runs no jobs, and nodes that can be killed. Skips without Ray."""

import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from studio.jobs.places.book import RAY, Place
from studio.runs.launcher import PROJECT_ROOT
from tests.warm import ONE_THREAD

_WHY = "Ray is not installed (pip install -r requirements-cluster.txt)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs Ray."""
    for item in items:
        if "tests/cluster" in item.nodeid:
            item.add_marker("cluster")


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class RayCluster:
    """The cluster by the processes that were started for it. `python` is what its jobs run with."""

    folder: Path
    python: Path
    port: int = field(default_factory=free_port)
    dashboard: int = field(default_factory=free_port)
    files: int = field(default_factory=free_port)
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: dict[int, Path] = field(default_factory=dict)

    def start(self, *, nodes: int) -> None:
        """Start the head and so many nodes of one core each."""
        self.start_head()
        for _ in range(nodes):
            self.add_node()

    def start_head(self) -> None:
        # A port for agents to listen at is chosen by each: what is usual may be taken.
        self.head = self._ray(
            "--head",
            f"--port={self.port}",
            "--num-cpus=0",
            "--include-dashboard=true",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.dashboard}",
            f"--ray-client-server-port={free_port()}",
            f"--temp-dir={self.folder}",
        )
        _wait_for(self.dashboard)

    def add_node(self) -> None:
        """Start a node, and wait until the cluster has it. On a busy machine Ray sometimes gives up: then another."""
        for _ in range(3):
            node = self._ray(f"--address=127.0.0.1:{self.port}", "--num-cpus=1")
            while node.poll() is None and b"Ray runtime started" not in self._log(node).read_bytes():
                time.sleep(0.1)
            if node.poll() is None:
                self.nodes.append(node)
                return
        raise AssertionError("no node comes up")

    def workers(self) -> dict[int, psutil.Process]:
        """Find the workers that train on the nodes, by their number in their run."""
        found = {}
        for node in self.nodes:
            for each in psutil.Process(node.pid).children(recursive=True):
                if "tests.faults.worker" in _command(each):
                    found[int(each.environ().get("GROUP_RANK", "0"))] = each
        return found

    def kill_busy_node(self, number: int = 0) -> None:
        """Kill the node that has a job, or that part of one, with all its processes, as when its power fails."""
        worker = self.workers().get(number)
        for node in self.nodes:
            if worker in psutil.Process(node.pid).children(recursive=True):
                _end(node)
                self.nodes.remove(node)
                return
        raise AssertionError("no node has a job")

    def end_node(self) -> None:
        """Take the newest node away."""
        _end(self.nodes.pop())

    def kill_head(self) -> None:
        _end(self.head)

    def place(self, name: str = "ray") -> Place:
        """Return this cluster as a place whose files are served over HTTP."""
        return Place(
            name,
            RAY,
            address=f"http://127.0.0.1:{self.dashboard}",
            files_address=f"http://127.0.0.1:{self.files}",
            files_key="the-key-of-this-test-and-of-no-other",
            python=str(self.python),
            scratch=str(self.folder / "scratch"),
        )

    def end(self) -> None:
        """End all that was started for the cluster."""
        for process in (*self.nodes, self.head):
            _end(process)

    def _ray(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        with tempfile.NamedTemporaryFile(dir=self.python.parent, suffix=".log", delete=False) as log:
            process = subprocess.Popen(
                [*command, "--node-ip-address=127.0.0.1", "--object-store-memory=80000000", *options],
                env={**os.environ, **ONE_THREAD},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.logs[process.pid] = Path(log.name)
        return process

    def _log(self, process: subprocess.Popen[bytes]) -> Path:
        return self.logs[process.pid]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started: none of them gets to say goodbye."""
    if process.poll() is None:
        family = [*psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        for each in family:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
    process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/version", timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "Ray's dashboard does not answer"
            time.sleep(0.5)


def write_python(path: Path) -> Path:
    """Write what the cluster takes for Python: one thread, and workers that save often."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in ONE_THREAD.items())
    python, root = shlex.quote(sys.executable), shlex.quote(str(PROJECT_ROOT))
    path.write_text(
        f'#!/bin/sh\nexport {variables}\nif [ "$2" = studio.workers ]; then shift 2; export PYTHONPATH={root}; '
        f'exec {python} -m tests.faults.worker "$@"; fi\nexec {python} "$@"\n'
    )
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    pytest.importorskip("ray", reason=_WHY)
    folder = Path("/tmp") / f"ls-ray-{os.getpid()}"  # Ray's sockets need a short path
    made = RayCluster(folder, write_python(tmp_path_factory.mktemp("python") / "python"))
    made.start(nodes=2)
    yield made
    made.end()
