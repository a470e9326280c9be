"""How far a run is in the title of the browser's tab, and a notice at its end: a notification, a sound, or both.

What a person wants of these the browser remembers, for it is a matter of that browser. A hidden page hears nothing of
the page's own clock, so it asks for itself.
"""

import gradio as gr

from studio.runs.scheduler import RunState
from studio.runs.view import ENDED, WORKING
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html
from studio.ui.train.cards import phase_of, progress

ADDRESS = "run_notice"
"""What a hidden page asks, by the name of the endpoint."""


def notices(elem_id: str) -> gr.HTML:
    """Make the buttons; the value is what `payload` writes."""
    return html(
        elem_id=elem_id, template=fragments.render("train/notices.html"), on_load=scripts.on_load("notices", ADDRESS)
    )


def payload(state: RunState) -> str:
    """Write what the browser's tab says of a run, and at its end the notice."""
    share = progress(state)
    document = {
        "run": state.run.id,
        "name": state.run.name,
        "phase": phase_of(state)[1],
        "percent": None if share is None or state.status != "training" else int(100 * share),
        "working": state.status in WORKING or state.status == "queued",
        "ended": state.status in ENDED,
        "headline": state.headline if state.status in ENDED else "",
    }
    return scripts.written(document)
