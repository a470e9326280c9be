"""Every piece of text in an example that a person wrote or a model learns, to look at or to change.

These are the contents of the turns, the reasoning before them, and the strings in the arguments of tool calls. The list
of tools on offer is a definition and is left as it is.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from studio.data.examples import Example, ToolCall

Change = Callable[[str], str]


def texts(example: Example) -> Iterator[str]:
    """Give the texts of an example in order."""
    for message in example.messages:
        if message.reasoning:
            yield message.reasoning
        yield message.content
        for call in message.tool_calls:
            yield from _arguments(call.arguments)


def change_texts(example: Example, change: Change) -> Example:
    """Return the example with every text changed; the same object when nothing is different."""
    messages = []
    for message in example.messages:
        calls = tuple(_change_call(call, change) for call in message.tool_calls)
        thought = change(message.reasoning) if message.reasoning else ""
        changed = replace(message, content=change(message.content), tool_calls=calls, reasoning=thought)
        messages.append(message if changed == message else changed)
    if all(new is old for new, old in zip(messages, example.messages, strict=True)):
        return example
    return replace(example, messages=tuple(messages))


def _arguments(arguments: str) -> Iterator[str]:
    try:
        yield from _strings(json.loads(arguments))
    except (ValueError, RecursionError):
        yield arguments


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif type(value) is int:
        yield str(value)


def _change_call(call: ToolCall, change: Change) -> ToolCall:
    try:
        value = json.loads(call.arguments)
        changed = _change_value(value, change)
    except (ValueError, RecursionError):
        return replace(call, arguments=change(call.arguments))
    return call if changed == value else replace(call, arguments=json.dumps(changed, ensure_ascii=False))


def _change_value(value: object, change: Change) -> object:
    """Change the strings of a JSON value; a whole number becomes a string when its digits are changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _change_value(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [_change_value(each, change) for each in value]
    if type(value) is int:
        digits = str(value)
        return value if change(digits) == digits else change(digits)
    return value
