"""Workers that start in a moment: the real one, forked from a process that has its libraries in memory already.

What is left out of a start so is reading the libraries, and nothing else; each kind of worker is started cold as well,
by one test at least. What a library reads from the environment at import is the forkserver's, not the test's.
"""

import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from studio.errors import RunError
from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT, Launch, Task, Worker, launch, worker_environment, write_task
from tests.faults import hook
from tests.faults.worker import save_often

_HEAVY = (
    "transformers.models.llama.modeling_llama",
    "studio.ml.blending",
    "studio.ml.checkpoints",
    "studio.ml.evaluation",
    "studio.ml.export",
    "studio.ml.generation",
    "studio.ml.methods",
    "studio.ml.reference",
    "studio.workers.blend",
    "studio.workers.chat",
    "studio.workers.chat_models",
    "studio.workers.evaluate",
    "studio.workers.export",
    "studio.workers.self_test",
    "studio.workers.train",
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
_SAVE_OFTEN = "--save-often"
_AS_A_WORKER = "--as-a-worker"


class WarmWorker:
    """A worker from the forkserver, with what the tests use of `subprocess.Popen`."""

    stdin: IO[str] | None = None
    stdout: IO[str] | None = None

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("r", encoding="ascii")
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None
        self._reading = threading.Lock()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status: minus the signal's number when it was killed."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        with self._reading:
            if self.returncode is None:
                self.returncode = int(self._answers.readline())
                self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(timeout=0)
        return None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by force."""
        self.send_signal(signal.SIGKILL)


class Forkserver:
    """The process that workers are forked from. With `saves_often` they save at every check, whatever that costs."""

    def __init__(self, folder: Path, *, saves_often: bool = False) -> None:
        self.address = folder / "forkserver.socket"
        environment = worker_environment({**os.environ, **ONE_THREAD})
        command = [sys.executable, "-m", "tests.warm", str(self.address), *([_SAVE_OFTEN] if saves_often else [])]
        self._process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment)
        deadline = time.monotonic() + 300
        while not self.address.exists():
            assert self._process.poll() is None, "the forkserver ended"
            assert time.monotonic() < deadline, "the forkserver does not get warm"
            time.sleep(0.05)

    def start(
        self,
        *arguments: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        stderr: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> WarmWorker:
        """Start a worker as `subprocess.Popen([..., "-m", "studio.workers", *arguments], text=True)` does."""
        with ExitStack() as ours:
            pipes: list[int] = []

            def descriptor(asked: int | None, own: int, mode: str) -> int:
                if asked is None:
                    return own
                if asked == subprocess.PIPE:
                    reads, writes = os.pipe()
                    pipes.append(writes if mode == "r" else reads)
                    given = reads if mode == "r" else writes
                else:
                    assert asked == subprocess.DEVNULL
                    given = os.open(os.devnull, os.O_RDWR)
                ours.callback(os.close, given)
                return given

            given = [descriptor(stdin, 0, "r"), descriptor(stdout, 1, "w"), descriptor(stderr, 2, "w")]
            worker = ask_forkserver(
                self.address, {"arguments": arguments, "environment": dict(env or os.environ)}, given
            )
        if stdin == subprocess.PIPE:
            worker.stdin = os.fdopen(pipes.pop(0), "w", encoding="utf-8")
        if stdout == subprocess.PIPE:
            worker.stdout = os.fdopen(pipes.pop(0), encoding="utf-8")
        return worker

    def close(self) -> None:
        """End it; the workers go on."""
        self._process.kill()
        self._process.wait()


class WarmLaunch:
    """Starts a worker from the forkserver as `runs/launcher` starts one; `fault` is what the next one meets."""

    def __init__(self, address: Path, fault: str = "") -> None:
        self._address = address
        self.fault = fault

    def __call__(self, task: Task, /) -> Worker:
        lock_path, log_path = task.paths.lock, task.paths.log
        log_path.parent.mkdir(parents=True, exist_ok=True)
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = lock.acquire(lock_path)
        if lock_fd is None:
            raise RunError("This work is already under way.")
        with ExitStack() as ours:
            ours.callback(os.close, lock_fd)
            log_fd = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            ours.callback(os.close, log_fd)
            nothing = os.open(os.devnull, os.O_RDONLY)
            ours.callback(os.close, nothing)
            environment = worker_environment({**os.environ, **ONE_THREAD, **task.variables})
            arguments = ["run", str(write_task(task))]
            request = {"arguments": arguments, "environment": environment, "fault": self.fault}
            worker = ask_forkserver(self._address, request, [nothing, log_fd, log_fd, lock_fd])
        self.fault = ""
        lock.name_holder(lock_path, worker.pid)
        return Worker(process_id=worker.pid, exit_code=worker.poll)


def cold_launch(fault: str = "") -> Launch:
    """Start a worker as the studio does, from nothing; `fault` is what it meets."""

    def start(task: Task, /) -> Worker:
        variables = [f"{name}={value}" for name, value in {**ONE_THREAD, hook.VARIABLE: fault}.items()]
        command = ["/usr/bin/env", *variables, sys.executable, "-m", "tests.faults.worker"]
        return launch(task, command=command)

    return start


def warm_command(forkserver: Forkserver) -> tuple[str, ...]:
    """Return what can stand for `python -m studio.workers` in a command."""
    return (sys.executable, "-m", "tests.warm", _AS_A_WORKER, str(forkserver.address))


def _as_a_worker(address: str, *arguments: str) -> int:
    """Have a worker forked that has this process's input, output and errors, and end as it does."""
    request = {"arguments": arguments, "environment": dict(os.environ)}
    return ask_forkserver(Path(address), request, [0, 1, 2]).wait()


def ask_forkserver(address: Path, request: Mapping[str, Any], descriptors: list[int]) -> WarmWorker:
    """Have a process forked that has these descriptors for its input, output and errors, and a fourth for its lock."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(address))
    message = json.dumps(request).encode()
    socket.send_fds(connection, [len(message).to_bytes(4, "big")], descriptors)
    connection.sendall(message)
    return WarmWorker(connection)


def _serve(address: str) -> None:
    for name in _HEAVY:
        importlib.import_module(name)
    _ask_warm(Path(address))
    assert len(os.listdir("/proc/self/task")) == 1, "a fork would lose the threads"
    gc.collect()
    gc.freeze()
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    waiting: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.cold")
        listener.listen(8)
        os.rename(f"{address}.cold", address)
        while True:
            ready, _, _ = select.select([listener, ended], [], [])
            if ended in ready:
                os.read(ended, 4096)
                _tell_ends(waiting)
            if listener in ready:
                connection, _ = listener.accept()
                waiting[_fork(connection)] = connection


def _fork(connection: socket.socket) -> int:
    """Start what a connection asks for, tell it the process, and return that."""
    length, descriptors, _, _ = socket.recv_fds(connection, 4, 4)
    request = json.loads(_read(connection, int.from_bytes(length, "big")))
    process_id = os.fork()
    if process_id == 0:
        _work(request, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(ProcessLookupError):
        while os.getsid(process_id) != process_id:  # whoever is told of it may kill its group at once
            time.sleep(0.001)
    connection.sendall(f"{process_id}\n".encode())
    return process_id


def _read(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        found += connection.recv(count - len(found))
    return found


def _tell_ends(waiting: dict[int, socket.socket]) -> None:
    """Tell everyone whose worker has ended how it did."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            connection = waiting.pop(ended[0])
            with suppress(OSError):  # nobody waits for it any more
                connection.sendall(f"{os.waitstatus_to_exitcode(ended[1])}\n".encode())
            connection.close()


def _work(request: dict[str, Any], descriptors: list[int]) -> None:
    """Be a worker, and end."""
    status = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        random.seed()
        hook.install(request.get("fault", ""))
        status = _script(request) if "script" in request else _worker(request["arguments"], descriptors[3:])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _worker(arguments: list[str], lock_fd: list[int]) -> int:
    from studio.workers.__main__ import main

    sys.argv = ["studio.workers", *arguments]
    return main([*arguments, *(part for descriptor in lock_fd for part in ("--lock-fd", str(descriptor)))])


def _script(request: dict[str, Any]) -> int:
    sys.argv = [request["script"], *request["arguments"]]
    os.chdir(request["folder"])
    runpy.run_path(request["script"], run_name="__main__")
    return 0


def _ask_warm(address: Path) -> None:
    """Have the process that loads an export back come from the forkserver too."""
    from studio.ml.shipped_check import ask_apart

    def run(command: Sequence[str], *, cwd: str, env: Mapping[str, str], timeout: float, **_: Any) -> Any:
        _, _, script, *arguments = command
        request = {"script": script, "arguments": arguments, "folder": cwd, "environment": dict(env)}
        with tempfile.TemporaryFile() as said:
            status = ask_forkserver(address, request, [0, said.fileno(), said.fileno()]).wait(timeout)
            said.seek(0)
            return subprocess.CompletedProcess(command, status, b"", said.read())

    ask_apart.__kwdefaults__.update(run=run)


if __name__ == "__main__":
    if _AS_A_WORKER in sys.argv[1:2]:
        sys.exit(_as_a_worker(*sys.argv[2:]))
    if _SAVE_OFTEN in sys.argv:
        save_often()
    _serve(sys.argv[1])
