"""The models to choose from in a pane, which are chosen first, and whether those chosen can answer together."""

import logging
from collections.abc import Iterable, Sequence

import gradio as gr

from studio.compare.asking import Chosen
from studio.compare.pane_models import PaneModel, can_share, pane_model, pane_models
from studio.errors import RunError
from studio.studio import Studio
from studio.ui.kit import run_choices
from studio.ui.kit.run_choices import Choices

log = logging.getLogger(__name__)

MOST_PANES = 4
FEWEST_PANES = 2

Keys = Sequence[str | None]


def offered(studio: Studio, also: Iterable[str | None] = ()) -> Choices:
    """List what can answer, with its key; `also` are keys that shall stay choices for as long as they can answer."""
    models = list(pane_models(studio, None))
    known = {model.key for model in models}
    for key in dict.fromkeys(also):
        model = find(studio, key)
        if model is not None and model.key not in known and standing_in(model, models) is None:
            models.append(model)
            known.add(model.key)
    labels = {run.id: run_choices.label(run) for run in studio.summaries.look().runs}
    return [(_label(model, labels), model.key) for model in models]


def beside(studio: Studio, first: PaneModel) -> tuple[PaneModel, ...]:
    """List what can answer together with a model."""
    return tuple(model for model in pane_models(studio, None) if can_share(first, model))


def standing_in(model: PaneModel, models: Iterable[PaneModel]) -> str | None:
    """Return the key under which a base is offered: one base of several runs is one choice."""
    if model.kind != "base":
        return None
    return next((each.key for each in models if each.kind == "base" and can_share(each, model)), None)


def kept(studio: Studio, keys: Keys) -> list[str | None]:
    """Return the keys under which these models are offered now; None for what is gone."""
    models = pane_models(studio, None)
    found = [find(studio, key) for key in keys]
    return [None if model is None else standing_in(model, models) or model.key for model in found]


def find(studio: Studio, key: str | None) -> PaneModel | None:
    """Open a model by its key; None when it is gone."""
    try:
        return pane_model(studio, key) if key else None
    except RunError:
        log.debug("A run cannot be read and is no choice", exc_info=True)
        return None


def preset(studio: Studio, run_id: str = "") -> list[str | None]:
    """Choose the models of the first two panes: the base and a run, or the newest one that finished."""
    models = pane_models(studio, None)
    run = next((each for each in models if each.kind == "run" and run_id in ("", each.run_id)), None)
    if run is None and run_id:
        run = find(studio, f"run:{run_id}")
    if run is None:
        return [None, None]
    base = find(studio, f"base:{run.run_id}")
    return [None if base is None else standing_in(base, models) or base.key, run.key]


def chosen(studio: Studio, keys: Keys, strengths: Sequence[float | None]) -> tuple[Chosen, ...]:
    """Open the models of all panes. Raises gr.Error saying which pane has none, and RunError for one that is gone."""
    if not any(keys):
        raise gr.Error(
            "There is no tuned run yet. Train one, then ask.", title="No model chosen", print_exception=False
        )
    panes = []
    for place, (key, strength) in enumerate(zip(keys, strengths, strict=True)):
        if not key:
            raise gr.Error(
                f"Pane {place + 1} has no model. Choose one, or take the pane away.",
                title="No model chosen",
                print_exception=False,
            )
        panes.append(Chosen(pane_model(studio, key), 1.0 if strength is None else float(strength)))
    check_together(panes)
    return tuple(panes)


def check_together(panes: Sequence[Chosen]) -> None:
    """Raise RunError when a pane's model cannot answer beside the first one's."""
    for place, pane in enumerate(panes):
        trouble = apart(panes[0].model, pane.model, place)
        if trouble:
            raise RunError(trouble, "Choose models of one base.")


def apart(first: PaneModel, model: PaneModel, place: int) -> str:
    """Say why a model cannot answer beside that of the first pane; empty when it can."""
    if can_share(first, model):
        return ""
    return (
        f"Pane {place + 1} ({model.title}) comes from another base model than pane 1, or holds it in another form. "
        "One base is held in memory at a time."
    )


def _label(model: PaneModel, labels: dict[str, str]) -> str:
    if model.kind == "base":
        return model.title
    if model.kind == "checkpoint":
        return f"{model.title} · checkpoint"
    label = labels.get(model.run_id, model.title)
    return f"{label} · blend" if model.kind == "blend" else label
