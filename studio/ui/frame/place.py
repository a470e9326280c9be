"""The place on the page that its address names: `?tab=train&run=...`. An address may come from anyone."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.errors import RunError
from studio.studio import Studio
from studio.ui.compare import tab as compare_tab
from studio.ui.evaluate import tab as evaluate_tab
from studio.ui.export import view as export_view
from studio.ui.kit import run_choices, scripts
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.errors import report_errors
from studio.ui.kit.sent_values import can_be_written
from studio.ui.language.choice import said
from studio.ui.train import view as train_view

log = logging.getLogger(__name__)

_LONGEST = 200

RUN_OF = {
    "train": train_view.refresh_runs,
    "compare": compare_tab.show_run,
    "evaluate": evaluate_tab.refresh_runs,
    "export": export_view.refresh_runs,
}
"""The tabs that show one run, each with what makes its chooser show that."""


@dataclass(frozen=True)
class Place:
    """A tab and the run that is open on it; empty where the address names none."""

    tab: str = ""
    run: str = ""


def wire(studio: Studio, *, tabs: gr.Tabs, tab_ids: Sequence[str], name: str, runs: Mapping[str, Block]) -> None:
    """Open the place that the address names, and keep the address at what is open.

    `runs` are the choosers of a run by their tabs, as in `RUN_OF`; `name` is the browser's name of all tabs.
    """
    place = html(elem_classes="ls-clock", elem_id="place", on_load=scripts.on_load("place", name, list(tab_ids)))

    def go(event: gr.EventData) -> list[Any]:
        return report_errors(partial(open_place, studio))(read_place(event._data, tab_ids))

    outputs = [tabs, *(runs[tab] for tab in RUN_OF)]
    place.click(go, outputs=outputs, **QUIET)
    place.submit(go, outputs=outputs, **ACTING)  # with a run, of which there may be something to say
    for tab, chooser in runs.items():
        if isinstance(chooser, gr.Dropdown):
            chooser.change(None, js=scripts.call("placeRun", tab), inputs=[chooser], show_progress="hidden")


def read_place(sent: object, tab_ids: Sequence[str]) -> Place:
    """Read what a browser says that its address names. What cannot be one is left out."""
    if not isinstance(sent, Mapping):
        return Place()
    tab, run = sent.get("tab"), sent.get("run")
    is_run = isinstance(run, str) and 0 < len(run) <= _LONGEST and can_be_written(run)
    return Place(tab if isinstance(tab, str) and tab in tab_ids else "", str(run) if is_run else "")


def open_place(studio: Studio, place: Place) -> list[Any]:
    """Open a place: updates for the tabs and for the choosers of a run. Without one, the run at work is shown."""
    if not place.tab:
        at_work = run_choices.at_work(studio)
        place = Place("train", at_work) if at_work else Place()
    if not place.tab:
        return [gr.skip()] * (1 + len(RUN_OF))
    run = _known(studio, place.run) if place.tab in RUN_OF else ""
    shown = [choose(studio, run) if run and tab == place.tab else gr.skip() for tab, choose in RUN_OF.items()]
    return [gr.update(selected=place.tab), *shown]


def _known(studio: Studio, run: str) -> str:
    """Return the run that an address names; nothing, with a word to the person, where it is not here."""
    if not run:
        return ""
    try:
        return studio.runs.get(run).id
    except RunError as error:
        log.info("The address of the page names no run of this studio: %s", error, exc_info=True)
        gr.Warning(said("The run in this address is not in this studio. It may be in the trash, or in another studio."))
        return ""
