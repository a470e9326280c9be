"""The studio as one object: the verbs that the page and the command line both call.

    Studio
      datasets, runs, chat     what is kept, and the one worker that answers
      start_import, import_state, cancel_import, add_dataset      bring data in
      token_state, uses, tokens_per_second                        what is known of a data set for a model
      machine                         what this machine can do
      prepare_model, model_state      get a base model ready, and see how far that is
      start_run, stop_run, view, delete_run
      export, export_state

Every verb returns at once: what takes long happens in a worker. Knows nothing of pages, terminals or models in memory.
"""

import dataclasses
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.config import ADAPTER_SHAPE, CHANGES_BASE, RunConfig, check
from studio.data.dataset_folders import Dataset
from studio.data.library import DatasetLibrary
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError, RunError
from studio.models.locate import locate
from studio.models.machine import Machine
from studio.runs import run_data
from studio.runs.base_models import BaseModels, Locate, ModelState
from studio.runs.calibration import Calibration
from studio.runs.chat_client import ChatClient
from studio.runs.diagnosis import Diagnosis, diagnose_lost
from studio.runs.exports import Exports, ExportState
from studio.runs.imports import ImportRequest, Imports, ImportState
from studio.runs.jobs import Following
from studio.runs.launcher import PROJECT_ROOT, Launch, Worker, kill_group, launch, request_stop
from studio.runs.store import RunFolder, RunStore
from studio.runs.token_counts import TokenCounting, TokenState
from studio.runs.view import RunView, Status, headline, seconds_left, status
from studio.settings import Settings, ensure_writable

_LOOK_SECONDS = 0.1

STOP_GRACE_SECONDS = 300.0
"""How long a worker may take to stop. It ends the micro-batch that it is at and saves; on a slow machine with a large
model that takes minutes, and killing it earlier would throw the last steps away."""

KILLED_BY_US = Diagnosis(
    "killed",
    f"It was asked to stop, did not within {STOP_GRACE_SECONDS / 60:.0f} minutes, and was ended by the studio.",
    "What was saved before can still be used.",
)


@dataclass(frozen=True)
class RunState:
    """A run at one moment. `view` is a copy that does not change; `diagnosis` is there when the run was lost."""

    run: RunFolder
    view: RunView
    status: Status
    headline: str
    seconds_left: float | None
    diagnosis: Diagnosis | None


class Studio:
    """Everything that one installation can do."""

    def __init__(
        self,
        *,
        settings: Settings,
        datasets: DatasetLibrary,
        runs: RunStore,
        chat: ChatClient,
        launch: Launch = launch,
        locate: Locate = locate,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.datasets = datasets
        self.runs = runs
        self.chat = chat
        self.clock = clock
        self._launch = launch
        self._locate = locate
        self._models = BaseModels(settings.home, launch=launch, locate=locate)
        self._exports = Exports(launch=launch)
        self.imports = Imports(settings.home, launch=launch, clock=clock)
        self._tokens = TokenCounting(datasets, home=settings.home, launch=launch)
        self._calibration = Calibration(settings.home, launch=launch)
        self._guard = threading.Lock()
        self._followings: dict[str, Following] = {}
        self._workers: dict[str, Worker] = {}
        self._ending: set[str] = set()
        self._killed: set[str] = set()

    def close(self) -> None:
        """End the chat. Runs, exports and downloads go on without the studio."""
        self.chat.close()

    def prepare_model(self, name: str, *, retry: bool = False) -> ModelState:
        """Start to get a base model ready unless it is, or that is under way; return its state.

        May be called again and again: what was tried since the studio was opened is tried again only with `retry`.
        Raises RunError when the work cannot be started.
        """
        return self._models.prepare(name, retry=retry)

    def model_state(self, name: str) -> ModelState:
        """Say whether a base model can be used, and if not how far it is. Starts nothing and asks no network."""
        return self._models.state(name)

    def start_import(self, request: ImportRequest) -> str:
        """Start to bring data in, and return the import's id. Raises DataError or RunError when it cannot start."""
        return self.imports.start(request)

    def import_state(self, id: str) -> ImportState:
        """Say how far an import is. Raises DataError when there is none with this id."""
        return self.imports.state(id)

    def cancel_import(self, id: str) -> None:
        """Ask an import to end. Raises DataError when there is none with this id."""
        self.imports.cancel(id)

    def add_dataset(self, request: ImportRequest) -> Dataset:
        """Bring data in and wait for it. Raises DataError with what went wrong, and RunError."""
        return self.datasets.get(self.imports.wait(self.imports.start(request)))

    def token_state(self, dataset_id: str, model: str) -> TokenState:
        """Return the token counts of a data set for a model, or begin to count and say how far that is."""
        try:
            files = self._locate(model, self.settings.home)
        except ModelError as error:
            return TokenState(trouble=str(error))
        return self._tokens.state(dataset_id, files)

    def renderer(self, folder: Path) -> ChatRenderer:
        """Return the tokenizer and chat template of a model's folder. Raises ModelError when they cannot be read."""
        return self._tokens.renderer(folder)

    def machine(self) -> Machine | None:
        """Return what was measured of this machine, or None while that is under way; it is begun when it never was.

        Raises RunError when it cannot be measured.
        """
        machine = self._calibration.state()
        if machine is None and self._calibration.job().failed is not None:
            raise RunError("This machine could not be measured, so nothing can be foretold.", "Runs work all the same.")
        return machine

    def uses(self, dataset_id: str) -> int:
        """Count the runs that learned from a data set, whichever version of it."""
        return run_data.uses(self.runs, self.datasets, dataset_id)

    def data_of_run(self, id: str) -> Dataset:
        """Return the version of the data set that a run learned from, put back or made again where it is gone.

        Raises RunError for an unknown run, DataError when its data cannot be read.
        """
        return run_data.data_of(self.runs.get(id), self.datasets, self.settings.home / "imports")

    def tokens_per_second(self, model: str) -> float | None:
        """Return the median speed of the finished runs of a model on this machine; None while there is none."""
        speeds = []
        for run in self.runs.all():
            steps = self._following(run).view().steps if self._model_name(run) == model else []
            speeds += [statistics.median(step.tokens_per_second for step in steps)] if steps else []
        return statistics.median(speeds) if speeds else None

    def start_run(self, config: RunConfig, dataset_id: str, *, validation_dataset_id: str = "") -> RunFolder:
        """Create a run and start its worker; the chat leaves first, to free its memory.

        Without `validation_dataset_id` a share of the data set is held out, as the settings say. Several runs may be
        started: they wait for one another. The worker gets the base model ready where it is not.

        Raises ConfigError naming every fault of the settings, DataError for an unknown or damaged data set, ModelError
        for a model that cannot be one, RunError when the run cannot be written or started.
        """
        check(config)
        dataset = self.datasets.get(dataset_id)
        examples = run_data.run_examples(self.datasets, config, dataset, validation_dataset_id)
        files = self._locate(config.model, self.settings.home)
        if files is not None and files.source == "folder":
            # The worker has another working directory.
            config = dataclasses.replace(config, model=str(files.folder.absolute()))
        first = next((run for run in self.runs.all() if run.id == config.start_adapter), None)
        if first is not None:
            config = _shaped_like(first.config, config)
        run = self.runs.create(
            config,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            dataset_sha256=dataset.sha256 or dataset.inspection.sha256,
            train=examples.train,
            validation=examples.validation,
        )
        self.chat.leave()
        try:
            worker = self._launch(["train", str(run.path)], log_path=run.log_path, lock_path=run.lock_path)
        except RunError:
            self.runs.delete(run.id)
            raise
        self._workers[run.id] = worker
        return run

    def stop_run(self, id: str, *, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Ask a run to save its work and end; one that has not after `grace_seconds` is killed. Returns at once.

        Does nothing when the run is not at work. Raises RunError when there is no such run.
        """
        run = self.runs.get(id)
        with self._guard:
            if id in self._ending or not run.is_alive():
                return
            self._ending.add(id)
        asked = self._ask_to_stop(run)
        threading.Thread(target=self._end, args=(run, asked, grace_seconds), name=f"stop-{id}", daemon=True).start()

    def view(self, id: str) -> RunState:
        """Return what a run is at, having read only what its worker said since the last call.

        Raises RunError when there is no such run.
        """
        run = self.runs.get(id)
        alive = run.is_alive()  # before the events: a run that finishes in between must not look lost
        view = self._following(run).view()
        now = self.clock()
        state = status(view, alive=alive, age_seconds=now - run.origin.created)
        diagnosis = self._diagnosis(run) if state == "lost" else None
        reason = "" if diagnosis is None else f"{diagnosis.message} {diagnosis.hint}"
        return RunState(
            run=run,
            view=view,
            status=state,
            headline=headline(view, state, now, reason=reason),
            seconds_left=seconds_left(view, now),
            diagnosis=diagnosis,
        )

    def delete_run(self, id: str) -> None:
        """Delete a run with all its files. Raises RunError when it is unknown or at work."""
        self.runs.delete(id)
        with self._guard:
            self._followings.pop(id, None)

    def export(self, id: str, kind: str) -> ExportState:
        """Start to write an export ("adapter" or "merged") unless it is there, or under way; return its state.

        Raises RunError for an unknown run, ExportError when it cannot be exported now.
        """
        return self._exports.start(self.runs.get(id), kind)

    def export_state(self, id: str, kind: str) -> ExportState:
        """Say how far an export is. Raises RunError for an unknown run, ExportError for an unknown kind."""
        return self._exports.state(self.runs.get(id), kind)

    def _model_name(self, run: RunFolder) -> str:
        try:
            return run.origin.model_name
        except RunError:
            return ""

    def _ask_to_stop(self, run: RunFolder) -> bool:
        """Ask the worker to stop, once it has said `Started`: before that it does not listen, and would just die."""
        started = self._following(run).view().started
        if started is not None:
            request_stop(started.process_id)
        return started is not None

    def _end(self, run: RunFolder, asked: bool, grace_seconds: float) -> None:
        """See a run that shall stop to its end."""
        deadline = time.monotonic() + grace_seconds
        try:
            while run.is_alive() and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
                asked = asked or self._ask_to_stop(run)
            known = self._following(run).view().started or self._workers.get(run.id)
            if known is not None and run.is_alive():
                kill_group(known.process_id)
                self._killed.add(run.id)
        finally:
            with self._guard:
                self._ending.discard(run.id)

    def _diagnosis(self, run: RunFolder) -> Diagnosis:
        if run.id in self._killed:
            return KILLED_BY_US
        worker = self._workers.get(run.id)
        return diagnose_lost(run.log_tail(), exit_code=None if worker is None else worker.exit_code())

    def _following(self, run: RunFolder) -> Following:
        with self._guard:
            return self._followings.setdefault(run.id, Following(run.events_path))


def _shaped_like(first: RunConfig, config: RunConfig) -> RunConfig:
    """Give a second course the shape of the adapter that it goes on from; that one is saved as a standard one."""
    shape = {name: getattr(first, name) for name in ADAPTER_SHAPE} | {"initialisation": "standard"}
    if first.initialisation in CHANGES_BASE:  # they are saved with twice the rank on the unchanged base
        shape |= {"rank": first.rank * 2, "alpha": first.alpha * 2}
    return dataclasses.replace(config, **shape)


def open_studio(settings: Settings) -> Studio:
    """Build the studio on its data folder. Raises RunError when that cannot be written."""
    ensure_writable(settings.home)
    return Studio(
        settings=settings,
        datasets=DatasetLibrary(settings.home, samples_folder=PROJECT_ROOT / "assets" / "samples"),
        runs=RunStore(settings.home),
        chat=ChatClient(settings.home),
    )
