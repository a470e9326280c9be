"""`python -m studio.workers.agent`: does a run at another place, where nobody sees it but through the place's storage.

It fetches what the run needs into a folder of its own, starts the ordinary worker there, and hands in what that says
and saves: first the files, then the events that tell of them, then the report that names both. A storage that does not
answer is asked again; the worker goes on meanwhile.
"""

import ctypes
import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from studio import codec
from studio.errors import NoAnswer, RunError, StorageFull, StudioError
from studio.events import Event, Failed, Finished, Noted
from studio.files import hash_file, open_plain
from studio.graphics_card import card_names
from studio.jobs.evaluation_report import AT_THE_END
from studio.jobs.places.protocol import (
    AGENT_VARIABLE,
    BEGAN_VARIABLE,
    FAILED,
    NODE_ADDRESS,
    REPORT,
    STOP,
    WORK,
    AgentSpec,
    Report,
    Storage,
    StoredFile,
    Work,
)
from studio.jobs.places.storage import FolderStorage, HttpStorage, checked
from studio.jobs.tasks import Evaluate, Task, Train
from studio.logs import log_to_stderr, logged
from studio.runs import archive_paths, lock
from studio.runs.event_log import last_event, read_lines
from studio.runs.launcher import request_stop, worker_environment, write_task
from studio.runs.store import RunFolder
from studio.workers.place_facts import facts_here
from studio.workers.ranks import NOT_CONNECTED, OTHERS_LOST, held_port, interfaces, node_rank, nodes

LOOK_SECONDS = 0.5
BEAT_SECONDS = 5.0
"""A report is written at least so often."""

RETRY_SECONDS = 2.0
PATIENCE_SECONDS = 24 * 3600.0
"""So long a storage that does not answer is asked again, once the worker has ended, unless the place says otherwise."""

SPARE_SECONDS = 300.0
"""A job whose time is bounded ends the run so long before, or a fifth of its time: to save, and to hand that in."""

OTHERS_SECONDS = 5.0
"""So long the agents of a run on several nodes have to say why theirs ended, once the first has met that."""

MOST_REPORT_BYTES = 2**24
_MOST_WORK_BYTES = 2**26
_MOST_PIECE_BYTES = 2**20
_LOG_BYTES = 16 * 2**20
"""So much of a worker's log is handed in."""

_LARGE_BYTES = 64 * 2**20
_HELD = "agent.lock"

_DIES_WITH_PARENT = 1
"""The number of what asks Linux to end a process with the one that started it."""

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Clock(Protocol):
    """What tells the time and waits, so that tests need not."""

    def time(self) -> float: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Do what the first argument says, or without one the environment, and return the exit status."""
    log_to_stderr(environment)
    spec = codec.loads(AgentSpec, arguments[0] if arguments else environment[AGENT_VARIABLE])
    os.environ.pop(AGENT_VARIABLE, None)  # no library that the worker loads needs the key
    usual = Path(tempfile.gettempdir()) / f"lora-studio-{os.getuid()}"
    scratch = Path(spec.scratch).expanduser() if spec.scratch else usual
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = float(os.environ.pop(BEGAN_VARIABLE, "") or time.time())
    agent = Agent(
        spec,
        storage_there(spec, environment),
        scratch=scratch,
        node=node_rank(),
        nodes=nodes(),
        began=time.monotonic() - max(0.0, time.time() - began),
    )
    signal.signal(signal.SIGTERM, lambda number, frame: agent.ask_to_stop())
    return agent.work()


def storage_there(spec: AgentSpec, environment: Mapping[str, str]) -> Storage:
    """Return the storage of a place as a job there reaches it."""
    if spec.folder:
        return FolderStorage(Path(spec.folder))
    if spec.bucket:
        from studio.jobs.places.hub_jobs import bucket_there

        return bucket_there(spec.bucket, environment["HF_TOKEN"])
    head = environment.get("RAY_ADDRESS", "").rpartition(":")[0] or "127.0.0.1"
    return HttpStorage(f"http://{head}:{spec.port}", spec.key)


def until_answered(ask: Callable[[], Answer], clock: Clock, *, seconds: float = PATIENCE_SECONDS) -> Answer:
    """Ask the storage until it answers. Raises RunError where it does not for so long, or the answer is no."""
    deadline = clock.monotonic() + seconds
    while True:
        try:
            return ask()
        except (NoAnswer, StorageFull) as error:
            log.warning("%s", error, exc_info=True)
            if clock.monotonic() > deadline:
                raise
            clock.sleep(RETRY_SECONDS)


@dataclass
class Agent:
    """One job at a place, or the part of one of the `nodes` that it trains on: the first says and saves all."""

    spec: AgentSpec
    storage: Storage
    scratch: Path
    node: int = 0
    nodes: int = 1
    began: float | None = None
    """When the job began, by the clock's `monotonic`, where that was before now."""
    clock: Clock = field(default_factory=lambda: time)
    _stop: threading.Event = field(default_factory=threading.Event)
    _said: Report = field(init=False)
    _said_at: float = float("-inf")
    _offset: int = 0
    _log_offset: int = 0
    _known: dict[tuple[str, int, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.began is None:
            self.began = self.clock.monotonic()
        self._said = Report(beat=0, now=self.clock.time(), host=socket.gethostname())

    def ask_to_stop(self) -> None:
        """Have the worker put its work away and end."""
        self._stop.set()

    def work(self) -> int:
        """Do the work that lies in the storage, and return the exit status."""
        try:
            work = self._until_answered(self._read_work)
            if work.sample:
                return self._check(work)
            if self.nodes > 1:
                self._said = replace(self._said, beat=self._until_answered(self._last_beat))
            if self.node == 0:
                self._say()
            with self._folder() as folder:
                run = self._prepare(work, folder)
                return self._train(run, evaluates=work.evaluates) if self.node == 0 else self._help(run)
        except StudioError as error:
            log.warning("%s", error, exc_info=True)
            self._end(trouble=error.message, hint=error.hint)
            return 1
        except OSError as error:
            log.warning("The job met trouble of the system", exc_info=True)
            self._end(
                trouble=f"The place could not do the run: {error.strerror or error}.",
                hint=f"Check the disk of {self._said.host} and the permissions of {self.scratch} there.",
            )
            return 1

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """Make the folder to work in, and delete those that agents left which were killed."""
        for path in self.scratch.glob(f"run-*/{_HELD}"):
            if not lock.is_held(path):
                with logged(log, "What an agent left could not be deleted", OSError):
                    shutil.rmtree(path.parent)
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.scratch) as folder:
            # Only what is locked gets the name by which others find it: they delete what has one and is not held.
            taken = Path(folder) / f"{_HELD}.new"
            descriptor = lock.acquire(taken)
            taken.rename(taken.with_name(_HELD))
            try:
                yield Path(folder)
            finally:
                if descriptor is not None:
                    os.close(descriptor)

    def _read_work(self) -> Work:
        content = self.storage.read(f"{self.spec.part}/{WORK}", most_bytes=_MOST_WORK_BYTES)
        if content is None:
            raise NoAnswer("What the job is to do is not in the storage of the place.")
        return codec.loads(Work, content)

    def _last_beat(self) -> int:
        """Return the beat of what was said before by the job that has the nodes."""
        content = self.storage.read(f"{self.spec.part}/{REPORT}", most_bytes=MOST_REPORT_BYTES)
        return 0 if content is None else codec.loads(Report, content).beat

    def _prepare(self, work: Work, home: Path) -> RunFolder:
        """Lay out a data folder with the run in it, as it was where it comes from."""
        run = RunFolder(home / "runs" / checked(work.run_id))
        run.exports.mkdir(parents=True)
        for each in work.files:
            target = home / checked(each.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._until_answered(lambda each=each, target=target: self._fetch(each, target))  # type: ignore[misc]
        if work.begun:
            run.events_path.write_text(f"{work.begun}\n", encoding="utf-8")
            self._offset = run.events_path.stat().st_size
        run.validation_path.touch()
        return run

    def _fetch(self, file: StoredFile, target: Path) -> None:
        """Bring one file here. What many runs use is kept on this machine by its content."""
        kept = self.scratch / "inputs" / file.sha256 if file.at.startswith("inputs/") else None
        if kept is not None and kept.is_file() and kept.stat().st_size == file.size:
            return _link(kept, target)
        if kept is None:
            return self._bring(file, target)
        shared = self.storage.path(file.at)
        if shared is not None and file.size >= _LARGE_BYTES and shared.is_file():
            return target.symlink_to(shared)  # weights are read where they lie
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
        try:
            self._bring(file, temporary)
            os.replace(temporary, kept)
        finally:
            temporary.unlink(missing_ok=True)
        _link(kept, target)

    def _bring(self, file: StoredFile, target: Path) -> None:
        if not self.storage.fetch(file.at, target, size=file.size):
            raise RunError(
                f"The file {Path(file.path).name} of the run is not at the place any more.", "Resume the run."
            )
        if hash_file(target) != file.sha256:
            raise NoAnswer(f"The file {Path(file.path).name} of the run came damaged.")

    def _train(self, run: RunFolder, *, evaluates: bool) -> int:
        task, begun = Train(run.path, is_away=True), self._offset
        worker = self._start_worker(task)
        self._see_to_its_end(worker, run, listens=lambda: self._offset > begun)
        last, code = last_event(run.events_path), worker.returncode
        if isinstance(last, Finished | Failed):
            if evaluates and isinstance(last, Finished) and last.status == "finished" and not self._stop.is_set():
                self._evaluate(run)
            self._end()
        elif self.nodes > 1:  # another node may know why, and the job that has them all then says so
            self._say_what_is_lost(last, code)
            self.clock.sleep(OTHERS_SECONDS)
        else:
            self._end(trouble=f"The worker at the place ended without a word (exit code {code}).", died=True)
        return 1 if code else 0

    def _evaluate(self, run: RunFolder) -> None:
        """Evaluate a run that has finished. Whether that succeeds or not, the run is done."""
        task = Evaluate(run.path, AT_THE_END, own_tasks=False)
        task.paths.events.parent.mkdir(parents=True, exist_ok=True)
        self._said = replace(self._said, evaluating=True)
        with logged(log, "The run could not be evaluated here", OSError, level=logging.WARNING):
            worker = self._start_worker(task)
            self._see_to_its_end(worker, run, listens=lambda: last_event(task.paths.events) is not None)
        if self._stop.is_set() and not isinstance(last_event(task.paths.events), Failed):
            self._said = replace(self._said, evaluating=False)  # it was not tried in vain: there was no time for it

    def _see_to_its_end(
        self, worker: "subprocess.Popen[bytes]", run: RunFolder, *, listens: Callable[[], bool]
    ) -> None:
        """Hand in what a worker makes until it has ended, and ask it to stop when that is wanted.

        Before its first word it does not listen, and would just die; `listens` says whether it does.
        """
        asked, told_to_stop = False, f"{self.spec.part}/{STOP}"
        while worker.poll() is None:
            self._wait_for(worker)
            if self._is_time_up():
                self._stop.set()
            with logged(log, "The storage of the place cannot be used now", RunError, level=logging.WARNING):
                self._hand_in(run)
                if not asked and self.storage.has(told_to_stop):
                    self._stop.set()
            if self._stop.is_set() and not asked and listens():
                request_stop(worker.pid)
                asked = True
        self._until_answered(lambda: self._hand_in(run))

    def _wait_for(self, worker: "subprocess.Popen[bytes]") -> None:
        """Wait until it is time to look again, or the worker has ended."""
        left = self.spec.look_seconds
        while left > 0 and worker.poll() is None:
            self.clock.sleep(min(left, LOOK_SECONDS))
            left -= LOOK_SECONDS

    def _is_time_up(self) -> bool:
        if not self.spec.seconds or self.began is None:
            return False
        spare = min(SPARE_SECONDS, self.spec.seconds / 5)
        return self.clock.monotonic() - self.began > self.spec.seconds - spare

    def _help(self, run: RunFolder) -> int:
        """Do the part of a node that is not the first, and say what is no fault of another one."""
        worker = self._start_worker(Train(run.path, is_away=True))
        while worker.poll() is None:
            self.clock.sleep(LOOK_SECONDS)
        last = last_event(run.events_path)
        if isinstance(last, Failed):
            self._end(trouble=last.message, hint=last.hint)
        else:
            self._say_what_is_lost(last, worker.returncode)
        return 1 if worker.returncode else 0

    def _say_what_is_lost(self, last: Event | None, code: int | None) -> None:
        """Say what the worker of this node met when it lost those of the others; a worker that died says nothing."""
        if code not in (OTHERS_LOST, NOT_CONNECTED) or not isinstance(last, Noted):
            return
        met = Report(beat=1, now=self.clock.time(), lost=last.text, never=code == NOT_CONNECTED)
        content = codec.dumps(met).encode()
        self._until_answered(lambda: self.storage.write(f"{self.spec.part}/{FAILED}-{self.node}", content))

    def _start_worker(self, task: Task) -> "subprocess.Popen[bytes]":
        python = shlex.split(self.spec.python) or [sys.executable]
        command = [*python, "-m", "studio.workers", "run", str(write_task(task))]
        with task.paths.log.open("ab") as file:
            return subprocess.Popen(
                command,
                env=worker_environment({**interfaces(os.environ.get(NODE_ADDRESS, "")), **os.environ}, card_names()),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                pass_fds=held_port(os.environ),
                preexec_fn=_die_with_parent,
            )

    def _hand_in(self, run: RunFolder) -> None:
        """Hand in what is new: what the events tell of is there before they are."""
        lines, offset = read_lines(run.events_path, self._offset)
        try:
            files = self._files(run)
            for each in files:
                self._send(run, each)
        except FileNotFoundError:  # the worker has just deleted an older checkpoint
            log.debug("A file was deleted while it was handed in", exc_info=True)
            return
        said = replace(self._said, files=files)
        if lines:
            said = replace(said, events=said.events + 1)
            self.storage.write(f"{self.spec.part}/events-{said.events}", b"\n".join(lines) + b"\n")
        piece = self._log_piece(run)
        if piece:
            said = replace(said, logs=said.logs + 1)
            self.storage.write(f"{self.spec.part}/log-{said.logs}", piece)
        if said != self._said or self.clock.monotonic() - self._said_at >= BEAT_SECONDS:
            before = {each.at for each in self._said.files}
            self._say(replace(said, trouble="", hint=""))
            self._offset, self._log_offset = offset, self._log_offset + len(piece)
            self._forget(before)

    def _forget(self, before: set[str]) -> None:
        """Delete what the report before named and this one does not: nobody asks for it any more."""
        for at in sorted(before - {each.at for each in self._said.files}):
            self.storage.delete(at)

    def _files(self, run: RunFolder) -> tuple[StoredFile, ...]:
        """List what the run has made, and is whole. Raises FileNotFoundError where one of it is just being deleted."""
        found = []
        for path in sorted(run.path.rglob("*")):
            inner = path.relative_to(run.path).as_posix()
            if not (archive_paths.is_made(inner) or archive_paths.is_evaluated(inner)) or not path.is_file():
                continue
            told = path.stat()
            key = (inner, told.st_size, told.st_mtime_ns, told.st_ino)
            if key not in self._known:
                self._known[key] = hash_file(path)
            found.append(StoredFile(inner, f"{self.spec.files}/{self._known[key]}", self._known[key], told.st_size))
        return tuple(found)

    def _send(self, run: RunFolder, file: StoredFile) -> None:
        if file in self._said.files or self.storage.has(file.at):
            return
        self.storage.send(file.at, run.path / file.path)

    def _log_piece(self, run: RunFolder) -> bytes:
        if self._log_offset >= _LOG_BYTES:
            return b""
        with logged(log, "The worker's log cannot be read", OSError), open_plain(run.log_path) as file:
            file.seek(self._log_offset)
            return file.read(_MOST_PIECE_BYTES)
        return b""

    def _say(self, report: Report | None = None) -> None:
        said = replace(report or self._said, beat=self._said.beat + 1, now=self.clock.time())
        name = f"{FAILED}-{self.node}" if self.node else REPORT
        self.storage.write(f"{self.spec.part}/{name}", codec.dumps(said).encode())
        self._said, self._said_at = said, self.clock.monotonic()

    def _end(self, *, trouble: str = "", hint: str = "", died: bool = False) -> None:
        ended = replace(self._said, trouble=trouble, hint=hint, ended=True, died=died)
        self._until_answered(lambda: self._say(ended))

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer:
        return until_answered(ask, self.clock, seconds=self.spec.patience_seconds)

    def _check(self, work: Work) -> int:
        """Write back what was sent, and what this place is."""
        sample = self._until_answered(lambda: self.storage.read(f"{self.spec.part}/sample", most_bytes=2**20))
        facts = replace(facts_here(self.scratch), sample="" if sample is None else sample.decode("ascii", "replace"))
        self._until_answered(lambda: self._say(replace(self._said, facts=facts, ended=True)))
        return 0


def _die_with_parent() -> None:
    """Have this process killed when the one that started it dies: nobody would hand its work in."""
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def _link(kept: Path, target: Path) -> None:
    """Put a file that is kept at another name too, without its content twice where the file system can do that."""
    try:
        os.link(kept, target)
    except OSError:
        log.debug("A file is copied, because it cannot be linked", exc_info=True)
        shutil.copyfile(kept, target)


if __name__ == "__main__":
    status = main(sys.argv[1:], os.environ)
    sys.stdout.flush()
    os._exit(status)
