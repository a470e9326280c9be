"""A talk with one model as markup: what was asked, what it answered, and a button that copies each answer.

Every text is escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
from markupsafe import Markup

from studio.ui.compare.answer_differences import NOTHING, SAME, compared
from studio.ui.compare.markdown import markdown, plain
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html

_COPY = Markup('<button type="button" class="ls-copy" data-copy="answer" aria-label="Copy this answer">Copy</button>')


@dataclass(frozen=True)
class Said:
    """A question, and what stands below it. `copied` is the text that the button copies; without one there is none.
    `doubts` say what a person should not take for granted.
    """

    question: str
    answer: Markup
    note: str = ""
    copied: str = ""
    doubts: tuple[str, ...] = ()


def bubbles(elem_id: str, purpose: str) -> gr.HTML:
    """Make what shows a talk; its value is what `talk` writes."""
    return html(nothing(purpose), elem_id=elem_id, elem_classes="ls-talk-view", on_load=scripts.on_load("conversation"))


def nothing(purpose: str) -> Markup:
    """Say what fills a talk."""
    return Markup('<div class="ls-talk-empty">{}</div>').format(purpose)


def talk(name: str, turns: Sequence[Said], *, purpose: str = "", missed: int = 0) -> str:
    """Write a talk. `missed` is how many messages the other panes were asked and this one was not."""
    if not turns:
        return str(nothing(purpose))
    late = f"This model was not asked the first {'message' if missed == 1 else f'{missed:,} messages'}."
    note = fragments.note(late) if missed else Markup("")
    said = fragments.join(map(_turn, turns))
    return str(Markup('<div class="ls-said-all" role="group" aria-label="{}">{}{}</div>').format(name, note, said))


def answered(question: str, text: str, other: str | None = None) -> Said:
    """Write an answer; with another one to hold it against, what that one does not say is marked."""
    if not text and other is None:
        return Said(question, NOTHING)
    if other is None:
        return Said(question, fragments.own(markdown(text)), copied=text)
    found = compared(other, text)
    return Said(question, fragments.own(plain(found.text)), found.note, text)


def answering(question: str, text: str, waiting: str) -> Said:
    """Write an answer that is still growing, or what is waited for before its first word."""
    if text:
        return Said(question, fragments.own(plain(text)))
    return Said(question, Markup('<p class="ls-said-waiting">{} …</p>').format(waiting))


def failed(question: str, trouble: str) -> Said:
    """Say why a model could not answer."""
    return Said(question, Markup(str(fragments.line("bad", trouble))))


def cell(text: str, other: str | None) -> Markup:
    """Write an answer in a cell of a table, marked as in `answered`."""
    if not text:
        return NOTHING
    if other is None:
        return fragments.own(text)
    found = compared(other, text)
    note = Markup(' <em class="ls-note">{}</em>').format(found.note) if found.note and found.note != SAME else ""
    return fragments.own(found.text) + note


def what_is_marked(answers: int) -> Markup:
    """Say what is coloured in so many answers beside each other: all are held against the first, that one against the
    only other."""
    if answers < 2:
        return Markup("")
    said = (
        "Coloured: not in the other model's answer." if answers == 2 else "Coloured: not in the first model's answer."
    )
    return fragments.note(said)


def _turn(said: Said) -> Markup:
    doubts = [fragments.line("warning", doubt) for doubt in said.doubts]
    notes = fragments.join([*doubts, fragments.note(said.note)] if said.note else doubts)
    kept = Markup(' data-text="{}"').format(said.copied) if said.copied else ""
    return Markup(
        '<div class="ls-said-question"><small>You</small><p translate="no">{}</p></div>'
        '<div class="ls-said-answer"{}><div class="ls-said-text">{}</div>{}{}</div>'
    ).format(said.question, kept, said.answer, notes, _COPY if said.copied else "")
