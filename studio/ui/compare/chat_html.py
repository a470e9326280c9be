"""A talk with one model as markup: what was asked, what it answered, and a button that copies each answer.

Every text is escaped.
"""

from collections.abc import Sequence

import gradio as gr
from markupsafe import Markup

from studio.ui.compare.answer_differences import NOTHING, marked
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html


def bubbles(elem_id: str, purpose: str) -> gr.HTML:
    """Make what shows a talk; its value is what `talk` writes."""
    return html(nothing(purpose), elem_id=elem_id, elem_classes="ls-talk-view", on_load=scripts.on_load("conversation"))


def nothing(purpose: str) -> Markup:
    """Say what fills a talk."""
    return Markup('<div class="ls-talk-empty">{}</div>').format(purpose)


def talk(name: str, turns: Sequence[tuple[str, Markup | str]], *, purpose: str = "", waiting: str = "") -> str:
    """Write a talk: each question with its answer. `waiting` stands in the place of a last answer that is to come."""
    if not turns:
        return str(nothing(purpose))
    last = len(turns) - 1
    said = fragments.join(
        _turn(question, answer, waiting if place == last else "") for place, (question, answer) in enumerate(turns)
    )
    return str(Markup('<div class="ls-said-all" role="group" aria-label="{}">{}</div>').format(name, said))


def answer(text: str, other: str | None = None) -> Markup:
    """Write an answer; with another one to hold it against, what that one does not say is marked."""
    if not text:
        return NOTHING
    return Markup("{}").format(text) if other is None else marked(other, text)


def _turn(question: str, answer: Markup | str, waiting: str) -> Markup:
    asked = Markup('<div class="ls-said-question"><small>You</small><p>{}</p></div>').format(question)
    if waiting:
        return asked + Markup('<div class="ls-said-answer ls-said-waiting"><p>{} …</p></div>').format(waiting)
    return asked + Markup(
        '<div class="ls-said-answer"><p>{}</p><button type="button" class="ls-copy" data-copy'
        ' aria-label="Copy this answer">Copy</button></div>'
    ).format(answer)
