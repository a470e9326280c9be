"""The data sets that are kept: choosing one and one of its versions, naming, taking away, deleting, putting back."""

import logging
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.data import versions
from studio.data.dataset_folders import Dataset
from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import held_out
from studio.ui.data.state import Selection
from studio.ui.kit import actions, fragments
from studio.ui.kit.actions import DISCARD, Action, bin_label, damaged_list
from studio.ui.kit.downloads import DATA, download_address
from studio.wording import counted

log = logging.getLogger(__name__)

Choices = list[tuple[str, str]]

_DAMAGED = (
    "These data sets cannot be read: their files were changed or cut short outside of the studio. "
    "Bring the file again; in the bin nothing of them is deleted."
)


def choices(studio: Studio) -> Choices:
    """List the stored data sets, the newest first, each with what it holds and how often it was used."""
    return [(_family_label(studio, each), each.root) for each in studio.data.families()]


def _family_label(studio: Studio, dataset: Dataset) -> str:
    uses = studio.uses(dataset.id)
    used = f" · {counted(uses, 'run')}" if uses else ""
    return f"{dataset.name} · {counted(dataset.inspection.usable, 'example')}{used}"


def version_choices(studio: Studio, dataset_id: str) -> Choices:
    """List the versions of a data set, the newest first. Raises DataError when it is unknown."""
    stored = studio.data.versions(dataset_id)
    by_id = {each.id: each for each in stored}
    return [(versions.version_label(each, by_id.get(each.parent)), each.id) for each in reversed(stored)]


def show(studio: Studio, dataset_id: str) -> tuple[Any, Any]:
    """Select a version of a data set in both pickers; without an id, nothing is selected."""
    stored = choices(studio)
    if not dataset_id:
        return gr.update(choices=stored, value=None), gr.update(choices=[], value=None, visible=False)
    offered = version_choices(studio, dataset_id)
    root = studio.data.get(dataset_id).root
    return (
        gr.update(choices=stored, value=root),
        gr.update(choices=offered, value=dataset_id, visible=len(offered) > 1),
    )


def keep_or_newest(studio: Studio, dataset_id: str | None) -> str:
    """Return the id if there is such a data set, else that of the newest; nothing when there is none."""
    stored = studio.data.all()
    if dataset_id and any(each.id == dataset_id for each in stored):
        return dataset_id
    return stored[0].id if stored else ""


def draw(studio: Studio, selection: Selection) -> dict[str, Any]:
    """Offer the data sets, and what can be done with the chosen version. Raises DataError when it is unknown."""
    family, version = show(studio, selection.version)
    offered = held_out.choices(studio, selection.version)
    parts = {"family": family, "version": version, "other": gr.update(choices=offered), **draw_bin(studio)}
    if not selection.version:
        return {**parts, "name": gr.update(value=""), "delete": ""}
    dataset = studio.data.get(selection.version)
    said = deletion(dataset, count=len(studio.data.versions(dataset.id)), uses=studio.uses(dataset.id))
    return {**parts, "name": gr.update(value=dataset.name), "delete": str(said)}


def deletion(dataset: Dataset, *, count: int, uses: int) -> Markup:
    """Offer to delete a data set, and say what that means."""
    runs = "No run learned from it" if not uses else f"{counted(uses, 'run')} learned from it"
    keep = "" if not uses else f" and {'keeps its own copy' if uses == 1 else 'keep their own copies'}"
    buttons = []
    if count > 1:
        buttons.append(actions.button(f"Delete version {dataset.version}", "delete", key="one", once=True))
        buttons.append(actions.button(f"Delete all {count} versions", "delete", key="all", kind="stop", once=True))
    else:
        buttons.append(actions.button("Delete this data set", "delete", key="all", kind="stop", once=True))
    text = f"{runs}{keep}. What is deleted goes to the bin, from where you can put it back."
    return Markup('<p class="ls-note">{}</p>').format(text) + fragments.buttons(*buttons)


def draw_bin(studio: Studio) -> dict[str, Any]:
    """Show what lies in the bin and what cannot be read: their accordion, and the lists in it."""
    deleted, damaged = studio.data.binned(), studio.data.damaged()
    items = fragments.join(
        Markup("<li><span>{}</span>{}</li>").format(
            f"{each.name} · {versions.version_label(each)}",
            actions.button("Put back", "restore", key=each.id, name=f"Put back {each.name} v{each.version}", once=True),
        )
        for each in deleted
    )
    listed = Markup('<ul class="ls-list ls-rows">{}</ul>').format(items)
    label = bin_label("Bin", len(deleted), len(damaged))
    shown = fragments.join([*damaged_list(damaged, _DAMAGED), listed])
    return {"bin": gr.update(visible=bool(deleted or damaged), label=label), "binned": str(shown)}


def rename(studio: Studio, selection: Selection, *, name: str) -> Selection:
    """Give the chosen data set another name. Raises DataError for a name that cannot be one."""
    if not selection.version:
        return selection
    studio.data.rename(selection.version, name)
    return replace(selection, renewed=selection.renewed + 1)


def prepare(studio: Studio, selection: Selection) -> str | None:
    """Write the chosen version as JSON Lines and return that file's address. Raises DataError."""
    if not selection.version:
        return None
    return download_address(DATA, selection.version, studio.data.download(selection.version).name)


def press(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Move what is chosen to the bin, put a data set back from there, or a damaged one into it.

    Raises DataError for a damaged one.
    """
    renewed = replace(selection, renewed=selection.renewed + 1)
    if action.verb == "delete" and selection.version:
        return replace(renewed, version=_delete(studio, selection.version, every=action.key == "all"))
    if action.verb == DISCARD:
        studio.data.discard(action.key)
        return renewed
    if action.verb == "restore":
        return replace(renewed, version=_restore(studio, action.key) or keep_or_newest(studio, selection.version))
    return selection


def _delete(studio: Studio, chosen: str, *, every: bool) -> str:
    """Move a version, or all of them, to the bin; return what comes next."""
    stored = [each.id for each in studio.data.versions(chosen)]
    # The chosen one last: until then the page goes on showing it.
    for id in [*(each for each in stored if every and each != chosen), chosen]:
        studio.data.delete(id)
    left = [id for id in stored if not every and id != chosen]
    return left[-1] if left else keep_or_newest(studio, None)


def _restore(studio: Studio, id: str) -> str:
    """Put a data set back; nothing where another page was quicker."""
    try:
        return studio.data.restore(id).id
    except DataError:
        log.debug("A data set was gone already", exc_info=True)
        return ""
