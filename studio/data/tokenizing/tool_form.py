"""How a model writes the call of a tool: found by having its chat template write one, and read back from answers.

No family is known by its name. What is known is calls that are written as JSON, with a mark before them or alone.
"""

import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from studio.data.examples import Message, ToolCall
from studio.data.tokenizing.chat_templates import ChatTemplate
from studio.errors import DataError

log = logging.getLogger(__name__)

_TOOL, _KEY, _VALUE = "look_up_zz", "place_zz", "value_zz"
_QUESTION = Message("user", "Hello")
_TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": _TOOL,
                "description": _TOOL,
                "parameters": {"type": "object", "properties": {_KEY: {"type": "string"}}, "required": [_KEY]},
            },
        }
    ]
)
_CALL = Message("assistant", "", tool_calls=(ToolCall(_TOOL, json.dumps({_KEY: _VALUE}), "zz0000000"),))
_JSON = json.JSONDecoder()


@dataclass(frozen=True)
class ToolForm:
    """Calls are JSON objects, or a list of them, with these keys; `mark` stands before each, or nothing does."""

    mark: str
    name: str
    arguments: str

    def read(self, text: str, tools: Collection[str]) -> tuple[str, tuple[ToolCall, ...]]:
        """Part an answer into its text and its calls of `tools`. What cannot be read as calls stays text."""
        if self.mark:
            before, *parts = text.split(self.mark)
        else:
            before, parts = "", [text]
        calls = [call for part in parts for call in self._calls(part)]
        if not parts or not calls or any(call is None or call.name not in tools for call in calls):
            return text, ()
        return before.strip(), tuple(call for call in calls if call is not None)

    def _calls(self, text: str) -> Iterator[ToolCall | None]:
        """Yield the calls at the beginning of a text; None where there is something else."""
        try:
            value, _ = _JSON.raw_decode(text.lstrip())
        except (ValueError, RecursionError):
            yield None
            return
        for item in value if isinstance(value, list) else [value]:
            yield self._call(item)

    def _call(self, item: Any) -> ToolCall | None:
        held = item.get("function", item) if isinstance(item, dict) else None
        name = held.get(self.name) if isinstance(held, dict) else None
        if not isinstance(name, str) or not isinstance(held, dict):
            return None
        given = held.get(self.arguments, {})
        return ToolCall(name, given if isinstance(given, str) else json.dumps(given, ensure_ascii=False))


def tool_form_of(template: ChatTemplate) -> ToolForm | None:
    """Have a template write a call; None where it refuses, leaves the tools out, or writes the call otherwise."""
    try:
        asked = template.fill((_QUESTION,), prompt=True, tools=_TOOLS)
        whole = template.fill((_QUESTION, _CALL), prompt=False, tools=_TOOLS)
    except DataError:
        log.debug("A chat template refuses the call of a tool", exc_info=True)
        return None
    if _TOOL not in asked:
        return None
    same = next((place for place, (a, b) in enumerate(zip(asked, whole, strict=False)) if a != b), len(asked))
    written = whole[same:]
    for start in (place for place, letter in enumerate(written) if letter in "[{"):
        try:
            value, _ = _JSON.raw_decode(written[start:])
        except (ValueError, RecursionError):
            continue
        keys = _keys(value[0] if isinstance(value, list) and value else value)
        if keys is not None:
            lines = written[:start].split("\n")
            mark = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return ToolForm(mark, *keys)
    return None


def _keys(call: Any) -> tuple[str, str] | None:
    held = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(held, dict):
        return None
    name = next((key for key, value in held.items() if value == _TOOL), None)
    arguments = next((key for key, value in held.items() if _VALUE in json.dumps(value)), None)
    return None if name is None or arguments is None else (name, arguments)


def tool_names(tools: str) -> tuple[str, ...]:
    """Name the tools in a JSON list of OpenAI's shape; what has no name is passed over."""
    found = (each.get("function", each) for each in json.loads(tools) if isinstance(each, dict))
    return tuple(str(each["name"]) for each in found if isinstance(each, dict) and "name" in each)
