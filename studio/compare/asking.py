"""A conversation with several models while it goes on: what each is asked next, and what made each answer.

Values and sentences only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studio.compare.answering import GenerationSettings, Growing
from studio.compare.chat_protocol import PaneRequest
from studio.compare.conversations import CUT, Answer, Conversation, Talk, Turn, history, name_for
from studio.compare.pane_models import PaneModel, base_name
from studio.config import STARTER
from studio.data.examples import Message
from studio.wording import brief_duration

_SLOW = 3
"""So many tokens a second and more are written without a fraction."""

_ENDINGS = {
    "length": "cut at the longest answer",
    "stopped": "stopped by you",
    "failed": "could not answer",
    CUT: "cut off",
}
NOTHING_CAME = "No answer had come when the page was closed or reloaded. Regenerate asks again."


@dataclass(frozen=True)
class Chosen:
    """What answers in a pane: a model, and how strongly its adapter speaks."""

    model: PaneModel
    strength: float = 1.0

    @property
    def is_adapter(self) -> bool:
        """Whether there is an adapter whose strength can be set."""
        return self.model.is_adapter

    @property
    def true_strength(self) -> float:
        """The strength that counts: what is no adapter knows only one."""
        return self.strength if self.is_adapter else 1.0


def aligned(conversation: Conversation, models: Sequence[PaneModel | None]) -> Conversation:
    """Return the conversation as these models go on with it, None standing for a pane without one.

    Panes are only compared when they were asked the same. So where one of them has another model than before, or is
    new, all start over, as a new conversation: the old one stays as it was, and `before` holds what was asked in it.
    Without a pane that had answers it is a new conversation, too, in which the other panes go on.
    """
    before = [*conversation.talks, *[Talk()] * len(models)]
    talks = tuple(
        Talk() if model is None else talk if _is_of(talk, model) else Talk(model.key, model.title)
        for talk, model in zip(before, models, strict=False)
    )
    if conversation.questions and not all(talk.turns for talk in talks):
        fresh = tuple(replace(talk, turns=()) for talk in talks)
        return Conversation(talks=fresh, before=conversation.questions)
    if any(talk.turns for talk in before[len(talks) :]):
        return Conversation(name=conversation.name, talks=talks)
    return replace(conversation, talks=talks)


def _is_of(talk: Talk, model: PaneModel) -> bool:
    """Tell whether a talk was with this model. A base is the same whichever of its runs it is named after."""
    if talk.key == model.key:
        return True
    return model.kind == "base" and talk.key.startswith("base:") and talk.title == model.title


def without_last(conversation: Conversation) -> Conversation:
    """Take the last question back, with its answers, from every model that was asked it."""
    last = conversation.questions[-1:]
    return replace(
        conversation,
        talks=tuple(
            replace(talk, turns=talk.turns[:-1]) if tuple(turn.question for turn in talk.turns[-1:]) == last else talk
            for talk in conversation.talks
        ),
    )


def requests(
    conversation: Conversation, question: str, panes: Sequence[Chosen], system: str
) -> tuple[PaneRequest, ...]:
    """Return what each pane is asked: the system prompt, its own turns so far, and the question."""
    start = (Message("system", system.strip()),) if system.strip() else ()
    return tuple(
        PaneRequest(pane.model.folder, (*start, *history(talk), Message("user", question)), pane.true_strength)
        for talk, pane in zip(conversation.talks, panes, strict=True)
    )


def with_answers(
    conversation: Conversation,
    question: str,
    panes: Sequence[Chosen],
    grown: Sequence[Growing],
    generation: GenerationSettings,
) -> Conversation:
    """Add a question with what each pane answered."""
    talks = tuple(
        replace(
            talk,
            key=pane.model.key,
            title=pane.model.title,
            turns=(*talk.turns, Turn(question, as_answer(growing, pane, generation))),
        )
        for talk, pane, growing in zip(conversation.talks, panes, grown, strict=True)
    )
    return replace(conversation, talks=talks, before=(), name=conversation.name or name_for(question))


def cut_off(grown: Sequence[Growing]) -> tuple[Growing, ...]:
    """Mark as cut off what had not come to its end. What had not begun is no answer, and no model hears of it."""
    return tuple(
        growing if growing.ended else replace(growing, ended=CUT, trouble="" if growing.text else NOTHING_CAME)
        for growing in grown
    )


def as_answer(growing: Growing, pane: Chosen, generation: GenerationSettings) -> Answer:
    """Put an answer together with what made it."""
    return Answer(
        text=growing.text,
        tokens=growing.tokens,
        seconds=growing.seconds,
        ended=growing.ended,
        strength=pane.true_strength,
        seed=generation.seed,
        temperature=generation.temperature,
        longest=generation.longest,
        system=generation.system,
        template=growing.template,
        precision=growing.precision,
        trouble=growing.trouble,
    )


def plain_caption(model: PaneModel | None, title: str, answer: Answer) -> str:
    """Say in words that anybody knows what answered, how long that took, and how it ended before its end."""
    if model is not None and model.kind == "base":
        who = "The base model, without your training"
    else:
        who = f"With what it learned: {title}"
    strength = "" if answer.strength == 1 else f"strength {answer.strength:g}"
    took = f"answered in {brief_duration(answer.seconds)}" if answer.ended and answer.seconds > 0 else ""
    return " · ".join(part for part in (who, strength, took, _ENDINGS.get(answer.ended, "")) if part)


def caption(model: PaneModel | None, title: str, answer: Answer, *, beside_whole: bool = False) -> str:
    """Say what produced an answer, so that the comparison proves itself. `model` is None where it is gone by now.

    `beside_whole` says that the other panes hold models that were trained as a whole: there is no adapter to be off.
    """
    made = f"{title} (no longer there)" if model is None else made_of(model, answer.strength, beside_whole=beside_whole)
    parts = [made, f"seed {answer.seed}, temperature {answer.temperature:g}"]
    if answer.ended:
        parts.append(f"{answer.tokens:,} tokens{_pace(answer)}")
        template = f"chat template: {answer.template}" if answer.template else ""
        parts += [part for part in (template, answer.precision, _ENDINGS.get(answer.ended, "")) if part]
    return " · ".join(parts)


def _pace(answer: Answer) -> str:
    if answer.seconds <= 0:
        return ""
    each_second = answer.tokens / answer.seconds
    return f", {each_second:.0f} a second" if each_second >= _SLOW else f", {each_second:.1f} a second"


def made_of(model: PaneModel, strength: float, *, beside_whole: bool = False) -> str:
    """Name a model by what it is made of: its base, and what is switched on."""
    base = "starter model" if model.model == STARTER else base_name(model.model)
    if model.kind == "base":
        return f"{base}, {'not trained' if beside_whole else 'adapter off'}"
    if model.whole:
        return f"{base}, fully trained ({model.title}), a model of its own in memory beside the base"
    how = "" if strength == 1 else f", strength {strength:g}"
    return f"{base}, adapter on ({model.title}){how}"
