"""The data sets that are kept: choosing one and one of its versions, naming, taking away, deleting, putting back.

Lays out and connects.
"""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.data import versions as data_changes
from studio.data.dataset_folders import Dataset
from studio.errors import DataError
from studio.studio import Studio
from studio.ui.kit import actions, fragments, scripts
from studio.ui.kit.actions import DISCARD, Action, action_html, bin_label, damaged_list, on_action
from studio.ui.kit.components import ACTING, QUIET, picker
from studio.ui.kit.downloads import DATA, download_address, prepared_file
from studio.ui.kit.errors import shown
from studio.wording import counted

log = logging.getLogger(__name__)

Choices = list[tuple[str, str]]

_DAMAGED = (
    "These data sets cannot be read: their files were changed or cut short outside of the studio. "
    "Bring the file again; in the bin nothing of them is deleted."
)


@dataclass(frozen=True)
class Library:
    """The components. `family` holds what all versions of a data set share, `version` the id of the chosen one."""

    family: gr.Dropdown
    version: gr.Dropdown


@dataclass(frozen=True)
class Keeping:
    """The rarely used controls of the chosen data set, and the bin."""

    name: gr.Textbox
    rename: gr.Button
    prepare: gr.Button
    address: gr.Textbox
    delete: gr.HTML
    bin: gr.Accordion
    binned: gr.HTML


def build_pickers() -> Library:
    """Lay out what chooses a data set."""
    with gr.Row(elem_classes="ls-pickers"):
        family = picker(label="Data set", info="Everything you brought stays here.", elem_id="data-library")
        version = picker(
            label="Version",
            info="What you change makes a new one; the others stay.",
            elem_id="data-version",
            visible=False,
        )
    return Library(family=family, version=version)


def build_keeping() -> Keeping:
    """Lay out naming, downloading and deleting, and the bin."""
    with gr.Accordion("Rename, download or delete", open=False, elem_classes="ls-inner", elem_id="data-keeping"):
        with gr.Row(elem_classes="ls-actions"):
            name = gr.Textbox(label="Name", max_lines=1, elem_id="data-name")
            rename = gr.Button("Rename", size="sm", elem_id="data-rename")
        with gr.Row(elem_classes="ls-actions"):
            prepare = gr.Button("Download (JSON Lines)", size="sm", elem_id="data-download")
            address = prepared_file()
        delete = action_html(elem_id="data-delete")
    with gr.Accordion("Bin", open=False, visible=False, elem_classes="ls-inner", elem_id="data-bin") as bin:
        binned = action_html(elem_id="data-binned")
    return Keeping(name=name, rename=rename, prepare=prepare, address=address, delete=delete, bin=bin, binned=binned)


def wire(library: Library, keeping: Keeping, *, studio: Studio, loaded: Callable[..., Any]) -> None:
    """Connect the pickers and the rarely used controls. `loaded` is the event of the page being loaded."""
    pickers = [library.family, library.version]
    library.family.input(
        shown(functools.partial(choose_family, studio)), inputs=[library.family], outputs=pickers, **QUIET
    )
    gr.on(
        [library.version.change, loaded],
        shown(functools.partial(draw_keeping, studio)),
        inputs=[library.version],
        outputs=[keeping.name, keeping.delete, keeping.bin, keeping.binned],
        **QUIET,
    )
    gr.on(
        [keeping.rename.click, keeping.name.submit],
        shown(functools.partial(rename, studio)),
        inputs=[library.version, keeping.name],
        outputs=pickers,
        **ACTING,
    )
    keeping.prepare.click(
        shown(functools.partial(prepare, studio)),
        inputs=[library.version],
        outputs=[keeping.address],
        **ACTING,
    ).success(None, inputs=[keeping.address], js=scripts.call("saveFile"), show_progress="hidden")
    for component, listener in ((keeping.delete, delete), (keeping.binned, restore)):
        on_action(
            component,
            functools.partial(listener, studio),
            inputs_kwargs={"dataset_id": library.version},
            outputs=[*pickers, keeping.bin, keeping.binned],
            **ACTING,
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
    versions = studio.data.versions(dataset_id)
    by_id = {each.id: each for each in versions}
    return [(data_changes.version_label(each, by_id.get(each.parent)), each.id) for each in reversed(versions)]


def show(studio: Studio, dataset_id: str) -> tuple[Any, Any]:
    """Select a version of a data set in both pickers; without an id, nothing is selected."""
    stored = choices(studio)
    if not dataset_id:
        return gr.update(choices=stored, value=None), gr.update(choices=[], value=None, visible=False)
    versions = version_choices(studio, dataset_id)
    root = studio.data.get(dataset_id).root
    return (
        gr.update(choices=stored, value=root),
        gr.update(choices=versions, value=dataset_id, visible=len(versions) > 1),
    )


def keep_or_newest(studio: Studio, dataset_id: str | None) -> str:
    """Return the id if there is such a data set, else that of the newest; nothing when there is none."""
    stored = studio.data.all()
    if dataset_id and any(each.id == dataset_id for each in stored):
        return dataset_id
    return stored[0].id if stored else ""


def choose_family(studio: Studio, root: str | None) -> tuple[Any, Any]:
    """Select the newest version of a data set."""
    newest = next((each.id for each in studio.data.families() if each.root == root), None)
    return show(studio, keep_or_newest(studio, newest))


def rename(studio: Studio, dataset_id: str | None, name: str) -> tuple[Any, Any]:
    """Give the chosen data set another name. Raises DataError for a name that cannot be one."""
    if not dataset_id:
        return gr.skip(), gr.skip()
    studio.data.rename(dataset_id, name)
    return show(studio, dataset_id)


def prepare(studio: Studio, dataset_id: str | None) -> Any:
    """Write the chosen version as JSON Lines and return that file's address. Raises DataError."""
    if not dataset_id:
        return gr.skip()
    return download_address(DATA, dataset_id, studio.data.download(dataset_id).name)


def draw_keeping(studio: Studio, dataset_id: str | None) -> list[Any]:
    """Show the rarely used controls for the chosen version."""
    if not dataset_id:
        return ["", "", *draw_bin(studio)]
    dataset = studio.data.get(dataset_id)
    versions = studio.data.versions(dataset_id)
    said = deletion(dataset, versions=len(versions), uses=studio.uses(dataset_id))
    return [dataset.name, str(said), *draw_bin(studio)]


def deletion(dataset: Dataset, *, versions: int, uses: int) -> Markup:
    """Offer to delete a data set, and say what that means."""
    runs = "No run learned from it" if not uses else f"{counted(uses, 'run')} learned from it"
    keep = "" if not uses else f" and {'keeps its own copy' if uses == 1 else 'keep their own copies'}"
    buttons = []
    if versions > 1:
        buttons.append(actions.button(f"Delete version {dataset.version}", "delete", key="one", once=True))
        buttons.append(actions.button(f"Delete all {versions} versions", "delete", key="all", kind="stop", once=True))
    else:
        buttons.append(actions.button("Delete this data set", "delete", key="all", kind="stop", once=True))
    text = f"{runs}{keep}. What is deleted goes to the bin, from where you can put it back."
    return Markup('<p class="ls-note">{}</p>').format(text) + fragments.buttons(*buttons)


def draw_bin(studio: Studio) -> tuple[Any, str]:
    """Show what lies in the bin and what cannot be read: their accordion, and the lists in it."""
    deleted, damaged = studio.data.binned(), studio.data.damaged()
    items = fragments.join(
        Markup("<li><span>{}</span>{}</li>").format(
            f"{each.name} · {data_changes.version_label(each)}",
            actions.button("Put back", "restore", key=each.id, name=f"Put back {each.name} v{each.version}", once=True),
        )
        for each in deleted
    )
    listed = Markup('<ul class="ls-list ls-rows">{}</ul>').format(items)
    label = bin_label("Bin", len(deleted), len(damaged))
    shown = fragments.join([*damaged_list(damaged, _DAMAGED), listed])
    return gr.update(visible=bool(deleted or damaged), label=label), str(shown)


def delete(studio: Studio, press: Action, *, dataset_id: str | None) -> list[Any]:
    """Move the chosen version, or all of them, to the bin, and select what comes next."""
    if press.verb != "delete" or not dataset_id:
        return [gr.skip()] * 4
    versions = [each.id for each in studio.data.versions(dataset_id)]
    # The chosen one last: until then the page goes on showing it.
    for id in [*(each for each in versions if press.key == "all" and each != dataset_id), dataset_id]:
        studio.data.delete(id)
    left = [id for id in versions if press.key != "all" and id != dataset_id]
    return [*show(studio, keep_or_newest(studio, left[-1] if left else None)), *draw_bin(studio)]


def restore(studio: Studio, press: Action, *, dataset_id: str | None) -> list[Any]:
    """Put a data set back from the bin and select it, or a damaged one into it. Raises DataError for a damaged one."""
    if press.verb == DISCARD:
        studio.data.discard(press.key)
        return [*show(studio, keep_or_newest(studio, dataset_id)), *draw_bin(studio)]
    if press.verb != "restore":
        return [gr.skip()] * 4
    try:
        back = studio.data.restore(press.key).id
    except DataError:
        log.debug("A data set was gone already", exc_info=True)
        back = keep_or_newest(studio, dataset_id)  # another page was quicker: show what there is
    return [*show(studio, back), *draw_bin(studio)]
