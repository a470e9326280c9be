"""Why an example cannot be learned from as it stands: an order of turns that makes no sense, or nothing in a turn.

Two turns of one speaker in a row are no fault.
"""

from collections.abc import Sequence

from studio.data.conversion.cells import is_empty, is_writable, quoted
from studio.data.conversion.conversations import ASSISTANT, SYSTEM, TOOL, USER
from studio.data.examples import Example, Message
from studio.data.rows import RowProblem


def fault(example: Example) -> RowProblem | None:
    """Return why an example cannot be learned from as it stands, or None when it can."""
    if example.is_text:
        found = ("empty", "The text is empty.") if is_empty(example.messages[0].content) else None
    else:
        found = _fault_of_turns(example.messages)
    if not found and not _is_writable(example):
        found = "broken-character", "It holds half of a character, such as a broken emoji."
    return RowProblem(example.row, found[1], example.file, found[0]) if found else None


def _fault_of_turns(messages: Sequence[Message]) -> tuple[str, str] | None:
    start = 1 if messages and messages[0].role == SYSTEM else 0
    if len(messages) == start:
        return "empty", "The conversation is empty."
    for message in messages[start:]:
        if message.role == SYSTEM:
            return (
                "system-in-the-middle",
                "A second system message, or one in the middle: there can be one, at the start.",
            )
        if message.role not in (USER, ASSISTANT, TOOL):
            return "unknown-role", f"A turn has the role {quoted(message.role)}, which is not known."
    if messages[start].role == ASSISTANT:
        return "starts-with-answer", "The conversation starts with the assistant, so there is nothing to answer."
    if messages[start].role == TOOL:
        return "starts-with-answer", "The conversation starts with the result of a tool, which nobody asked for."
    if messages[-1].role != ASSISTANT:
        return "no-answer-at-end", "The conversation does not end with an answer of the assistant."
    for message in messages[start:]:
        if message.role != TOOL and not message.tool_calls and is_empty(message.content):
            asked = message.role == USER
            return ("empty-prompt", "A question is empty.") if asked else ("empty-answer", "An answer is empty.")
    return None


def _is_writable(example: Example) -> bool:
    for message in example.messages:
        if not all(map(is_writable, (message.content, message.reasoning, message.name, message.tool_call_id))):
            return False
        for call in message.tool_calls:
            if not is_writable(call.name) or not is_writable(call.arguments) or not is_writable(call.id):
                return False
    return is_writable(example.tools)
