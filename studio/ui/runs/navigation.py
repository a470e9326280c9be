"""From a run on the Runs tab to the others: to follow, compare, evaluate and export it, to take its settings.

The one place where the Runs tab meets the others.
"""

import functools
from typing import Any

import gradio as gr

from studio.studio import Studio
from studio.ui.compare import tab
from studio.ui.compare.tab import CompareTab
from studio.ui.configure import copied_settings
from studio.ui.configure.tab import ConfigureTab
from studio.ui.data.tab import DataTab
from studio.ui.evaluate import tab as evaluate_tab
from studio.ui.export import view as export_view
from studio.ui.kit.actions import Action, on_action
from studio.ui.kit.components import ACTING
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
    controls = {**configure.controls, **data.held_out.controls}
    on_action(
        runs.actions,
        functools.partial(jump, studio),
        outputs=[tabs, train.run, compare.run, evaluate_run, export_run],
        **ACTING,
    )
    for component in (runs.actions, runs.queue):
        on_action(
            component,
            functools.partial(copied_settings.take_over, studio, tuple(controls)),
            inputs_kwargs={"drawn": configure.drawn},
            outputs=[
                tabs,
                configure.source,
                configure.editing,
                configure.drawn,
                data.library.family,
                data.library.version,
                data.held_out.other,
                *controls.values(),
            ],
            **ACTING,
        )
    kept = on_action(
        configure.source,
        functools.partial(copied_settings.act, studio),
        inputs_kwargs={**controls, "editing": configure.editing},
        outputs=[configure.source, configure.editing],
        **ACTING,
    )
    runs.panel.redraws_after(kept)


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
    return [gr.Tabs(selected=pressed.verb), *chosen]
