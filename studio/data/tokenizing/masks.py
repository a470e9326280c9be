"""Which tokens of a conversation are learned: the answers, by the template's own marks or by where they are found."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from studio.data.examples import Example
from studio.data.tokenizing import doubts
from studio.data.tokenizing.answers import AnswerFinder
from studio.data.tokenizing.chat_templates import ChatTemplate, Span
from studio.data.tokenizing.doubts import Doubt
from studio.data.tokenizing.template_fit import TemplateFit
from studio.data.tokenizing.token_places import Tokens
from studio.errors import DataError

_Place = TypeVar("_Place")

_NO_END = Doubt(
    doubts.NO_END, "The model's chat template puts no special token after an answer, so where to stop is not learned."
)
_MARKS_NO_END = Doubt(
    doubts.NO_END, "The marks in the chat template leave out the end of an answer, so where to stop is not learned."
)
_NO_REASONING = Doubt(
    doubts.NO_REASONING,
    "The model's chat template has no place for the reasoning before an answer, so it is not learned.",
)
_SOME_REASONING = Doubt(
    doubts.NO_REASONING,
    "The model's chat template leaves out the reasoning before earlier answers, so it is not learned.",
)
_CHANGED = Doubt(
    doubts.CHANGED, "The model's chat template changes the text of an answer; what is learned is what stands here."
)


@dataclass(frozen=True)
class Mask:
    """One flag for each token, and the doubts."""

    learned: tuple[bool, ...]
    doubts: tuple[Doubt, ...] = ()


class Masking:
    """Marks what one chat template writes. `special_texts` are the model's special tokens."""

    def __init__(self, template: ChatTemplate, special_texts: frozenset[str]) -> None:
        self._template = template
        self._special_texts = special_texts
        spelled = sorted(special_texts, key=len, reverse=True)
        self._special_text = re.compile("|".join(map(re.escape, spelled)) or "(?!)")
        self._finder = AnswerFinder(template, special_texts)
        self._fit = TemplateFit(template)

    def mark(self, example: Example, tokens: Tokens) -> Mask:
        """Mark the answers in the text that the template wrote of a conversation.

        Raises DataError when there is no answer, when the template has no place for the tools, and when what the last
        answer is cannot be told for certain.
        """
        spelled = self.spelled(example)
        fit = self._fit.check(example, tokens.text)
        spans = self._template.marks(tokens.text, example.messages, tools=example.tools)
        learned = [False] * len(tokens.ids)
        notes: tuple[Doubt, ...]
        if spans:
            answers = 1
            notes = (_MARKS_NO_END,) if any(not self._is_closed(span, tokens) for span in spans) else ()
            for start, end in _learned(example, spans):
                for place in range(tokens.ending_by(start), tokens.starting_from(end)):
                    learned[place] = True
        else:
            found = self._finder.find(example.messages, tokens, tools=example.tools, verbatim=not spelled)
            answers = len(found.answers)
            notes = found.notes if all(answer.closed for answer in found.answers) else (*found.notes, _NO_END)
            for answer in _learned(example, found.answers):
                for place in range(tokens.starting_from(answer.start), tokens.starting_from(answer.end)):
                    learned[place] = tokens.offsets[place][1] <= answer.end
        changed = (_CHANGED,) if _changes(example, tokens.text, answers) else ()
        return Mask(tuple(learned), (*notes, *changed, *fit, *_unread_reasoning(example, tokens.text), *spelled))

    def spelled(self, example: Example) -> tuple[Doubt, ...]:
        """Say which special tokens the text of an example spells, if any."""
        found = [match for text in _texts(example) for match in self._special_text.findall(text)]
        named = ", ".join(dict.fromkeys(found))
        text = f"The text spells {named}, which the model reads as a special token and not as text."
        return (Doubt(doubts.SPELLED, text),) if named else ()

    def _is_closed(self, span: Span, tokens: Tokens) -> bool:
        start, end = span
        return tokens.last_of(start + len(tokens.text[start:end].rstrip())) in self._special_texts


def _learned(example: Example, answers: Sequence[_Place]) -> Sequence[_Place]:
    """Leave out those of the places found for answers that the data marks as not to be learned.

    The last answer is always one that is learned. Raises DataError where the places cannot be matched to the answers.
    """
    marks = [message.learned for message in example.messages if message.role == "assistant"]
    if all(marks) or (len(answers) == 1 and marks[-1]):
        return answers
    if len(marks) != len(answers):
        raise DataError(
            "Some answers are marked as not to be learned, but the chat template does not show which these are.",
            "Leave those answers out of the data, or choose another base model.",
        )
    return [answer for answer, is_learned in zip(answers, marks, strict=True) if is_learned]


def _texts(example: Example) -> Iterable[str]:
    for message in example.messages:
        yield message.content
        yield message.reasoning
        for call in message.tool_calls:
            yield call.arguments
    yield example.tools


def _unread_reasoning(example: Example, text: str) -> tuple[Doubt, ...]:
    """Say that the template leaves out the reasoning before the answers, or before some of them."""
    thoughts = [message.reasoning.strip() for message in example.messages if message.reasoning]
    written = sum(thought in text for thought in thoughts)
    if written == len(thoughts):
        return ()
    return (_SOME_REASONING if written else _NO_REASONING,)


def _changes(example: Example, text: str, answers: int) -> bool:
    """Tell whether one of the last so many answers stands in the text other than in the data."""
    contents = [message.content.strip() for message in example.messages if message.role == "assistant"]
    return any(content not in text for content in contents[-answers:])
