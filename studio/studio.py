"""The studio as one object: the verbs that the page and the command line both call.

    data, runs                what is kept
    scheduler, summaries      whose turn it is, a run from its start to its end, and all of them at a glance
    models                    the base models, and what this machine can do
    jobs                      what workers do beside training, such as exports and blends
    imports, evaluations      data that is brought in, and how good each run is beside its base
    chat, rendering           the worker that answers, and those that show how a model reads an example
    places                    where runs can train beside this machine
    mirror                    what keeps a copy of the data folder on the Hub, where one is kept

What needs several of them is a verb of the studio itself.
Every verb returns at once: what takes long happens in a worker.
"""

import dataclasses
import functools
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.compare.chat_client import ChatClient
from studio.config import ADAPTER_SHAPE, CHANGES_BASE, DRAWN_BY, RunConfig, check
from studio.data.dataset_folders import Dataset
from studio.data.library import DatasetLibrary
from studio.errors import ModelError, RunError, StudioError
from studio.homes import shared_home
from studio.jobs import blends, public_address
from studio.jobs.base_models import BaseModels, Locate
from studio.jobs.evaluations import Evaluations
from studio.jobs.exports import ExportState, delete_export, start_export
from studio.jobs.imports import ImportRequest, Imports
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.places.away import forget_job
from studio.jobs.places.book import HUB, Place, Places, check_place
from studio.jobs.places.ending import Ender, EndingJobs
from studio.jobs.places.engines import open_ender
from studio.jobs.places.tokens import HubToken
from studio.jobs.pool import Pool, Room, WorkerPool, measure_room
from studio.jobs.publishing import PublicationState, make_card, start_publication
from studio.jobs.rendering import Rendering
from studio.jobs.tasks import EXPORTS, CheckPlace, Export, Publish, Train, TrainElsewhere
from studio.jobs.token_counts import TokenCounting, TokenState
from studio.jobs.variants import Variants
from studio.limits import require_within
from studio.logs import logged
from studio.mirror.keeper import ForOthers, MirrorKeeper
from studio.models.blend_kinds import DEFAULT_DENSITY
from studio.models.hub import Hub
from studio.models.locate import locate
from studio.runs import run_data
from studio.runs.archives import read_archive, write_archive
from studio.runs.fair_queue import FairQueue
from studio.runs.launcher import PROJECT_ROOT, Launch, launch
from studio.runs.queue import QueuePlaces
from studio.runs.scheduler import Scheduler
from studio.runs.store import RunFolder, RunGroup, RunStore
from studio.runs.summaries import Summaries
from studio.runs.view import WORKING
from studio.settings import Settings, ensure_writable

log = logging.getLogger(__name__)

Mirror = MirrorKeeper | ForOthers | None


@dataclass(frozen=True)
class Person:
    """Whose studio this is, for the top of the page. `used` says what of their share is used up."""

    name: str
    is_owner: bool = False
    is_guest: bool = False
    used: str = ""
    signs_out: bool = True


@dataclass(frozen=True)
class Among:
    """What the studio of one account shares with those of others.

    `person` tells whose it is, `pool` has the workers of all, `queue` the runs of all, and `make_room` frees the
    accelerator of all chats. `hub_token` is that of the account alone. `require_member` raises RunError where the
    account only looks and compares, `require_time` TooMany where it has trained as long as it may today.
    """

    person: Callable[[], Person]
    pool: WorkerPool
    queue: FairQueue
    make_room: Callable[[], None]
    hub_token: HubToken
    require_member: Callable[[], None]
    require_time: Callable[[], None]


class Studio:
    """Everything that one installation can do, or one account of it."""

    def __init__(
        self,
        *,
        settings: Settings,
        data: DatasetLibrary,
        runs: RunStore,
        chat: ChatClient,
        launch: Launch = launch,
        locate: Locate | None = None,
        clock: Callable[[], float] = time.time,
        rendering: Rendering | None = None,
        room: Callable[[Path], Room] = measure_room,
        among: Among | None = None,
    ) -> None:
        """`among` is what an account's studio shares with those of others."""
        self.settings = settings
        self.limits = settings.limits
        self.data = data
        self.runs = runs
        self.chat = chat
        self.clock = clock
        self.mirror: Mirror = None
        self._launch = launch
        self._hub = hub = Hub(token=None if settings.allows_token else False)
        self.rendering = rendering or Rendering()
        self._among = among
        self.places = Places(settings.home)
        self.hub_token = among.hub_token if among else HubToken(settings.is_public)
        self.ending = EndingJobs(settings.home)
        self._ender = None if among else Ender(open_ender)
        self.pool: WorkerPool = among.pool if among else Pool(settings.home, self.limits, launch=launch, room=room)
        self.jobs = Jobs(self.pool.launch)
        self.models = BaseModels(
            shared_home(settings.home),
            jobs=self.jobs,
            locate=locate or _locating(hub, folders=not settings.is_public),
            hub=hub,
        )
        self.imports = Imports(settings.home, jobs=self.jobs, clock=clock, limits=self.limits, check=self._check_import)
        self._tokens = TokenCounting(data, jobs=self.jobs, rendering=self.rendering)
        self.evaluations = Evaluations(runs, data, jobs=self.jobs, settings=settings, comes_first=self._comes_first)
        self.scheduler = Scheduler(
            runs,
            settings.home,
            launch=lambda run: launch(self._training_of(run)),
            clock=clock,
            make_room=among.make_room if among else self.make_room,
            started=self.evaluations.automatic.expect,
            everybody=among.queue if among else None,
            room=self._runs_at_once,
            let_go=lambda run: self.ending.add_run(run.path),
        )
        of_all = (lambda: len(among.queue.order(fresh=True))) if among else None
        self._queue_places = QueuePlaces(self.limits, self.scheduler.waiting, of_all=of_all)
        self.summaries = Summaries(
            runs, waiting=self.scheduler.waiting, view=self.scheduler.view, places=self.scheduler.places
        )

    def _training_of(self, run: RunFolder) -> Train | TrainElsewhere:
        """Return the task that trains a run. Raises RunError where that needs an access token which is not known."""
        place = run.config.place
        return TrainElsewhere(run.path, self._hub_token_for(place)) if place else Train(run.path)

    def _hub_token_for(self, place: str) -> str:
        """Return the access token that a worker of a place is given; empty where it needs none. Raises RunError."""
        if not self.places.is_on_hub(place):
            return ""
        self._require_own_token()
        return self.hub_token.for_worker()

    def give_hub_token(self, token: str) -> None:
        """Take the access token by which the person trains on the Hugging Face Hub; an empty one forgets it.

        It is kept in memory alone. Raises ConfigError for what can be none.
        """
        self._require_member()
        self._require_own_token()
        self.hub_token.give(token)
        if self._ender is not None:
            self._ender.tick(self.settings.home, (self.hub_token.known,), now=True)

    @property
    def has_own_token(self) -> bool:
        """Whether an access token that is given here is that of one person: many may use a studio without accounts."""
        return self._among is not None or not self.settings.is_public

    def _require_own_token(self) -> None:
        if not self.has_own_token:
            raise RunError(
                "Everybody who opens this page is the same person to the studio, so a run on the Hugging Face Hub "
                "would be paid for with whichever access token was given last.",
                "Let everybody sign in (`python app.py users add NAME`), or let only this machine reach the studio.",
            )

    def forget_ending_job(self, job: str) -> None:
        """Take a person's word that a job that shall end is over. Raises RunError."""
        self._require_member()
        self.ending.remove(job)

    def _runs_at_once(self, place: str) -> int:
        """Say how many runs of this data folder may be at work at a place at once."""
        most = self.places.runs_at_once(place)
        return min(most, self.limits.runs_at_place_each) if place else most

    def make_room(self) -> None:
        """Free the accelerator for a run that is about to train."""
        self.evaluations.automatic.give_way()
        self.chat.leave()

    @property
    def person(self) -> Person | None:
        """Whose studio this is; None where there are no accounts."""
        return None if self._among is None else self._among.person()

    def _require_member(self) -> None:
        if self._among is not None:
            self._among.require_member()

    def _require_time(self) -> None:
        if self._among is not None:
            self._among.require_time()

    def _comes_first(self) -> str:
        """Say what an evaluation that nobody asked for has to wait for; empty for nothing."""
        return self.scheduler.next_up() or ("an export" if self.pool.is_at(EXPORTS) else "")

    def close(self) -> None:
        """End the chat and what renders examples. Runs, exports and downloads go on without the studio."""
        self.chat.close()
        self.rendering.close()

    def _check_import(self, request: ImportRequest) -> None:
        self._require_member()
        public_address.check_files(request.files, self.settings, ours=self.data.samples_folder)
        self.pool.require_disk()

    def add_dataset(self, request: ImportRequest) -> Dataset:
        """Bring data in and wait for it. Raises DataError with what went wrong, and RunError."""
        return self.data.get(self.imports.wait(self.imports.start(request)))

    def token_state(self, dataset_id: str, model: str) -> TokenState:
        """Return the token counts of a data set for a model, or begin to count and say how far that is."""
        try:
            files = self.models.locate(model)
        except ModelError as error:
            return JobState("failed", str(error))
        return self._tokens.state(dataset_id, files)

    def uses(self) -> Counter[str]:
        """Count the runs that learned from each data set, whichever version of it, by what its versions share."""
        return run_data.uses(self.summaries.look().runs, self.data)

    def data_of_run(self, id: str) -> Dataset:
        """Return the version of the data set that a run learned from, put back or made again where it is gone.

        Raises RunError for an unknown run, DataError when its data cannot be read.
        """
        return run_data.data_of(self.runs.get(id), self.data, self.settings.home / "imports")

    def start_run(self, config: RunConfig, dataset_id: str, *, validation_dataset_id: str = "") -> RunFolder:
        """Create a run and put it in the queue; it starts at once when nothing else is at work.

        Without `validation_dataset_id` a share of the data set is held out, as the settings say. The chat leaves
        when it starts, to free its memory. The worker gets the base model ready where it is not.

        Raises ConfigError naming every fault of the settings, DataError for an unknown or damaged data set, ModelError
        for a model that cannot be one, RunError when the run cannot be written or started, TooMany when the queue is
        full.
        """
        self._require_member()
        self._require_time()
        check(config)
        self.pool.require_disk()
        with self._queue_places.taking():
            return self._start_run(config, dataset_id, validation_dataset_id)

    def start_group(
        self, variants: Variants, *, validation_dataset_id: str = "", gives_way: bool = True
    ) -> tuple[RunFolder, ...]:
        """Create runs that differ in a few settings or in their data, and put all of them in the queue, or none.

        They hold the same examples of a data set out, whatever their seeds. With `gives_way` they let runs go first
        that were started alone. Raises as `start_run` does, and TooMany for more runs than one group may have.
        """
        self._require_member()
        self._require_time()
        require_within(self.limits, "group_runs", len(variants.runs), "runs in one group")
        for each in variants.runs:
            check(each.config)
        self.pool.require_disk()
        group = RunGroup(secrets.token_hex(8), variants.name, variants.tried, gives_way=gives_way, seed=variants.seed)
        with self._queue_places.taking(len(variants.runs)):
            made: list[RunFolder] = []
            try:
                for each in variants.runs:
                    data = each.dataset_id, validation_dataset_id
                    made.append(self._create_run(each.config, *data, group=group, drawn_by=variants.seed))
                    self._queue_places.remember(made[-1].id)
                self._enqueue(*made)
            except StudioError:
                for run in made:
                    with logged(log, "A run that was made too much could not be deleted", RunError):
                        self.delete_run(run.id)
                raise
        return tuple(made)

    def _enqueue(self, *runs: RunFolder) -> None:
        """Put new runs in the queue. Raises RunError, unless they are in it and only the next one could not be started:
        that is tried again soon.
        """
        try:
            self.scheduler.enqueue(*(run.id for run in runs))
        except RunError:
            waiting = self.scheduler.waiting()
            if not all(run.id in waiting or run.is_alive() for run in runs):
                raise
            log.warning("The queue could not be looked at when runs were put in it.", exc_info=True)

    def _create_run(
        self,
        config: RunConfig,
        dataset_id: str,
        validation_dataset_id: str,
        *,
        group: RunGroup | None = None,
        drawn_by: int | None = None,
    ) -> RunFolder:
        """Write a run that is not queued. `drawn_by` is the seed by which its examples are held out, where it is not
        its own.
        """
        dataset = self.data.get(dataset_id)
        drawn = config if drawn_by is None else dataclasses.replace(config, seed=drawn_by)
        examples = run_data.run_examples(self.data, drawn, dataset, validation_dataset_id)
        return self.runs.create(
            self._settled(config),
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            dataset_sha256=dataset.sha256 or dataset.inspection.sha256,
            train=examples.train,
            validation=examples.validation,
            group=group,
        )

    def _start_run(self, config: RunConfig, dataset_id: str, validation_dataset_id: str) -> RunFolder:
        run = self._create_run(config, dataset_id, validation_dataset_id)
        self._queue_places.remember(run.id)
        self._enqueue(run)
        trouble = self.scheduler.trouble(run.id)
        if trouble is not None:
            self.delete_run(run.id)
            raise trouble
        return run

    def _settled(self, config: RunConfig) -> RunConfig:
        """Put settings as the worker can take them.

        Raises ModelError for a model that cannot be one, ConfigError for an adapter that cannot be named here, and
        RunError for one that several runs could be meant with, and for a place that is not there or needs a token.
        """
        if config.start_adapter and self.runs.with_name(config.start_adapter):
            config = dataclasses.replace(config, start_adapter=self.runs.named(config.start_adapter).id)
        public_address.check_start_adapter(config, self.runs, self.settings)
        self.places.require(config.place, nodes=config.nodes)
        self._hub_token_for(config.place)
        files = self.models.locate(config.model)
        if files is not None and files.source == "folder":
            # The worker has another working directory.
            config = dataclasses.replace(config, model=str(files.folder.absolute()))
        if not self.runs.has(config.start_adapter):
            return config
        return _shaped_like(self.runs.get(config.start_adapter).config, config)

    def add_place(self, place: Place) -> Place:
        """Keep a place where runs can train, and start to check it.

        Raises ConfigError for settings that cannot be, RunError where the name is taken or others may use the studio.
        """
        self._require_owner()
        if place.kind == HUB:
            check_place(place)
            self._require_own_token()
            self.hub_token.for_worker()
        place = self.places.add(place)
        self.check_place(place.name)
        return place

    def check_place(self, name: str) -> JobState[str]:
        """Start to check a place unless that is under way; return its state. Raises RunError."""
        self._require_owner()
        task = CheckPlace(self.settings.home, self.places.get(name).name, self._hub_token_for(name))
        if not self.jobs.is_held(task):
            self.jobs.start(task)
        return self.place_check(name)

    def place_check(self, name: str) -> JobState[str]:
        """Say how far the check of a place is."""
        return self.jobs.state(CheckPlace(self.settings.home, name), starting="The check starts.")

    def cancel_place_check(self, name: str) -> None:
        """Ask the check of a place to end. Raises RunError."""
        self._require_owner()
        self.jobs.cancel(CheckPlace(self.settings.home, name))

    def remove_place(self, name: str) -> None:
        """Forget a place; its runs stay, and those at work there go on. Raises RunError."""
        self._require_owner()
        if self.jobs.is_held(CheckPlace(self.settings.home, name)):
            raise RunError("This place is being checked.", "Wait until that is done.")
        self.places.remove(name)

    @property
    def may_add_places(self) -> bool:
        """Whether whoever looks at this page may say where runs train: who runs the studio, or an owner of it."""
        return self._among.person().is_owner if self._among else not self.settings.is_public

    def _require_owner(self) -> None:
        if not self.may_add_places:
            raise RunError(
                "Only an owner of the studio may say where runs train.",
                "Ask an owner, or use `python app.py places` on its machine.",
            )

    def queue_run(self, *ids: str) -> None:
        """Let runs train when their turn comes, or go on from their newest checkpoints. Raises RunError when one
        cannot, and TooMany when the queue is full; none is queued then.

        An evaluation of what a run was until now is called off: there will be another at its end.
        """
        self._require_member()
        self._require_time()
        with self._queue_places.taking(len(ids)):
            states = [self.scheduler.view(id) for id in ids]
            for each in states:
                self._hub_token_for(each.run.config.place)
            if all(each.can_resume or each.status in ("queued", *WORKING) for each in states):
                for each in states:
                    if each.can_resume:
                        self.evaluations.cancel(each.run.id)
            for id in ids:
                self._queue_places.remember(id)
            self.scheduler.enqueue(*ids)

    def move_run(self, id: str, place: str, *, nodes: int = 1) -> RunFolder:
        """Let a run go on at another place, or with an empty name on this machine, once it is queued again.

        Nothing comes here any more of a job that is still at work on it where it was; one that is paid for is ended.
        Raises RunError while the run is at work, and for a place that is not there.
        """
        self._require_member()
        self.places.require(place, nodes=nodes)
        run = self.runs.move(id, place, nodes=nodes)
        self.ending.add_run(run.path)
        forget_job(run.path)
        return run

    def tick(self) -> None:
        """Start what waits as far as there is room, the run whose turn it is, and the evaluations of those that ended.

        To be called about once a second.
        """
        self.pool.tick()
        if self._ender is not None:
            self._ender.tick(self.settings.home, (self.hub_token.known,))
        self.evaluations.automatic.tick()
        self.scheduler.tick()

    def recover(self) -> tuple[str, ...]:
        """Queue the runs that were lost with the server, when one starts; return their ids.

        The imports that waited for others wait again, in the same order.
        """
        self.pool.recover()
        self.imports.recover()
        return self.recover_runs()

    def recover_runs(self) -> tuple[str, ...]:
        """Queue the lost runs, also those that came back later, and expect their evaluations; return their ids."""
        resting = self.summaries.resting()
        self.evaluations.automatic.recover(resting)
        return self.scheduler.recover(resting)

    def change_run(self, id: str, config: RunConfig) -> None:
        """Give a run that never started other settings; its examples stay as they were drawn.

        Raises ConfigError, ModelError for a model that cannot be one, RunError.
        """
        self._require_member()
        check(config)
        drawn = {name: getattr(self.runs.get(id).config, name) for name in DRAWN_BY}
        self.runs.change(id, dataclasses.replace(self._settled(config), **drawn))

    def duplicate_run(self, id: str) -> RunFolder:
        """Make a new run, not started, with the settings and data of another. Raises RunError; a blend has none.

        It is refused while the queue is full, with TooMany.
        """
        self._require_member()
        if self.runs.get(id).is_blend:
            raise RunError("A blend was not trained, so there is no training to repeat.", "Blend its parents again.")
        self.pool.require_disk()
        with self._queue_places.taking():
            return self.runs.duplicate(id)

    def archive_run(self, id: str) -> Path:
        """Pack a run into one zip file and return its path. Raises RunError."""
        self._require_member()
        run = self.runs.get(id)
        self.pool.require_disk()
        return write_archive(run, run.exports)

    def import_run(self, path: Path) -> RunFolder:
        """Bring in a run that was packed here or elsewhere.

        Raises RunError when the file is not one, and ModelError or RunError when it names a folder of this machine on a
        public address.
        """
        self._require_member()
        self.pool.require_disk()
        public_address.check_files((path,), self.settings, ours=self.settings.uploads)
        return read_archive(
            path, self.runs, check=lambda config: public_address.check_brought_run(config, self.settings)
        )

    def start_export(self, id: str, kind: str) -> ExportState:
        """Start to write an export of one of `EXPORT_KINDS` unless it is there, or under way; return its state.

        Evaluations that nobody asked for give way to it. Raises RunError or ExportError when it cannot be written.
        """
        self._require_member()
        self.pool.require_disk()
        state = start_export(self.jobs, self.runs.get(id), kind)
        if state.working:
            self.evaluations.automatic.give_way()
        return state

    def cancel_export(self, id: str, kind: str) -> None:
        """Ask an export to end. Does nothing when it has ended. Raises RunError for an unknown run."""
        self.jobs.cancel(Export(self.runs.get(id).path, kind))

    def delete_export(self, id: str, kind: str) -> None:
        """Delete an export. Raises RunError for an unknown run, ExportError while it is being written."""
        self._require_member()
        delete_export(self.jobs, self.runs.get(id), kind)

    def model_card(self, id: str, kind: str, to: str, *, licence: str = "") -> str:
        """Write the card that would be published with an export. May ask the Hub for the licence of the base.

        Raises RunError, and ExportError where the export must not be published.
        """
        run = self.runs.get(id)
        return make_card(run, kind, to, licence=licence, home=self.settings.home, hub=self._hub)

    def start_publication(
        self, id: str, kind: str, to: str, *, card: str, public: bool = False, token: str = ""
    ) -> PublicationState:
        """Start to publish an export with a card; return its state.

        `token` is an access token for this once; without it the person who is logged in on this machine publishes.
        Raises RunError or ExportError when it cannot be published.
        """
        self._require_member()
        run = self.runs.get(id)
        task = Publish(run.path, kind, to, public)
        return start_publication(self.jobs, run, task, card=card, settings=self.settings, token=token)

    def cancel_publication(self, id: str, kind: str) -> None:
        """Ask a publication to end. Does nothing when it has ended. Raises RunError for an unknown run."""
        self.jobs.cancel(Publish(self.runs.get(id).path, kind, ""))

    def delete_run(self, id: str) -> None:
        """Put a run into the bin. Raises RunError when it is unknown or at work."""
        self._require_member()
        if not self.runs.find(id).is_alive():
            with logged(log, "The evaluation of a run that is deleted was not cancelled", RunError, level=logging.INFO):
                self.evaluations.cancel(id)
        self.scheduler.delete(id)

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
        self._require_member()
        run = blends.start_blend(
            self.jobs, self.runs, parents, weights, kind, name, created=self.clock(), density=density, rank=rank
        )
        self.evaluations.automatic.expect(run)
        return run


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
        data=DatasetLibrary(settings.home, samples_folder=PROJECT_ROOT / "assets" / "samples"),
        runs=RunStore(settings.home),
        chat=ChatClient(settings.home),
        launch=functools.partial(launch, variables=settings.limits.variables()),
    )
