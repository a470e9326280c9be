"""Workers that start in a moment: the real one, forked from a process that has its libraries in memory already.

What is left out of a start so is reading the libraries, and nothing else; some workers of every round are started cold.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from studio.errors import RunError
from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT, Launch, Worker, launch, worker_environment
from tests.faults import hook
from tests.faults.worker import save_often

_HEAVY = (
    "transformers.models.llama.modeling_llama",
    "studio.ml.checkpoints",
    "studio.ml.export",
    "studio.ml.generation",
    "studio.ml.methods",
    "studio.ml.reference",
    "studio.workers.evaluate",
    "studio.workers.export",
    "studio.workers.train",
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


class Oven:
    """The process that workers are forked from."""

    def __init__(self, folder: Path) -> None:
        self.address = folder / "oven.socket"
        environment = worker_environment({**os.environ, **ONE_THREAD})
        command = [sys.executable, "-m", "tests.faults.warm", str(self.address)]
        self._process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment)
        deadline = time.monotonic() + 120
        while not self.address.exists():
            assert self._process.poll() is None, "the oven ended"
            assert time.monotonic() < deadline, "the oven does not get warm"
            time.sleep(0.05)

    def close(self) -> None:
        """End it; the workers go on."""
        self._process.kill()
        self._process.wait()


class WarmLaunch:
    """Starts a worker from the oven as `studio.runs.launcher.launch` starts one; `fault` is what the next one meets."""

    def __init__(self, address: Path, fault: str = "") -> None:
        self._address = address
        self.fault = fault

    def __call__(self, module_arguments: Sequence[str], *, log_path: Path, lock_path: Path) -> Worker:
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = lock.acquire(lock_path)
        if lock_fd is None:
            raise RunError("This work is already under way.")
        log_fd = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self._address))
                request = {"arguments": list(module_arguments), "fault": self.fault}
                socket.send_fds(connection, [json.dumps(request).encode()], [log_fd, lock_fd])
                process_id = int(connection.recv(32))
        finally:
            os.close(log_fd)
            os.close(lock_fd)
        self.fault = ""
        lock.name_holder(lock_path, process_id)
        return Worker(process_id=process_id, exit_code=lambda: None)


def cold_launch(fault: str = "") -> Launch:
    """Start a worker as the studio does, from nothing; `fault` is what it meets."""

    def start(module_arguments: Sequence[str], *, log_path: Path, lock_path: Path) -> Worker:
        variables = [f"{name}={value}" for name, value in {**ONE_THREAD, hook.VARIABLE: fault}.items()]
        command = ["/usr/bin/env", *variables, sys.executable, "-m", "tests.faults.worker"]
        return launch(module_arguments, log_path=log_path, lock_path=lock_path, command=command)

    return start


def _serve(address: str) -> None:
    save_often()
    for name in _HEAVY:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.cold")
        listener.listen(8)
        os.rename(f"{address}.cold", address)
        while True:
            connection, _ = listener.accept()
            message, descriptors, _, _ = socket.recv_fds(connection, 65_536, 2)
            process_id = os.fork()
            if process_id == 0:
                listener.close()
                connection.close()
                _work(json.loads(message), log_fd=descriptors[0], lock_fd=descriptors[1])
            for descriptor in descriptors:
                os.close(descriptor)
            with suppress(ProcessLookupError):
                while os.getsid(process_id) != process_id:  # whoever is told of it may kill its group at once
                    time.sleep(0.001)
            connection.sendall(str(process_id).encode())
            connection.close()


def _work(request: dict[str, object], *, log_fd: int, lock_fd: int) -> None:
    """Be a worker, and end."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        os.close(log_fd)
        hook.install(str(request["fault"]))
        from studio.workers.__main__ import main

        arguments = request["arguments"]
        assert isinstance(arguments, list)
        status = main([*arguments, "--lock-fd", str(lock_fd)])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
