"""A clock for each tab, which runs while its tab is open: what nobody sees is not asked of the server.

Fifty open pages ask often enough as it is. Which clock runs is the browser's own affair and costs no request. Knows
nothing of what is drawn.
"""

import json
from collections.abc import Iterable, Mapping

import gradio as gr


def clocks(names: Iterable[str], *, open_tab: str, seconds: float) -> dict[str, gr.Timer]:
    """Make a clock for each of the tabs; that of the tab that is open at first runs."""
    return {name: gr.Timer(seconds, active=name == open_tab) for name in names}


def wire(timers: Mapping[str, gr.Timer], tabs: Mapping[str, gr.Tab]) -> None:
    """Let the clock of a tab run from its opening until another one is opened."""
    for opened, tab in tabs.items():
        states = [{"__type__": "update", "active": name == opened} for name in timers]
        # Gradio asks the server for a listener's answer only where it has a Python function.
        tab.select(None, js=f"() => {json.dumps(states)}", outputs=list(timers.values()), show_progress="hidden")
