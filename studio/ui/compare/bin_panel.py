"""What was deleted of one kind on the Compare tab: one is chosen and put back, or all of it is deleted for good.

A panel takes it in as parts of its own: its state inherits `InBin`, and its actions send what `look` returns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr
from markupsafe import Markup

from studio.keeping import KeptFiles
from studio.ui.kit import actions, fragments, run_choices
from studio.ui.kit.actions import DISCARD, MOST_LISTED, Action, bin_label, damaged_list
from studio.ui.kit.components import picker
from studio.ui.kit.exchange import Result
from studio.ui.kit.numbers import moment
from studio.ui.kit.panel import Panel
from studio.wording import counted

ASK, EMPTY, KEEP = "ask", "empty", "keep"


@dataclass(frozen=True)
class InBin:
    """What a page holds of a bin: which is chosen in it, and the id of what was deleted last."""

    picked: str | None = None
    deleted: str = ""


Holder = TypeVar("Holder", bound=InBin)


def build(panel: Panel[Any], noun: str) -> tuple[gr.Button, gr.HTML]:
    """Lay it out, hidden until there is something in it; return what puts the chosen one back, and what empties it.

    `noun` is what a sentence calls one of those that were deleted.
    """
    name, title = panel.name, "Trash"
    whole = gr.Accordion(title, open=False, visible=False, elem_classes="ls-inner", elem_id=f"{name}-bin")
    with panel.part("bin", whole):
        with panel.part("bin_choosing", gr.Row(elem_classes="ls-kept")):
            info = "The last deleted comes first."
            panel.input("picked", picker(label=f"Deleted {noun}s", info=info, elem_id=f"{name}-binned"), redraws_on="")
            back = gr.Button("Restore", size="sm", elem_id=f"{name}-bin-back")
        emptying = panel.action_html("bin_empty")
    return back, emptying


def look(kept: KeptFiles[Any], noun: str, picked: str | None, *, sure: bool = False) -> dict[str, Any]:
    """Show what is in the bin; with `sure`, ask whether it shall be deleted for good. Hidden when nothing is in it."""
    binned, count, damaged = kept.binned(), kept.in_bin(), kept.damaged()
    choices = [(f"{each.name} · {moment(each.changed)}", each.id) for each in binned[:MOST_LISTED]]
    return {
        "bin": gr.update(visible=bool(count or damaged), label=bin_label("Trash", count, len(damaged))),
        "bin_choosing": gr.update(visible=bool(binned)),
        "picked": gr.update(choices=choices, value=run_choices.keep_or_first(picked, choices)),
        "bin_empty": str(fragments.stack([*_damaged(noun, damaged), *_emptying(count, noun, sure=sure)])),
    }


def press(kept: KeptFiles[Any], noun: str, state: Holder, pressed: Action) -> Result[Holder]:
    """Ask whether all of it shall be deleted for good, and do so where that many were asked about. Raises RunError.

    The part "restore" puts back what was deleted last; it is hidden once that is gone.
    """
    if pressed.verb == DISCARD:
        kept.discard(pressed.key)
    if pressed.verb != EMPTY or pressed.number != kept.in_bin():
        return Result(state, look(kept, noun, state.picked, sure=pressed.verb in (ASK, EMPTY)))
    sentence = f"The Trash is empty: {counted(kept.empty_bin(), noun)} deleted for good."
    title, damaged = "Trash", kept.damaged()
    updates = {
        "bin": gr.update(visible=True, label=bin_label(title, 0, len(damaged)) if damaged else title),
        "bin_choosing": gr.update(visible=False),
        "picked": gr.update(choices=[], value=None),
        "bin_empty": str(fragments.stack([*_damaged(noun, damaged), fragments.line("good", sentence)])),
        "restore": gr.update(visible=False),
    }
    return Result(state, updates)


def _damaged(noun: str, names: Sequence[str]) -> list[Markup]:
    said = (
        f"{counted(len(names), noun)} cannot be read: the file was changed or cut short outside of the studio. "
        "It is left as it is."
    )
    return damaged_list(names, said)


def _emptying(count: int, noun: str, *, sure: bool) -> list[Markup]:
    if not count:
        return []
    return [_asking(count, noun) if sure else actions.button("Empty Trash", ASK, kind="stop")]


def _asking(count: int, noun: str) -> Markup:
    asked = fragments.notice("warning", f"Delete {counted(count, noun)} for good? This cannot be undone.")
    buttons = [
        actions.button("Delete for good", EMPTY, key=count, kind="stop", once=True),
        actions.button("Cancel", KEEP, name=f"Keep the deleted {noun}s"),
    ]
    return fragments.stack([asked, fragments.buttons(*buttons)])
