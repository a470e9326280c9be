"""Getting base models ready before they are needed, each by a worker of its own, and seeing how far that is.

Knows nothing of how a model is fetched: `studio.models` does, and the worker calls it.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from studio.config import STARTER
from studio.errors import ModelError, RunError, TooMany
from studio.events import Failed
from studio.jobs.calibration import Calibration
from studio.jobs.jobs import Job
from studio.models.hub import Hub
from studio.models.locate import ModelFiles
from studio.models.machine import Machine
from studio.runs.launcher import Launch, model_paths


class Locate(Protocol):
    """The shape of `studio.models.locate.locate`."""

    def __call__(self, name: str, home: Path, /) -> ModelFiles | None: ...


@dataclass(frozen=True)
class ModelState:
    """Whether a base model can be used now. `sentence` says so; `done` of `total` (0 when unknown) are in `unit`."""

    ready: bool
    sentence: str
    working: bool = False
    done: int = 0
    total: int = 0
    unit: str = ""
    failed: Failed | None = None


class BaseModels:
    """The base models of one data folder."""

    def __init__(self, home: Path, *, launch: Launch, locate: Locate, hub: Hub, calibration: Calibration) -> None:
        self.hub = hub
        self._home = home
        self._launch = launch
        self._locate = locate
        self._calibration = calibration
        self._guard = threading.Lock()
        self._jobs: dict[Path, Job] = {}
        self._tried: set[str] = set()

    def locate(self, name: str) -> ModelFiles | None:
        """Find the files of a base model that a person named; None while they must be fetched first.

        Every name of a model that comes from a page passes here. On a public address a folder of this machine is none.
        Raises ModelError for a name that cannot be a model's.
        """
        return self._locate(name, self._home)

    def machine(self) -> Machine | None:
        """Return what was measured of this machine, or None while that is under way; it is begun when it never was.

        Raises RunError when it cannot be measured.
        """
        machine = self._calibration.state()
        if machine is None and self._calibration.job().failed is not None:
            raise RunError("This machine could not be measured, so there are no estimates.", "Runs work all the same.")
        return machine

    def prepare(self, name: str, *, retry: bool = False) -> ModelState:
        """Start to get a model ready unless it is, or that is under way; return its state.

        May be called again and again: what was tried since this object was made is tried again only with `retry`.
        Raises RunError when the work cannot be started.
        """
        try:
            state = self._state(name, self.locate(name))
        except ModelError as error:
            return _refused(error)
        if state.ready or state.working:
            return state
        with self._guard:
            if name in self._tried and not retry:
                return state
            self._tried.add(name)
        try:
            self._job(name).start(["prepare", name, "--home", str(self._home)], self._launch)
        except TooMany:
            with self._guard:
                self._tried.discard(name)  # it was not tried
            raise
        return self.state(name)

    def state(self, name: str) -> ModelState:
        """Say whether a model can be used, and if not how far it is. Starts nothing and asks no network."""
        try:
            return self._state(name, self.locate(name))
        except ModelError as error:
            return _refused(error)

    def _state(self, name: str, files: ModelFiles | None) -> ModelState:
        title = "The starter model" if name == STARTER else f"The model {name}"
        job = self._job(name).state()
        # The Hub's own store may show a model that is still being fetched.
        if files is not None and not (job.lock_held and files.source == "hub"):
            return ModelState(True, f"{title} is ready.")
        if job.lock_held and job.loading is not None:
            at = job.loading
            return ModelState(False, at.what, working=True, done=at.done, total=at.total, unit=at.unit)
        if job.lock_held:
            return ModelState(False, f"{title} is being made ready.", working=True)
        if job.failed is not None:
            return ModelState(False, job.failed.message, failed=job.failed)
        return ModelState(False, f"{title} is not on this machine yet.")

    def _job(self, name: str) -> Job:
        paths = model_paths(name, self._home)
        with self._guard:
            known = self._jobs.get(paths.events)
            if known is not None:
                return known
            if name in self._tried or paths.events.exists():  # of names that are only typed nothing is kept
                return self._jobs.setdefault(paths.events, Job(paths))
            return Job(paths)


def _refused(error: ModelError) -> ModelState:
    """Say that no amount of fetching can make this model ready."""
    return ModelState(False, error.message, failed=Failed("model", error.message, error.hint))
