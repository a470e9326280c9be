"""What an open page shows of a tab, and which parts of a new drawing it does not have yet.

What an action draws and what a timer draws reach the browser in two ways, and now and then in another order than they
were made in: the page then shows the older of the two. So what is new is sent once more a little later.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

AGAIN_SECONDS = 3.0
"""So much later a part that has not changed since is sent once more."""

_SET_BY_THE_SERVER = {"__type__", "visible", "interactive", "active", "label", "info"}
"""What no person changes of a component."""

Parts = Mapping[str, Any]
"""What each part shows, by its name: a value, or `gr.update(...)`."""


@dataclass(frozen=True)
class Section:
    """Some parts of a tab. `make` draws them; it is called only where `key` is not the one that the page has."""

    key: object
    make: Callable[[], Parts]


Drawing = Parts | Sequence[Section]
"""All parts of a tab, in sections where they are slow to draw. The number of the sections stays the same."""


@dataclass(frozen=True)
class Drawn:
    """What a page has. `once` says when each part was sent that was sent only once so far."""

    sections: tuple[tuple[object, Parts], ...] = ()
    sent: Parts = field(default_factory=dict)
    once: Mapping[str, float] = field(default_factory=dict)

    def value_of(self, name: str, otherwise: Any) -> Any:
        """Return the value that a part was last drawn with; `otherwise` where it is drawn without one."""
        for _, parts in self.sections:
            if name in parts:
                part = parts[name]
                return part.get("value", otherwise) if _is_update(part) else part
        return otherwise


def only_new(
    drawing: Drawing, page: Drawn, *, fields: Collection[str] = (), clock: Callable[[], float] = time.monotonic
) -> tuple[dict[str, Any], Drawn]:
    """Return the parts that a page does not have, by name, and what it has with them; the same `Drawn` for none.

    `fields` are the parts that a person sets: their values are left out, because the page knows them better.
    """
    sections = _made([Section(drawing, lambda: drawing)] if isinstance(drawing, Mapping) else drawing, page)
    fresh = {name: part for _, parts in sections for name, part in parts.items()}
    for name in fresh.keys() & set(fields):
        fresh[name] = _without_value(fresh[name])
    new, once, now = {}, dict(page.once), clock()
    for name, part in fresh.items():
        if name not in page.sent or page.sent[name] != part:
            new[name] = part
            once.pop(name, None)
            if _can_be_sent_again(part):
                once[name] = now
        elif name in once and now - once[name] >= AGAIN_SECONDS:
            new[name] = part
            del once[name]
    after = Drawn(sections, fresh, once)
    return new, page if after == page else after


def _made(drawing: Sequence[Section], page: Drawn) -> tuple[tuple[object, Parts], ...]:
    """Draw the sections that follow from something else than those of the page; take the others from there."""
    known = page.sections if len(page.sections) == len(drawing) else ((None, None),) * len(drawing)
    return tuple(
        (each.key, parts if parts is not None and key == each.key else each.make())
        for each, (key, parts) in zip(drawing, known, strict=True)
    )


def _is_update(part: object) -> bool:
    return isinstance(part, dict) and part.get("__type__") == "update"


def _without_value(part: Any) -> Any:
    return {name: each for name, each in part.items() if name != "value"} if _is_update(part) else gr.skip()


def _can_be_sent_again(part: object) -> bool:
    """Whether a part is the same to the page however often it comes: a text, how something looks, whether it runs.

    What a person sets is not, as the value of a field or what is open: it may be another by now.
    """
    return isinstance(part, str) or (isinstance(part, dict) and part.keys() <= _SET_BY_THE_SERVER)
