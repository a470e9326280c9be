"""What is known of all runs of one data set, for the table of the trade-off: looked at again only where one changed."""

import dataclasses
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

from studio.config import RunConfig
from studio.errors import StudioError
from studio.jobs import tradeoff
from studio.jobs.evaluation_report import EvaluationReport, evaluated_at
from studio.jobs.tradeoff import Candidate, Line, Point
from studio.models.forecast.forecast import DOES_NOT_FIT, Forecast
from studio.planning import fitting, forecasts
from studio.planning.model_facts import ModelFacts
from studio.runs.store import RunFolder
from studio.runs.summary import Summary
from studio.studio import Studio

log = logging.getLogger(__name__)

MOST_RUNS = 200
"""So many of the newest runs of a data set are laid beside each other."""

_KEPT = 2 * MOST_RUNS

_Key = tuple[Summary, int]


@dataclass(frozen=True)
class Queueable:
    """A run that would fill a row: its settings, and what it will need; None where that cannot be estimated yet.

    `usual_bytes` is the estimated memory of the run that it is made after.
    """

    config: RunConfig
    forecast: Forecast | None = None
    usual_bytes: int | None = None

    @property
    def fits(self) -> bool:
        """Whether the machine may have the memory for it."""
        return self.forecast is None or self.forecast.verdict != DOES_NOT_FIT

    @property
    def saves_nothing(self) -> bool:
        """Whether a base in fewer bits is estimated to need no less memory, as with small models."""
        if not self.config.base_bits or self.forecast is None or self.usual_bytes is None:
            return False
        return self.forecast.memory_bytes >= self.usual_bytes


@dataclass(frozen=True)
class Tradeoff:
    """The runs of one data set. `report` is the one that the figures are held against; None while there is none."""

    run_id: str
    run_name: str = ""
    dataset: str = ""
    seed: int = 0
    report: EvaluationReport | None = None
    lines: tuple[Line, ...] = ()
    points: tuple[Point, ...] = ()
    missing: tuple[Queueable, ...] = ()


class Tradeoffs:
    """The trade-offs of one data folder, for any number of threads."""

    def __init__(self, studio: Studio, facts: ModelFacts) -> None:
        self._studio = studio
        self._facts = facts
        self._guard = threading.Lock()
        self._known: OrderedDict[str, tuple[_Key, Candidate]] = OrderedDict()

    def look(self, run_id: str) -> Tradeoff:
        """Lay the runs of the data of one run beside each other. Raises RunError when there is no such run."""
        chosen = self._studio.runs.get(run_id)
        candidates = self._candidates(chosen)
        base = self._facts.where(chosen.config.model).folder
        return Tradeoff(
            run_id=run_id,
            run_name=chosen.name,
            dataset=chosen.origin.dataset_name,
            seed=chosen.config.seed,
            report=tradeoff.reference(candidates, run_id),
            lines=tradeoff.lines(candidates, run_id, base_bytes=tradeoff.weight_bytes(base)),
            points=tradeoff.points(candidates, run_id),
            missing=tuple(self._queueable(chosen, each) for each in tradeoff.missing(candidates, run_id)),
        )

    def _candidates(self, chosen: RunFolder) -> list[Candidate]:
        sha256 = chosen.origin.dataset_sha256
        ids = (run.id for run in self._studio.summaries.look().runs if run.dataset_sha256 == sha256)
        alike = [run for run in (RunFolder(self._studio.runs.folder / id) for id in ids) if not run.is_blend]
        newest = [run for place, run in enumerate(alike) if place < MOST_RUNS or run.id == chosen.id]
        summaries = {each.id: each for each in self._studio.summaries.read([run.id for run in newest])}
        return [self._candidate(run, summaries[run.id]) for run in newest if run.id in summaries]

    def _candidate(self, run: RunFolder, summary: Summary) -> Candidate:
        # The step that a run at work is at changes nothing here.
        key = (
            dataclasses.replace(summary, step=0, curve=b"", best_loss=None, best_part=None, seconds=None, waited=0.0),
            evaluated_at(run.path),
        )
        with self._guard:
            known = self._known.get(run.id)
        if known is not None and known[0] == key:
            return known[1]
        made = self._read(run, summary)
        with self._guard:
            self._known[run.id] = (key, made)
            self._known.move_to_end(run.id)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return made

    def _read(self, run: RunFolder, summary: Summary) -> Candidate:
        made = Candidate(
            run_id=run.id,
            run_name=summary.name,
            model=run.config.model,
            method=run.config.method,
            status=summary.status,
            has_result=summary.has_result and not summary.is_at_work,
        )
        if not made.has_result:
            return made
        return dataclasses.replace(
            made,
            report=tradeoff.best_report(self._studio.evaluations.reports(run.id)),
            memory_gib=tradeoff.peak_memory_gib(self._studio.scheduler.view(run.id).view),
            seconds=summary.seconds,
            file_bytes=tradeoff.weight_bytes(run.result),
        )

    def _queueable(self, chosen: RunFolder, method: str) -> Queueable:
        about = forecasts.known(self._facts.forecasts, chosen.config.model)
        config = tradeoff.settings_for(chosen.config, method, architecture=about.architecture)
        try:
            found = fitting.parts(self._facts, config, chosen.origin.dataset_id)
        except StudioError:  # the data set was deleted meanwhile: the run has its own examples
            log.debug("The data set of a run is gone", exc_info=True)
            return Queueable(config)
        usual, made = (
            forecasts.estimated(self._facts.forecasts, about, each, fitting.workload(found))
            for each in (chosen.config, config)
        )
        return Queueable(config, made, None if usual is None else usual.memory_bytes)
