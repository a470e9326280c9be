"""A timer for each tab that runs while its tab is open, so that what nobody sees is not asked of the server, or seldom.

Fifty open pages ask often enough as it is. The browser alone decides which timer runs, so that costs no request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import gradio as gr

from studio.ui.kit import scripts


def make(names: Iterable[str], *, open_tab: str, seconds: float) -> dict[str, gr.Timer]:
    """Make a timer for each of the tabs; that of the tab that is open at first runs."""
    return {name: gr.Timer(seconds, active=name == open_tab) for name in names}


@dataclass(frozen=True)
class Paced:
    """A timer that always runs: every `fast` seconds while its tab is open, else every `slow` seconds."""

    timer: gr.Timer
    fast: float
    slow: float


def wire(
    timers: Mapping[str, gr.Timer],
    tabs: Mapping[str, gr.Tab],
    *,
    elem_id: str,
    paced: Mapping[str, Paced] = MappingProxyType({}),
    pace: gr.HTML | None = None,
) -> None:
    """Let the timer of a tab run from its opening until another one is opened, and those in `paced` at their two paces.

    `elem_id` is that of all the tabs. `pace` holds the `data-pace` that the timers follow, whenever it changes.
    """
    known = {
        "timers": [(name, each.value) for name, each in timers.items()],
        "paced": [(name, each.fast, each.slow) for name, each in paced.items()],
        "tabs": elem_id,
    }
    outputs = [*timers.values(), *(each.timer for each in paced.values())]
    changes = {opened: tab.select for opened, tab in tabs.items()}
    for opened, changed in [*changes.items(), *([("", pace.change)] if pace is not None else [])]:
        script = scripts.call("setTimers", known | {"opened": opened})
        # Gradio asks the server for a listener's answer only where it has a Python function.
        changed(None, js=script, outputs=outputs, show_progress="hidden")
