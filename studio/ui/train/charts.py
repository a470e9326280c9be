"""The curves of a run, which grow in place while it is at work: the loss, and small ones of what goes with it.

The browser gets few enough points with few enough digits, as one text: Gradio walks through every number of anything
else, once for each page. Axis and scale are the browser's own choice.
"""

from collections.abc import Mapping

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from studio.runs.series import Numbers, spread, trend
from studio.runs.steps import ALL_TOKENS, WORKED
from studio.runs.view import RunView
from studio.ui.kit import scripts
from studio.ui.kit.plot import Drawing, plot

CSV = "csv"
"""What is pressed when all steps are wanted as a table; the key is the run."""

MOST_POINTS = 1000
"""So many points of the loss are drawn at most."""

MOST_SMALL_POINTS = 600
"""And so many of each of the small charts below."""

GB_IN_GIB = 2**30 / 1e9
"""Memory is told in decimal GB everywhere on the page."""

_DIGITS = 5
_LARGEST_POWER = 15


def chart(elem_id: str) -> gr.HTML:
    """Make the chart; its value is what `payload` writes."""
    drawing = Drawing(
        name="Loss",
        empty_title="No loss yet",
        empty_text="The curve starts with the first training step. Lower is better.",
        script="curves",
        template="train/charts.html",
    )
    return plot(drawing, value="", elem_id=elem_id)


def payload(run_id: str, view: RunView, *, name: str) -> str:
    """Write what the chart draws; the empty string while there is nothing."""
    steps, evaluations = view.steps, view.evaluations
    if not steps and not evaluations:
        return ""
    losses = steps.column("loss")
    chosen = spread([losses], MOST_POINTS)
    small = {name: steps.column(name) for name in ("learning_rate", "grad_norm", "tokens_per_second", "memory_gib")}
    chosen_small = spread(list(small.values())[1:], MOST_SMALL_POINTS)
    small["memory_gib"] = GB_IN_GIB * small["memory_gib"]
    smooth = trend(losses)
    document = {
        "run": run_id,
        "name": name,
        "kept": view.kept_step if view.kept_step < view.step else 0,
        "total": view.total_steps,
        "counted": bool(len(steps)) and bool(steps.column("tokens").all()),
        "forecast": None if view.forecast is None else round(GB_IN_GIB * view.forecast.memory_gib, 3),
        "loss": _at(view, chosen) | {"raw": rounded(losses[chosen]), "smoothed": rounded(smooth[chosen])},
        "held_out": _held_out(view),
        "part": next(([each.part, each.of] for each in view.evaluations if each.part), []),
        "small": _at(view, chosen_small) | {name: rounded(column[chosen_small]) for name, column in small.items()},
    }
    return scripts.written(document)


def _at(view: RunView, chosen: NDArray[np.int64]) -> dict[str, list[float]]:
    """Return where the chosen steps lie on each of the axes to choose from."""
    columns: Mapping[str, Numbers] = {
        "step": view.steps.column("step"),
        "tokens": view.steps.column(ALL_TOKENS),
        "time": np.round(view.steps.column(WORKED), 1),
    }
    return {name: _short(column[chosen]) for name, column in columns.items()}


def _held_out(view: RunView) -> dict[str, list[float]]:
    """Return the losses of the held-out examples that each check scores, which are comparable; what was scored before
    the first step lies at nought.
    """
    numbers = [each.step for each in view.evaluations]
    before = np.array([view.steps.count_until(number) for number in numbers], dtype=int)
    tokens, worked = (np.concatenate(([0.0], view.steps.column(name)))[before] for name in (ALL_TOKENS, WORKED))
    return {
        "step": list(map(float, numbers)),
        "tokens": _short(tokens),
        "time": _short(np.round(worked, 1)),
        "loss": rounded(np.array([each.loss for each in view.evaluations])),
    }


def rounded(numbers: Numbers) -> list[float]:
    """Round to five digits, wherever the point is."""
    with np.errstate(divide="ignore"):
        power = _DIGITS - 1 - np.floor(np.log10(np.abs(numbers)))
    scale = 10.0 ** np.clip(power, 0, _LARGEST_POWER)
    return _short(np.round(numbers * scale) / scale)


def _short(numbers: Numbers) -> list[float]:
    """Write whole numbers without their ".0"."""
    return [int(number) if number.is_integer() else number for number in numbers.tolist()]
