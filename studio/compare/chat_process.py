"""One chat worker as a process: its pipes, its messages, its end."""

import logging
import os
import queue
import subprocess
import threading
from collections.abc import Sequence

from studio.compare.chat_protocol import (
    Answered,
    FromWorker,
    Leave,
    Open,
    Token,
    ToWorker,
    Trouble,
    decode_from_worker,
    encode,
)
from studio.errors import RunError
from studio.graphics_card import card_names
from studio.logs import logged
from studio.runs.diagnosis import diagnose_lost
from studio.runs.launcher import PROJECT_ROOT, Task, kill_group, read_tail, worker_environment, write_task
from studio.runs.memory_watch import MemoryWatch

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0
_READ_BYTES = 65_536


class ChatProcess:
    """One process with its pipes.

    `base` is what it was last told to open, and `opens_awaited` how often it was told without having answered yet.
    """

    def __init__(self, task: Task, command: Sequence[str], *, watch: MemoryWatch) -> None:
        """Start `command` with `run TASK`, its errors written to the log. `watch` ends it when it takes too much
        memory.

        Raises RunError when it cannot be started.
        """
        self.base: Open | None = None
        self.opens_awaited = 0
        log_path = self._log_path = task.paths.log
        self._dismissed = False
        self._writing = threading.Lock()
        self._said: queue.SimpleQueue[FromWorker | None] = queue.SimpleQueue()
        self._boxes: dict[int, queue.SimpleQueue[FromWorker | None]] = {}
        try:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log_path.unlink(missing_ok=True)
            with log_path.open("ab") as log:
                # Unbuffered: a buffered reader that a daemon thread waits in can stop the interpreter from exiting.
                self._process = subprocess.Popen(
                    [*command, "run", str(write_task(task))],
                    cwd=PROJECT_ROOT,
                    env=worker_environment(os.environ, card_names()),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,
                    start_new_session=True,
                )
        except OSError as error:
            raise RunError(
                f"The chat could not be started: {error.strerror or error}.",
                f"Check that {log_path.parent} can be written and that the disk and the memory are not full.",
            ) from error
        threading.Thread(target=self._listen, name=f"chat-{self._process.pid}", daemon=True).start()
        watch.start(self._process.pid, log_path=log_path, has_ended=lambda: not self.is_running, end=self._kill)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, message: ToWorker) -> None:
        """Write one message. Raises RunError when the worker has ended."""
        line = (encode(message) + "\n").encode(errors="replace")
        assert self._process.stdin is not None
        try:
            with self._writing:
                while line:
                    line = line[os.write(self._process.stdin.fileno(), line) :]
        except (OSError, ValueError) as error:
            raise self._lost() from error

    def open_box(self, id: int) -> None:
        """From now on, what is said to this id is for whoever asks for its messages."""
        self._boxes[id] = queue.SimpleQueue()

    def close_box(self, id: int) -> None:
        """Pass over what is still said to this id."""
        self._boxes.pop(id, None)

    def next_message(self, box: int = 0) -> FromWorker | None:
        """Wait a moment for the next message, of those to an id where a box is given; None when there is none yet.

        Raises RunError when the worker ended.
        """
        was_running = self.is_running
        said_to = self._boxes[box] if box else self._said
        try:
            said = said_to.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            # Something that the worker started may keep its output open after its death.
            if was_running:
                return None
            raise self._lost() from None
        if said is None:
            said_to.put(None)
            raise self._lost()
        return said

    def end(self, grace_seconds: float) -> None:
        """Have the process leave; kill it, and what it started, when it has not after `grace_seconds`."""
        self._dismissed = True
        if grace_seconds > 0:
            with logged(log, "The chat worker did not leave and is killed", RunError, subprocess.TimeoutExpired):
                self.send(Leave())
                self._process.wait(grace_seconds)
        self._kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        rest = b""
        while chunk := os.read(self._process.stdout.fileno(), _READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                # A library may print to the same pipe.
                with logged(log, "The chat worker wrote something that is no message", ValueError):
                    self._pass_on(decode_from_worker(line.decode()))
        for box in (self._said, *list(self._boxes.values())):
            box.put(None)
        self._process.stdout.close()
        self._process.wait()
        with self._writing:
            self._process.stdin.close()

    def _pass_on(self, message: FromWorker) -> None:
        id = message.id if isinstance(message, Token | Answered | Trouble) else 0
        self._boxes.get(id, self._said).put(message)

    def _lost(self) -> RunError:
        if self._dismissed:
            return RunError("The answer was cut short: the chat was closed to make room for a run.", "Ask again later.")
        with logged(log, "The lost chat worker did not end and is killed", subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._kill()
        found = diagnose_lost(read_tail(self._log_path), exit_code=self._process.poll())
        return RunError(
            f"The chat ended before the answer was complete. {found.message}", f"{found.hint} Ask again to restart it."
        )

    def _kill(self) -> None:
        if self.is_running:
            kill_group(self._process.pid)
            self._process.wait()
