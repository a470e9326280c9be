"""The data sets that are kept: choosing one and one of its versions, naming, taking away, deleting, putting back."""

import logging
from collections import Counter
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

DELETE, DELETE_ALL = "delete", "delete-all"
"""What the buttons say that delete a version, or all of a data set; the key is the id of the version that is shown."""

_DAMAGED = (
    "These data sets cannot be read: their files were changed or cut short outside of the studio. "
    "Bring the file again; the trash keeps their files."
)


def choices(studio: Studio, uses: Counter[str]) -> Choices:
    """List the stored data sets, the newest first, each with what it holds and how often it was used."""
    return [(_family_label(each, uses[each.root]), each.root) for each in studio.data.families()]


def _family_label(dataset: Dataset, uses: int) -> str:
    used = f" · {counted(uses, 'run')}" if uses else ""
    return f"{dataset.name} · {counted(dataset.inspection.usable, 'example')}{used}"


def version_choices(studio: Studio, dataset_id: str) -> Choices:
    """List the versions of a data set, the newest first. Raises DataError when it is unknown."""
    stored = studio.data.versions(dataset_id)
    by_id = {each.id: each for each in stored}
    return [(versions.version_label(each, by_id.get(each.parent)), each.id) for each in reversed(stored)]


def show(studio: Studio, dataset_id: str) -> tuple[Any, Any]:
    """Select a version of a data set in both pickers; without an id, nothing is selected."""
    return _pickers(studio, dataset_id, studio.uses())


def _pickers(studio: Studio, dataset_id: str, uses: Counter[str]) -> tuple[Any, Any]:
    stored = choices(studio, uses)
    if not dataset_id:
        nothing = gr.update(choices=[], value=None, visible=False)
        return nothing, nothing
    offered = version_choices(studio, dataset_id)
    root = studio.data.get(dataset_id).root
    return (
        gr.update(choices=stored, value=root, visible=True),
        gr.update(choices=offered, value=dataset_id, visible=len(offered) > 1),
    )


def keep_or_last(studio: Studio, dataset_id: str | None) -> str:
    """Return the id if there is such a data set, else that of the version that a person left; nothing without any."""
    if dataset_id and studio.data.find(dataset_id) is not None:
        return dataset_id
    last = studio.data.last_chosen()
    return last.id if last is not None else ""


def draw(studio: Studio, selection: Selection) -> dict[str, Any]:
    """Offer the data sets, and what can be done with the chosen version. Raises DataError when it is unknown."""
    uses = studio.uses()
    family, version = _pickers(studio, selection.version, uses)
    offered = held_out.choices(studio, selection.version)
    parts = {"family": family, "version": version, "other": gr.update(choices=offered), **draw_bin(studio)}
    if not selection.version:
        return {**parts, "name": gr.update(value=""), "delete": ""}
    dataset = studio.data.get(selection.version)
    known = uses[dataset.root] if not studio.summaries.look().unread else None
    said = deletion(dataset, count=len(studio.data.versions(dataset.id)), uses=known)
    return {**parts, "name": gr.update(value=dataset.name), "delete": str(said)}


def deletion(dataset: Dataset, *, count: int, uses: int | None) -> Markup:
    """Offer to delete a data set, and say what that means. `uses` is None while not all runs are read."""
    learned = (
        "Your runs are still being read; a run that learned from it keeps its own copy."
        if uses is None
        else "No run learned from it."
        if not uses
        else "1 run learned from it and keeps its own copy."
        if uses == 1
        else f"{uses:,} runs learned from it and keep their own copies."
    )
    buttons = []
    if count > 1:
        buttons.append(actions.button(f"Delete version {dataset.version}", DELETE, key=dataset.id, once=True))
        buttons.append(
            actions.button(f"Delete all {count} versions", DELETE_ALL, key=dataset.id, kind="stop", once=True)
        )
    else:
        buttons.append(actions.button("Delete this data set", DELETE_ALL, key=dataset.id, kind="stop", once=True))
    text = fragments.note(f"{learned} You can restore what you delete from the trash.")
    return text + fragments.buttons(*buttons)


def draw_bin(studio: Studio) -> dict[str, Any]:
    """Show what lies in the trash and what cannot be read: their accordion, and the lists in it."""
    deleted, damaged = studio.data.binned(), studio.data.damaged()
    items = fragments.join(
        Markup("<li><span>{}</span>{}</li>").format(
            f"{each.name} · {versions.version_label(each)}",
            actions.button("Restore", "restore", key=each.id, name=f"Restore {each.name} v{each.version}", once=True),
        )
        for each in deleted
    )
    listed = Markup('<ul class="ls-list ls-rows">{}</ul>').format(items)
    label = bin_label("Trash", len(deleted), len(damaged))
    shown = fragments.join([*damaged_list(damaged, _DAMAGED), listed])
    return {"bin": gr.update(visible=bool(deleted or damaged), label=label), "binned": str(shown)}


def rename(studio: Studio, selection: Selection, *, name: str) -> Selection:
    """Give the chosen data set another name. Raises DataError for a name that cannot be one."""
    if not selection.at_hand:
        return selection
    studio.data.rename(selection.at_hand, name)
    return replace(selection, renewed=selection.renewed + 1)


def prepare(studio: Studio, kind: str, selection: Selection) -> str | None:
    """Write the chosen version as a file of this kind and return its address. Raises DataError."""
    if not selection.at_hand:
        return None
    return download_address(DATA, selection.at_hand, studio.data.download(selection.at_hand, kind).name)


def press(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Move what is chosen to the trash, put a data set back from there, or a damaged one into it.

    Raises DataError for a damaged one, and where the page showed another one.
    """
    renewed = replace(selection, renewed=selection.renewed + 1)
    if action.verb in (DELETE, DELETE_ALL) and action.key and action.key == selection.at_hand:
        return replace(renewed, version=_delete(studio, action.key, every=action.verb == DELETE_ALL))
    if action.verb == DISCARD:
        studio.data.discard(action.key)
        return renewed
    if action.verb == "restore":
        return replace(renewed, version=_restore(studio, action.key) or keep_or_last(studio, selection.version))
    return selection


def _delete(studio: Studio, chosen: str, *, every: bool) -> str:
    """Move a version, or all of them, to the trash; return what comes next."""
    stored, parent = [each.id for each in studio.data.versions(chosen)], studio.data.get(chosen).parent
    # The chosen one last: until then the page goes on showing it.
    for id in [*(each for each in stored if every and each != chosen), chosen]:
        studio.data.delete(id)
    left = [id for id in stored if not every and id != chosen]
    if left:
        return parent if parent in left else left[-1]
    return keep_or_last(studio, None)


def _restore(studio: Studio, id: str) -> str:
    """Put a data set back; nothing where another page was quicker."""
    try:
        return studio.data.restore(id).id
    except DataError:
        log.debug("A data set was gone already", exc_info=True)
        return ""
