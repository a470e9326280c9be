"""Sending only what is new: what a timer drew last is remembered for each open page, and left out while it is the same.

What a press draws and what a timer draws reach the browser by two ways, and now and then in another order than they
were made in: the page then shows the older of the two. So what is new is said once more a little later. Knows nothing
of what is drawn.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

AGAIN_SECONDS = 3.0
"""So much later a part that has not changed since is sent once more."""

Drawn = Mapping[str, Any]
"""What was sent last, by the name of the part; and under `_ONCE`, when each part was sent that was sent only once."""

_ONCE = "sent once"


def only_new(fresh: Drawn, drawn: Drawn | None, *, clock: Callable[[], float] = time.monotonic) -> list[Any]:
    """Return the fresh parts in order, with `gr.skip()` for those that the page has; last, all of them to remember."""
    before, now = drawn or {}, clock()
    once = dict(before.get(_ONCE, {}))
    updates = []
    for name, part in fresh.items():
        if name not in before or before[name] != part:
            updates.append(part)
            once.pop(name, None)
            if _can_be_said_again(part):
                once[name] = now
        elif name in once and now - once[name] >= AGAIN_SECONDS:
            updates.append(part)
            del once[name]
        else:
            updates.append(gr.skip())
    return [*updates, {**fresh, _ONCE: once}]


def is_due(drawn: Drawn | None, *, clock: Callable[[], float] = time.monotonic) -> bool:
    """Whether something of what was sent is to be sent once more by now."""
    return any(clock() - at >= AGAIN_SECONDS for at in (drawn or {}).get(_ONCE, {}).values())


def _can_be_said_again(part: object) -> bool:
    """Whether a part is the same to the page however often it comes: a text, or whether something is to be seen.

    The value of a field is not: a person may have changed it meanwhile.
    """
    return isinstance(part, str) or (isinstance(part, dict) and part.keys() == {"__type__", "visible"})
