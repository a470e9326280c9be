"""Start a worker process, ask or force it to end, and say where it writes.

A worker holds its lock from before it exists: the lock is taken here and handed over as an open file, so there is never
a moment in which a started job looks dead. Workers run in a session of their own and outlive the page.
"""

import hashlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol

from studio import codec
from studio.errors import RunError
from studio.files import open_descriptor, open_plain, write_whole
from studio.graphics_card import card_names
from studio.logs import logged
from studio.priority import step_back
from studio.runs import lock
from studio.runs.memory_watch import MemoryWatch

log = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the `studio` package. Workers start there, so that `-m studio.workers` is found."""

WORKER_COMMAND = (sys.executable, "-m", "studio.workers")

NO_TOKEN_VARIABLE = "HF_HUB_DISABLE_IMPLICIT_TOKEN"
"""Where this is set, huggingface_hub asks without the stored login of this machine."""

_ALLOCATOR = "PYTORCH_ALLOC_CONF"
"""How PyTorch is told how to keep a GPU's memory."""

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""How OpenMP's threads wait; where both are set, GNU's takes the second."""

_ON_A_PROCESSOR = {
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "MALLOC_MMAP_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "MALLOC_ARENA_MAX": "1",
}
"""How many compiled products oneDNN keeps, which multiplies on a processor: those of four lengths. And how much memory
the allocator of glibc gives back as soon as it is free: pieces above 256 MiB, and what lies free above so much. Threads
that compute side by side share what is kept: a heap of their own could not hold it."""

_SECRET = re.compile(r"(^|_)(TOKENS?|PASSWORD|PASSWD|SECRETS?|CREDENTIALS?|API_?KEYS?|ACCESS_KEY|PRIVATE_KEY)($|_)")
"""What the name of a variable has in it that holds a secret: HF_TOKEN, AWS_SECRET_ACCESS_KEY, OPENAI_API_KEY."""

_NO_SECRETS = ("TOKENIZERS_PARALLELISM", NO_TOKEN_VARIABLE, "HF_TOKEN_PATH")
_LOG_TAIL_BYTES = 16_384
_LONGEST_SLUG = 100


@dataclass(frozen=True)
class JobPaths:
    """Where a job has its lock, its events and its log, and the task that its worker reads."""

    lock: Path
    events: Path
    log: Path
    task: Path


class Task(Protocol):
    """What a worker shall do; the kinds are in `studio.jobs.tasks`."""

    job: ClassVar[str]
    watched: ClassVar[bool]

    @property
    def paths(self) -> JobPaths: ...

    @property
    def variables(self) -> Mapping[str, str]: ...


def write_task(task: Task) -> Path:
    """Write the file that a worker reads its task from, and return its path. Raises OSError."""
    path = task.paths.task
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, codec.dumps({"job": task.job} | codec.to_plain(task)))
    return path


def model_slug(name: str) -> str:
    """Turn a model's name, which may be a path, into a file name: "owner/name" becomes "owner--name"."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "--", name.strip()).strip("-.") or "model"
    if len(slug) <= _LONGEST_SLUG:
        return slug
    return f"{hashlib.sha256(name.encode()).hexdigest()[:12]}--{slug[-_LONGEST_SLUG:]}"


class Place(Protocol):
    """A place in the line for work that may not start yet."""

    trouble: RunError | None
    """Why it could not be started when its turn came."""

    def look(self) -> str:
        """Say what is waited for; empty once the work was started or could not be."""
        ...

    def leave(self) -> bool:
        """Leave the line, and say whether it was there."""
        ...


@dataclass(frozen=True)
class Worker:
    """A process that was started, or shall be: then `place` says when, and `process_id` is None.

    `exit_code()` is None while it runs, and minus the signal's number when killed.
    """

    process_id: int | None
    exit_code: Callable[[], int | None]
    place: Place | None = None


class Launch(Protocol):
    """The shape of `launch`, for those who take it as an argument."""

    def __call__(self, task: Task, /) -> Worker: ...


def launch(
    task: Task,
    *,
    command: Sequence[str] = WORKER_COMMAND,
    variables: Mapping[str, str] = MappingProxyType({}),
    nice: int = 0,
    watch: MemoryWatch = MemoryWatch(),  # noqa: B008  # it is frozen
) -> Worker:
    """Write the task down and start `command` with `run TASK --lock-fd N`, where N is an open file that holds the lock.

    What the worker prints goes to the log, which is begun afresh; the one before it stays beside it as `.old`. The
    folders are made. `variables` and those of the task are set in its environment. `watch` ends a worker that takes too
    much memory, where the task is watched. `nice` is how far the worker steps back for others.

    Raises RunError when the lock is held already, a file cannot be written or the process cannot be started.
    """
    paths = task.paths
    try:
        paths.log.parent.mkdir(parents=True, exist_ok=True)
        paths.lock.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = _acquire(paths.lock)
        try:
            arguments = ["run", str(write_task(task)), "--lock-fd", str(lock_fd)]
            process = _start([*command, *arguments], paths.log, lock_fd, {**variables, **task.variables})
        finally:
            os.close(lock_fd)
    except OSError as error:
        raise RunError(
            f"The work could not be started: {error.strerror or error}.",
            f"Check that {paths.log.parent} can be written and that the disk and the memory are not full.",
        ) from error
    with logged(log, "The lock does not name the worker that holds it", OSError):
        lock.name_holder(paths.lock, process.pid)
    threading.Thread(target=_see_through, args=(process, nice), name=f"wait-{process.pid}", daemon=True).start()
    if task.watched:
        watch.start(
            process.pid,
            log_path=paths.log,
            has_ended=lambda: process.poll() is not None,
            end=lambda: kill_group(process.pid),
        )
    return Worker(process_id=process.pid, exit_code=process.poll)


def worker_environment(environment: Mapping[str, str], cards: Sequence[str] = ()) -> dict[str, str]:
    """Return `environment` with what every worker needs beside it. `cards` names the graphics cards of this machine.

    The threads of PyTorch that wait for one another count for some 15 microseconds and then sleep, unless the person
    wants otherwise. Longer, as they do by themselves, and they use up their turn: beside a program that takes a core
    they trained at a sixth of the speed. Asleep at once, they trained at five sixths on a quiet machine (both in
    benchmarks/README.md). Libraries that do not know GOMP_SPINCOUNT let them sleep at once.
    Batches differ in length, and oneDNN keeps what it compiles for each, by itself for 30 lengths; to compile it again
    takes a hundredth of a step (benchmarks/lengths.py). Memory that is given back and asked for again is cleared by the
    system each time, and a training asks for the same pieces in every layer: kept, it trains 6 % faster with 3 % more
    memory (benchmarks/README.md). On a card, segments of memory that grow keep the holes between
    batches from filling it.
    """
    waiting = {} if environment.keys() & _WAITING.keys() else _WAITING
    ours = {name: value for name, value in environment.items() if name != "STUDIO_PASSWORD"}  # of no use to a worker
    growing = {} if not cards or "PYTORCH_CUDA_ALLOC_CONF" in environment else {_ALLOCATOR: "expandable_segments:True"}
    return {**waiting, **_ON_A_PROCESSOR, **growing, **ours, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def withhold_secrets(environment: MutableMapping[str, str], *, but_the_token: bool = False) -> None:
    """Take the secrets of whoever runs the studio out of an environment, and with them the login on the Hub.

    Called once where visitors of a public address are served, so that no worker that works for one has any of them.
    `but_the_token` leaves the access token for the Hub, where visitors may use it.
    """
    kept = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if but_the_token else ()
    for name in [name for name in environment if _is_secret(name) and name not in kept]:
        del environment[name]
    if not but_the_token:
        environment[NO_TOKEN_VARIABLE] = "1"


def _is_secret(name: str) -> bool:
    return name not in _NO_SECRETS and _SECRET.search(name.upper()) is not None


def read_tail(log_path: Path) -> str:
    """Return the end of a log, the empty string when there is none."""
    with logged(log, "There is no log to read the end of", OSError), open_plain(log_path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")
    return ""


def request_stop(process_id: int) -> None:
    """Ask a worker to put its work away and end. Do nothing when it has ended."""
    if process_id > 1:  # what a damaged file names instead would be every process, or the whole system's first
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGTERM)


def kill_group(process_id: int) -> None:
    """End a worker and all that it started, at once. Do nothing when it has ended."""
    if process_id > 1:
        with suppress(ProcessLookupError):
            os.killpg(process_id, signal.SIGKILL)


def _see_through(process: subprocess.Popen[bytes], nice: int) -> None:
    """Wait for a child: one that nobody waits for stays in the process table as a zombie."""
    if nice:
        step_back(nice, process.pid)
    process.wait()


def _acquire(path: Path) -> int:
    descriptor = lock.acquire(path)
    if descriptor is None:
        raise RunError("This work is already under way.", "Wait until it is done, or stop it first.")
    return descriptor


def _start(
    arguments: Sequence[str], log_path: Path, lock_fd: int, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with suppress(FileNotFoundError):
        os.replace(log_path, log_path.with_name(f"{log_path.name}.old"))
    with os.fdopen(open_descriptor(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as log:
        return subprocess.Popen(
            arguments,
            cwd=PROJECT_ROOT,
            env=worker_environment({**os.environ, **variables}, card_names()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock_fd,),
            start_new_session=True,
        )
