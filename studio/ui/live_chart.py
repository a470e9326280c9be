"""The loss curves of a run, which grow in place while it is at work.

Says how they are drawn; `studio.ui.plot` draws. Knows nothing of runs.
"""

from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from studio.ui.plot import Drawing, plot

_SCRIPT = r"""
const hasPoints = (value) => value.steps.length || value.evaluated_steps.length;

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
  const {axis, layout} = frame();
  const narrow = isNarrow();
  const last = Math.max(value.total_steps, ...value.steps.slice(-1), ...value.evaluated_steps.slice(-1));
  const planned = value.total_steps > 0;
  return {
    ...layout,
    uirevision: value.run,
    height: narrow ? 280 : 340,
    margin: {...layout.margin, t: narrow ? 52 : 34},
    hovermode: 'x unified',
    xaxis: {...axis, title: {text: 'step', standoff: 8}, rangemode: 'tozero', tickformat: ',~r',
      nticks: Math.max(1, Math.min(narrow ? 5 : 10, last)),
      ...(planned ? {range: [-0.012 * last, 1.02 * last], autorange: false} : {})},
    yaxis: {...axis, title: {text: narrow ? '' : 'loss', standoff: 8}, rangemode: 'tozero', nticks: 7},
  };
}
"""

DRAWING = Drawing(
    name="Loss by step",
    empty_title="No loss yet",
    empty_text="The curve starts with the first training step. Lower is better.",
    script=_SCRIPT,
)


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
    return plot(DRAWING, value=Curves().payload(), elem_id=elem_id)
