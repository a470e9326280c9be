"""Jobs of a Ray cluster, by its own Jobs API: HTTP alone, so Python here and there may differ.

Where the cluster shares no folder with the studio, one more job serves the files of the runs on its head
(`file_server`).
"""

import functools
import logging
import re
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.jobs.places.book import Place, Places
from studio.jobs.places.code import write_code_zip
from studio.jobs.places.engines import files_port, open_storage
from studio.jobs.places.protocol import AGENT_VARIABLE, AgentSpec, JobSeen
from studio.jobs.places.storage import HttpStorage

ANSWER_SECONDS = 30.0
SERVING_SECONDS = 90.0
STOP_SECONDS = 240
"""How long Ray waits for a job that it has asked to end; by itself it would kill a run that saves after three."""

_LOOK_SECONDS = 1.0
_MOST_NODES = 10_000
_STATES: dict[str, JobSeen] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "STOPPED": "ended",
    "SUCCEEDED": "ended",
    "FAILED": "ended",
}
_OVERLOADED = re.compile(r"status code 5\d\d")
"""What the client says of an answer by which the cluster tells that it cannot answer now."""

_SCRATCH = "~/.cache/lora-studio"

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class RayEngine:
    """The jobs of one cluster. Raises RunError where Ray is not installed."""

    def __init__(self, place: Place, places: Places, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        try:
            import ray.job_submission  # noqa: F401
        except ImportError as error:
            raise RunError(
                "Ray is not installed, so the cluster cannot be asked.",
                "Install it beside the studio: pip install -r requirements-cluster.txt",
            ) from error
        self._place = place
        self._folder = places.folder
        self._seconds = answer_seconds
        self._client: Any = None

    def prepare(self) -> None:
        storage = open_storage(self._place)
        if not isinstance(storage, HttpStorage):
            storage.has("inputs")  # raises where the folder is not there
            return
        if storage.answers():
            return
        job = f"lora-studio-files-{time.time_ns() // 10**9}"
        variables = {
            "STUDIO_FILES_FOLDER": f"{self._place.scratch or _SCRATCH}/served",
            "STUDIO_FILES_PORT": str(files_port(self._place)),
            "STUDIO_FILES_KEY": self._place.files_key,
        }
        self._submit(job, "studio.jobs.places.file_server", variables)
        deadline = time.monotonic() + SERVING_SECONDS
        while not storage.answers():
            if time.monotonic() > deadline or self.state(job) == "ended":
                raise NoAnswer(
                    f"The files of the place cannot be reached at {self._place.files_address}. {self._last_words(job)}",
                    f"Port {files_port(self._place)} of the cluster's head has to be free, and this machine has to "
                    "reach it; or name a folder that both share.",
                )
            time.sleep(_LOOK_SECONDS)

    def submit(self, job: str, spec: AgentSpec) -> None:
        resources = {
            "entrypoint_num_cpus": self._place.cpus,
            "entrypoint_num_gpus": self._place.gpus,
            "entrypoint_memory": int(self._place.memory_gib * 2**30),
        }
        variables = {AGENT_VARIABLE: codec.dumps(spec), "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
        if spec.nodes > 1:  # this job only waits, so it asks for nothing, and Ray runs it on the head
            return self._submit(job, "studio.workers.nodes", variables)
        self._submit(
            job, "studio.workers.agent", variables, {name: value for name, value in resources.items() if value}
        )

    def state(self, job: str) -> JobSeen:
        try:
            found = self._asked(lambda client: client.get_job_status(job))
        except RunError as error:
            if "404" in error.message or "does not exist" in error.message:
                log.debug("The cluster has no record of %s", job, exc_info=True)
                return "unknown"
            raise
        return _STATES.get(str(found), "unknown")

    def stop(self, job: str) -> None:
        if self.state(job) in ("waiting", "running"):
            self._asked(lambda client: client.stop_job(job))

    def nodes(self) -> int:
        asked = {"CPU": self._place.cpus, "GPU": self._place.gpus, "memory": self._place.memory_gib * 2**30}

        def fits(node: Any) -> bool:
            return node.state == "ALIVE" and all(
                node.resources_total.get(name, 0) >= value for name, value in asked.items()
            )

        return sum(map(fits, self._asked(lambda client: _nodes(self._place.address))))

    @functools.cached_property
    def _code(self) -> Path:
        """The studio's code as it is sent with each job. Raises OSError where it cannot be written."""
        return write_code_zip(self._folder / ".code")

    def _submit(
        self, job: str, module: str, variables: dict[str, str], resources: dict[str, float] | None = None
    ) -> None:
        start = functools.partial(
            _submitted,
            job=job,
            command=shlex.join(["exec", *shlex.split(self._place.python), "-m", module]),
            runtime={"working_dir": str(self._code), "env_vars": variables},
            resources=resources or {},
        )
        try:
            self._asked(start, seconds=4 * self._seconds)
        except RunError as error:
            if "already exists" not in error.message:
                raise
            log.info("The job %s was started before", job)

    def _last_words(self, job: str) -> str:
        """Return the last line that a job printed, as a sentence of its own; empty where it cannot be read."""
        try:
            lines = str(self._asked(lambda client: client.get_job_logs(job))).strip().splitlines()
        except RunError:
            log.debug("The log of a job cannot be read", exc_info=True)
            return ""
        return f"The last it said: {lines[-1][:300]}" if lines else ""

    def _asked(self, ask: Callable[[Any], Answer], *, seconds: float | None = None) -> Answer:
        """Ask the cluster, and wait for the answer only so long: the client itself would wait for ever."""
        said: list[Answer] = []
        failed: list[Exception] = []

        def work() -> None:
            try:
                if self._client is None:
                    from ray.job_submission import JobSubmissionClient

                    self._client = JobSubmissionClient(self._place.address)
                said.append(ask(self._client))
            except Exception as error:  # whatever the client and its libraries raise is told as one of two sentences
                failed.append(error)

        thread = threading.Thread(target=work, name="ask-ray", daemon=True)
        thread.start()
        thread.join(seconds or self._seconds)
        if said:
            return said[0]
        error = failed[0] if failed else None
        is_down = error is not None and _OVERLOADED.search(str(error)) is not None
        if error is None or isinstance(error, OSError) or is_down:  # requests' errors are OSErrors
            raise NoAnswer(
                f"The cluster at {self._place.address} does not answer.",
                "Check that it runs and that this address leads to its dashboard.",
            ) from error
        raise RunError(f"The cluster at {self._place.address} refused: {str(error)[:400]}") from error


def _nodes(address: str) -> Any:
    from ray.util.state import list_nodes

    return list_nodes(address=address, limit=_MOST_NODES, timeout=int(ANSWER_SECONDS))


def _submitted(client: Any, *, job: str, command: str, runtime: dict[str, Any], resources: dict[str, float]) -> str:
    return str(client.submit_job(entrypoint=command, submission_id=job, runtime_env=runtime, **resources))
