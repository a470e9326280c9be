"""The models to choose from in the panes, and those that are chosen."""

from collections.abc import Iterable, Sequence

import gradio as gr

from studio.compare.asking import Chosen
from studio.compare.pane_models import PaneModel, check_together, find_model, pane_model, pane_models, standing_in
from studio.studio import Studio
from studio.ui.kit import run_choices
from studio.ui.kit.run_choices import Choices

MOST_PANES = 4
FEWEST_PANES = 2

Keys = Sequence[str | None]


def offered(studio: Studio, also: Iterable[str | None] = ()) -> Choices:
    """List what can answer, with its key; `also` are keys that shall stay choices for as long as they can answer."""
    models = list(pane_models(studio, None))
    known = {model.key for model in models}
    for key in dict.fromkeys(also):
        model = find_model(studio, key)
        if model is not None and model.key not in known and standing_in(model, models) is None:
            models.append(model)
            known.add(model.key)
    labels = {run.id: run_choices.label(run) for run in studio.summaries.look().runs}
    return [(_label(model, labels), model.key) for model in models]


def chosen(studio: Studio, keys: Keys, strengths: Sequence[float | None]) -> tuple[Chosen, ...]:
    """Open the models of all panes. Raises gr.Error saying which pane has none, and RunError for one that is gone."""
    if not any(keys):
        raise gr.Error("There is no finished run yet. Train one first.", title="No model to ask", print_exception=False)
    panes = []
    for place, (key, strength) in enumerate(zip(keys, strengths, strict=True)):
        if not key:
            raise gr.Error(
                f"Model {place + 1} is not chosen. Choose one, or remove it.",
                title="No model chosen",
                print_exception=False,
            )
        panes.append(Chosen(pane_model(studio, key), 1.0 if strength is None else float(strength)))
    check_together([pane.model for pane in panes])
    return tuple(panes)


def _label(model: PaneModel, labels: dict[str, str]) -> str:
    if model.kind == "base":
        return model.title
    if model.kind == "checkpoint":
        return f"{model.title} · checkpoint"
    label = labels.get(model.run_id, model.title)
    return f"{label} · merged" if model.kind == "blend" else label
