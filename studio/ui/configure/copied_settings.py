"""Settings that are taken over from a run: filled into the form, said whose they are, and kept in a run that waits."""

from dataclasses import replace

import gradio as gr
from markupsafe import Markup

from studio.config import setting_named
from studio.errors import DataError
from studio.runs import advice
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.configure.state import Selection, Source
from studio.ui.data import library
from studio.ui.kit import actions, fragments
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Fields

_CLOSE = actions.button("Close", "leave", name="Close this message")


def take_over(studio: Studio, selection: Selection, action: Action) -> Fields:
    """Fill the form with the settings of a run, and choose its data set. Raises RunError for an unknown run.

    The updates are for the tabs and the two choosers of the data set.
    """
    if action.verb not in ("like", "edit", *advice.OF_SETTINGS):
        return Fields()
    run, editing = studio.runs.get(action.key), action.verb == "edit"
    changes = _advised(studio, run, action.verb)
    updates, trouble = {"tabs": gr.update(selected="configure")}, ""
    try:
        updates["family"], updates["dataset_id"] = library.show(studio, studio.data_of_run(run.id).id)
    except DataError as error:
        trouble = f"Its data set could not be chosen. {error}"
    values = {
        "settings": replace(run.config, **{"name": run.name if editing else "", **dict(changes)}),
        "validation_dataset_id": "",
        "taken_from": Source(run.id, run.name, "editing" if editing else "copied", trouble, _written(changes)),
    }
    return Fields(values, updates)


def _advised(studio: Studio, run: RunFolder, verb: str) -> advice.Changes:
    """Return what the advice that was chosen changes in the settings of a run."""
    if verb not in advice.OF_SETTINGS:
        return ()
    return advice.changes(verb, run.config, studio.scheduler.view(run.id).view)


def _written(changes: advice.Changes) -> str:
    """Name settings with their new values: "Epochs 6"; one that is switched on by its name alone."""
    titles = ((setting_named(name).label, value) for name, value in changes if value)
    return ", ".join(title if value is True else f"{title} {value}" for title, value in titles)


def act(studio: Studio, selection: Selection, action: Action) -> Fields:
    """Save the settings in the run that is being changed, or leave it as it was.

    Raises ConfigError naming every fault of the settings, and RunError when the run has started meanwhile.
    """
    if action.verb == "leave":
        return Fields({"taken_from": None})
    source = selection.taken_from
    if action.verb != "save" or source is None or source.use != "editing":
        return Fields()
    studio.change_run(source.run_id, selection.settings)
    studio.runs.describe(source.run_id, name=selection.settings.name)
    return Fields({"taken_from": Source(source.run_id, studio.runs.get(source.run_id).name, "saved")})


def said(source: Source | None) -> Markup:
    """Say whose settings are in the form; nothing where they are nobody's."""
    if source is None:
        return Markup("")
    name, buttons = source.name, _CLOSE
    if source.use == "saved":
        notice = fragments.notice("good", f"The settings of {name} are saved.")
    elif source.use == "copied":
        data = "" if source.trouble else " and its data set"
        changed = f", with {source.changes}" if source.changes else ""
        text = f"These are the settings of {name}{data}{changed}. Start training makes a new run with them."
        notice = fragments.notice("busy", text, source.trouble)
    else:
        text = (
            f"You are changing the settings of {name}, which has not started. Its examples, and which of them are "
            "held out, stay the same."
        )
        notice = fragments.notice("busy", text, source.trouble)
        save = actions.button("Save these settings", "save", kind="primary", once=True)
        buttons = save + actions.button("Cancel", "leave", name="Leave the run as it was")
    return Markup('<div class="ls-source" role="status">{}{}</div>').format(notice, fragments.buttons(buttons))
