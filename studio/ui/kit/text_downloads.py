"""Handing a text to the browser as a file, without one on the server: it passes through a field that is not shown."""

import json

import gradio as gr

SAVE_TEXT = """(prepared) => {
  if (!prepared) return;
  const {name, text, kind} = JSON.parse(prepared);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: kind}));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""
"""Saves what `text_file` prepared."""

_KINDS = {"csv": "text/csv", "md": "text/markdown", "jsonl": "application/x-ndjson"}


def passage() -> gr.Textbox:
    """Make the field that a text passes through on its way to the browser."""
    return gr.Textbox(visible=False, label="Prepared file")


def text_file(name: str, text: str) -> str:
    """Prepare a text to be saved under a name."""
    kind = f"{_KINDS.get(name.rpartition('.')[2], 'text/plain')};charset=utf-8"
    return json.dumps({"name": name, "text": text, "kind": kind})
