"""The addresses of the files that a person can download, and how the browser saves one of them.

`download_routes` answers at these addresses. They are relative to the page, so that they hold below any prefix.
"""

from urllib.parse import quote

import gradio as gr

RUN = "run"
DATA = "data"
"""What a file belongs to: a run or a data set, which are known by their ids."""

PREFIX = "studio/download"

SAVE = """(address) => {
  if (!address) return;
  const link = document.createElement('a');
  link.href = address;
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
}"""
"""Saves the file at the address that a listener returned, under the name that the server gives it."""


def download_address(kind: str, id: str, name: str) -> str:
    """Return where a file of a run or a data set is downloaded, relative to the page."""
    return f"{PREFIX}/{kind}/{quote(id, safe='')}/{quote(name, safe='')}"


def address_field() -> gr.Textbox:
    """Make the field that an address passes through on its way to the browser."""
    return gr.Textbox(visible=False, label="Prepared file")
