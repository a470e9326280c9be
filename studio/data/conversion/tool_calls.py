"""Calls of tools and the lists of tools on offer, from the shapes in which files hold them.

Known are OpenAI's `tool_calls`, `function_call`, `tools` and `functions`, Anthropic's blocks, and the JSON text that
ShareGPT files hold.
"""

import json
from collections.abc import Mapping

from studio.data.conversion.cells import UnusableError, as_json, is_empty, opened
from studio.data.examples import ToolCall


def tools_in(cell: object) -> str:
    """Return the tools on offer as a JSON list in OpenAI's shape, or "" when there are none.

    Raises UnusableError when the cell holds something else.
    """
    found = opened(cell)
    if is_empty(found):
        return ""
    items = found if isinstance(found, list) else [found]
    return as_json([_tool(opened(item)) for item in items], "The list of tools")


def calls_in(found: object, where: str) -> tuple[ToolCall, ...]:
    """Read one call or a list of calls. Raises UnusableError, which says `where`, when it is neither."""
    items = found if isinstance(found, list) else [found]
    return tuple(_call(opened(item), where) for item in items)


def are_calls(found: object) -> bool:
    """Say whether this is a call, or a list of calls, each with a name and arguments."""
    items = found if isinstance(found, list) else [found]
    return bool(items) and all(
        isinstance(item, Mapping)
        and isinstance(item.get("name"), str)
        and ("arguments" in item or "parameters" in item)
        and "description" not in item
        for item in items
    )


def _tool(tool: object) -> object:
    if not isinstance(tool, Mapping):
        raise UnusableError("not-text", "The list of tools holds something that does not describe a tool.")
    if ("type" in tool and (tool["type"] != "function" or "function" in tool)) or "name" not in tool:
        return tool
    function = {name: value for name, value in tool.items() if name != "type"}
    if "input_schema" in function and "parameters" not in function:
        function["parameters"] = function.pop("input_schema")
    return {"type": "function", "function": function}


def _call(call: object, where: str) -> ToolCall:
    if isinstance(call, Mapping):
        function = opened(call.get("function", call))
        name = function.get("name") if isinstance(function, Mapping) else None
        if isinstance(function, Mapping) and isinstance(name, str) and name:
            given = function.get("arguments", function.get("parameters", function.get("input")))
            found = call.get("id") or ""
            return ToolCall(name, _arguments(given, where), found if isinstance(found, str) else "")
    raise UnusableError("not-text", f"{where} calls a tool without saying its name.")


def _arguments(given: object, where: str) -> str:
    """Return the arguments as a JSON object; text that is one stays as it stands."""
    if is_empty(given):
        return "{}"
    found = opened(given)
    if not isinstance(found, Mapping):
        raise UnusableError("not-text", f"{where} calls a tool with arguments that are not a JSON object.")
    if isinstance(given, str) and _is_json(given):
        return given
    return as_json(found, f"The call of a tool in {where[0].lower()}{where[1:]}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
