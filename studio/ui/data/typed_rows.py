"""Rows that a person types: a question and an answer each, in fields of the browser's own.

The browser holds what is typed, so that no letter waits for the server and a reload loses nothing; it is read when it
is added.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html

FEWEST_ROWS = 4


def typed_rows() -> gr.HTML:
    """Make the fields. There is always an empty row below the last one in use."""
    return html(
        {"emptied": 0},
        elem_id="data-rows",
        template=fragments.render("data/typed_rows.html"),
        on_load=scripts.on_load("typedRows", FEWEST_ROWS),
    )


def emptied() -> Any:
    """Return the update that empties the fields of what was added."""
    return gr.update(value={"emptied": time.time_ns()})


def read_rows(sent: object) -> tuple[tuple[str, str], ...]:
    """Read what a browser sent as rows; empty ones, and what is no row, are passed over."""
    rows = sent if isinstance(sent, Sequence) and not isinstance(sent, str | Mapping) else ()
    pairs = [(_cell(row, 0), _cell(row, 1)) for row in rows if isinstance(row, list | tuple)]
    return tuple((question, answer) for question, answer in pairs if question.strip() or answer.strip())


def _cell(row: Sequence[object], place: int) -> str:
    return str(row[place]) if place < len(row) and row[place] is not None else ""
