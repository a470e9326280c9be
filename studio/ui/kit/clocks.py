"""A clock for each tab. It ticks while its tab is open and the server says that there may be something new.

The browser holds one stream of the server's and decides by itself which clock ticks: what nobody sees is not asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from studio.ui.kit import scripts
from studio.ui.kit.components import html

CHANGES_ADDRESS = "studio/changes"
"""Where the server tells what is new, see `serving.changes`."""


@dataclass(frozen=True)
class Pace:
    """A clock ticks every `open` seconds at most while its tab is open, and every `far` seconds otherwise; 0 never."""

    open: float
    far: float = 0.0


def make(paces: Mapping[str, Pace], *, tabs: str) -> dict[str, gr.HTML]:
    """Make the clocks by the ids of their tabs. `tabs` is the browser's name of all tabs.

    Their event is `tick`, and once `expand`, when their tab is opened for the first time. (Gradio itself calls each
    listener of a `load` when the page opens.)
    """
    follow = {"address": CHANGES_ADDRESS, "tabs": tabs}
    return {
        name: html(
            elem_classes="ls-clock",
            elem_id=f"clock-{name}",
            on_load=scripts.on_load("clock", name, {"open": pace.open, "far": pace.far}, follow),
        )
        for name, pace in paces.items()
    }
