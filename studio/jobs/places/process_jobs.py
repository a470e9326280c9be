"""Jobs as processes on this machine that share one folder with the studio and nothing else: what tests use."""

import logging
import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.jobs.places.book import Place
from studio.jobs.places.protocol import AGENT_VARIABLE, AgentSpec, JobSeen
from studio.jobs.places.shared_code import write_code_folder
from studio.runs import lock

log = logging.getLogger(__name__)


class ProcessEngine:
    """Each job holds a lock for as long as it lives, so any process can say how it is."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._folder = Path(place.folder)

    def prepare(self) -> None:
        if not self._folder.is_dir():
            raise NoAnswer(f"The folder {self._folder} is not there.", "Check that it is mounted.")

    def submit(self, job: str, spec: AgentSpec) -> None:
        path = self._lock(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return
        descriptor = lock.acquire(path)
        if descriptor is None:
            return
        try:
            module = "studio.workers.agent" if spec.nodes == 1 else "studio.workers.nodes"
            command = [*shlex.split(self._place.python), "-m", module]
            with path.with_suffix(".out").open("ab") as out:
                process = subprocess.Popen(
                    command,
                    cwd=write_code_folder(self._folder),
                    env={**os.environ, AGENT_VARIABLE: codec.dumps(spec)},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    pass_fds=(descriptor,),
                    start_new_session=True,
                )
            lock.name_holder(path, process.pid)
        except OSError as error:
            raise RunError(f"The job could not be started: {error.strerror or error}.") from error
        finally:
            os.close(descriptor)

    def state(self, job: str) -> JobSeen:
        path = self._lock(job)
        return "unknown" if not path.exists() else "running" if lock.is_held(path) else "ended"

    def stop(self, job: str) -> None:
        process_id = lock.holder(self._lock(job))
        if process_id is not None:
            with suppress(ProcessLookupError):
                os.killpg(process_id, signal.SIGKILL)

    def nodes(self) -> int:
        return 1

    def _lock(self, job: str) -> Path:
        return self._folder / "jobs" / f"{job}.lock"
