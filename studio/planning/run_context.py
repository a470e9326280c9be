"""What is known about a run that is being configured: its data, model and machine, and what it can continue from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from studio.config import FULL, RunConfig
from studio.data.dataset_folders import Dataset
from studio.errors import StudioError
from studio.jobs.base_models import ModelState
from studio.jobs.jobs import JobState
from studio.models.forecast.forecast import Forecast, RunTime, Workload
from studio.models.presets import PRESETS, Case, derive
from studio.planning import fitting, forecasts
from studio.planning.forecasts import Known
from studio.planning.model_facts import Here, ModelFacts
from studio.runs.summary import Summary
from studio.studio import Studio

NO_MODEL: ModelState = JobState("none", "No base model is chosen.")


@dataclass(frozen=True)
class RunContext:
    """All that a run's plan follows from beside its settings. `counted` says whether the tokens of the data are known.

    `continuable` are the runs whose adapter can be trained further, newest first; `at_work` is the name of the run
    that has to end first.
    """

    dataset: Dataset | None
    held_out: Dataset | None
    state: ModelState
    here: Here
    modules: tuple[str, ...]
    continuable: tuple[Summary, ...]
    at_work: str
    counted: tuple[bool, bool]
    about: Known


def look(
    studio: Studio, facts: ModelFacts, settings: RunConfig, *, dataset_id: str, validation_dataset_id: str
) -> RunContext:
    """Gather what there is. Asks no network, and starts at most what runs in the background."""
    model = settings.model
    dataset, held_out = studio.data.find(dataset_id), studio.data.find(validation_dataset_id)
    runs = studio.summaries.look().runs
    return RunContext(
        dataset=dataset,
        held_out=held_out,
        # An empty name would be looked up as the folder that the server runs in.
        state=studio.models.state(model) if model else NO_MODEL,
        here=facts.where(model) if model else Here(None),
        modules=_module_names(facts, model) if model else (),
        continuable=tuple(run for run in runs if _can_be_continued(run, settings)),
        at_work=next((run.name for run in runs if run.is_at_work), ""),
        counted=(_is_counted(facts, dataset, model), _is_counted(facts, held_out, model)),
        about=forecasts.known(facts.forecasts, model),
    )


def parts(facts: ModelFacts, context: RunContext, settings: RunConfig) -> fitting.Parts | None:
    """Count what of the data a run with these settings takes; None without data."""
    if context.dataset is None:
        return None
    return fitting.parts(facts, settings, context.dataset.id, context.held_out.id if context.held_out else "")


def case(facts: ModelFacts, context: RunContext, settings: RunConfig, *, preset: str) -> Case:
    """Return what the suggestions follow from. `settings` have no fault."""
    unlimited = parts(facts, context, fitting.without_limit(settings))
    return Case(
        preset=preset,
        examples=0 if unlimited is None else unlimited.train,
        workload=None if unlimited is None else fitting.workload(unlimited),
        architecture=context.about.architecture,
        machine=context.about.machine,
        model=settings.model,
    )


def times_of_presets(
    facts: ModelFacts, context: RunContext, settings: RunConfig, following: Case
) -> Mapping[str, RunTime | None]:
    """Estimate how long each preset would take, with what the person has set themselves. `settings` have no fault."""
    found: dict[str, RunTime | None] = {}
    own = {name: getattr(settings, name) for name in following.own}
    for each in PRESETS:
        derived = derive(replace(following, preset=each.id), estimate=facts.forecasts.estimate)
        tried = replace(settings, **{**{one.field: one.value for one in derived}, **own})
        told = estimate(facts, context, tried, following.workload)
        found[each.id] = None if told is None else told.time
    return found


def estimate(
    facts: ModelFacts, context: RunContext, settings: RunConfig, unlimited: Workload | None
) -> Forecast | None:
    """Forecast a run with settings that have no fault, on what of the data fits."""
    found = parts(facts, context, settings) if unlimited and settings.max_length < unlimited.longest else None
    workload = unlimited if found is None else fitting.workload(found)
    return forecasts.estimated(facts.forecasts, context.about, settings, workload)


def _can_be_continued(run: Summary, settings: RunConfig) -> bool:
    """Whether a run of the same base model left an adapter."""
    if settings.method == FULL or not settings.model:
        return False
    same_base = run.base in (settings.model, str(Path(settings.model).absolute()))
    return same_base and run.method != FULL and run.has_result and not run.is_at_work


def _is_counted(facts: ModelFacts, dataset: Dataset | None, model: str) -> bool:
    return dataset is not None and facts.token_state(dataset.id, model).result is not None


def _module_names(facts: ModelFacts, model: str) -> tuple[str, ...]:
    """Return the model's own names of its linear layers; none while the model is not here."""
    try:
        layout = facts.layout(model)
    except StudioError:
        return ()
    return layout.module_names if layout else ()
