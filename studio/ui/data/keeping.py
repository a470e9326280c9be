"""Naming, adding to, downloading and deleting the chosen data set, and the trash, laid out and connected."""

from functools import partial

import gradio as gr

from studio.data.downloads import CSV, EXCEL, JSON_LINES
from studio.studio import Studio
from studio.ui.data import actions, library
from studio.ui.data.bring import Listeners
from studio.ui.data.state import Selection
from studio.ui.kit.components import html
from studio.ui.kit.panel import Panel

_DOWNLOADS = ((JSON_LINES, "JSON Lines"), (CSV, "CSV"), (EXCEL, "Excel"))
_ON_CSV = (
    '<p class="ls-note">Excel and JSON Lines hold the texts exactly. In CSV a text that a spreadsheet would take for a '
    "formula begins with an apostrophe.</p>"
)


def build(panel: Panel[Selection], studio: Studio) -> Listeners:
    """Lay out what can be done with a data set as a whole."""
    title = "Rename, add a file, download or delete"
    with panel.part("keeping", gr.Accordion(title, open=False, elem_classes="ls-more", elem_id="data-keeping")):
        with gr.Row(elem_classes="ls-actions"):
            name = panel.part("name", gr.Textbox(label="Name", max_lines=1, elem_id="data-name"))
            rename = gr.Button("Rename", size="sm", elem_id="data-rename")
        with gr.Row(elem_classes="ls-actions"):
            append = gr.UploadButton(
                "Add a file to this data set", file_count="multiple", size="sm", elem_id="data-append"
            )
            downloads = [(kind, gr.Button(f"Download {title}", size="sm")) for kind, title in _DOWNLOADS]
        html(_ON_CSV)
        delete = panel.action_html("delete")
    with panel.part(
        "bin", gr.Accordion("Trash", open=False, visible=False, elem_classes="ls-more", elem_id="data-bin")
    ):
        binned = panel.action_html("binned")
    renaming = [rename.click, name.submit]
    return [
        partial(panel.on, renaming, partial(library.rename, studio), given={"name": name}),
        partial(panel.on, [append.upload], partial(actions.append_files, studio), given={"files": append}),
        *(partial(panel.download, made.click, partial(library.prepare, studio, kind)) for kind, made in downloads),
        partial(panel.on_action, partial(library.press, studio), of=[delete, binned]),
    ]
