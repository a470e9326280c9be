"""A clock for each tab, which runs while its tab is open: what nobody sees is not asked of the server, or seldom.

Fifty open pages ask often enough as it is. Which clock runs is the browser's own affair and costs no request. Knows
nothing of what is drawn.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import gradio as gr


def clocks(names: Iterable[str], *, open_tab: str, seconds: float) -> dict[str, gr.Timer]:
    """Make a clock for each of the tabs; that of the tab that is open at first runs."""
    return {name: gr.Timer(seconds, active=name == open_tab) for name in names}


_FOLLOW = """async () => {
  await new Promise(done => setTimeout(done));
  const names = %(names)s;
  const tab = document.querySelector("#%(tabs)s button[role=tab][aria-selected=true]");
  const open = tab ? tab.dataset.tabId : "%(opened)s";
  const slower = Number(document.querySelector("[data-pace]")?.dataset.pace || 1);
  return [
    ...names.map(([name, seconds]) => ({__type__: "update", active: name === open, value: slower * seconds})),
    ...%(paces)s.map(([name, fast, slow]) => ({__type__: "update", value: slower * (name === open ? fast : slow)})),
  ];
}"""
"""A page that is still loading hears of its first tab late, after a person has opened another: what counts is which tab
is open by now, and the browser has that once the press is dealt with. `data-pace` says how many times slower than usual
all clocks run, because many pages are open."""


@dataclass(frozen=True)
class Paced:
    """A clock that always runs: every `fast` seconds while its tab is open, else every `slow` seconds."""

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
    """Let the clock of a tab run from its opening until another one is opened, and those in `paced` at their two paces.

    `elem_id` is that of all the tabs. `pace` holds the `data-pace` that the clocks follow, whenever it changes.
    """
    names = json.dumps([(name, each.value) for name, each in timers.items()])
    paces = json.dumps([(name, each.fast, each.slow) for name, each in paced.items()])
    outputs = [*timers.values(), *(each.timer for each in paced.values())]
    changes = {opened: tab.select for opened, tab in tabs.items()}
    for opened, changed in [*changes.items(), *([("", pace.change)] if pace is not None else [])]:
        script = _FOLLOW % {"names": names, "paces": paces, "tabs": elem_id, "opened": opened}
        # Gradio asks the server for a listener's answer only where it has a Python function.
        changed(None, js=script, outputs=outputs, show_progress="hidden")
