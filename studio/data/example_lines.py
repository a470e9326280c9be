"""One example as one line of JSON and back: as the studio stores it, and as other programs read it."""

import json
from typing import Any

from studio import codec
from studio.data.examples import Example, Message, ToolCall


def encode(example: Example) -> str:
    """Write an example as one line of JSON; what is at its default is left away."""
    value: dict[str, object] = {"messages": [_message(message) for message in example.messages], "row": example.row}
    if example.file:
        value["file"] = example.file
    if example.tools:
        value["tools"] = example.tools
    if example.continues:
        value["continues"] = True
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decode(line: str | bytes) -> Example:
    """Read what `encode` wrote. Raises ValueError for anything else."""
    try:
        value = codec.parse(line)
        return Example(
            messages=tuple(_read_message(each) for each in value["messages"]),
            row=_checked(value.get("row", 0), int),
            file=_checked(value.get("file", ""), str),
            tools=_checked(value.get("tools", ""), str),
            continues=_checked(value.get("continues", False), bool),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("This is not an example.") from error


def as_messages(example: Example) -> str:
    """Write an example as one line of JSON that other programs read: `messages` as OpenAI names them, or `text`."""
    if example.is_text:
        return json.dumps({"text": example.messages[0].content}, ensure_ascii=False)
    value: dict[str, object] = {"messages": [_openai(message) for message in example.messages]}
    if example.tools:
        value["tools"] = json.loads(example.tools)
    return json.dumps(value, ensure_ascii=False)


def _message(message: Message) -> dict[str, object]:
    value: dict[str, object] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        value["tool_calls"] = [vars(call) for call in message.tool_calls]
    if message.name:
        value["name"] = message.name
    if message.tool_call_id:
        value["tool_call_id"] = message.tool_call_id
    if not message.learned:
        value["learned"] = False
    if message.reasoning:
        value["reasoning_content"] = message.reasoning
    return value


def _openai(message: Message) -> dict[str, object]:
    value = _message(message)
    if not value.pop("learned", True):
        value["weight"] = 0
    if message.tool_calls:
        value["tool_calls"] = [
            {
                **({"id": call.id} if call.id else {}),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return value


def _read_message(value: dict[str, Any]) -> Message:
    calls = value.get("tool_calls", ())
    return Message(
        role=_checked(value["role"], str),
        content=_checked(value["content"], str),
        tool_calls=tuple(
            ToolCall(_checked(call["name"], str), _checked(call["arguments"], str), _checked(call.get("id", ""), str))
            for call in calls
        ),
        name=_checked(value.get("name", ""), str),
        tool_call_id=_checked(value.get("tool_call_id", ""), str),
        learned=_checked(value.get("learned", True), bool),
        reasoning=_checked(value.get("reasoning_content", ""), str),
    )


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value
