"""Jobs of a Slurm cluster, by submitit: it writes the script of a job, hands it to Slurm, and asks how the job is."""

import logging
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.files import disk_trouble, read_bytes, write_whole
from studio.jobs.places.book import Place
from studio.jobs.places.protocol import AgentSpec, JobSeen
from studio.jobs.places.shared_code import write_code_folder
from studio.runs import lock

_STATES: dict[str, JobSeen] = {
    "PENDING": "waiting",
    "READY": "waiting",
    "CONFIGURING": "waiting",
    "REQUEUED": "waiting",
    "RUNNING": "running",
    "COMPLETING": "running",
    "UNKNOWN": "unknown",
}
"""What Slurm says of a job; whatever else it says is an end of it."""

LOCAL = "local"
_ENDED: JobSeen = "ended"
_MOST_BYTES = 1000

log = logging.getLogger(__name__)


class SlurmEngine:
    """The jobs of one cluster, or with the executor "local" processes on this machine.

    Slurm numbers its jobs, so the number of each is kept in the shared folder under the name that the studio gave it.
    """

    def __init__(self, place: Place) -> None:
        """Raises RunError where submitit is not installed."""
        try:
            import submitit
        except ImportError as error:
            raise RunError(
                "submitit is not installed, so Slurm cannot be asked.",
                "Install it beside the studio: pip install -r requirements-cluster.txt",
            ) from error
        self._submitit: Any = submitit
        self._place = place
        self._folder = Path(place.folder)
        self._started: dict[str, Any] = {}

    def prepare(self) -> None:
        if not self._folder.is_dir():
            raise NoAnswer(f"The folder {self._folder} is not there.", "Check that it is mounted on this machine.")

    def submit(self, job: str, spec: AgentSpec) -> None:
        numbers = self._folder / "jobs"
        with disk_trouble("The job", self._folder):
            numbers.mkdir(parents=True, exist_ok=True)
        with lock.in_turn(numbers / f"{job}.lock", busy="Another process submits this job."):
            if self._number(job):
                return
            # No key is needed for a shared folder, so what the job has to know may stand in its command.
            command = self._submitit.helpers.CommandFunction(
                [*shlex.split(self._place.python), "-m", "studio.workers.agent", codec.dumps(spec)],
                cwd=str(write_code_folder(self._folder)),
            )
            started = self._ask(lambda: self._executor(job).submit(command))
            self._started[job] = started
            with disk_trouble("The number of the job", self._folder):
                write_whole(numbers / f"{job}.number", str(started.job_id))

    def state(self, job: str) -> JobSeen:
        found = self._find(job)
        if found is None:
            return "unknown"
        if self._place.executor == LOCAL:
            return _STATES["RUNNING"] if _is_alive(found) else _ENDED
        said = self._ask(lambda: found.watcher.get_state(found.job_id, mode="force"))
        return _STATES.get(str(said).split(" ")[0], _ENDED)

    def stop(self, job: str) -> None:
        found = self._find(job)
        if found is not None:
            self._ask(lambda: found.cancel(check=False))

    def nodes(self) -> int:
        return 1

    def _executor(self, job: str) -> Any:
        folder, place = self._folder / "submitit", self._place
        if place.executor == LOCAL:
            executor = self._submitit.LocalExecutor(folder=folder)
            executor.update_parameters(timeout_min=max(1, int(place.hours * 60)))
            return executor
        wanted: dict[str, Any] = {"job_name": job, "time": max(1, int(place.hours * 60))}
        if place.partition:
            wanted["partition"] = place.partition
        if place.cpus:
            wanted["cpus_per_task"] = max(1, round(place.cpus))
        if place.memory_gib:
            wanted["mem"] = f"{max(1, round(place.memory_gib * 1024))}MB"
        if place.gpus:
            wanted["gpus_per_node"] = max(1, round(place.gpus))
        executor = self._ask(lambda: self._submitit.SlurmExecutor(folder=folder, python=place.python))
        executor.update_parameters(**wanted)
        return executor

    def _find(self, job: str) -> Any:
        """Return a job by the name that the studio gave it; None where it was never submitted."""
        if job not in self._started and (number := self._number(job)):
            kind = self._submitit.LocalJob if self._place.executor == LOCAL else self._submitit.SlurmJob
            self._started[job] = kind(self._folder / "submitit", number)
        return self._started.get(job)

    def _number(self, job: str) -> str:
        try:
            content = read_bytes(self._folder / "jobs" / f"{job}.number", most_bytes=_MOST_BYTES)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise NoAnswer(f"The folder {self._folder} cannot be read: {error.strerror or error}.") from error
        number = (content or b"").decode("ascii", "replace").strip()
        return number if number.replace("_", "").isdecimal() else ""

    def _ask(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except FileNotFoundError as error:
            raise RunError(
                f"The commands of Slurm are not on this machine ({error.filename or error}).",
                "Run the studio on a machine from which jobs are submitted.",
            ) from error
        except (OSError, RuntimeError, subprocess.SubprocessError, self._submitit.core.utils.FailedJobError) as error:
            said = f"Slurm does not answer: {str(error)[:300]}"
            raise NoAnswer(said, "Check sbatch and sacct on this machine.") from error


def _is_alive(local: Any) -> bool:
    """Tell whether a job on this machine is at work; its number is that of its process.

    submitit itself knows that in the process alone that has started the job.
    """
    if local._process is not None:
        return local._process.poll() is None
    return psutil.pid_exists(int(local.job_id)) and not local.paths.result_pickle.exists()
