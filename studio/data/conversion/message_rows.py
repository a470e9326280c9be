"""Rows that are one message each, as databases of chats hold them: what one says. `threads` puts them together."""

from dataclasses import replace

from studio.data.conversion.cells import UnusableError, is_empty, listed, quoted
from studio.data.conversion.column_names import means
from studio.data.conversion.conversations import ASSISTANT, SPEAKERS, SYSTEM, messages_in
from studio.data.conversion.learning_marks import is_mark, is_marked_bad
from studio.data.conversion.reply_trees import taken_out_by
from studio.data.conversion.roles import Roles
from studio.data.examples import Message
from studio.data.rows import Row

_BESIDE = ("tool_calls", "function_call", "function_calls", "tool_call_id", "name", "attachments", "files")


def message_in(row: Row, roles: Roles) -> list[Message]:
    """Return the message of a row; several where it holds the results of tools. A system message may say nothing.

    An answer that is marked as bad, or as not to be learned, is context alone. Raises UnusableError for a message that
    was deleted or refused, that says nothing, or of which it is not known who speaks.
    """
    if by := taken_out_by(row.cells):
        raise UnusableError("not-to-be-learned", f"The column {quoted(by)} says that this message was taken out.")
    said = row.cells.get(roles.speaker)
    role = SPEAKERS.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        who = f"holds {quoted(said)}" if isinstance(said, str) and said else "names nobody"
        known = listed(list(dict.fromkeys(SPEAKERS.values())))
        raise UnusableError("unknown-role", f"The column {quoted(roles.speaker)} {who}; known are {known}.")
    beside = {name: cell for name, cell in row.cells.items() if _belongs(name) and not is_empty(cell)}
    if roles.reasoning:
        beside["reasoning"] = row.cells.get(roles.reasoning)
    content = row.cells.get(roles.message)
    found = messages_in([{**beside, "role": said, "content": "" if is_empty(content) else content}])
    if any(is_empty(each.content) and not each.tool_calls and each.role != SYSTEM for each in found):
        raise UnusableError("empty", f"The message is empty ({listed([roles.message])}).")
    if is_marked_bad(row.cells):
        found = [replace(each, learned=each.learned and each.role != ASSISTANT) for each in found]
    return found or [Message(role, "")]


def _belongs(name: str) -> bool:
    """Tell whether a column of this name belongs to a message as a field of a turn does."""
    return name in _BESIDE or is_mark(name) or means(name, "reasoning")
