"""Where the answers stand in the text that a chat template wrote of a conversation.

A template is a program that says nothing of this, so it is asked: the text up to an answer is what it writes when the
assistant is to speak there, and that has to be how the whole begins. What is not found so is not guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from studio.data.examples import Message
from studio.data.tokenizing.chat_templates import ChatTemplate
from studio.data.tokenizing.doubts import BEGUN, LAST_ONLY, Doubt
from studio.data.tokenizing.token_places import Tokens
from studio.errors import DataError

_LAST_ONLY = Doubt(LAST_ONLY, "The model's chat template rewrites earlier turns, so only the last answer is learned.")

_MARKS = re.compile(r"(?:\s|</?\w+>)*")
_SPACE = re.compile(r"\s*")
_MOST_WRITTEN = 20_000
"""So many messages are written to check one conversation. 200 turns take half of it; from a longer conversation as many
answers are checked as this allows, spread evenly, and the others must stand between the same marks as these."""


@dataclass(frozen=True)
class Answer:
    """Where an answer stands in the text, its end token included when the template writes one."""

    start: int
    end: int
    closed: bool


@dataclass(frozen=True)
class Found:
    """The answers of a conversation in order, and what is to be said of how they were found."""

    answers: tuple[Answer, ...]
    notes: tuple[Doubt, ...] = ()


class AnswerFinder:
    """Finds the answers in what one chat template writes. `special_texts` are the model's special tokens."""

    def __init__(self, template: ChatTemplate, special_texts: frozenset[str]) -> None:
        self._template = template
        self._special_texts = special_texts

    def find(self, messages: Sequence[Message], tokens: Tokens, *, tools: str = "", verbatim: bool = True) -> Found:
        """Find the answers in `tokens.text`. With `verbatim` no message spells a special token, which is quicker.

        Raises DataError when there is no answer, or when the last one cannot be found for certain.
        """
        ends = [place for place, message in enumerate(messages, start=1) if message.role == "assistant"]
        if not ends:
            raise DataError("The conversation has no answer to learn.", "Add a turn of the assistant.")
        search = _Search(self._template, self._special_texts, messages, tokens, tools)
        last = search.answer(ends[-1])
        if last is None:
            return search.last_without_its_prompt(ends[-1])
        if verbatim and last.closed:
            search.closing = tokens.last_of(last.end)
        found: list[Answer] = []
        checked = _checked(ends, len(messages))
        for index, end in enumerate(ends[:-1]):
            answer = None if index in checked else search.between(found[-1], ends[index - 1], end)
            answer = answer or search.answer(end)
            if answer is None:
                return Found((last,), (_LAST_ONLY,))
            if index in checked and found:
                search.learn_frame(found[-1], ends[index - 1], answer, end)
            found.append(answer)
        return Found((*found, last))


class _Search:
    """The search in one text."""

    def __init__(
        self,
        template: ChatTemplate,
        special_texts: frozenset[str],
        messages: Sequence[Message],
        tokens: Tokens,
        tools: str,
    ) -> None:
        self._template = template
        self._special_texts = special_texts
        self._messages = messages
        self._tokens = tokens
        self._text = tokens.text
        self._tools = tools
        self._frames: set[tuple[str, str]] = set()
        self.closing = ""
        """The special token that ends an answer; empty while it is not known."""

    def answer(self, end: int) -> Answer | None:
        """Find the answer that is the last of the first `end` messages; None when the prefixes do not hold for it."""
        prefix = self._write(self._messages[: end - 1], prompt=True)
        if prefix is None or not self._text.startswith(prefix):
            return None
        return self._ending(end, len(prefix))

    def last_without_its_prompt(self, end: int) -> Found:
        """Find the last answer where the prompt for it ends with more than the conversation has before it.

        Templates of reasoning models do so: a prompt ends with the mark that opens the reasoning, and a conversation
        is written without it, or with the reasoning closed at once. Where the text of the answer begins is seen from
        what changes when it does; between that and what the prompt has in common, only such marks may stand.
        """
        answer, opening = None, ""
        prompt = self._write(self._messages[: end - 1], prompt=True)
        if prompt is not None and not self._messages[end - 1].tool_calls:
            others = [self._write(self._with_answer(end, other), prompt=False) for other in ("0", "1")]
            said = min(_agreement(self._text, other) if other is not None else 0 for other in others)
            start = min(said, _agreement(self._text, prompt))
            if 0 < start < len(self._text) and _MARKS.fullmatch(self._text, start, said):
                answer, opening = self._ending(end, start), prompt[start:].strip()
        if answer is None:
            has_system = any(message.role == "system" for message in self._messages)
            raise DataError(
                "The model's chat template writes the answer other than its own prompt leads to it, "
                "so what is to be learned cannot be found.",
                "Leave out the system message, or choose another base model."
                if has_system
                else "Choose another base model.",
            )
        told = f"When this model is asked, its answer is begun with {opening or 'white space'}, which is not learned."
        notes = [Doubt(BEGUN, told)]
        if sum(message.role == "assistant" for message in self._messages) > 1:
            notes.append(_LAST_ONLY)
        return Found((answer,), tuple(notes))

    def learn_frame(self, before: Answer, before_end: int, answer: Answer, end: int) -> None:
        """Remember what the template writes around a question that stands alone between two answers."""
        question = self._question(before_end, end)
        around = self._text[before.end : answer.start].split(question) if question else []
        if len(around) == 2:
            self._frames.add((around[0], around[1]))

    def between(self, before: Answer, before_end: int, end: int) -> Answer | None:
        """Find an answer by what stands between the one before it and itself; None when that is new."""
        question = self._question(before_end, end)
        if not question or not self.closing:
            return None
        for left, right in self._frames:
            frame = f"{left}{question}{right}"
            if self._text.startswith(frame, before.end):
                return self._closed(end, before.end + len(frame))
        return None

    def _question(self, before_end: int, end: int) -> str:
        """Return the only message between two answers, when there is just one, of the user."""
        messages = self._messages[before_end : end - 1]
        return messages[0].content.strip() if len(messages) == 1 and messages[0].role == "user" else ""

    def _ending(self, end: int, start: int) -> Answer | None:
        """Find where the answer that begins at `start` ends."""
        if self.closing and (answer := self._closed(end, start)):
            return answer
        text = self._text
        written = text if end == len(self._messages) else self._write(self._messages[:end], prompt=False)
        if written is None:
            return None
        # A template may close the whole text with one more token, so the two need to agree only to the end of the turn.
        whole = text.startswith(written)
        until = len(written) if whole else _agreement(written, text)
        if until <= start:
            return None
        stop = self._end_of_turn(start, until)
        if stop is not None:
            return Answer(start, stop, closed=True)
        return Answer(start, len(text[:until].rstrip()), closed=False) if whole else None

    def _closed(self, end: int, start: int) -> Answer | None:
        """Find the end of an answer that is written as it stands in the data, with the closing token after it."""
        message = self._messages[end - 1]
        content = message.content.strip()
        if message.tool_calls or not content:
            return None
        place = _skip_space(self._text, start)
        if not self._text.startswith(content, place):
            return None
        place = _skip_space(self._text, place + len(content))
        if not self._text.startswith(self.closing, place):
            return None
        return Answer(start, self._tokens.offsets[self._tokens.ending_by(place)][1], closed=True)

    def _end_of_turn(self, start: int, until: int) -> int | None:
        """Return where the first of the special tokens that close the stretch ends; white space may follow each."""
        stop = None
        place = self._tokens.ending_by(until) - 1
        while place >= 0 and self._tokens.offsets[place][0] >= start:
            first, end = self._tokens.offsets[place]
            spelled = self._text[first:end].strip()
            if spelled in self._special_texts:  # By its text: the token for an unknown word is a special one too.
                stop = end
            elif spelled:
                break
            place -= 1
        return stop

    def _with_answer(self, end: int, content: str) -> Sequence[Message]:
        messages = self._messages
        thought = content if messages[end - 1].reasoning else ""
        changed = replace(messages[end - 1], content=content, reasoning=thought)
        return (*messages[: end - 1], changed, *messages[end:])

    def _write(self, messages: Sequence[Message], *, prompt: bool) -> str | None:
        try:
            return self._template.fill(messages, prompt=prompt, tools=self._tools)
        except DataError:
            return None


def _checked(ends: Sequence[int], messages: int) -> frozenset[int]:
    """Return which of the answers before the last are checked against the template, by their place among `ends`."""
    count = len(ends) - 1
    affordable = max(8, _MOST_WRITTEN // messages)
    if sum(ends[:-1]) <= _MOST_WRITTEN or count <= affordable:
        return frozenset(range(count))
    return frozenset((0, 1, count - 1, *range(0, count, -(-count // affordable))))


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _agreement(one: str, other: str) -> int:
    """Return how many letters the two texts have in common from their start."""
    agreed, length = 0, min(len(one), len(other))
    while agreed < length:
        step = (length - agreed + 1) // 2
        if one[agreed : agreed + step] == other[agreed : agreed + step]:
            agreed += step
        else:
            length = agreed + step - 1
    return agreed
