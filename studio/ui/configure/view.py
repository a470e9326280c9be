"""All that the Configure tab shows at a moment: its parts, and what has to change in its controls.

From a sight to markup and updates; sends only what is new.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from studio import config
from studio.config import RunConfig
from studio.models.forecast.forecast import Forecast
from studio.models.presets import DERIVED
from studio.planning import fitting, forecasts, suggestions
from studio.planning.fitting import Parts
from studio.planning.model_facts import ModelFacts
from studio.planning.suggestions import Following, Suggestion
from studio.studio import Studio
from studio.ui.configure import forecast_card, methods_table, plan_card, preset_cards
from studio.ui.configure import state as configure_state
from studio.ui.configure.state import Selection, TabState
from studio.ui.kit import form, fragments

PARTS = ("model_state", "fetch", "presets", "reasons", "more_reasons", "more", "adapter", "plan", "methods", "start")
"""The parts that are drawn, in the order of the tab's outputs."""

LED = tuple(dict.fromkeys([*DERIVED, *form.ADAPTER_ONLY, "data_parallel"]))
"""The controls that follow: their value from a suggestion, or whether they show from other settings."""


@dataclass(frozen=True)
class Drawn:
    """What the page has: the sight that it was drawn from, what was sent, what is suggested, and the offered remedy.

    `priced` says that the price of an earlier visit is back on the page, or another was given since.
    """

    tab_state: TabState | None = None
    suggestion: Suggestion = field(default_factory=Suggestion)
    sent: Mapping[str, Any] = field(default_factory=dict)
    remedy: tuple[tuple[str, Any], ...] = ()
    priced: bool = False


def draw(studio: Studio, facts: ModelFacts, selection: Selection, drawn: Drawn | None) -> tuple[dict[str, Any], Drawn]:
    """Return what is new, by part and control, and what the page then has. Nothing is new for an equal sight."""
    before = drawn or Drawn()
    tab_state = configure_state.look(studio, facts, selection)
    if tab_state == before.tab_state:
        return {}, before
    case = configure_state.case(facts, tab_state, fitting.usable_settings(selection.settings))
    following = suggestions.follow(selection.settings, before.suggestion, case, estimate=facts.forecasts.estimate)
    parts, remedy = _parts(facts, tab_state, following)
    properties = _controls(tab_state, following.settings)
    fresh = {**parts, **properties}
    new = {name: each for name, each in fresh.items() if before.sent.get(name) != each}
    for name, value in following.changes.items():
        new[name] = {**new.get(name, {}), "value": value}
    # With the suggestions in it: that is how the form will hold it, and there is nothing to draw then.
    settled = replace(tab_state, selection=replace(selection, settings=following.settings))
    return new, Drawn(settled, following.suggestion, fresh, remedy, before.priced)


def _parts(
    facts: ModelFacts, tab_state: TabState, following: Following
) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
    settings, dataset, state = following.settings, tab_state.dataset, tab_state.state
    sound = fitting.usable_settings(settings)
    everything = following.case.workload
    found = None if config.problems(settings) else configure_state.estimate(facts, tab_state, settings, everything)
    rows = forecasts.compared(facts.forecasts, tab_state.about, sound, everything)
    times = configure_state.seconds_of_presets(facts, tab_state, sound, following.case)
    parts = {
        "model_state": str(plan_card.model_line(settings.model, state)),
        "fetch": {
            "visible": bool(settings.model) and not (state.ready or state.working or tab_state.here.trouble),
            "value": "Try again" if state.failed else "Fetch it now",
        },
        "presets": str(preset_cards.presets(tab_state.selection.preset, times)),
        "reasons": str(preset_cards.reasons(following, in_sight=True)),
        "more_reasons": str(preset_cards.reasons(following, in_sight=False)),
        "more": {"label": more_label(form.changed(settings, usual=following.suggestion.values))},
        "adapter": {"visible": any(form.applies(name, settings) for name in form.GROUPS[0][1])},
        "plan": _plan(facts, tab_state, settings, found),
        "methods": str(methods_table.table(rows, chosen=settings.method)),
        "start": {
            "value": plan_card.start_label(dataset, settings, state),
            "interactive": plan_card.can_start(dataset, settings, state),
        },
    }
    return parts, found.remedy.changes if found is not None and found.remedy is not None else ()


def _plan(facts: ModelFacts, tab_state: TabState, settings: RunConfig, found: Forecast | None) -> str:
    if faults := plan_card.faults(settings):
        return str(fragments.stack([faults]))
    learned = plan_card.learners(facts, settings)
    taken = configure_state.parts(facts, tab_state, settings)
    card = forecast_card.card(
        tab_state.about, found, learned, missing=_missing(tab_state, taken), price=tab_state.selection.price
    )
    steps = plan_card.plan(
        settings,
        tab_state.dataset,
        tab_state.state,
        parts=taken,
        learned=learned,
        held_out=tab_state.held_out,
        goes_on_from=next((name for name, id in tab_state.continuable if id == settings.start_adapter), ""),
        at_work=tab_state.at_work,
    )
    return str(fragments.stack([card, steps]))


def _missing(tab_state: TabState, taken: Parts | None) -> str:
    """Say what a time waits for."""
    if taken is None or not taken.train:
        return "once there is data"
    if tab_state.here.folder is None:
        return "once the model is here"
    return "once the tokens are counted"


def _controls(tab_state: TabState, settings: RunConfig) -> dict[str, Any]:
    """Say which of the led controls show, and what the two choosers offer.

    What was chosen stays on offer, also for a model that does not have it: only there it can be taken away.
    """
    devices = tab_state.about.machine.devices if tab_state.about.machine is not None else None
    shown: dict[str, Any] = {name: {"visible": form.applies(name, settings, devices=devices)} for name in LED}
    shown["chosen_modules"]["choices"] = list(dict.fromkeys([*tab_state.modules, *settings.chosen_modules]))
    offered = [form.AFRESH, *tab_state.continuable]
    if all(id != settings.start_adapter for _, id in offered):
        offered.append((settings.start_adapter, settings.start_adapter))
    shown["start_adapter"] |= {
        "choices": offered,
        "visible": shown["start_adapter"]["visible"] and (len(offered) > 1),
    }
    return shown


def updates(new: Mapping[str, Any]) -> list[Any]:
    """Turn what is new into an update for each part and each led control, in the order of the outputs."""
    return [_update(new.get(name)) for name in (*PARTS, *LED)]


def _update(each: Any) -> Any:
    return gr.skip() if each is None else gr.update(**each) if isinstance(each, dict) else each


def more_label(number: int) -> str:
    """Head the further settings, so that a change in them does not hide."""
    return f"More settings ({number} changed)" if number else "More settings (all as suggested)"
