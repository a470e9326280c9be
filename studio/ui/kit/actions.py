"""Lists of buttons and choosers as HTML: one component and one listener, however many there are.

What was pressed comes from a browser, so it is read as three short texts and nothing else; what they mean, and whether
they can be meant, the listener judges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency
from markupsafe import Markup

from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html
from studio.ui.kit.errors import report_errors
from studio.ui.kit.sent_values import can_be_written

DISCARD = "discard"
"""The verb of the buttons of `damaged_list`; the key is a name."""

MOST_LISTED = 200

_LONGEST = 200


@dataclass(frozen=True)
class Action:
    """What was pressed: `verb` says what to do, `key` with which item, `value` is what a chooser was set to."""

    verb: str = ""
    key: str = ""
    value: str = ""

    @property
    def number(self) -> int:
        """The key as a number, -1 when it is none."""
        return int(self.key) if self.key.isascii() and self.key.isdigit() else -1


def read_action(data: object) -> Action:
    """Read what a browser sent. Anything but three short texts is a press of nothing."""
    if not isinstance(data, Mapping):
        return Action()
    parts = [data.get(name, "") for name in ("verb", "key", "value")]
    if not all(isinstance(part, str) and len(part) <= _LONGEST and can_be_written(part) for part in parts):
        return Action()
    return Action(*parts)


def action_html(value: Markup | str = "", *, elem_id: str) -> gr.HTML:
    """Show markup whose buttons and choosers can be pressed, see `button` and `chooser`."""
    return html(value, elem_id=elem_id, on_load=scripts.on_load("actions"))


def on_action(
    component: gr.HTML,
    listener: Callable[..., Any],
    *,
    inputs_kwargs: Mapping[str, Block] | None = None,
    outputs: Sequence[Any],
    **options: Any,
) -> Dependency:
    """Call `listener` with the `Action`, and the inputs by their names, when something in the component is pressed."""

    def call(event: gr.EventData, **values: Any) -> Any:
        return report_errors(listener)(read_action(event._data), **values)

    pressed: Dependency = component.click(
        call, inputs_kwargs=dict(inputs_kwargs or {}), outputs=list(outputs), **options
    )
    return pressed


def button(
    label: str,
    verb: str,
    *,
    key: object = "",
    kind: str = "",
    name: str = "",
    scroll: str = "",
    once: bool = False,
    fixes: bool = False,
    disabled: bool = False,
) -> Markup:
    """Make a button. `name` is what a screen reader says where the label alone is not enough.

    `scroll` is the id of what comes into sight; `once` is for work that must not be started twice by a double click;
    `fixes` is for what makes another version of a data set, one at a time, and looks busy until that is there.
    """
    return Markup(
        '<button type="button" class="ls-button {}" data-verb="{}" data-key="{}"{}{}{}{}{}>{}</button>'
    ).format(
        f"ls-{kind}" if kind else "",
        verb,
        key,
        Markup(' aria-label="{}"').format(name) if name else "",
        Markup(' data-scroll="{}"').format(scroll) if scroll else "",
        Markup(" data-once") if once else "",
        Markup(" data-fixes") if fixes else "",
        Markup(" disabled") if disabled else "",
        label,
    )


def chooser(verb: str, *, key: object, choices: Sequence[tuple[str, str]], chosen: str, name: str) -> Markup:
    """Make a chooser of one of `choices`, each a value with its label; `name` is what a screen reader says."""
    options = Markup("").join(
        Markup('<option value="{}"{}>{}</option>').format(value, Markup(" selected") if value == chosen else "", label)
        for value, label in choices
    )
    return Markup('<select class="ls-select" data-verb="{}" data-key="{}" aria-label="{}">{}</select>').format(
        verb, key, name, options
    )


def pager(shown: str, verb: str, *, page: int, pages: int, scroll: str = "") -> Markup:
    """Say which rows are `shown`, with what turns the pages; the key is the number of a page, from 0."""
    if pages == 1:
        return Markup('<p class="ls-pages"><span>{}</span></p>').format(shown)
    back, on = (
        button(label, verb, key=number, scroll=scroll, disabled=not 0 <= number < pages)
        for label, number in (("Previous", page - 1), ("Next", page + 1))
    )
    return Markup('<div class="ls-pages">{}<span>{}</span>{}</div>').format(back, shown, on)


def damaged_list(names: Sequence[str], said: str) -> list[Markup]:
    """Show a warning with the names of what cannot be read, each with a way to the Trash; nothing without names."""
    if not names:
        return []
    items = fragments.join(
        Markup('<li><span translate="no">{}</span>{}</li>').format(
            name, button("Move to Trash", DISCARD, key=name, name=f"Move {name} to the Trash", once=True)
        )
        for name in names[:MOST_LISTED]
    )
    return [fragments.notice("warning", said), Markup('<ul class="ls-list ls-rows">{}</ul>').format(items)]


def bin_label(title: str, binned: int, damaged: int) -> str:
    """Return the title of a bin, with how much lies in it and how much cannot be read."""
    return f"{title} ({binned:,})" + (f" · {damaged:,} damaged" if damaged else "")
