"""Sending only what is new: what a timer drew last is remembered for each open page, and left out while it is the same.

Knows nothing of what is drawn.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

Drawn = Mapping[str, Any]
"""What was sent last, by the name of the part."""


def only_new(fresh: Drawn, drawn: Drawn | None) -> list[Any]:
    """Return the fresh parts in order, with `gr.skip()` for those that the page has; last, all of them to remember."""
    before = drawn or {}
    updates = [gr.skip() if name in before and before[name] == part else part for name, part in fresh.items()]
    return [*updates, dict(fresh)]
