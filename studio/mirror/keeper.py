"""The mirror as the studio sees it: a process of its own that is started, listened to, and started again when it ends.

The page only ever reads the last thing that it said.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from studio import codec
from studio.logs import logged
from studio.mirror.state import STOPPED, MirrorState

COMMAND = (sys.executable, "-m", "studio.mirror")
TOKEN = "STUDIO_MIRROR_TOKEN"
"""The variable in which its process is given the access token."""

_MODEST = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_SIZE": "128000000",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_PERFILE_SIZE": "64000000",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_LIMIT": "256000000",
    "HF_XET_RECONSTRUCTION_MIN_PREFETCH_BUFFER": "64000000",
    "HF_XET_DATA_MAX_CONCURRENT_FILE_INGESTION": "2",
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "3",
    "HF_XET_CLIENT_RETRY_MAX_DURATION": "90s",
    "HF_XET_CLIENT_READ_TIMEOUT": "60s",
    "HF_XET_CLIENT_CONNECT_TIMEOUT": "20s",
    "HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY": "4",
    "HF_XET_CLIENT_AC_MAX_DOWNLOAD_CONCURRENCY": "8",
}
"""How much hf_xet holds and does at once: by itself it takes gigabytes of memory to bring files back, and is silent for
five minutes about a storage that cannot be reached."""

SILENT_SECONDS = 1800.0
"""A process that says nothing for so long hangs, and is ended: it speaks before each piece that it sends."""

AGAIN_SECONDS = 30.0
TELL_THE_OWNER = "The owner of this studio is told why."
_LONGEST_LINE = 20_000

log = logging.getLogger(__name__)


class ForOthers:
    """What those hear of a mirror whose it is not: how old it is, and not what of whom cannot be copied."""

    def __init__(self, keeper: "MirrorKeeper") -> None:
        self._keeper = keeper

    @property
    def state(self) -> MirrorState:
        """What the mirror is at."""
        state = self._keeper.state
        if not state.trouble:
            return state
        return replace(state, trouble="Not everything is being copied at the moment.", hint=TELL_THE_OWNER)


class MirrorKeeper:
    """Keeps the process of one mirror alive. `brought_back` is called once, when the folder has all that there was.

    Several homes have one keeper each, with a `prefix` of their own in the bucket.
    """

    def __init__(
        self,
        home: Path,
        bucket: str,
        *,
        token: str,
        every: float = 30.0,
        prefix: str = "",
        environment: Mapping[str, str] = os.environ,
        command: Sequence[str] = COMMAND,
        brought_back: Callable[[], object] = lambda: None,
    ) -> None:
        self.state = MirrorState(bucket)
        self.brought_back: Callable[[], object] = brought_back
        self._command = [*command, str(home), bucket, "--every", str(every), "--prefix", prefix]
        self._environment = {**_MODEST, **environment, TOKEN: token}
        self._every = every
        self._whole = threading.Event()
        self._ended = threading.Event()
        self._spoke = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads = [
            threading.Thread(target=each, name="mirror", daemon=True) for each in (self._keep, self._watch)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float, *, in_trouble: float) -> bool:
        """Wait until the data folder has all that there was, at most so long; say whether it has.

        Where there is trouble, wait `in_trouble` seconds at most.
        """
        began = time.monotonic()
        while not self._whole.wait(0.1):
            if time.monotonic() - began > (in_trouble if self.state.trouble else seconds):
                return False
        return True

    def close(self, *, seconds: float = 0.0) -> None:
        """End the process, after a last copy where there are so many seconds for it."""
        self._ended.set()
        process = self._process
        if process is None:
            return
        if seconds and process.stdin is not None:
            with logged(log, "The mirror was not copied a last time", OSError, subprocess.TimeoutExpired):
                process.stdin.write(b"last\n")
                process.stdin.flush()
                process.wait(seconds)
        process.kill()
        process.wait()

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                code = self._follow()
            except Exception:  # a thread that ends would mirror nothing any more, and nobody would know
                log.exception("The mirror cannot be started.")
                code = -1
            if self._ended.is_set() or self.state.phase == STOPPED:
                return
            log.error("The process of the mirror ended with %s; it is started again.", code)
            self.state = replace(
                self.state, trouble="The process that copies the data folder has ended.", hint="It is started again."
            )
            self._ended.wait(min(AGAIN_SECONDS, self._every))

    def _follow(self) -> int:
        self._spoke = time.monotonic()
        process = self._process = subprocess.Popen(
            self._command,
            cwd=Path(__file__).resolve().parents[2],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process:
            while line := process.stdout.readline(_LONGEST_LINE):
                self._spoke = time.monotonic()
                try:
                    self._take(codec.loads(MirrorState, line))
                except codec.Damaged:
                    log.warning("The mirror said something strange: %r", line[:200])
            process.kill()
        return process.returncode

    def _take(self, state: MirrorState) -> None:
        # What was in the mirror last stays known while more is copied.
        self.state = replace(state, kept_at=state.kept_at or self.state.kept_at)
        if state.is_whole and not self._whole.is_set():
            self._whole.set()
            self.brought_back()

    def _watch(self) -> None:
        while not self._ended.wait(10.0):
            process = self._process
            if process is not None and time.monotonic() - self._spoke > SILENT_SECONDS:
                log.error("The process of the mirror says nothing any more and is ended.")
                process.kill()
                self._spoke = time.monotonic()
