"""What was deleted of one kind on the Compare tab: one is chosen and put back, or all of it is deleted for good."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from markupsafe import Markup

from studio.keeping import KeptFiles
from studio.ui.kit import actions, fragments, run_choices
from studio.ui.kit.actions import DISCARD, MOST_LISTED, Action, action_html, bin_label, damaged_list, on_action
from studio.ui.kit.components import ACTING, QUIET, picker
from studio.ui.kit.errors import shown
from studio.ui.kit.numbers import moment
from studio.wording import counted

ASK, EMPTY, KEEP = "ask", "empty", "keep"


@dataclass(frozen=True)
class Bin:
    """The components. `noun` is what a sentence calls one of those that were deleted."""

    noun: str
    panel: gr.Accordion
    choosing: gr.Row
    picked: gr.Dropdown
    back: gr.Button
    emptying: gr.HTML

    def drawn(self) -> list[Block]:
        """Return what is drawn."""
        return [self.panel, self.choosing, self.picked, self.emptying]


def build(noun: str, *, name: str) -> Bin:
    """Lay it out, hidden until there is something in it. `name` begins the names of its parts in the browser."""
    title = f"Deleted {noun}s"
    with gr.Accordion(title, open=False, visible=False, elem_classes="ls-inner", elem_id=f"{name}-bin") as panel:
        with gr.Row(elem_classes="ls-kept") as choosing:
            picked = picker(label="In the bin", info="What was deleted last comes first.", elem_id=f"{name}-binned")
            back = gr.Button("Put the chosen one back", size="sm", elem_id=f"{name}-bin-back")
        emptying = action_html(elem_id=f"{name}-bin-empty")
    return Bin(noun=noun, panel=panel, choosing=choosing, picked=picked, back=back, emptying=emptying)


def wire(
    bin: Bin, kept: KeptFiles[Any], *, events: Sequence[Callable[..., Any]], after: Sequence[Any], undo: gr.Button
) -> None:
    """Draw it at `events`, and after the listeners that delete or put back; connect what empties it.

    `undo` is the button that puts back what was deleted last.
    """
    look = shown(functools.partial(draw, kept, bin.noun))
    gr.on(list(events), look, inputs=[bin.picked], outputs=bin.drawn(), **QUIET)
    for listener in after:
        listener.then(look, inputs=[bin.picked], outputs=bin.drawn(), **QUIET)
    on_action(
        bin.emptying,
        functools.partial(press, kept, bin.noun),
        inputs_kwargs={"picked": bin.picked},
        outputs=[*bin.drawn(), undo],
        **ACTING,
    )


def draw(kept: KeptFiles[Any], noun: str, picked: str | None, *, sure: bool = False) -> list[Any]:
    """Show what is in the bin; with `sure`, ask whether it shall be deleted for good. Hidden when nothing is in it."""
    binned, count, damaged = kept.binned(), kept.in_bin(), kept.damaged()
    choices = [(f"{each.name} · {moment(each.changed)}", each.id) for each in binned[:MOST_LISTED]]
    return [
        gr.update(visible=bool(count or damaged), label=bin_label(f"Deleted {noun}s", count, len(damaged))),
        gr.update(visible=bool(binned)),
        gr.update(choices=choices, value=run_choices.keep_or_first(picked, choices)),
        str(fragments.stack([*_damaged(noun, damaged), *_emptying(count, noun, sure=sure)])),
    ]


def press(kept: KeptFiles[Any], noun: str, pressed: Action, *, picked: str | None) -> list[Any]:
    """Ask whether all of it shall be deleted for good, and do so where that many were asked about.

    Returns the updates of what is drawn, and of the button that undoes a deletion. Raises RunError.
    """
    if pressed.verb == DISCARD:
        kept.discard(pressed.key)
    if pressed.verb == EMPTY and pressed.number == kept.in_bin():
        sentence = f"The bin is empty: {counted(kept.empty_bin(), noun)} deleted for good."
        title, damaged = f"Deleted {noun}s", kept.damaged()
        return [
            gr.update(visible=True, label=bin_label(title, 0, len(damaged)) if damaged else title),
            gr.update(visible=False),
            gr.update(choices=[], value=None),
            str(fragments.stack([*_damaged(noun, damaged), fragments.line("good", sentence)])),
            gr.update(visible=False),
        ]
    return [*draw(kept, noun, picked, sure=pressed.verb in (ASK, EMPTY)), gr.skip()]


def _damaged(noun: str, names: Sequence[str]) -> list[Markup]:
    said = (
        f"{counted(len(names), noun)} cannot be read: the file was changed or cut short outside of the studio. "
        "It is left as it is."
    )
    return damaged_list(names, said)


def _emptying(count: int, noun: str, *, sure: bool) -> list[Markup]:
    if not count:
        return []
    return [_asking(count, noun) if sure else actions.button("Empty the bin", ASK, kind="stop")]


def _asking(count: int, noun: str) -> Markup:
    asked = fragments.notice("warning", f"Delete {counted(count, noun)} for good? This cannot be undone.")
    buttons = [
        actions.button("Delete for good", EMPTY, key=count, kind="stop", once=True),
        actions.button("Keep", KEEP, name=f"Keep the deleted {noun}s in the bin"),
    ]
    return fragments.stack([asked, fragments.buttons(*buttons)])
