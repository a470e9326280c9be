"""What a model learns from: a conversation, or a piece of plain text."""

import hashlib
from dataclasses import dataclass

TEXT = "text"
"""The role of the only message of an example that is plain text: it is learned whole, without a chat template."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that an answer makes. `arguments` is a JSON object as text; `id` may be empty."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation. `role` is "system", "user", "assistant" or "tool"; or `TEXT`, see there.

    `tool_calls` belong to an assistant's turn, `name` and `tool_call_id` to a tool's. An answer that is not
    `learned` is context alone. `reasoning` is what was thought before an answer, where that stands apart from it.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    name: str = ""
    tool_call_id: str = ""
    learned: bool = True
    reasoning: str = ""


@dataclass(frozen=True)
class Example:
    """One thing to learn from. `row` and `file` say where it was found; `file` is empty where there is only one.

    `tools` is the JSON list of the tools on offer, as text, or empty. `continues` is for plain text that goes on in the
    next example, so that no end is to be learned here.
    """

    messages: tuple[Message, ...]
    row: int = 0
    file: str = ""
    tools: str = ""
    continues: bool = False

    @property
    def is_text(self) -> bool:
        """Whether this is plain text and not a conversation."""
        return len(self.messages) == 1 and self.messages[0].role == TEXT


def fingerprint(example: Example) -> str:
    """Return 16 hexadecimal digits that two examples share when they say the same, wherever they were found."""
    digest = hashlib.blake2b(example.tools.encode("utf-8", "surrogatepass"), digest_size=8)
    for message in example.messages:
        calls = [part for call in message.tool_calls for part in (call.name, call.arguments)]
        marks = () if message.learned else ("not learned",)
        thought = ("reasoning", message.reasoning) if message.reasoning else ()
        for part in (message.role, message.content, *calls, *thought, *marks):
            digest.update(len(part).to_bytes(8, "little") + part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
