"""The items in which the APIs of language models log a conversation, as turns: calls, results and reasoning by type."""

from collections.abc import Mapping, Sequence

from studio.data.conversion.reasoning import PARTS, is_reasoning, reasoning_text

_CALLS = ("function_call", "custom_tool_call", "tool_call")
_ANSWERING = ("assistant", "gpt", "model", "function_call")
_RESULTS = ("function_call_output", "custom_tool_call_output", "tool_call_output")


def has_items(turns: Sequence[object]) -> bool:
    """Tell whether some of the turns are items that a type describes, and no speaker."""
    return any(_is_item(turn) for turn in turns)


def turns_of_items(items: Sequence[object]) -> list[object]:
    """Return items as turns: calls in a row as one turn, reasoning with the turn that follows it."""
    turns: list[object] = []
    calls: list[object] = []
    thought = ""
    for item in items:
        if not isinstance(item, Mapping):
            turns.append(item)
            continue
        kind = item.get("type") if _is_item(item) else ""
        if kind not in _CALLS:
            calls = []
        if kind in _CALLS:
            if not calls:
                turns.append({"role": "assistant", "content": "", "tool_calls": calls, "reasoning": thought})
                thought = ""
            calls.append(_call(item))
        elif kind in _RESULTS:
            turns.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")})
        elif kind or _is_thought(item):
            thought = "\n\n".join(filter(None, (thought, reasoning_text(item))))
        elif thought and (item.get("role") or item.get("from")) in _ANSWERING:
            turns.append({**item, "reasoning": thought})
            thought = ""
        else:
            turns.append(item)
    return turns


def answer_in_log(found: Mapping[str, object]) -> list[object] | None:
    """Return the one answer that a logged response holds, as turns; None when it is none, or holds several."""
    choices, output = found.get("choices"), found.get("output")
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], Mapping):
        message = choices[0].get("message")
        return [message] if isinstance(message, Mapping) else None
    return output if found.get("object") == "response" and isinstance(output, list) else None


def _is_item(turn: object) -> bool:
    if not isinstance(turn, Mapping):
        return False
    if "role" in turn or "from" in turn:
        return _is_thought(turn)
    return turn.get("type") in (*_CALLS, *_RESULTS) or is_reasoning(turn)


def _is_thought(turn: Mapping[str, object]) -> bool:
    """Tell whether a turn is spoken by the reasoning alone, as some files write it before the answer."""
    return (turn.get("role") or turn.get("from")) in PARTS


def _call(item: Mapping[str, object]) -> object:
    given = item.get("arguments", item.get("input"))
    return {"id": item.get("call_id"), "function": {"name": item.get("name"), "arguments": given}}
