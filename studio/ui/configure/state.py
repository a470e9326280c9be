"""What the Configure tab looks at before it draws: data, model, machine, runs, and the form as the person left it.

Two equal sights are drawn the same, so the second is not drawn at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio.config import FULL, RunConfig
from studio.data.dataset_folders import Dataset
from studio.errors import DataError, StudioError
from studio.jobs.base_models import ModelState
from studio.jobs.jobs import JobState
from studio.models.forecast.forecast import Forecast, Workload
from studio.models.presets import PRESETS, Case, derive
from studio.planning import fitting, forecasts
from studio.planning.forecasts import Known
from studio.planning.model_facts import Here, ModelFacts
from studio.runs.summary import Summary
from studio.studio import Studio
from studio.ui.kit import run_choices

NO_MODEL: ModelState = JobState("none", "No base model is chosen.")


@dataclass(frozen=True)
class Selection:
    """What the person has chosen on the page."""

    settings: RunConfig
    preset: str
    dataset_id: str = ""
    held_out_id: str = ""
    price: float | None = None


@dataclass(frozen=True)
class TabState:
    """All that the drawing follows from. `counted` says whether the tokens of the data are known."""

    selection: Selection
    dataset: Dataset | None
    held_out: Dataset | None
    state: ModelState
    here: Here
    modules: tuple[str, ...]
    continuable: tuple[tuple[str, str], ...]
    at_work: str
    counted: tuple[bool, bool]
    about: Known


def look(studio: Studio, facts: ModelFacts, selection: Selection) -> TabState:
    """Gather what there is. Asks no network, and starts at most what runs in the background."""
    model = selection.settings.model
    dataset, held_out = _dataset(studio, selection.dataset_id), _dataset(studio, selection.held_out_id)
    runs = studio.summaries.look().runs
    return TabState(
        selection=selection,
        dataset=dataset,
        held_out=held_out,
        # An empty name would be looked up as the folder that the server runs in.
        state=studio.models.state(model) if model else NO_MODEL,
        here=facts.where(model) if model else Here(None),
        modules=_module_names(facts, model) if model else (),
        continuable=_continuable(runs, selection.settings),
        at_work=next((run.name for run in runs if run.is_at_work), ""),
        counted=(_is_counted(facts, dataset, model), _is_counted(facts, held_out, model)),
        about=forecasts.known(facts.forecasts, model),
    )


def parts(facts: ModelFacts, tab_state: TabState, settings: RunConfig) -> fitting.Parts | None:
    """Count what of the data a run with these settings takes; None without data."""
    if tab_state.dataset is None:
        return None
    return fitting.parts(facts, settings, tab_state.dataset.id, tab_state.held_out.id if tab_state.held_out else "")


def case(facts: ModelFacts, tab_state: TabState, settings: RunConfig) -> Case:
    """Return what the suggestions follow from. `settings` have no fault."""
    unlimited = parts(facts, tab_state, fitting.without_limit(settings))
    return Case(
        preset=tab_state.selection.preset,
        examples=0 if unlimited is None else unlimited.train,
        workload=None if unlimited is None else fitting.workload(unlimited),
        architecture=tab_state.about.architecture,
        machine=tab_state.about.machine,
        model=settings.model,
    )


def seconds_of_presets(
    facts: ModelFacts, tab_state: TabState, settings: RunConfig, following: Case
) -> Mapping[str, float | None]:
    """Estimate how long each preset would take, with what the person has set themselves. `settings` have no fault."""
    found: dict[str, float | None] = {}
    own = {name: getattr(settings, name) for name in following.own}
    for each in PRESETS:
        derived = derive(replace(following, preset=each.id), estimate=facts.forecasts.estimate)
        tried = replace(settings, **{**{one.field: one.value for one in derived}, **own})
        told = estimate(facts, tab_state, tried, following.workload)
        found[each.id] = None if told is None else told.seconds
    return found


def estimate(
    facts: ModelFacts, tab_state: TabState, settings: RunConfig, unlimited: Workload | None
) -> Forecast | None:
    """Forecast a run with settings that have no fault, on what of the data fits."""
    found = parts(facts, tab_state, settings) if unlimited and settings.max_length < unlimited.longest else None
    workload = unlimited if found is None else fitting.workload(found)
    return forecasts.estimated(facts.forecasts, tab_state.about, settings, workload)


def _continuable(runs: Sequence[Summary], settings: RunConfig) -> tuple[tuple[str, str], ...]:
    """List the runs of the same base model that left an adapter, newest first."""
    if settings.method == FULL or not settings.model:
        return ()
    names = {settings.model, str(Path(settings.model).absolute())}
    alike = [run for run in runs if run.base in names and run.method != FULL and run.has_result and not run.is_at_work]
    return tuple((run_choices.label(run), run.id) for run in alike[: run_choices.MOST])


def _dataset(studio: Studio, dataset_id: str) -> Dataset | None:
    """Return the data set while it is there: it may have been deleted on another page."""
    try:
        return studio.data.get(dataset_id) if dataset_id else None
    except DataError:
        return None


def _is_counted(facts: ModelFacts, dataset: Dataset | None, model: str) -> bool:
    return dataset is not None and facts.token_state(dataset.id, model).result is not None


def _module_names(facts: ModelFacts, model: str) -> tuple[str, ...]:
    """Return the model's own names of its linear layers; none while the model is not here."""
    try:
        layout = facts.layout(model)
    except StudioError:
        return ()
    return layout.module_names if layout else ()
