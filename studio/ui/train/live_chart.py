"""The curves of a run, which grow in place while it is at work: the loss, and small ones of what goes with it.

Says how they are drawn; `ui/kit/plot` draws, and `charts` writes the value. Axis and scale are the browser's own
choice, for they change nothing but the view. Knows nothing of runs.
"""

import gradio as gr
from markupsafe import Markup

from studio.ui.kit import fragments
from studio.ui.kit.plot import Drawing, plot, spot

SMALL = (
    ("learning_rate", "Learning rate"),
    ("grad_norm", "Gradient norm"),
    ("tokens_per_second", "Tokens a second"),
    ("memory_gib", "Memory in GiB"),
)
"""The small charts below the loss."""

CSV = "csv"
"""What is pressed when all steps are wanted as a table; the key is the run."""


def _body() -> Markup:
    small = fragments.join(
        Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(title, spot(title, panel=panel, later=True))
        for panel, title in SMALL
    )
    return Markup(
        '<div class="ls-chart-choices">'
        '<label>Across <select class="ls-select" data-chart="axis" aria-label="Across">'
        '<option value="step">steps</option><option value="tokens">tokens</option><option value="time">time</option>'
        '</select></label><label>Loss <select class="ls-select" data-chart="scale" aria-label="Loss">'
        '<option value="linear">linear</option><option value="log">logarithmic</option></select></label>'
        '<span><button type="button" class="ls-button" data-chart="png">Save as PNG</button>'
        '<button type="button" class="ls-button" data-chart="csv">All steps as CSV</button></span></div>'
        '{}<div class="ls-chart-small">{}</div>'
    ).format(spot("Loss of the training and of the held-out examples", panel="loss"), small)


DRAWING = Drawing(
    name="Loss",
    empty_title="No loss yet",
    empty_text="The curve starts with the first training step. Lower is better.",
    script="liveChart",
    body=_body(),
)


def live_chart(elem_id: str) -> gr.HTML:
    """Make the chart; its value is what `charts.payload` writes."""
    return plot(DRAWING, value="", elem_id=elem_id)
