"""All parts of the Configure tab, drawn from what a person has chosen."""

import logging
from functools import partial
from typing import Any

import gradio as gr

from studio import config
from studio.config import RunConfig
from studio.data import set_summary
from studio.data.dataset_folders import Dataset
from studio.errors import DataError
from studio.models.forecast.forecast import Forecast
from studio.models.presets import DERIVED
from studio.planning import fitting, forecasts, run_context
from studio.planning.fitting import Parts
from studio.planning.model_facts import ModelFacts
from studio.planning.run_context import RunContext
from studio.studio import Studio
from studio.ui.configure import (
    copied_settings,
    data_card,
    forecast_card,
    methods_table,
    plan_card,
    preset_cards,
    rented_place,
    several,
)
from studio.ui.configure.forecast_card import Learners
from studio.ui.configure.state import Selection
from studio.ui.kit import form, fragments, run_choices
from studio.ui.kit.drawn import Drawing, Section
from studio.ui.kit.drawn import Parts as Drawn

log = logging.getLogger(__name__)

LED = tuple(dict.fromkeys([*DERIVED, *form.ADAPTER_ONLY, "data_parallel", "patience", "smallest_gain"]))
"""The controls that show or hide as other settings say."""

MOST_OFFERED = 16
"""So many nodes are offered at most; the command line takes any number."""


def draw(studio: Studio, facts: ModelFacts, selection: Selection) -> Drawing:
    """Draw all parts of the tab."""
    context = selection.context
    if context is None:
        return {}
    chosen = (selection.preset, bool(selection.copied))
    seen = (selection.settings, chosen, selection.price_per_hour, context, selection.following)
    places, settings = studio.places.names(), selection.settings
    nodes = studio.places.nodes_of(settings.place)
    rented = rented_place.look(studio, settings.place)
    return [
        Section(seen, partial(_parts, studio, facts, selection, context)),
        Section((places, settings.place, nodes, settings.nodes), partial(_place, places, settings, nodes)),
        Section(rented, partial(rented_place.parts, rented)),
        several.section(studio, facts, selection, context),
        Section(selection.taken_from, lambda: {"source": str(copied_settings.said(selection.taken_from))}),
    ]


def _parts(studio: Studio, facts: ModelFacts, selection: Selection, context: RunContext) -> Drawn:
    settings, following, state = selection.settings, selection.following, context.state
    sound = fitting.usable_settings(settings)
    everything = following.case.workload
    has_faults = bool(config.problems(settings))
    found = None if has_faults else run_context.estimate(facts, context, settings, everything)
    rows = forecasts.compared(facts.forecasts, context.about, sound, everything)
    times = run_context.times_of_presets(facts, context, sound, following.case)
    taken = None if has_faults else run_context.parts(facts, context, settings)
    learned = plan_card.learners(facts, sound)
    return {
        "data": _data(studio, facts, context.dataset),
        "model_state": str(plan_card.model_line(settings.model, state)),
        "download": gr.update(
            visible=bool(settings.model) and not (state.ready or state.working or context.here.trouble),
            value="Try again" if state.failed else "Download",
        ),
        "presets": str(preset_cards.presets("" if selection.copied else selection.preset, times, following)),
        "advanced": gr.update(label=advanced_label(form.changed(settings, usual=following.suggestion.values))),
        "adapter": gr.update(visible=any(form.applies(name, settings) for name in form.ADAPTER)),
        "reasons": str(preset_cards.reasons(following)),
        "forecast": _forecast(selection, context, found, learned, taken),
        "details": _details(selection, context, found, learned, taken),
        "methods": str(methods_table.table(rows, chosen=settings.method)),
        "start": gr.update(
            value=plan_card.start_label(context.dataset, settings, state),
            interactive=plan_card.can_start(context.dataset, settings, state),
        ),
        **_controls(context, settings),
    }


def _place(places: tuple[str, ...], settings: RunConfig, nodes: int) -> Drawn:
    """Offer the places where the run can train, and on how many nodes there; what is chosen stays on offer."""
    offered = [form.THIS_MACHINE, *((name, name) for name in dict.fromkeys([*places, settings.place]) if name)]
    chosen = [settings.nodes] if isinstance(settings.nodes, int) else []
    numbers = sorted({*range(1, min(nodes, MOST_OFFERED) + 1), *chosen})
    return {
        "place": gr.update(choices=offered, visible=len(offered) > 1),
        "nodes": gr.update(choices=numbers, visible=len(numbers) > 1),
    }


def _data(studio: Studio, facts: ModelFacts, dataset: Dataset | None) -> str:
    """Draw what the run learns from, with the first of its examples."""
    if dataset is None:
        return str(data_card.card(None))
    try:
        summary = set_summary.summarise(studio.data, dataset.id, open_examples=facts.examples)
    except DataError as error:
        log.info("A data set cannot be shown: %s", error)
        return str(data_card.card(None, trouble=str(error)))
    return str(data_card.card(summary, trouble=dataset.inspection.verdict))


def _forecast(
    selection: Selection, context: RunContext, found: Forecast | None, learned: Learners, taken: Parts | None
) -> str:
    if faults := plan_card.faults(selection.settings):
        return str(faults)
    missing, price = _missing(context, taken), selection.price_per_hour
    few = forecast_card.few_steps(0 if taken is None else selection.settings.total_steps(taken.train))
    room = (
        ""
        if selection.settings.method == config.FULL or taken is None
        else forecast_card.room(learned, taken.learned_tokens)
    )
    place = forecast_card.elsewhere(selection.settings.place)
    below = fragments.stack([few, room, place])
    return str(forecast_card.summary(context.about, found, missing=missing, price=price, room=below))


def _details(
    selection: Selection, context: RunContext, found: Forecast | None, learned: Learners, taken: Parts | None
) -> str:
    settings = selection.settings
    if config.problems(settings):
        return ""
    continued = next((run.name for run in context.continuable if run.id == settings.start_adapter), "")
    steps = plan_card.plan(
        settings,
        context.dataset,
        context.state,
        parts=taken,
        learned=learned,
        held_out=context.held_out,
        continues=continued,
        at_work=context.at_work,
    )
    return str(forecast_card.details(found, context.about.machine, learned, steps))


def _missing(context: RunContext, taken: Parts | None) -> str:
    """Say what a time waits for."""
    if taken is None or not taken.train:
        return "once there is data"
    if context.here.folder is None:
        return "once the model is here"
    return "once the tokens are counted"


def _controls(context: RunContext, settings: RunConfig) -> dict[str, Any]:
    """Say which of the led controls show, and what the two choosers offer.

    What was chosen stays on offer, also for a model that does not have it: only there it can be taken away.
    """
    devices = context.about.machine.devices if context.about.machine is not None else None
    shown = {name: form.applies(name, settings, devices=devices) for name in LED}
    modules = list(dict.fromkeys([*context.modules, *settings.chosen_modules]))
    runs = [(run_choices.label(run), run.id) for run in context.continuable[: run_choices.MOST]]
    offered = [form.START_NEW, *runs]
    if all(id != settings.start_adapter for _, id in offered):
        offered.append((settings.start_adapter, settings.start_adapter))
    return {
        **{name: gr.update(visible=visible) for name, visible in shown.items()},
        "chosen_modules": gr.update(choices=modules, visible=shown["chosen_modules"]),
        "start_adapter": gr.update(choices=offered, visible=shown["start_adapter"] and len(offered) > 1),
    }


def advanced_label(changed: int) -> str:
    """Head the settings that few people need, so that a change in them does not hide."""
    return f"Advanced: {changed} changed" if changed else "Advanced"
