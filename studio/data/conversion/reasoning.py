"""What an assistant thought before it answered, under the names and in the shapes in which files hold it."""

from collections.abc import Mapping, Sequence

from studio.data.conversion.cells import is_empty
from studio.data.conversion.column_names import means

PARTS = ("thinking", "reasoning", "thought", "think")
"""The types of the parts of a turn that hold reasoning."""
_TEXTS = (*PARTS, "text", "content", "summary", "reasoning_content", "value")
_HIDDEN = ("redacted_thinking", "reasoning.encrypted")
_SEALED = ("data", "encrypted_content", "signature")
"""Where services put reasoning that only they can read."""
_DEEPEST = 5


def is_reasoning(part: object) -> bool:
    """Tell whether a part of a turn is reasoning and not what was said."""
    return isinstance(part, Mapping) and (part.get("type") in PARTS or part.get("thought") is True)


def is_hidden(part: object) -> bool:
    """Tell whether a part of a turn is reasoning that nobody can read, because a service redacted or encrypted it."""
    if not isinstance(part, Mapping):
        return False
    sealed = is_reasoning(part) and any(not is_empty(part.get(name)) for name in _SEALED)
    return part.get("type") in _HIDDEN or (sealed and not reasoning_text(part))


def reasoning_in(turn: Mapping[str, object], content: object) -> str:
    """Return the reasoning that stands in a turn: in fields of its own, else in the parts of its content."""
    fields = (value for name, value in turn.items() if isinstance(name, str) and means(name, "reasoning"))
    found = next((text for value in fields if (text := reasoning_text(value))), "")
    if found or not isinstance(content, list):
        return found
    return reasoning_text([part for part in content if is_reasoning(part)])


def reasoning_text(value: object, *, depth: int = 0) -> str:
    """Return the text of reasoning that is written as a text, an object or a list; "" for settings and figures."""
    if isinstance(value, str):
        return "" if is_empty(value) else value
    if depth == _DEEPEST:
        return ""
    if isinstance(value, Mapping):
        texts = (reasoning_text(value[name], depth=depth + 1) for name in _TEXTS if name in value)
        return next(filter(None, texts), "")
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return "\n\n".join(filter(None, (reasoning_text(each, depth=depth + 1) for each in value)))
    return ""
