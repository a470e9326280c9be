"""Jobs on the Hugging Face Hub, and a private bucket there as their storage: all by the token of the person who trains.

The Hub is paid for by time, so every job gets a time after which the Hub ends it. What a job needs to begin is in
`workers/hub_job_setup`; the token reaches it as a secret.
"""

import json
import logging
import math
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.files import hash_file
from studio.jobs.places.book import Place, Places
from studio.jobs.places.code import write_code_zip
from studio.jobs.places.protocol import AGENT_VARIABLE, JOB_SETUP_VARIABLE, AgentSpec, JobSeen
from studio.jobs.places.storage import checked, too_large
from studio.jobs.places.tokens import token_here
from studio.logs import logged
from studio.models.hub_compute import Hardware, HubCompute, SeenJob
from studio.runs.launcher import PROJECT_ROOT

BUCKET = "lora-studio-runs"
NEEDED = (
    *("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "bitsandbytes", "sentencepiece"),
    *("huggingface_hub", "hf_xet", "numpy", "pyarrow", "psutil", "jinja2", "PyYAML"),
)
"""The packages that training needs. What an image lacks of them is installed as it is here."""

_SETTLE_SECONDS = 10.0
_JOB_SETUP = PROJECT_ROOT / "studio" / "workers" / "hub_job_setup.py"

_STATES: dict[str, JobSeen] = {"SCHEDULING": "waiting", "RUNNING": "running"}
"""What the Hub says of a job; whatever else it says is an end of it."""

log = logging.getLogger(__name__)


class Bucket:
    """The files of a place in a bucket. `find_name` says which, and may have to ask the Hub for that."""

    def __init__(self, hub: HubCompute, find_name: Callable[[], str]) -> None:
        self._hub = hub
        self._find_name = find_name
        self._read: dict[str, tuple[str, bytes]] = {}

    @property
    def _name(self) -> str:
        return self._find_name()

    def path(self, name: str) -> Path | None:
        return None

    def has(self, name: str) -> bool:
        return self._hub.content(self._name, checked(name)) is not None

    def read(self, name: str, *, most_bytes: int) -> bytes | None:
        found = self._hub.content(self._name, checked(name))
        if found is None:
            return None
        sha, size = found
        if size > most_bytes:
            raise too_large(name)
        known = self._read.get(name)
        if known is None or known[0] != sha:
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "read"
                if not self._hub.fetch(self._name, name, target):
                    return None
                content = target.read_bytes()
            if len(content) > most_bytes:
                raise too_large(name)
            if name.endswith(".json"):  # what is looked at again and again
                self._read[name] = (sha, content)
            return content
        return known[1]

    def write(self, name: str, content: bytes) -> None:
        self._hub.send(self._name, checked(name), content)

    def send(self, name: str, source: Path) -> None:
        self._hub.send(self._name, checked(name), source)

    def fetch(self, name: str, target: Path, *, size: int) -> bool:
        found = self._hub.content(self._name, checked(name))
        if found is None:
            return False
        if found[1] != size:
            raise too_large(name)
        if not self._hub.fetch(self._name, name, target):
            return False
        if target.stat().st_size != size:
            raise NoAnswer(f"A file of the place came only in part ({name[-40:]}).")
        return True

    def delete(self, name: str) -> None:
        self._hub.delete(self._name, checked(name))


def bucket_name(owner: str) -> str:
    """Name the bucket in which all runs of a person or an organization have their files."""
    return "/".join((owner, BUCKET))


def bucket_of(place: Place) -> Bucket:
    """Return the files of a place as they are reached from here. Raises RunError where no token is given."""
    hub = HubCompute(token_here())
    return Bucket(hub, lambda: bucket_name(hub.owner(place.namespace)))


def bucket_there(name: str, token: str) -> Bucket:
    """Return the files of a place as its jobs reach them."""
    return Bucket(HubCompute(token), lambda: name)


class HubEnder:
    """Ends jobs by one token, knowing of them no more than whose they are and what they are called."""

    def __init__(self, token: str) -> None:
        self._hub = HubCompute(token)

    def end(self, owner: str, job: str) -> bool | None:
        """End a job and say whether it is over; None where the Hub has no record of it. Raises RunError."""
        owner = self._hub.owner(owner)
        found = self._hub.find(owner, job)
        if found is not None and found.stage in _STATES:
            self._hub.cancel(owner, found.id)
            found = self._hub.look(owner, found.id)
        return None if found is None else found.stage not in _STATES


class HubEngine:
    """Jobs of one person on one kind of hardware."""

    def __init__(self, place: Place, places: Places, token: str) -> None:
        self._place = place
        self._folder = places.folder
        self._token = token
        self._hub = HubCompute(token)
        self._found: dict[str, str] = {}

    @property
    def _owner(self) -> str:
        """Who pays: the namespace of the place, or who has the token."""
        return self._hub.owner(self._place.namespace)

    def prepare(self) -> None:
        self._hub.make_bucket(bucket_name(self._owner))

    def submit(self, job: str, spec: AgentSpec) -> None:
        if self._look(job) is not None:
            return
        bucket = bucket_name(self._owner)
        spec = replace(spec, bucket=bucket)
        code = write_code_zip(self._folder / ".code")
        sha256 = hash_file(code)
        storage = Bucket(self._hub, lambda: bucket)
        if not storage.has(f"inputs/{sha256}"):
            storage.send(f"inputs/{sha256}", code)
        steps = {"bucket": bucket, "code": f"inputs/{sha256}", "sha256": sha256, "packages": _packages()}
        try:
            self._run(job, spec, steps)
        except NoAnswer:
            # It may have been taken all the same, and would be paid for twice: by the next try it is in the list.
            time.sleep(_SETTLE_SECONDS)
            raise

    def _run(self, job: str, spec: AgentSpec, steps: Mapping[str, object]) -> None:
        self._hub.run(
            self._owner,
            name=job,
            image=self._place.image,
            command=[*shlex.split(self._place.python), "-c", _JOB_SETUP.read_text(encoding="utf-8")],
            flavor=self._place.flavor,
            seconds=spec.seconds,
            variables={
                AGENT_VARIABLE: codec.dumps(spec),
                JOB_SETUP_VARIABLE: json.dumps(steps),
            },
            secrets={"HF_TOKEN": self._token},
        )

    def state(self, job: str) -> JobSeen:
        found = self._look(job)
        if found is None:
            return "unknown"
        return _STATES.get(found.stage, "ended")

    def stop(self, job: str) -> None:
        found = self._look(job)
        if found is not None and found.stage in _STATES:
            self._hub.cancel(self._owner, found.id)

    def nodes(self) -> int:
        return 1

    def _hardware(self) -> Hardware:
        """Say what jobs of the place run on, and its price now. Raises RunError where there is none of that name."""
        found = {each.name: each for each in self._hub.hardware()}
        mine = found.get(self._place.flavor)
        if mine is None:
            raise RunError(
                f"The Hugging Face Hub has no hardware '{self._place.flavor}' for jobs.",
                f"Choose one of {', '.join(sorted(found))}.",
            )
        if not (math.isfinite(mine.price_per_hour) and mine.price_per_hour > 0):
            raise RunError(
                f"The Hugging Face Hub names no price for '{mine.name}' that can be reckoned with.",
                "Choose other hardware: nothing is started whose cost cannot be bounded.",
            )
        return mine

    def rented(self) -> tuple[str, float]:
        found = self._hardware()
        return f"{found.title} ({found.about})", found.price_per_hour

    def owner(self) -> str:
        return self._owner

    def paid_seconds(self, job: str) -> float | None:
        found = self._look(job)
        return None if found is None else float(found.seconds)

    def last_line(self, job: str) -> str:
        found = self._look(job)
        said = "" if found is None else found.message
        with logged(log, "What a job printed cannot be read", RunError, level=logging.INFO):
            said = (found and self._hub.last_line(self._owner, found.id)) or said
        return said[:300]

    def _look(self, job: str) -> SeenJob | None:
        """Return a job by the name that the studio gave it, which is its label; None where there is none."""
        if job in self._found:
            return self._hub.look(self._owner, self._found[job])
        found = self._hub.find(self._owner, job)
        if found is not None:
            self._found[job] = found.id
        return found


def _packages() -> list[list[str]]:
    """Name the packages that a job needs with the versions that are here."""
    found = []
    for name in NEEDED:
        with logged(log, "A package is not installed", metadata.PackageNotFoundError):
            found.append([name, metadata.version(name).partition("+")[0]])
    return found
