"""What the Chat part of the Compare tab shows at a moment: a conversation and what is chosen as updates by name."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.compare.answering import GenerationSettings, Growing
from studio.compare.asking import Chosen, aligned, as_answer, caption
from studio.compare.conversations import Answer, Conversation, Talk, Turn
from studio.compare.pane_models import PaneModel, find_model, keys_still_offered
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import chat_html, model_choices
from studio.ui.compare.chat_parts import NEW, PLACES, PURPOSES, caption_line, send_label
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES, Keys
from studio.ui.kit.numbers import moment
from studio.ui.kit.run_choices import Choices

PARTS = (
    *(f"{stem}_{place}" for stem in ("pane", "model", "strength", "talk", "caption") for place in PLACES),
    *("prompt", "changing", "send", "stop", "edit", "again", "add", "away"),
    *("kept", "said_of", "name", "replay", "restore", "seed"),
    *("panes", "said", "ticket", "editing", "pending"),
)
"""All that a listener of the Chat part may change, in the order of its outputs."""

MOST_LISTED = 200


def update(parts: dict[str, Any]) -> list[Any]:
    """Return one update for each part, leaving alone what is not named."""
    unknown = parts.keys() - set(PARTS)
    assert not unknown, unknown
    return [parts.get(name, gr.skip()) for name in PARTS]


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


def choices(studio: Studio, keys: Keys, strengths: Sequence[float], *, count: int) -> dict[str, Any]:
    """Show which models are chosen, and the strengths of those that have one."""
    offered = model_choices.offered(studio, keys)
    parts: dict[str, Any] = {"panes": count}
    for place in PLACES:
        key = keys[place - 1] if place <= len(keys) else None
        model = find_model(studio, key)
        strong = model is not None and Chosen(model).is_adapter
        strength = strengths[place - 1] if place <= len(strengths) else 1.0
        parts[f"pane_{place}"] = gr.update(visible=place <= count)
        parts[f"model_{place}"] = gr.update(choices=offered, value=key if model is not None else None)
        parts[f"strength_{place}"] = gr.update(visible=strong, value=strength)
    return parts


def opened(studio: Studio, kept: KeptFiles[Conversation], conversation: Conversation, *, marks: bool) -> dict[str, Any]:
    """Show a conversation as it was kept, with the models that it was with for as long as they are there."""
    keys = keys_still_offered(studio, [talk.key for talk in conversation.talks])
    count = min(max(len(keys), FEWEST_PANES), MOST_PANES)
    last = [talk.turns[-1].answer if talk.turns else Answer("") for talk in conversation.talks]
    models = [find_model(studio, key) for key in keys]
    return {
        **choices(studio, keys, [answer.strength for answer in last], count=count),
        **talks(models, conversation, marks=marks),
        **controls(conversation, busy=False, panes=count),
        **listed(kept, conversation),
        "said": conversation,
        "editing": False,
        "changing": "",
        "said_of": "",
        "restore": gr.update(visible=False),
    }


def fresh(studio: Studio, kept: KeptFiles[Conversation], keys: Keys, *, count: int) -> dict[str, Any]:
    """Show an empty conversation with these models."""
    models = [find_model(studio, key) for key in keys]
    conversation = aligned(Conversation(), models)
    return {
        **choices(studio, keys, [], count=count),
        **talks([None] * MOST_PANES, conversation, marks=False),
        **controls(conversation, busy=False, panes=count),
        **listed(kept, conversation),
        "said": conversation,
        "editing": False,
        "changing": "",
        "said_of": "",
        "restore": gr.update(visible=False),
    }


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
