"""A chart that is drawn in the browser and grows in place, so that zoom and hover survive new values.

Gradio's own plot component mounts afresh with every payload. This one keeps its node: plot.js hands the value, plain
arrays, to plotly, which is served from its wheel on this machine. It is loaded when the first chart is drawn.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.errors import StudioError
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html

SCRIPT_ADDRESS = "studio/plotly.min.js"
"""Where the studio serves plotly's script from."""


@dataclass(frozen=True)
class Drawing:
    """What a chart is. `name` is what a screen reader says; `script` names the function that draws it, see plot.js.

    Until there are points, `empty_title` and `empty_text` stand in their place. A drawing of several charts brings its
    own `template`, with a `spot` for each.
    """

    name: str
    empty_title: str
    empty_text: str
    script: str
    template: str = ""


def spot(name: str, *, panel: str = "", later: bool = False) -> Markup:
    """Make the place of one chart. `name` is what a screen reader says; `later` leaves it out while it is not in sight.

    The script knows it by `plot.dataset.panel`.
    """
    return Markup('<div class="ls-chart-plot" role="group" aria-label="{}" data-panel="{}"{}></div>').format(
        name, panel, Markup(" data-later") if later else ""
    )


def plot(drawing: Drawing, *, value: Mapping[str, Any] | str, elem_id: str) -> gr.HTML:
    """Make the chart. Its value is what the drawing's script reads: plain lists, numbers and texts, or one text."""
    body = fragments.render(drawing.template, spot=spot) if drawing.template else spot(drawing.name)
    return html(
        value,
        elem_id=elem_id,
        template=fragments.render("kit/plot.html", drawing=drawing, body=body),
        on_load=scripts.on_load("plot", drawing.script, f"{SCRIPT_ADDRESS}?v={version('plotly')}"),
    )


def plotly_script() -> Path:
    """Find plotly's script in its wheel, without importing it. Raises StudioError when it is not installed."""
    spec = importlib.util.find_spec("plotly")
    places = spec.submodule_search_locations if spec else None
    script = Path(next(iter(places))) / "package_data" / "plotly.min.js" if places else None
    if script is None or not script.is_file():
        raise StudioError(
            "The chart library plotly is not installed.", "Run: pip install -r requirements.txt, then start again."
        )
    return script
