"""What a worker can be asked to do: one frozen dataclass for each kind of job, written as JSON beside the job's events.

`python -m studio.workers run TASK` reads the file again and does it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import ClassVar

from studio import codec
from studio.errors import RunError
from studio.homes import shared_home
from studio.jobs.standard_tasks import QUESTIONS
from studio.runs.launcher import JobPaths, model_slug

PUBLISH_TOKEN = "STUDIO_PUBLISH_TOKEN"
"""The variable in which a worker gets the access token for one publication."""

HUB_TOKEN = "STUDIO_HUB_TOKEN"
"""The variable in which a worker gets the access token of the person who trains on the Hugging Face Hub."""

_EVALUATION = re.compile(r"[a-z0-9][a-z0-9-]{0,199}")


@dataclass(frozen=True)
class Share:
    """A kind of work whose workers are counted together. `limits` has its bounds under `name`, `noun` names several.

    `locks` finds the locks of workers that an earlier studio left at work.
    """

    name: str
    noun: str
    locks: str


IMPORTS = Share("imports", "imports of data", "imports/*/lock")
TOKEN_COUNTS = Share("token_counts", "token counts", "datasets/*/tokens/*.lock")
DOWNLOADS = Share("downloads", "downloads of base models", "models/*.lock")
EXPORTS = Share("exports", "exports", "runs/*/exports/*.lock")
EVALUATIONS = Share("evaluations", "evaluations", "runs/*/evaluations/*.lock")
BLENDS = Share("blends", "blends", "")
"""A blend's lock is that of a run, and is held briefly."""
PUBLICATIONS = Share("publications", "uploads to the Hub", "runs/*/published/*.lock")
CALIBRATIONS = Share("calibrations", "measurements of this machine", "machine.lock")
CHECKS = Share("checks", "checks of places", "places/*/check.lock")
SHARES = (IMPORTS, TOKEN_COUNTS, DOWNLOADS, EXPORTS, EVALUATIONS, BLENDS, PUBLICATIONS, CALIBRATIONS, CHECKS)


class Task(ABC):
    """What one worker does. `job` names the kind in its file and its events.

    `watched` says whether a worker that takes too much memory is ended, `once` whether it is never started a second
    time. `share` is None for training and chat, which the pool does not count.
    """

    job: ClassVar[str]
    share: ClassVar[Share | None]
    watched: ClassVar[bool]
    once: ClassVar[bool]

    def __init_subclass__(
        cls, *, job: str, share: Share | None = None, watched: bool = True, once: bool = False
    ) -> None:
        cls.job, cls.share, cls.watched, cls.once = job, share, watched, once

    @property
    @abstractmethod
    def paths(self) -> JobPaths:
        """Where the job has its files."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What its worker finds in its environment, and nobody else anywhere."""
        return {}


@dataclass(frozen=True)
class Train(Task, job="train", watched=False):
    """Train a run. Its forecast says what memory it takes, and it may take all of that, so it is not watched.

    `is_away` says that the run belongs to a studio elsewhere, which cleans up when all of it has come home.
    """

    run: Path
    is_away: bool = False

    @property
    def paths(self) -> JobPaths:
        return _in_run(self.run)


@dataclass(frozen=True)
class TrainElsewhere(Task, job="train-elsewhere"):
    """Have a run trained at the place that its settings name, and bring home what it makes.

    `token` is as in `Publish`: that of the person who pays for the place, where it is paid for.
    """

    run: Path
    token: InitVar[str] = ""

    def __post_init__(self, token: str) -> None:
        object.__setattr__(self, "_token", token)

    @property
    def paths(self) -> JobPaths:
        return _in_run(self.run)

    @property
    def variables(self) -> dict[str, str]:
        return _secret(self, HUB_TOKEN)


@dataclass(frozen=True)
class CheckPlace(Task, job="check-place", share=CHECKS):
    """Look what a place is, and whether runs can train there. `token` is as in `TrainElsewhere`."""

    home: Path
    name: str
    token: InitVar[str] = ""

    def __post_init__(self, token: str) -> None:
        object.__setattr__(self, "_token", token)

    @property
    def paths(self) -> JobPaths:
        return _named(shared_home(self.home) / "places" / self.name, "check")

    @property
    def variables(self) -> dict[str, str]:
        return _secret(self, HUB_TOKEN)


@dataclass(frozen=True)
class MakeBlend(Task, job="blend", share=BLENDS):
    """Blend what the run's `parents.json` names into a new adapter."""

    run: Path

    @property
    def paths(self) -> JobPaths:
        return _in_run(self.run)


@dataclass(frozen=True)
class Export(Task, job="export", share=EXPORTS):
    """Write an export of a run. Each kind has a lock of its own; for the memory the workers wait in turn."""

    run: Path
    kind: str

    @property
    def paths(self) -> JobPaths:
        return _named(self.run / "exports", self.kind)


@dataclass(frozen=True)
class Publish(Task, job="publish", share=PUBLICATIONS):
    """Publish an export of a run, which is there, to a repository `to` of the Hub, with the card that lies beside.

    `token` reaches the worker by its environment alone: no file has it.
    """

    run: Path
    kind: str
    to: str
    public: bool = False
    token: InitVar[str] = ""

    def __post_init__(self, token: str) -> None:
        object.__setattr__(self, "_token", token)

    @property
    def paths(self) -> JobPaths:
        return _named(self.run / "published", self.kind)

    @property
    def variables(self) -> dict[str, str]:
        return _secret(self, PUBLISH_TOKEN)


@dataclass(frozen=True)
class Evaluate(Task, job="evaluate", share=EVALUATIONS):
    """Evaluate a run: `data` is a file of examples called `title`, None for the held-out ones.

    `rows` bounds how many, 0 for all that the machine does in a few minutes. `longest` bounds every answer in tokens, 0
    leaves that to the expected one. `tasks` are standard tasks, asked besides with `questions` questions each;
    `own_tasks` says whether those in the data folder may be among them. Raises RunError for what is no name of an
    evaluation.
    """

    run: Path
    name: str
    data: Path | None = None
    title: str = ""
    rows: int = 0
    longest: int = 0
    probes: bool = True
    tasks: tuple[str, ...] = ()
    questions: int = QUESTIONS
    own_tasks: bool = True

    def __post_init__(self) -> None:
        if not is_evaluation(self.name):
            raise RunError(f"'{self.name[:80]}' is not an evaluation.", "Choose one from the list.")

    @property
    def paths(self) -> JobPaths:
        return _named(self.run / "evaluations", self.name)


@dataclass(frozen=True)
class PrepareModel(Task, job="prepare", share=DOWNLOADS):
    """Get a base model ready before anybody needs it."""

    name: str
    home: Path

    @property
    def paths(self) -> JobPaths:
        return _named(shared_home(self.home) / "models", model_slug(self.name))


@dataclass(frozen=True)
class Import(Task, job="import", share=IMPORTS, once=True):
    """Bring in the data that an import's `request.json` names."""

    folder: Path

    @property
    def paths(self) -> JobPaths:
        folder = self.folder
        return JobPaths(folder / "lock", folder / "events.jsonl", folder / "log", folder / "task.json")


@dataclass(frozen=True)
class CountTokens(Task, job="tokens", share=TOKEN_COUNTS):
    """Count the tokens of every example in a file, for the model in a folder, into the file `target`."""

    examples: Path
    model: Path
    target: Path

    @property
    def paths(self) -> JobPaths:
        return _named(self.target.parent, self.target.stem)


@dataclass(frozen=True)
class Calibrate(Task, job="calibrate", share=CALIBRATIONS, watched=False):
    """Measure this machine."""

    home: Path

    @property
    def paths(self) -> JobPaths:
        return _named(shared_home(self.home), "machine")


@dataclass(frozen=True)
class Chat(Task, job="chat"):
    """Answer the questions that come through standard input. It holds no lock and writes no events."""

    home: Path

    @property
    def paths(self) -> JobPaths:
        return _named(self.home, "chat")


TASKS: tuple[type[Task], ...] = (
    Train,
    TrainElsewhere,
    CheckPlace,
    MakeBlend,
    Export,
    Publish,
    Evaluate,
    PrepareModel,
    Import,
    CountTokens,
    Calibrate,
    Chat,
)


def read_task(path: Path) -> Task:
    """Read the task that a worker is started with. Raises OSError, and codec.Damaged for a file that holds none."""
    document = codec.parse_file(path)
    job = document.get("job") if isinstance(document, dict) else None
    kind = next((kind for kind in TASKS if kind.job == job), None)
    if kind is None:
        raise codec.Damaged(f"{path.name} holds no task")
    return codec.from_plain(kind, document)


def is_evaluation(name: str) -> bool:
    """Tell whether a name can be that of an evaluation."""
    return _EVALUATION.fullmatch(name) is not None


def home_of(folder: Path) -> Path:
    """Return the data folder that a run or an import lies in: <home>/runs/<id>, <home>/imports/<id>."""
    return folder.absolute().parent.parent


def _secret(task: Task, name: str) -> dict[str, str]:
    token: str = getattr(task, "_token", "")
    return {name: token} if token else {}


def _in_run(run: Path) -> JobPaths:
    return JobPaths(run / "run.lock", run / "events.jsonl", run / "worker.log", run / "task.json")


def _named(folder: Path, name: str) -> JobPaths:
    ends = ("lock", "events.jsonl", "log", "task.json")
    return JobPaths(*(folder / f"{name}.{end}" for end in ends))
