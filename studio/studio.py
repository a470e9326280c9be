"""The studio as one object: the verbs that the page and the command line both call.

    Studio
      datasets, runs, chat     what is kept, and the one worker that answers
      evaluations              how good each run is beside its base, and what it forgot
      start_import, import_state, cancel_import, add_dataset      bring data in
      token_state, show_example, uses, tokens_per_second          what is known of a data set for a model
      machine                         what this machine can do
      prepare_model, model_state      get a base model ready, and see how far that is
      start_run, view, stop_run, discard_run, delete_run          a run from its start to its end
      queue_run, move_run, cancel_run, tend, recover              whose turn it is
      describe_run, change_run, duplicate_run, archive_run, import_run
      summaries                       all runs at a glance
      start_blend, blend_state        several adapters become one
      export, export_state

Every verb returns at once: what takes long happens in a worker. Knows nothing of pages, terminals or models in memory.
"""

import dataclasses
import functools
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.compare.chat_client import ChatClient
from studio.config import ADAPTER_SHAPE, CHANGES_BASE, DRAWN_BY, RunConfig, check
from studio.data.dataset_folders import Dataset
from studio.data.examples import Example
from studio.data.library import DatasetLibrary
from studio.errors import ModelError, RunError
from studio.jobs import public_address
from studio.jobs.base_models import BaseModels, Locate, ModelState
from studio.jobs.blends import Blends, BlendState
from studio.jobs.calibration import Calibration
from studio.jobs.evaluations import Evaluations
from studio.jobs.exports import Exports, ExportState
from studio.jobs.imports import ImportRequest, Imports, ImportState
from studio.jobs.pool import (
    BLENDS,
    CALIBRATIONS,
    DOWNLOADS,
    EVALUATIONS,
    EXPORTS,
    IMPORTS,
    TOKEN_COUNTS,
    Pool,
    Room,
    measure_room,
)
from studio.jobs.rendering import Rendering
from studio.jobs.rendering_protocol import Shown
from studio.jobs.token_counts import TokenCounting, TokenState
from studio.logs import logged
from studio.models.blend_kinds import DEFAULT_DENSITY
from studio.models.hub import Hub
from studio.models.locate import ModelFiles, locate
from studio.models.machine import Machine
from studio.runs import run_data
from studio.runs.archives import read_archive, write_archive
from studio.runs.launcher import PROJECT_ROOT, Launch, launch
from studio.runs.queue import QueuePlaces
from studio.runs.scheduler import STOP_GRACE_SECONDS, RunState, Scheduler
from studio.runs.store import RunFolder, RunStore
from studio.runs.summaries import Summaries
from studio.settings import Settings, ensure_writable

log = logging.getLogger(__name__)


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
        locate: Locate | None = None,
        clock: Callable[[], float] = time.time,
        rendering: Rendering | None = None,
        room: Callable[[Path], Room] = measure_room,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.datasets = datasets
        self.runs = runs
        self.chat = chat
        self.clock = clock
        self._launch = launch
        self.hub = Hub(token=None if settings.allows_token else False)
        self._locate = locate or _locating(self.hub, folders=not settings.is_public)
        self._rendering = rendering or Rendering()
        self.pool = Pool(settings.home, self.limits, launch=launch, room=room)
        launcher = self.pool.launcher
        self._models = BaseModels(settings.home, launch=launcher(DOWNLOADS), locate=self._locate)
        self._exports = Exports(launch=launcher(EXPORTS))
        self._blends = Blends(runs, launch=launcher(BLENDS), clock=clock)
        self.imports = Imports(settings.home, launch=launcher(IMPORTS, once=True), clock=clock, limits=self.limits)
        counting = launcher(TOKEN_COUNTS)
        self._tokens = TokenCounting(datasets, home=settings.home, launch=counting, rendering=self._rendering)
        self._calibration = Calibration(settings.home, launch=launcher(CALIBRATIONS))
        self.evaluations = Evaluations(runs, datasets, launch=launcher(EVALUATIONS), settings=settings)
        self._scheduler = Scheduler(
            runs,
            settings.home,
            launch=launch,
            clock=clock,
            make_room=chat.leave,
            started=self.evaluations.expect,
        )
        self._places = QueuePlaces(self.limits, self.waiting_runs)
        self.summaries = Summaries(runs, waiting=self.waiting_runs, view=self.view)

    def close(self) -> None:
        """End the chat and what renders examples. Runs, exports and downloads go on without the studio."""
        self.chat.close()
        self._rendering.close()

    def locate(self, name: str) -> ModelFiles | None:
        """Find the files of a base model that a person named; None while they must be fetched first.

        Every name of a model that comes from a page passes here. On a public address a folder of this machine is none.
        Raises ModelError for a name that cannot be a model's.
        """
        return self._locate(name, self.settings.home)

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
        public_address.check_files(request.files, self.settings, ours=self.datasets.samples_folder)
        self.pool.require_disk()
        return self.imports.start(request)

    def import_state(self, id: str) -> ImportState:
        """Say how far an import is. Raises DataError when there is none with this id."""
        return self.imports.state(id)

    def cancel_import(self, id: str) -> None:
        """Ask an import to end. Raises DataError when there is none with this id."""
        self.imports.cancel(id)

    def add_dataset(self, request: ImportRequest) -> Dataset:
        """Bring data in and wait for it. Raises DataError with what went wrong, and RunError."""
        return self.datasets.get(self.imports.wait(self.start_import(request)))

    def token_state(self, dataset_id: str, model: str) -> TokenState:
        """Return the token counts of a data set for a model, or begin to count and say how far that is."""
        try:
            files = self.locate(model)
        except ModelError as error:
            return TokenState(trouble=str(error))
        return self._tokens.state(dataset_id, files)

    def show_example(self, folder: Path, example: Example) -> Shown:
        """Return an example as the model in a folder reads it.

        Raises DataError when the model's chat template refuses it, ModelError when the model's files cannot be used.
        """
        return self._rendering.show(folder, example)

    def machine(self) -> Machine | None:
        """Return what was measured of this machine, or None while that is under way; it is begun when it never was.

        Raises RunError when it cannot be measured.
        """
        machine = self._calibration.state()
        if machine is None and self._calibration.job().failed is not None:
            raise RunError("This machine could not be measured, so there are no estimates.", "Runs work all the same.")
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
        speeds = [run.tokens_per_second for run in self.summaries.look().runs if run.model == model]
        return statistics.median(known) if (known := [speed for speed in speeds if speed is not None]) else None

    def start_run(self, config: RunConfig, dataset_id: str, *, validation_dataset_id: str = "") -> RunFolder:
        """Create a run and put it in the queue; it starts at once when nothing else is at work.

        Without `validation_dataset_id` a share of the data set is held out, as the settings say. The chat leaves
        when it starts, to free its memory. The worker gets the base model ready where it is not.

        Raises ConfigError naming every fault of the settings, DataError for an unknown or damaged data set, ModelError
        for a model that cannot be one, RunError when the run cannot be written or started, TooMany when the queue is
        full.
        """
        check(config)
        self.pool.require_disk()
        with self._places.taking():
            return self._start_run(config, dataset_id, validation_dataset_id)

    def _start_run(self, config: RunConfig, dataset_id: str, validation_dataset_id: str) -> RunFolder:
        dataset = self.datasets.get(dataset_id)
        examples = run_data.run_examples(self.datasets, config, dataset, validation_dataset_id)
        run = self.runs.create(
            self._settled(config),
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            dataset_sha256=dataset.sha256 or dataset.inspection.sha256,
            train=examples.train,
            validation=examples.validation,
        )
        self._places.remember(run.id)
        self._scheduler.enqueue(run.id)
        trouble = self._scheduler.trouble(run.id)
        if trouble is not None:
            self.delete_run(run.id)
            raise trouble
        return run

    def _settled(self, config: RunConfig) -> RunConfig:
        """Put settings as the worker can take them.

        Raises ModelError for a model that cannot be one, and ConfigError for an adapter that cannot be named here.
        """
        public_address.check_start_adapter(config, {run.id for run in self.runs.all()}, self.settings)
        files = self.locate(config.model)
        if files is not None and files.source == "folder":
            # The worker has another working directory.
            config = dataclasses.replace(config, model=str(files.folder.absolute()))
        first = next((run for run in self.runs.all() if run.id == config.start_adapter), None)
        return config if first is None else _shaped_like(first.config, config)

    def queue_run(self, id: str, *, first: bool = False) -> None:
        """Let a run train when its turn comes, or go on from its newest checkpoint. Raises RunError when it cannot, and
        TooMany when the queue is full.

        An evaluation of what it was until now is called off: there will be another at its end.
        """
        with self._places.taking():
            if self.view(id).can_resume:
                self.evaluations.cancel(id)
            self._places.remember(id)
            self._scheduler.enqueue(id, first=first)

    def move_run(self, id: str, places: int) -> None:
        """Move a run that waits: -1 is one place towards its turn. Does nothing when it does not wait."""
        self._scheduler.queue.move(id, places)

    def cancel_run(self, id: str) -> None:
        """Take a run out of the queue and keep it. Does nothing when it does not wait."""
        self._scheduler.cancel(id)

    def waiting_runs(self) -> tuple[str, ...]:
        """Return the ids of the runs that wait for their turn, the next one first."""
        return self._scheduler.queue.line().waiting

    def tend(self) -> None:
        """Start what waits as far as there is room, the run whose turn it is, and the evaluations of those that ended.

        To be called about once a second.
        """
        self.pool.tend()
        self.evaluations.tend()
        self._scheduler.tend()

    def recover(self) -> tuple[str, ...]:
        """Queue the runs that were lost with the server, when one starts; return their ids.

        The imports that waited for others wait again, in the same order.
        """
        self.pool.recover()
        self.imports.recover()
        self.evaluations.recover()
        return self._scheduler.recover()

    def stop_run(self, id: str, *, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Ask a run to save its work and end; one that has not after `grace_seconds` is killed. Returns at once.

        Does nothing when the run is not at work. Raises RunError when there is no such run.
        """
        self._scheduler.stop(id, grace_seconds=grace_seconds)

    def discard_run(self, id: str) -> None:
        """End a run at once, whatever it does, and put it into the bin. Raises RunError."""
        self._scheduler.discard(id)

    def view(self, id: str) -> RunState:
        """Return what a run is at, having read only what its worker said since the last call.

        Raises RunError when there is no such run.
        """
        return self._scheduler.view(id)

    def describe_run(self, id: str, *, name: str | None = None, note: str | None = None) -> None:
        """Give a run another name or note. Raises RunError."""
        self.runs.describe(id, name=name, note=note)

    def change_run(self, id: str, config: RunConfig) -> None:
        """Give a run that never started other settings; its examples stay as they were drawn.

        Raises ConfigError, ModelError for a model that cannot be one, RunError.
        """
        check(config)
        drawn = {name: getattr(self.runs.get(id).config, name) for name in DRAWN_BY}
        self.runs.change(id, dataclasses.replace(self._settled(config), **drawn))

    def duplicate_run(self, id: str) -> RunFolder:
        """Make a new run, not started, with the settings and data of another. Raises RunError; a blend has none.

        It is refused while the queue is full, with TooMany.
        """
        if self.runs.get(id).is_blend:
            raise RunError("A blend was not trained, so there is no training to repeat.", "Blend its parents again.")
        self.pool.require_disk()
        with self._places.taking():
            return self.runs.duplicate(id)

    def archive_run(self, id: str) -> Path:
        """Pack a run into one zip file and return its path. Raises RunError."""
        run = self.runs.get(id)
        self.pool.require_disk()
        return write_archive(run, run.exports)

    def import_run(self, path: Path) -> RunFolder:
        """Bring in a run that was packed here or elsewhere.

        Raises RunError when the file is not one, and ModelError or RunError when it names a folder of this machine on a
        public address.
        """
        self.pool.require_disk()
        public_address.check_files((path,), self.settings, ours=self.settings.uploads)
        return read_archive(
            path, self.runs, check=lambda config: public_address.check_brought_run(config, self.settings)
        )

    def delete_run(self, id: str) -> None:
        """Put a run into the bin. Raises RunError when it is unknown or at work."""
        if not self.runs.find(id).is_alive():
            with logged(log, "The evaluation of a run that is deleted was not cancelled", RunError, level=logging.INFO):
                self.evaluations.cancel(id)
        self._scheduler.delete(id)

    def start_blend(
        self,
        parents: Sequence[str],
        weights: Sequence[float],
        kind: str,
        name: str = "",
        *,
        density: float = DEFAULT_DENSITY,
        rank: int = 0,
    ) -> RunFolder:
        """Start to blend the adapters of several runs of one base into a new run, and return it.

        `parents` are ids of runs or keys of pane models, `kind` is one of `models.blend_kinds.KINDS`. Raises RunError
        or ConfigError, in a sentence, for what cannot be blended.
        """
        run = self._blends.start(parents, weights, kind, name, density=density, rank=rank)
        self.evaluations.expect(run)
        return run

    def blend_state(self, id: str) -> BlendState:
        """Say how far a blend is. Raises RunError when there is no such run."""
        return self._blends.state(self.runs.get(id))

    def export(self, id: str, kind: str) -> ExportState:
        """Start to write an export ("adapter" or "merged") unless it is there, or under way; return its state.

        Raises RunError for an unknown run, ExportError when it cannot be exported now.
        """
        return self._exports.start(self.runs.get(id), kind)

    def export_state(self, id: str, kind: str) -> ExportState:
        """Say how far an export is. Raises RunError for an unknown run, ExportError for an unknown kind."""
        return self._exports.state(self.runs.get(id), kind)


def _shaped_like(first: RunConfig, config: RunConfig) -> RunConfig:
    """Give a second course the shape of the adapter that it goes on from; that one is saved as a standard one."""
    shape = {name: getattr(first, name) for name in ADAPTER_SHAPE} | {"initialisation": "standard"}
    if first.initialisation in CHANGES_BASE:  # they are saved with twice the rank on the unchanged base
        shape |= {"rank": first.rank * 2, "alpha": first.alpha * 2}
    return dataclasses.replace(config, **shape)


def _locating(hub: Hub, *, folders: bool) -> Locate:
    """Return how base models are found, with or without folders of this machine."""
    return functools.partial(locate, hub=hub, folders=folders)


def open_studio(settings: Settings) -> Studio:
    """Build the studio on its data folder. Raises RunError when that cannot be written."""
    ensure_writable(settings.home)
    return Studio(
        settings=settings,
        datasets=DatasetLibrary(settings.home, samples_folder=PROJECT_ROOT / "assets" / "samples"),
        runs=RunStore(settings.home),
        chat=ChatClient(settings.home),
        launch=functools.partial(launch, variables=settings.limits.variables()),
    )
