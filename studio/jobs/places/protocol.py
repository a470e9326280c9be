"""What the studio asks of every place: to start a job, to say how it is, to stop it; and what both sides write down.

A run elsewhere stays one local folder with one local writer. What goes there and what comes back lies in the storage
of the place, under these names:

    inputs/<sha256>                 a file that runs need: examples, base models; sent once
    runs/<key>/<attempt>/work.json      what a job is to do: `Work`
                         report.json    how far it is: `Report`, written again after all that it names
                         events-N       lines of its events; log-N: pieces of its log
                         stop           there when it is to end
                         failed-N       of a job on several nodes: what node N met, and whether it lost the others
    runs/<key>/files/<sha256>       what the run has made
    checks/<key>/...                the same for the check of a place
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

STORED_NAME = re.compile(r"(?=.{1,300}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
"""What a name in a storage can be: no part of it begins with a dot, so it never leaves the storage."""

SHA256 = re.compile(r"[0-9a-f]{64}")

WORK, REPORT, STOP, FAILED = "work.json", "report.json", "stop", "failed"

AGENT_VARIABLE = "STUDIO_AGENT"
"""The variable in which a job finds what it has to know, as JSON."""

JOB_SETUP_VARIABLE = "STUDIO_JOB_SETUP"
"""The variable in which a job that begins without the studio's code finds where that is, as JSON."""

BEGAN_VARIABLE = "STUDIO_JOB_BEGAN"
"""The variable in which an agent finds when its job began, where that was before the agent did."""

NODE_ADDRESS = "STUDIO_NODE_ADDRESS"
"""The variable in which an agent of a job on several nodes finds under which address the others know its node."""

JobSeen = Literal["waiting", "running", "ended", "unknown"]


@dataclass(frozen=True)
class StoredFile:
    """A file by its path in a data folder or a run, and where in the storage its content lies."""

    path: str
    at: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Work:
    """What a job does: it trains the run of this id once `files` lie in a data folder of its own.

    `begun` are the first events there, as lines, of a run that an earlier worker was at: the worker then knows that it
    goes on, and in which number format. `evaluates` says that a run that finishes is evaluated there, on what it holds
    out, before the job ends.
    `sample` is set where the place is only checked: what stands in that file is to be written back.
    """

    run_id: str = ""
    files: tuple[StoredFile, ...] = ()
    begun: str = ""
    sample: str = ""
    evaluates: bool = False


@dataclass(frozen=True)
class Facts:
    """What a place is, as a job there found it. Versions are those of Python and of packages by name."""

    host: str = ""
    python: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    cores: int = 0
    memory_gib: float = 0.0
    gpus: tuple[str, ...] = ()
    gpu_memory_gib: float = 0.0
    disk_gib: float = 0.0
    sample: str = ""
    nodes: int = 1
    """On how many nodes at once a run can train."""
    hardware: str = ""
    price_per_hour: float = 0.0
    """What is rented there, and its price in US dollars, as whoever rents it out says; 0 where nothing is paid."""


@dataclass(frozen=True)
class Report:
    """How far a job is. `beat` grows while it lives; `now` is its clock.

    `events` and `logs` say how many pieces of each there are. `trouble` is what hinders it, as a sentence. `evaluating`
    says that the training is done, and at the end that its evaluation failed there. `ended` says that nothing more will
    come, and `died` that the worker was killed: another job may have more luck. `lost` says that it was not, and what
    it met when it lost the others; `never` that it never had them.
    """

    beat: int
    now: float
    host: str = ""
    events: int = 0
    logs: int = 0
    files: tuple[StoredFile, ...] = ()
    trouble: str = ""
    hint: str = ""
    ended: bool = False
    died: bool = False
    lost: str = ""
    never: bool = False
    facts: Facts | None = None
    evaluating: bool = False


@dataclass(frozen=True)
class AgentSpec:
    """What a job knows before it can reach its storage: where that is, and which part of it is its own.

    `folder` is a shared folder. Without one, files are served to whoever has `key` at this port of the cluster's head.
    The job trains on so many `nodes`, with `cpus`, `gpus` and `memory_bytes` of each; `can_be_fewer` says that it goes
    on with what there is where the place has no longer as many.
    """

    part: str
    files: str
    folder: str = ""
    port: int = 0
    key: str = ""
    python: str = ""
    scratch: str = ""
    nodes: int = 1
    can_be_fewer: bool = False
    cpus: float = 0.0
    gpus: float = 0.0
    memory_bytes: int = 0
    bucket: str = ""
    """The bucket of the Hugging Face Hub in which the files lie, where they do."""
    look_seconds: float = 0.5
    """So often the job looks into its storage."""
    patience_seconds: float = 24 * 3600.0
    """So long a storage that does not answer is asked again, once the worker has ended."""
    seconds: int = 0
    """So long the job may last, where that is bounded: the run saves its work and ends before."""


class Engine(Protocol):
    """What starts jobs at a place. Every method raises NoAnswer while the place does not answer, and RunError."""

    def prepare(self) -> None:
        """See to it that the storage of the place can be used."""
        ...

    def submit(self, job: str, spec: AgentSpec) -> None:
        """Start a job under a name. One of that name that was started before is left as it is."""
        ...

    def state(self, job: str) -> JobSeen:
        """Say how a job is. "unknown" is one that the place has no record of, or has none of yet."""
        ...

    def stop(self, job: str) -> None:
        """End a job, at once where it has not begun. Does nothing when it has ended."""
        ...

    def nodes(self) -> int:
        """Count the nodes that a run fits on, of which one run may have several; 1 where it may have one alone."""
        ...


@runtime_checkable
class Paid(Protocol):
    """What an engine also says of a place that is paid for by time. Raises as `Engine` does."""

    def rented(self) -> tuple[str, float]:
        """Ask what is rented, in words, and for the price of an hour, in US dollars."""
        ...

    def owner(self) -> str:
        """Say who pays."""
        ...

    def paid_seconds(self, job: str) -> float | None:
        """Say how long a job has run; None where the place has no record of it."""
        ...

    def last_line(self, job: str) -> str:
        """Return the last that a job said, where it can be read; for one that ended before it had begun."""
        ...


class NoRoom(Exception):
    """Nodes that there are have no room for a run now."""


class Nodes(Protocol):
    """The nodes of a place, seen by the job of a run that trains on several of them."""

    def count(self) -> int:
        """Count the nodes that an agent fits on, also those that are busy."""
        ...

    def train(self, nodes: int) -> bool:
        """Start an agent on each of so many nodes, wait for their end, and say whether all did their part.

        Raises NoRoom where they cannot be started within a while, and RunError where they never can.
        """
        ...


class Storage(Protocol):
    """The files of a place, by names that fit `STORED_NAME`. Every method raises NoAnswer and RunError."""

    def path(self, name: str) -> Path | None:
        """Return where a file can be read directly; None where it has to be fetched."""
        ...

    def has(self, name: str) -> bool:
        """Say whether a file is there, whole."""
        ...

    def read(self, name: str, *, most_bytes: int) -> bytes | None:
        """Read a small file; None where there is none. Raises RunError for a larger one."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole."""
        ...

    def send(self, name: str, source: Path) -> None:
        """Write a file from a local one, whole."""
        ...

    def fetch(self, name: str, target: Path, *, size: int) -> bool:
        """Write a file of that size to a local path; False where there is none. Raises RunError for another size."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file, or a folder with all in it. Does nothing where there is none."""
        ...


def part_of_run(key: str, attempt: int) -> str:
    """Return where in the storage an attempt at a run has its own files."""
    return f"runs/{key}/{attempt}"


def files_of_run(key: str) -> str:
    """Return where in the storage lies what a run has made, in whichever attempt."""
    return f"runs/{key}/files"
