"""The base models and the machine that they run on: what is here, and getting ready or measuring what is not."""

import logging
from pathlib import Path
from typing import Protocol

from studio.config import STARTER
from studio.errors import ModelError, RunError, TooMany
from studio.events import Failed
from studio.jobs.calibration import machine_key, read_machine
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Calibrate, PrepareModel
from studio.models.hub import Hub
from studio.models.locate import ModelFiles
from studio.models.machine import Machine
from studio.models.processor_load import ProcessorLoad
from studio.visitors import NOBODY, visiting

log = logging.getLogger(__name__)


class Locate(Protocol):
    """The shape of `studio.models.locate.locate`."""

    def __call__(self, name: str, home: Path, /) -> ModelFiles | None: ...


ModelState = JobState[str]
"""Whether a base model can be used now: "none", "working", "ready", "failed", or "absent" where it never can be."""


class BaseModels:
    """The base models of one data folder."""

    def __init__(self, home: Path, *, jobs: Jobs, locate: Locate, hub: Hub) -> None:
        self.hub = hub
        self._home = home
        self._jobs = jobs
        self._locate = locate
        self._machine_key = machine_key()
        self._load = ProcessorLoad()

    def locate(self, name: str) -> ModelFiles | None:
        """Find the files of a base model that a person named; None while they must be fetched first.

        Every name of a model that comes from a page passes here. On a public address a folder of this machine is none.
        Raises ModelError for a name that cannot be a model's.
        """
        return self._locate(name, self._home)

    def machine(self) -> Machine | None:
        """Return this machine as it is now, or None while it is measured; that is begun where it was never done.

        A measuring that failed is not tried again before the studio is opened again. Raises RunError when this machine
        cannot be measured.
        """
        machine = read_machine(self._home, key=self._machine_key, load=self._load)
        if machine is not None:
            return machine
        task = Calibrate(self._home)
        try:
            with visiting(NOBODY):  # it is measured for everybody
                self._jobs.start_once(task)
        except TooMany as error:
            log.info("This machine is measured later: %s", error, exc_info=True)
        if self._jobs.state(task).failed is not None:
            raise RunError("This machine could not be measured, so there are no estimates.", "Runs work all the same.")
        return None

    def prepare(self, name: str, *, retry: bool = False) -> ModelState:
        """Start to get a model ready unless it is, or that is under way; return its state.

        May be called again and again: what was tried since the studio was opened is tried again only with `retry`.
        Raises RunError when the work cannot be started.
        """
        state = self.state(name)
        if state.status in ("ready", "working", "absent"):
            return state
        task = PrepareModel(name, self._home)
        if retry:
            self._jobs.start(task)
        else:
            self._jobs.start_once(task)
        return self.state(name)

    def state(self, name: str) -> ModelState:
        """Say whether a model can be used, and if not how far it is. Starts nothing and asks no network."""
        try:
            files = self.locate(name)
        except ModelError as error:  # no amount of fetching can make it ready
            return JobState("absent", error.message, failed=Failed("model", error.message, error.hint))
        title = "The starter model" if name == STARTER else f"The model {name}"
        task, starting = PrepareModel(name, self._home), f"{title} is being made ready."
        state, held = self._jobs.state(task, starting=starting), self._jobs.is_held(task)
        # The Hub's own store may show a model that is still being fetched.
        if files is not None and not (held and files.source == "hub"):
            return JobState("ready", f"{title} is ready.")
        if held:  # perhaps by a run that fetches it
            return state if state.working else JobState("working", starting)
        return state if state.failed is not None else JobState("none", f"{title} is not on this machine yet.")
