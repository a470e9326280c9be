"""What the Chat part of the Compare tab shows at a moment: a conversation and what is chosen as updates by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.compare.answering import GenerationSettings, Growing
from studio.compare.asking import Chosen, aligned, as_answer, caption
from studio.compare.conversations import Answer, Conversation, Talk, Turn
from studio.compare.pane_models import PaneModel, find_model, keys_still_offered
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import chat_html, model_choices
from studio.ui.compare.chat_state import PLACES, Chat
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES
from studio.ui.kit.exchange import Result
from studio.ui.kit.numbers import moment
from studio.ui.kit.run_choices import Choices

PURPOSES = (
    "The model as it was before your training answers here.",
    "The same model with what it learned answers here.",
    "A third model answers the same here.",
    "A fourth model answers the same here.",
)
NEW = ""
"""The choice of a conversation that is not kept yet."""

MOST_LISTED = 200


def talks(
    panes: Sequence[PaneModel | None],
    conversation: Conversation,
    *,
    marks: bool,
) -> dict[str, Any]:
    """Show a conversation that nobody is answering now."""
    parts: dict[str, Any] = {}
    whole = _beside_whole(panes)
    for place in PLACES:
        talk = _talk(conversation, place)
        turns = [
            (
                turn.question,
                chat_html.answer(turn.answer.text, _other(conversation, place, at) if marks else None),
            )
            for at, turn in enumerate(talk.turns)
        ]
        parts[f"talk_{place}"] = chat_html.talk(f"Pane {place}", turns, purpose=PURPOSES[place - 1])
        model = panes[place - 1] if place <= len(panes) else None
        said = caption(model, talk.title, talk.turns[-1].answer, beside_whole=whole) if talk.turns else ""
        parts[f"caption_{place}"] = caption_line(said)
    return parts


def answering(
    panes: Sequence[Chosen],
    conversation: Conversation,
    question: str,
    grown: Sequence[Growing],
    *,
    generation: GenerationSettings,
    waiting: str,
) -> dict[str, Any]:
    """Show a question that is being answered, as far as the answers have come."""
    parts: dict[str, Any] = {}
    whole = _beside_whole([pane.model for pane in panes])
    for place, (pane, growing) in enumerate(zip(panes, grown, strict=True), start=1):
        turns = [(turn.question, turn.answer.text) for turn in _talk(conversation, place).turns]
        waits = waiting if not growing.text else ""
        parts[f"talk_{place}"] = chat_html.talk(f"Pane {place}", [*turns, (question, growing.text)], waiting=waits)
        answer = as_answer(growing, pane, generation)
        parts[f"caption_{place}"] = caption_line(caption(pane.model, pane.model.title, answer, beside_whole=whole))
    return parts


def controls(conversation: Conversation, *, busy: bool, panes: int, editing: bool = False) -> dict[str, Any]:
    """Return the states of the buttons."""
    asked = bool(conversation.questions)
    return {
        "send": gr.update(interactive=not busy, value="Ask again" if editing else send_label(panes)),
        "stop": gr.update(visible=busy),
        "edit": gr.update(
            interactive=asked and not busy, value="Leave it as it is" if editing else "Change the last message"
        ),
        "again": gr.update(interactive=asked and not busy),
        "replay": gr.update(interactive=asked and not busy),
        "add": gr.update(visible=panes < MOST_PANES),
        "away": gr.update(visible=panes > FEWEST_PANES),
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
        parts[f"model_{place}"] = gr.update(choices=offered, value=key if model is not None else None)
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
        **talks([find_model(studio, key) for key in chat.keys], chat.said, marks=chat.marks),
        **controls(chat.said, busy=False, panes=chat.panes),
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


def caption_line(text: str) -> str:
    """Show what produced an answer, or that this is where it will stand."""
    return str(Markup('<p class="ls-caption">{}</p>').format(text or "What produced the answer will stand here."))


def send_label(panes: int) -> str:
    """Say what the button does that asks."""
    return {2: "Ask both", 3: "Ask all three"}.get(panes, "Ask all four")
