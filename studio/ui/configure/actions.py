"""What the Configure tab does when something on it is changed or pressed.

Each listener calls the domain and turns the answer into updates.
"""

from dataclasses import replace
from typing import Any

import gradio as gr

from studio.config import METHODS
from studio.models.presets import BALANCED, DERIVED, PRESETS
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure import view
from studio.ui.configure.state import Selection
from studio.ui.configure.view import Drawn
from studio.ui.kit import form
from studio.ui.kit.actions import Action


def redraw(
    studio: Studio,
    facts: ModelFacts,
    *,
    dataset_id: str | None,
    validation_dataset_id: str | None = None,
    preset: str = BALANCED,
    price: float | None = None,
    kept_price: float | None = None,
    drawn: Drawn | None,
    **values: Any,
) -> list[Any]:
    """Show what these settings mean, and let those follow that the person has not set; send only what is new."""
    priced = drawn is not None and drawn.priced
    back = None if priced else _price(kept_price if not price else None)
    selection = Selection(
        settings=form.read_config(values),
        preset=preset,
        dataset_id=dataset_id or "",
        held_out_id=validation_dataset_id or "",
        price=back or _price(price),
    )
    new, now = view.draw(studio, facts, selection, drawn)
    if selection.price and not priced:  # from here on an empty field is what the person wants
        now = replace(now, priced=True)
    return [*view.updates(new), gr.skip() if back is None else back, gr.skip() if now is drawn else now]


def _price(value: object) -> float | None:
    """Return a price that can be one."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    return number if 0 < number < 1e9 else None


def press(names: tuple[str, ...], pressed: Action, *, drawn: Drawn | None) -> list[Any]:
    """Set what a pressed button stands for: a preset, a suggestion, the remedy of the forecast, or a method."""
    page = drawn or Drawn()
    preset: Any = gr.skip()
    values: dict[str, Any] = {}
    if pressed.verb == "preset" and pressed.key in {each.id for each in PRESETS}:
        preset = pressed.key
    elif pressed.verb == "back":
        values = {name: page.suggestion.values[name] for name in DERIVED if pressed.key in (name, "all")}
    elif pressed.verb == "remedy":
        values = dict(page.remedy)
    elif pressed.verb == "method" and pressed.key in METHODS:
        values = {"method": pressed.key}
    return [preset, *(gr.update(value=values[name]) if name in values else gr.skip() for name in names)]


def fetch_model(studio: Studio, model: str | None) -> None:
    """Begin to fetch a base model; do nothing without a name. Raises RunError when that cannot be started."""
    if name := (model or "").strip():
        studio.models.prepare(name, retry=True)


def start_run(
    studio: Studio, *, dataset_id: str | None, validation_dataset_id: str | None = None, **values: Any
) -> str:
    """Start a run and return its id. Raises ConfigError, DataError or RunError."""
    if not dataset_id:
        raise gr.Error("No data set is chosen. Choose one on the Data tab.", title="Choose a data set first")
    settings = form.read_config(values)
    return studio.start_run(settings, dataset_id, validation_dataset_id=validation_dataset_id or "").id
