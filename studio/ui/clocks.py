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


_FOLLOW = """async () => {
  await new Promise(done => setTimeout(done));
  const names = %(names)s;
  const open = document.querySelector("#%(tabs)s button[role=tab][aria-selected=true]");
  return names.map(name => ({__type__: "update", active: name === (open ? open.dataset.tabId : "%(opened)s")}));
}"""
"""A page that is still loading hears of its first tab late, after a person has opened another: what counts is which tab
is open by now, and the browser has that once the press is dealt with."""


def wire(timers: Mapping[str, gr.Timer], tabs: Mapping[str, gr.Tab], *, elem_id: str) -> None:
    """Let the clock of a tab run from its opening until another one is opened. `elem_id` is that of all the tabs."""
    for opened, tab in tabs.items():
        script = _FOLLOW % {"names": json.dumps(list(timers)), "tabs": elem_id, "opened": opened}
        # Gradio asks the server for a listener's answer only where it has a Python function.
        tab.select(None, js=script, outputs=list(timers.values()), show_progress="hidden")
