"""What the Chat part of the Compare tab shows at a moment: a conversation and what is chosen as updates by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.compare.answering import READING, GenerationSettings, Growing
from studio.compare.asking import Chosen, aligned, as_answer, caption, plain_caption
from studio.compare.conversations import CUT, Answer, Conversation, Talk, Turn
from studio.compare.doubts import learned_digits, repeats_itself, unlearned_numbers
from studio.compare.pane_models import PaneModel, find_model, keys_still_offered
from studio.data.checking.facts import digits
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import chat_html, model_choices
from studio.ui.compare.chat_html import Said
from studio.ui.compare.chat_state import PLACES, Chat
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES
from studio.ui.kit import fragments, run_choices
from studio.ui.kit.exchange import Result
from studio.ui.kit.numbers import moment
from studio.ui.kit.run_choices import Choices

PURPOSES = (
    "The model as it was before your training answers here.",
    "The model with what it learned answers here.",
    "A third model answers here.",
    "A fourth model answers here.",
)
HELD_AGAINST = "The answers of the other models are compared with this one."
LOOPS = "It repeats itself."
LOOPS_WHEN_GREEDY = "It repeats itself. A temperature above 0, under Answer settings, lets it choose other words."
MIXES_UP = "Check the numbers: a model can mix up what it learned."
NOT_LEARNED = "Neither in its examples nor in your question: {}. The model may have made this up."
CUT_OFF = "Cut off here: the page was closed or reloaded. Regenerate asks again."
NEW = ""
"""The choice of a conversation that is not kept yet."""

MOST_LISTED = 200


def talks(
    studio: Studio,
    panes: Sequence[PaneModel | None],
    conversation: Conversation,
    *,
    marks: bool,
) -> dict[str, Any]:
    """Show a conversation that nobody is answering now, and what is doubtful in each answer."""
    answered = sum(bool(talk.turns) for talk in conversation.talks)
    marked = str(chat_html.what_is_marked(answered)) if marks else ""
    parts: dict[str, Any] = {"tabs": str(_tabs(panes)), "marked": marked}
    whole = _beside_whole(panes)
    asked = len(conversation.questions)
    for place in PLACES:
        talk = _talk(conversation, place)
        model = panes[place - 1] if place <= len(panes) else None
        turns = told(studio, model, conversation, place, marks=marks)
        parts[f"talk_{place}"] = chat_html.talk(
            _pane(place), turns, purpose=PURPOSES[place - 1], missed=max(0, asked - len(turns))
        )
        answer = talk.turns[-1].answer if talk.turns else None
        parts[f"caption_{place}"] = "" if answer is None else _caption(model, talk.title, answer, beside_whole=whole)
    return parts


def answering(
    panes: Sequence[Chosen],
    before: Sequence[Sequence[Said]],
    question: str,
    grown: Sequence[Growing],
    *,
    generation: GenerationSettings,
    waiting: str,
) -> dict[str, Any]:
    """Show a question that is being answered, as far as the answers have come; `before` is what was `told` before."""
    parts: dict[str, Any] = {}
    whole = _beside_whole([pane.model for pane in panes])
    for place, (pane, growing, turns) in enumerate(zip(panes, grown, before, strict=True), start=1):
        now = (
            chat_html.failed(question, growing.trouble)
            if growing.trouble
            else chat_html.answering(question, growing.text, waiting or READING)
        )
        parts[f"talk_{place}"] = chat_html.talk(_pane(place), [*turns, now])
        answer = as_answer(growing, pane, generation)
        parts[f"caption_{place}"] = _caption(pane.model, pane.model.title, answer, beside_whole=whole)
    return parts


def controls(
    conversation: Conversation, *, busy: bool, keys: Sequence[str | None], editing: bool = False
) -> dict[str, Any]:
    """Return the states of the buttons; `keys` are those of the models of the panes."""
    asked = bool(conversation.questions)
    talked = any(talk.turns for talk in conversation.talks)
    return {
        "send": gr.update(interactive=not busy and any(keys), visible=not busy),
        "stop": gr.update(visible=busy),
        "edit": gr.update(visible=talked, interactive=not busy, value="Cancel" if editing else "Edit last message"),
        "again": gr.update(visible=talked, interactive=not busy),
        "replay": gr.update(visible=bool(conversation.before), interactive=not busy),
        "ideas": gr.update(elem_classes=["ls-ideas", "ls-ideas-small"] if asked else ["ls-ideas"]),
        "add": gr.update(visible=len(keys) < MOST_PANES, interactive=any(keys)),
        "away": gr.update(visible=len(keys) > FEWEST_PANES),
    }


def panes(studio: Studio, chat: Chat) -> dict[str, Any]:
    """Show which models are chosen, and the strengths of those that have one."""
    offered = model_choices.offered(studio, chat.keys)
    chosen = dict(zip(PLACES, zip(chat.keys, chat.strengths, strict=True), strict=False))
    parts: dict[str, Any] = {}
    for place in PLACES:
        key, strength = chosen.get(place, (None, 1.0))
        model = find_model(studio, key)
        strong = model is not None and Chosen(model).is_adapter
        parts[f"pane_{place}"] = gr.update(visible=place <= chat.panes)
        value = key if model is not None else None
        parts[f"model_{place}"] = run_choices.offer(offered, value, otherwise=run_choices.NO_RESULT)
        parts[f"strength_{place}"] = gr.update(visible=strong, value=strength)
    return parts


def opened(studio: Studio, kept: KeptFiles[Conversation], chat: Chat, conversation: Conversation) -> Result[Chat]:
    """Show a conversation as it was kept, with the models that it was with for as long as they are there."""
    keys = keys_still_offered(studio, [talk.key for talk in conversation.talks])
    last = [talk.turns[-1].answer if talk.turns else Answer("") for talk in conversation.talks]
    now = chat.with_panes(keys, [answer.strength for answer in last])
    return _whole(studio, kept, replace(now, said=conversation))


def fresh(
    studio: Studio,
    kept: KeptFiles[Conversation],
    chat: Chat,
    keys: Sequence[str | None],
    strengths: Sequence[float] = (),
) -> Result[Chat]:
    """Show an empty conversation with these models."""
    now = chat.with_panes(keys, strengths)
    said = aligned(Conversation(), [find_model(studio, key) for key in now.keys])
    return _whole(studio, kept, replace(now, said=said))


def _whole(studio: Studio, kept: KeptFiles[Conversation], chat: Chat) -> Result[Chat]:
    updates = {
        **panes(studio, chat),
        **talks(studio, [find_model(studio, key) for key in chat.keys], chat.said, marks=chat.marks),
        **controls(chat.said, busy=False, keys=chat.keys),
        **listed(kept, chat.said),
        "changing": "",
        "said_of": "",
        "restore": gr.update(visible=False),
    }
    return Result(replace(chat, editing=False), updates)


def listed(kept: KeptFiles[Conversation], conversation: Conversation) -> dict[str, Any]:
    """Show the list of the kept conversations, with the one that is open chosen."""
    return {
        "kept": gr.update(choices=kept_choices(kept), value=conversation.id or NEW),
        "name": gr.update(value=conversation.name),
    }


def kept_choices(kept: KeptFiles[Conversation]) -> Choices:
    """List the kept conversations, the one that was changed last first, below the one that is not kept yet."""
    found = [(f"{each.name} · {moment(each.changed)}", each.id) for each in kept.all()[:MOST_LISTED]]
    return [("New conversation", NEW), *found]


def _tabs(panes: Sequence[PaneModel | None]) -> Markup:
    """Draw what chooses the pane that a narrow screen shows."""
    tabs = fragments.join(
        Markup('<button type="button" role="tab" data-pane="{0}" aria-controls="compare-pane-{0}">{1}</button>').format(
            place, "No model" if model is None else model.title
        )
        for place, model in enumerate(panes, start=1)
    )
    return Markup('<div class="ls-pane-tabs" role="tablist" aria-label="Models">{}</div>').format(tabs)


def _pane(place: int) -> str:
    return f"Conversation with model {place}"


def told(studio: Studio, model: PaneModel | None, conversation: Conversation, place: int, *, marks: bool) -> list[Said]:
    """Write what the model of a pane was asked and answered, with what is doubtful in it."""
    turns = _talk(conversation, place).turns
    known = learned_digits(studio, model) if turns else None
    return [
        _with_doubts(_said(conversation, place, at, marks=marks), turns[: at + 1], known) for at in range(len(turns))
    ]


def _said(conversation: Conversation, place: int, at: int, *, marks: bool) -> Said:
    turn = _talk(conversation, place).turns[at]
    if turn.answer.trouble:
        return chat_html.failed(turn.question, turn.answer.trouble)
    if turn.answer.ended == CUT:
        return replace(chat_html.answered(turn.question, turn.answer.text), note=CUT_OFF)
    if not marks:
        return chat_html.answered(turn.question, turn.answer.text)
    other = _other(conversation, place, at)
    said = chat_html.answered(turn.question, turn.answer.text, other)
    return replace(said, note=HELD_AGAINST) if other is None and place == 1 else said


def _with_doubts(said: Said, turns: Sequence[Turn], known: frozenset[str] | None) -> Said:
    """Add what is doubtful in the last of these answers; `known` is as `learned_digits` has it."""
    answer = turns[-1].answer
    if answer.trouble:
        return said
    doubts = []
    if repeats_itself(answer.text):
        doubts.append(LOOPS if answer.temperature > 0 else LOOPS_WHEN_GREEDY)
    if known is not None:
        heard = " ".join([answer.system, *(f"{turn.question} {turn.answer.text}" for turn in turns[:-1])])
        read = digits(f"{heard} {turns[-1].question}")
        if unlearned_numbers(answer.text, read):
            new = unlearned_numbers(answer.text, known | read)
            doubts.append(NOT_LEARNED.format(", ".join(new)) if new else MIXES_UP)
    return replace(said, doubts=tuple(doubts))


def _talk(conversation: Conversation, place: int) -> Talk:
    return conversation.talks[place - 1] if place <= len(conversation.talks) else Talk()


def _other(conversation: Conversation, place: int, at: int) -> str | None:
    """Return the answer that one is held against: that of the first pane, and for the first that of the second."""
    turns: tuple[Turn, ...] = _talk(conversation, 1 if place > 1 else 2).turns
    if place == 1 and len(conversation.talks) > FEWEST_PANES:
        return None
    return turns[at].answer.text if at < len(turns) else None


def _beside_whole(panes: Sequence[PaneModel | None]) -> bool:
    learned = [model for model in panes if model is not None and model.kind != "base"]
    return bool(learned) and all(model.whole for model in learned)


def _caption(model: PaneModel | None, title: str, answer: Answer, *, beside_whole: bool) -> str:
    """Show what produced an answer: in plain words, and below them what makes the same answer again."""
    exactly = caption(model, title, answer, beside_whole=beside_whole)
    plainly = plain_caption(model, title, answer)
    return str(Markup('<details class="ls-caption"><summary>{}</summary>{}</details>').format(plainly, exactly))
