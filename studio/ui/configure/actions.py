"""What the Configure tab does when something on it is pressed."""

from dataclasses import replace
from typing import Any

import gradio as gr

from studio.config import METHODS
from studio.models.presets import DERIVED, PRESETS
from studio.planning import fitting, run_context
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure.state import Selection, with_preset
from studio.ui.kit import form
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Fields, Result


def press(facts: ModelFacts, selection: Selection, action: Action) -> Fields | Selection:
    """Set what a pressed button stands for: a preset, a suggestion, the remedy of the forecast, or a method."""
    values: dict[str, Any] = {}
    match action.verb:
        case "data":
            return Fields(updates={"tabs": gr.update(selected="data")})
        case "preset" if action.key in {each.id for each in PRESETS}:
            return with_preset(selection, action.key)
        case "back":
            suggested = selection.following.suggestion.values
            values = {name: suggested[name] for name in DERIVED if action.key in (name, "all")}
        case "remedy":
            values = _remedy(facts, selection)
        case "method" if action.key in METHODS:
            values = {"method": action.key}
    return Fields({"settings": replace(selection.settings, **values)})


def _remedy(facts: ModelFacts, selection: Selection) -> dict[str, Any]:
    """Return the changes of settings that the forecast offers."""
    if selection.context is None:
        return {}
    sound = fitting.usable_settings(selection.settings)
    found = run_context.estimate(facts, selection.context, sound, selection.following.case.workload)
    return {} if found is None or found.remedy is None else dict(found.remedy.changes)


def download_model(studio: Studio, selection: Selection) -> Fields:
    """Begin to download the base model; do nothing without a name. Raises RunError when that cannot be started."""
    if selection.settings.model:
        studio.models.prepare(selection.settings.model, retry=True)
    return Fields()


def give_token(studio: Studio, selection: Selection, *, token: str | None) -> Result[Selection]:
    """Take the access token for the Hub; it leaves the page. Raises ConfigError and RunError."""
    studio.give_hub_token(token or "")
    return Result(selection, {"emptied_token": ""})


def start_run(
    studio: Studio, *, dataset_id: str | None, validation_dataset_id: str | None = None, **values: Any
) -> str:
    """Start a run and return its id. Raises ConfigError, DataError or RunError."""
    if not dataset_id:
        raise gr.Error("No data set is chosen. Choose one on the Data tab.", title="Choose a data set first")
    settings = form.read_config(values)
    return studio.start_run(settings, dataset_id, validation_dataset_id=validation_dataset_id or "").id


def after_start(selection: Selection) -> Fields:
    """Clear what belonged to the run that was started: its name, and whose settings they were."""
    return Fields({"taken_from": None, "settings": replace(selection.settings, name="")})
