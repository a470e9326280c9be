"""Several runs compared: their loss curves in one plot, and a table of the settings that they do not share.

Says what is drawn; `studio.ui.kit.plot` draws.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import RunConfig, settings
from studio.runs.series import thin, trend
from studio.runs.store import RunOrigin
from studio.runs.view import RunView
from studio.ui.kit import actions, fragments
from studio.ui.kit.plot import Drawing, plot
from studio.ui.train.cards import in_words

_SHADES = (1, 3, 5, 6, 4, 2, 7)
"""The colours in an order in which neighbours differ most."""

MOST_RUNS = len(_SHADES)
"""So many colours can be told apart."""

MOST_POINTS = 400
HELD_OUT, TRAINING = "held-out", "training"
KINDS = [("Held-out loss", HELD_OUT), ("Training loss, smoothed", TRAINING)]

DRAWING = Drawing(
    name="The losses of the chosen runs by step",
    empty_title="No runs to compare yet",
    empty_text="Mark two or more runs in the table to see their losses here, and below them the settings that differ.",
    script="overlay",
)


@dataclass(frozen=True)
class Curve:
    """The loss of one run."""

    name: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    part: tuple[int, int] | None = None
    """Over how many of how many held-out examples; None where over all, or of the training."""


def overlay(elem_id: str) -> gr.HTML:
    """Make the plot; its value is `payload`."""
    return plot(DRAWING, value=payload([], kind=HELD_OUT), elem_id=elem_id)


def payload(curves: Sequence[Curve], *, kind: str) -> dict[str, Any]:
    """Return what the browser reads. Zoom is kept while the same runs are drawn."""
    names = ", ".join(curve.name for curve in curves)
    drawn = [{**asdict(curve), "shade": shade} for curve, shade in zip(curves, _SHADES, strict=False)]
    return {"curves": drawn, "revision": f"{kind}: {names}"}


def curve(name: str, view: RunView, *, kind: str) -> Curve:
    """Choose the points of one run's loss."""
    part = None
    if kind == HELD_OUT:
        points = [(float(each.step), each.loss) for each in view.evaluations]
        part = next(((each.part, each.of) for each in reversed(view.evaluations) if each.part), None)
    else:
        losses = trend(view.steps.column("loss"))
        points = list(zip(view.steps.column("step").tolist(), losses.tolist(), strict=True))
    chosen = thin(points, MOST_POINTS)
    return Curve(name, tuple(int(step) for step, _ in chosen), tuple(loss for _, loss in chosen), part)


@dataclass(frozen=True)
class Column:
    """What one run ran with."""

    id: str
    name: str
    config: RunConfig
    origin: RunOrigin


def differences(columns: Sequence[Column], *, gone: int = 0) -> Markup:
    """Set the settings side by side in which the runs differ, one column a run, with what takes a run away."""
    lines: list[Markup | str] = []
    if gone:
        lines.append(fragments.line("quiet", "Runs that were moved to the Trash are not drawn."))
    if not columns:
        return fragments.stack(lines)
    heads = fragments.join(
        Markup(
            '<th scope="col"><i class="ls-part-{}" aria-hidden="true"></i><span translate="no">{}</span>{}</th>'
        ).format(
            shade,
            each.name,
            actions.button("Remove", "choose", key=each.id, name=f"Remove {each.name}"),
        )
        for shade, each in zip(_SHADES, columns, strict=False)
    )
    rows = [(label, values) for label, values in _rows(columns) if len(set(values)) > 1]
    body = fragments.join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label, fragments.join(Markup("<td>{}</td>").format(value) for value in values)
        )
        for label, values in rows
    )
    if len(columns) == 1:
        lines.append(fragments.line("quiet", "Mark a second run to see the settings that differ."))
    elif not rows:
        lines.append(fragments.line("good", "These runs have the same settings and the same data."))
    drawn = Markup(
        '<div class="ls-table ls-diff" tabindex="0" role="region" aria-label="Settings that differ"><table>'
        '<thead><tr><th scope="col">What differs</th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(heads, body)
    return fragments.stack([drawn, *lines])


def _rows(columns: Sequence[Column]) -> list[tuple[str, tuple[str, ...]]]:
    rows = [("Data set", tuple(each.origin.dataset_name for each in columns))]
    versions = [each.origin.dataset_sha256 for each in columns]
    if len(set(rows[0][1])) == 1 and len(set(versions)) > 1:  # alike by name only
        known = list(dict.fromkeys(versions))
        rows.append(("Data", tuple(f"content {'ABCDEFG'[known.index(each)]}" for each in versions)))
    for setting in settings():
        if setting.name != "name":
            rows.append((setting.label, tuple(in_words(getattr(each.config, setting.name)) for each in columns)))
    return rows
