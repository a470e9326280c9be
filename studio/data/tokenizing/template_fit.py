"""What of a conversation a chat template has no place for. It would leave that out without a word.

Asked by changing the part and looking whether the text changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from studio.data.examples import Example, Message
from studio.data.tokenizing.chat_templates import ChatTemplate
from studio.data.tokenizing.doubts import NO_SYSTEM, Doubt
from studio.errors import DataError

_NO_SYSTEM = Doubt(NO_SYSTEM, "The model's chat template has no place for a system message, so it is not read.")


@dataclass(frozen=True)
class _Part:
    """A part of a conversation, and how to make another of it."""

    name: str
    is_there: Callable[[Example], bool]
    changed: Callable[[Example], Example]


class TemplateFit:
    """Checks examples against one template. What it was once seen to write is not checked again."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self._written: set[str] = set()

    def check(self, example: Example, text: str) -> tuple[Doubt, ...]:
        """Return what is to be said of a conversation that the template wrote as `text`.

        Raises DataError when questions or answers are not in it, or tools, their calls or their results.
        """
        if any(part.is_there(example) and not self._writes(part, example, text) for part in _SPOKEN_PARTS):
            raise DataError(
                "The chat template of this model does not write what is said in a conversation.",
                "Choose another base model. Models for images often have such a template.",
            )
        for part in _TOOL_PARTS:
            if part.is_there(example) and not self._writes(part, example, text):
                raise DataError(
                    "The chat template of this model has no place for tool calls.",
                    "Choose a base model that was made for tool calls, or leave these examples out.",
                )
        has_place = not _SYSTEM.is_there(example) or self._writes(_SYSTEM, example, text)
        return () if has_place else (_NO_SYSTEM,)

    def _writes(self, part: _Part, example: Example, text: str) -> bool:
        if part.name in self._written:
            return True
        other = part.changed(example)
        try:
            if self._template.fill(other.messages, prompt=False, tools=other.tools) == text:
                return False
        except DataError:
            pass  # It minds the change, so it reads the part.
        self._written.add(part.name)
        return True


def _with(example: Example, change: Callable[[Message], Message]) -> Example:
    return replace(example, messages=tuple(change(message) for message in example.messages))


def _other_content(role: str) -> Callable[[Example], Example]:
    def change(message: Message) -> Message:
        return replace(message, content=f"{message.content} 0") if message.role == role else message

    return lambda example: _with(example, change)


def _other_calls(message: Message) -> Message:
    return replace(message, tool_calls=tuple(replace(call, name=f"{call.name}0") for call in message.tool_calls))


def _spoken(role: str) -> _Part:
    return _Part(role, lambda example: any(each.role == role for each in example.messages), _other_content(role))


_SYSTEM = _spoken("system")
_SPOKEN_PARTS = (_spoken("user"), _spoken("assistant"))
_TOOL_PARTS = (
    _Part("tools", lambda example: bool(example.tools), lambda example: replace(example, tools="")),
    _Part(
        "calls",
        lambda example: any(message.tool_calls for message in example.messages),
        lambda example: _with(example, _other_calls),
    ),
    _spoken("tool"),
)
