"""Files that a person can save: the addresses of those that the server has, and texts that the page is handed whole.

`download_routes` answers at these addresses. They are relative to the page, so that they hold below any prefix.
"""

import json
from urllib.parse import quote

import gradio as gr

RUN = "run"
DATA = "data"
"""What a file belongs to: a run or a data set, which are known by their ids."""

PREFIX = "studio/download"

_KINDS = {"csv": "text/csv", "md": "text/markdown", "jsonl": "application/x-ndjson"}


def download_address(kind: str, id: str, name: str) -> str:
    """Return where a file of a run or a data set is downloaded, relative to the page."""
    return f"{PREFIX}/{kind}/{quote(id, safe='')}/{quote(name, safe='')}"


def text_file(name: str, text: str) -> str:
    """Prepare a text to be saved under a name, by `saveText` in the browser."""
    kind = f"{_KINDS.get(name.rpartition('.')[2], 'text/plain')};charset=utf-8"
    return json.dumps({"name": name, "text": text, "kind": kind})


def prepared_file() -> gr.Textbox:
    """Make the field that an address or a text passes through on its way to the browser."""
    return gr.Textbox(visible=False, label="Prepared file")
