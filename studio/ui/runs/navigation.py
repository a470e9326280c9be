"""From a run on the Runs tab to the others: to follow, compare, evaluate and export it, to take its settings.

The one place where the Runs tab meets the others.
"""

import functools
from typing import Any

import gradio as gr

from studio.runs.advice import MORE_DATA
from studio.studio import Studio
from studio.ui.compare import tab
from studio.ui.compare.tab import CompareTab
from studio.ui.configure import copied_settings
from studio.ui.configure.tab import ConfigureTab
from studio.ui.data import library
from studio.ui.data.tab import DataTab
from studio.ui.evaluate import tab as evaluate_tab
from studio.ui.export import view as export_view
from studio.ui.kit.actions import Action, on_action
from studio.ui.kit.components import ACTING
from studio.ui.runs import actions
from studio.ui.runs.tab import RunsTab
from studio.ui.train import view as train_view
from studio.ui.train.tab import TrainTab


def wire(
    runs: RunsTab,
    *,
    studio: Studio,
    tabs: gr.Tabs,
    data: DataTab,
    configure: ConfigureTab,
    train: TrainTab,
    compare: CompareTab,
    evaluate_run: gr.Dropdown,
    export_run: gr.Dropdown,
) -> None:
    """Connect what leads from a run to the other tabs, and back from its changed settings."""
    for pressable in (runs.actions, runs.group):
        on_action(
            pressable,
            functools.partial(jump, studio),
            outputs=[tabs, train.run, compare.run, evaluate_run, export_run],
            **ACTING,
        )
    configure.panel.on_action(
        functools.partial(copied_settings.take_over, studio),
        of=[runs.actions, runs.queue, runs.group, train.advice],
        also={"tabs": tabs, "family": data.library.family},
    )
    on_action(
        train.advice,
        functools.partial(jump_to_data, studio),
        outputs=[tabs, data.library.family, data.library.version],
        **ACTING,
    )
    runs.panel.on(
        [configure.started_group.change],
        functools.partial(actions.open_group, studio),
        given={"group": configure.started_group},
        also={"tabs": tabs},
    )
    for saved in configure.saved:
        runs.panel.redraws_after(saved)


def jump(studio: Studio, pressed: Action) -> list[Any]:
    """Open another tab on the run: updates for the tabs and the choosers of Train, Compare, Evaluate and Export."""
    refresh = {
        "train": train_view.refresh_runs,
        "compare": tab.show_run,
        "evaluate": evaluate_tab.refresh_runs,
        "export": export_view.refresh_runs,
    }
    if pressed.verb not in refresh:
        return [gr.skip()] * (1 + len(refresh))
    studio.runs.get(pressed.key)
    chosen = [refresh[verb](studio, pressed.key) if verb == pressed.verb else gr.skip() for verb in refresh]
    return [gr.update(selected=pressed.verb), *chosen]


def jump_to_data(studio: Studio, pressed: Action) -> list[Any]:
    """Show the data that a run learned from, where its advice is to add or clean data."""
    if pressed.verb != MORE_DATA:
        return [gr.skip()] * 3
    return [gr.update(selected="data"), *library.show(studio, studio.data_of_run(pressed.key).id)]
