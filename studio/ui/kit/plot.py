"""A chart that is drawn in the browser and grows in place, so that zoom and hover survive new values.

Gradio's own plot component mounts afresh with every payload. This one keeps its node: the value is plain arrays, and a
few lines of script hand them to plotly, which is served from its wheel on this machine. Not a subclass of `gr.HTML`:
Gradio would write a stub file beside this one. Knows nothing of what is drawn: see `Drawing`.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.errors import StudioError

SCRIPT_ADDRESS = "studio/plotly.min.js"
"""Where the studio serves plotly's script from."""

_TEMPLATE = """
<div class="ls-chart">
  <div class="ls-empty ls-chart-empty"><strong>{}</strong><span>{}</span></div>
  <div class="ls-chart-body">{}</div>
</div>
"""

_FRAME = r"""
const plots = [...element.querySelectorAll('.ls-chart-plot')];
let plot = plots[0];  // the one that is being drawn
const body = element.querySelector('.ls-chart-body');
const empty = element.querySelector('.ls-chart-empty');
const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();
const isNarrow = () => plot.clientWidth < 520;

function frame() {
  const grid = colour('--ls-chart-grid');
  const narrow = isNarrow();
  return {
    axis: {gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true, fixedrange: false},
    layout: {
      margin: {l: 8, r: 12, t: 34, b: 8},
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      font: {family: getComputedStyle(element).fontFamily, size: narrow ? 11 : 12, color: colour('--ls-chart-text')},
      hoverlabel: {bgcolor: colour('--ls-surface'), bordercolor: grid, font: {color: colour('--body-text-color')}},
      legend: {orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', bgcolor: 'rgba(0,0,0,0)'},
      modebar: {bgcolor: 'rgba(0,0,0,0)', color: colour('--ls-chart-text'), activecolor: colour('--ls-chart-train')},
    },
  };
}

__DRAWING__

function draw() {
  const value = props.value;
  const has = Boolean(value && hasPoints(value));
  empty.style.display = has ? 'none' : '';
  body.style.display = has ? '' : 'none';
  if (!has || !window.Plotly) return;
  plots.filter((each) => each.dataset.later === undefined || inSight.has(each)).forEach((each) => {
    plot = each;
    if (plot.clientWidth === 0) return;
    // Plotly's own toolbar offers to upload the chart to its maker: nothing leaves this machine.
    window.Plotly.react(plot, traces(value), layout(value), {responsive: true, displaylogo: false,
      displayModeBar: plot.clientWidth < 720 ? false : 'hover', showSendToCloud: false, plotlyServerURL: '',
      modeBarButtons: [['zoom2d', 'pan2d', 'resetScale2d']]});
  });
}

// What nobody sees costs nothing: the browser may sit on the machine that trains.
const inSight = new Set();
const watcher = new IntersectionObserver((changes) => {
  changes.forEach(({target, isIntersecting}) => isIntersecting ? inSight.add(target) : inSight.delete(target));
  if (changes.some((change) => change.isIntersecting)) draw();
}, {rootMargin: '100px'});
plots.filter((each) => each.dataset.later !== undefined).forEach((each) => watcher.observe(each));

watch('value', draw);
draw();
new ResizeObserver(draw).observe(element);
new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ['class']});
if (!window.Plotly) {
  const wait = setInterval(() => { if (window.Plotly) { clearInterval(wait); draw(); } }, 100);
}
"""


@dataclass(frozen=True)
class Drawing:
    """What a chart is.

    `script` defines `hasPoints(value)`, `traces(value)` and `layout(value)` with the helpers of this module's script:
    `colour(name)` of a CSS variable, `isNarrow()`, and `frame()` with the common `axis` and `layout`. Until there are
    points, `empty_title` and `empty_text` stand in their place. `name` is what a screen reader says.

    A drawing of several charts brings its own `body`, with a `spot` for each: the script finds the one that is being
    drawn in `plot`.
    """

    name: str
    empty_title: str
    empty_text: str
    script: str
    body: Markup | None = None


def spot(name: str, *, panel: str = "", later: bool = False) -> Markup:
    """Make the place of one chart. `name` is what a screen reader says; `later` leaves it out while it is not in sight.

    The script knows it by `plot.dataset.panel`.
    """
    return Markup('<div class="ls-chart-plot" role="img" aria-label="{}" data-panel="{}"{}></div>').format(
        name, panel, Markup(" data-later") if later else ""
    )


def plot(drawing: Drawing, *, value: Mapping[str, Any] | str, elem_id: str) -> gr.HTML:
    """Make the chart. Its value is what the drawing's script reads: plain lists, numbers and texts, or one text."""
    body = spot(drawing.name) if drawing.body is None else drawing.body
    return gr.HTML(
        value=value if isinstance(value, str) else dict(value),
        html_template=str(Markup(_TEMPLATE).format(drawing.empty_title, drawing.empty_text, body)),
        js_on_load=_FRAME.replace("__DRAWING__", drawing.script),
        head=f'<script src="{SCRIPT_ADDRESS}"></script>',
        apply_default_css=False,
        elem_id=elem_id,
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
