"""The loss curves, drawn in the browser and grown in place, so that zoom and hover survive new points.

Gradio's own plot component mounts afresh with every payload. This one keeps its node: the value is arrays only, and a
few lines of script hand them to plotly, which is served from its wheel on this machine. Not a subclass of `gr.HTML`:
Gradio would write a stub file beside this one. Knows nothing of runs.
"""

import importlib.util
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import StudioError

EMPTY_TEXT = "The curve starts with the first training step. Lower is better."

_TEMPLATE = """
<div class="ls-chart">
  <div class="ls-empty ls-chart-empty"><strong>No loss yet</strong><span>__EMPTY__</span></div>
  <div class="ls-chart-plot" role="img" aria-label="Loss by step"></div>
</div>
"""

_SCRIPT = r"""
const plot = element.querySelector('.ls-chart-plot');
const empty = element.querySelector('.ls-chart-empty');
const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();

function traces(value) {
  // A few steps are no line yet: the first minutes of a run show each as a dot.
  const mode = value.steps.length < 30 ? 'lines+markers' : 'lines';
  const line = (x, y, name, shade, extra) => ({
    x, y, name, mode, type: 'scatter', line: {color: colour(shade), ...extra}, marker: {size: 5, color: colour(shade)},
  });
  const list = [line(value.steps, value.losses, 'training, each step', '--ls-chart-raw', {width: 1.2})];
  list.push(line(value.steps, value.smoothed, 'training, smoothed', '--ls-chart-train', {width: 2.6}));
  const held = [value.evaluated_steps, value.evaluated_losses, 'held-out examples', '--ls-chart-held', {width: 2.2}];
  list.push({...line(...held), mode: 'lines+markers', marker: {size: 7, color: colour('--ls-chart-held')}});
  list.forEach((each) => { each.hovertemplate = '%{y:.4f}'; });
  return list;
}

function layout(value) {
  const grid = colour('--ls-chart-grid');
  const narrow = plot.clientWidth < 520;
  const last = Math.max(value.total_steps, ...value.steps.slice(-1), ...value.evaluated_steps.slice(-1));
  const planned = value.total_steps > 0;
  const axis = {gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true, fixedrange: false};
  return {
    uirevision: value.run,
    height: narrow ? 280 : 340,
    margin: {l: 8, r: 12, t: narrow ? 52 : 34, b: 8},
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: {family: getComputedStyle(element).fontFamily, size: narrow ? 11 : 12, color: colour('--ls-chart-text')},
    hovermode: 'x unified',
    hoverlabel: {bgcolor: colour('--ls-surface'), bordercolor: grid, font: {color: colour('--body-text-color')}},
    legend: {orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', bgcolor: 'rgba(0,0,0,0)'},
    modebar: {bgcolor: 'rgba(0,0,0,0)', color: colour('--ls-chart-text'), activecolor: colour('--ls-chart-train')},
    xaxis: {...axis, title: {text: 'step', standoff: 8}, rangemode: 'tozero', tickformat: ',~r',
      nticks: Math.max(1, Math.min(narrow ? 5 : 10, last)),
      ...(planned ? {range: [-0.012 * last, 1.02 * last], autorange: false} : {})},
    yaxis: {...axis, title: {text: narrow ? '' : 'loss', standoff: 8}, rangemode: 'tozero', nticks: 7},
  };
}

function draw() {
  const value = props.value;
  const has = Boolean(value && (value.steps.length || value.evaluated_steps.length));
  empty.style.display = has ? 'none' : '';
  plot.style.display = has ? '' : 'none';
  if (!has || !window.Plotly || plot.clientWidth === 0) return;
  // Plotly's own toolbar offers to upload the chart to its maker: nothing leaves this machine.
  window.Plotly.react(plot, traces(value), layout(value), {responsive: true, displaylogo: false,
    displayModeBar: plot.clientWidth < 720 ? false : 'hover', showSendToCloud: false, plotlyServerURL: '',
    modeBarButtons: [['zoom2d', 'pan2d', 'resetScale2d']]});
}

watch('value', draw);
draw();
new ResizeObserver(draw).observe(element);
new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ['class']});
if (!window.Plotly) {
  const wait = setInterval(() => { if (window.Plotly) { clearInterval(wait); draw(); } }, 100);
}
"""


@dataclass(frozen=True)
class Curves:
    """What the chart draws. `run` names whose curves these are: zoom is kept while it stays the same.

    The steps run from 0 to `total_steps`; while that is 0, as far as there are points.
    """

    run: str = ""
    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    smoothed: tuple[float, ...] = ()
    evaluated_steps: tuple[int, ...] = ()
    evaluated_losses: tuple[float, ...] = ()
    total_steps: int = 0

    def payload(self) -> dict[str, Any]:
        """Return what the browser reads."""
        return asdict(self)


def live_chart(elem_id: str) -> gr.HTML:
    """Make the chart; its value is `Curves.payload()`."""
    return gr.HTML(
        value=Curves().payload(),
        html_template=_TEMPLATE.replace("__EMPTY__", EMPTY_TEXT),
        js_on_load=_SCRIPT,
        head=f'<script src="{script_address()}"></script>',
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


def script_address() -> str:
    """Return the address of plotly's script on this very server."""
    return f"gradio_api/file={plotly_script().as_posix()}"
