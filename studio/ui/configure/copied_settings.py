"""Settings that are taken over from a run: filled into the form, said whose they are, and kept in a run that waits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.errors import DataError
from studio.models.presets import DERIVED
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.configure.view import Drawn
from studio.ui.data import library
from studio.ui.kit import actions, form, fragments
from studio.ui.kit.actions import Action

_CLOSE = actions.button("Close", "leave", name="Put this message away")


def take_over(studio: Studio, names: Sequence[str], pressed: Action, *, drawn: Drawn | None) -> list[Any]:
    """Fill the form with the settings of a run, and choose its data set.

    Returns updates for the tabs, what is said, the run being changed, what was drawn, the two pickers of the data set,
    the held-out data set and the controls in the order of `names`. Raises RunError for an unknown run.
    """
    if pressed.verb not in ("like", "edit"):
        return [gr.skip()] * (7 + len(names))
    run = studio.runs.get(pressed.key)
    editing = pressed.verb == "edit"
    try:
        pickers, trouble = library.show(studio, studio.data_of_run(run.id).id), ""
    except DataError as error:
        pickers, trouble = (gr.skip(), gr.skip()), f"Its data set could not be chosen. {error}"
    page = drawn or Drawn()
    # All of them are the run's now: none follows what would be suggested.
    own = {name: getattr(run.config, name) for name in DERIVED}
    settled = replace(page, tab_state=None, suggestion=replace(page.suggestion, own=own))
    values = {name: form.shown(name, getattr(run.config, name)) for name in names}
    values["name"] = run.name if editing else ""
    said = str(_editing(run, trouble) if editing else _like(run, trouble))
    updates = [gr.update(value=values[name]) for name in names]
    return [gr.Tabs(selected="configure"), said, run.id if editing else "", settled, *pickers, "", *updates]


def _like(run: RunFolder, trouble: str) -> Markup:
    data = "" if trouble else " and its data set"
    text = f"Here are the settings of {run.name}{data}. Start training makes a new run of them."
    return _notice("busy", text, trouble, _CLOSE)


def _editing(run: RunFolder, trouble: str) -> Markup:
    text = (
        f"You are changing the settings of {run.name}, which has not started. Its examples, and which of them are held "
        "out, stay as they were drawn."
    )
    buttons = [
        actions.button("Keep these settings", "save", kind="primary", once=True),
        actions.button("Leave it as it was", "leave"),
    ]
    return _notice("busy", text, trouble, fragments.join(buttons))


def _notice(kind: str, text: str, trouble: str, buttons: Markup) -> Markup:
    said = fragments.notice(kind, text, trouble)
    return Markup('<div class="ls-source" role="status">{}{}</div>').format(said, fragments.buttons(buttons))


def act(studio: Studio, pressed: Action, *, editing: str, **values: Any) -> list[Any]:
    """Keep the settings in the run that is being changed, or leave it; return what is said, and the run being changed.

    Raises ConfigError naming every fault of the settings, and RunError when the run has started meanwhile.
    """
    if pressed.verb == "leave":
        return ["", ""]
    if pressed.verb != "save" or not editing:
        return [gr.skip(), gr.skip()]
    config = form.read_config(values)
    studio.change_run(editing, config)
    studio.runs.describe(editing, name=config.name)
    text = f"The settings of {studio.runs.get(editing).name} are kept."
    return [str(_notice("good", text, "", _CLOSE)), ""]
