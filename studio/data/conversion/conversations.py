"""From the cell that holds a conversation to its messages, in whichever of the usual shapes it is written.

Known are OpenAI's messages, ShareGPT's conversations, Gemini's contents, Anthropic's blocks, pairs of question and
answer, plain lists of turns, and one text with the speakers' names in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

from studio.data.conversion.api_items import answer_in_log, has_items, turns_of_items
from studio.data.conversion.cells import UnusableError, answer_text, is_empty, is_json, opened, quoted, text_in
from studio.data.conversion.column_names import means
from studio.data.conversion.learning_marks import is_left_out
from studio.data.conversion.media import refuse_media
from studio.data.conversion.reasoning import is_hidden, is_reasoning, reasoning_in
from studio.data.conversion.reply_trees import best_branch, is_reply_tree
from studio.data.conversion.tool_calls import are_calls, calls_in
from studio.data.examples import Message
from studio.data.speaker_marks import turns_of

SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"

SPEAKERS: Mapping[str, str] = {
    **dict.fromkeys(("system", "developer"), SYSTEM),
    **dict.fromkeys(("user", "human", "prompter", "customer", "client", "visitor"), USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "claude", "gemini", "model", "ai"), ASSISTANT),
    **dict.fromkeys(("bot", "chatbot", "agent", "support", "function_call", "function-call", "tool_call"), ASSISTANT),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "function-response"), TOOL),
    **dict.fromkeys(("tool_response", "tool_result", "ipython", "environment"), TOOL),
}
"""Who speaks, by the names that files give them, in lower case."""

_THOUGHT = re.compile(r"\s*(<think>.*?</think>)\s*", re.DOTALL)
_CALLING = ("function_call", "function-call", "tool_call")
_SPEAKERS_OF_TEXT = SPEAKERS.keys() - {*_CALLING}
_WHO = ("role", "from", "sender", "author", "speaker")
_WHAT = ("content", "value", "text", "message", "parts", "utterance", "body")
_ASKED = (*(name for name, role in SPEAKERS.items() if role == USER), "input", "question", "prompt", "instruction")
_ANSWERED = (*(name for name, role in SPEAKERS.items() if role == ASSISTANT), "output", "answer", "response")
_CALLING_PARTS = ("tool_use", "tool_call", "function_call")
_NOT_SAID = (*_CALLING_PARTS, "tool_result", "redacted_thinking")
_CALLS = ("tool_calls", "function_call", "function_calls")
_PART_NAMES = frozenset(("type", "content_type", "text", "parts", "image_url", "image", "bytes"))
_FILES = ("attachments", "files")
_PAIRED: Mapping[str, str] = {SYSTEM: SYSTEM, **dict.fromkeys(_ASKED, USER), **dict.fromkeys(_ANSWERED, ASSISTANT)}
_FIELDS = frozenset((*_WHO, *_WHAT, *_FILES, *_CALLS, "name", "tool_call_id"))
_LISTS = ("messages", "conversations", "conversation", "contents", "turns", "chat_messages")
_KNOWN = "known are system, user, assistant and tool"


def turns_in(cell: object) -> Sequence[object] | None:
    """Return the turns of a conversation, also when they are written as text; None when the cell holds none."""
    found = opened(cell)
    if isinstance(found, str):
        return turns_of(found)
    if isinstance(found, list):
        return turns_of_items(found) if has_items(found) else found
    if isinstance(found, Mapping):
        if is_reply_tree(found):
            return best_branch(found)
        inner = next((found[name] for name in _LISTS if name in found), None)
        inner = inner if isinstance(inner, list) else answer_in_log(found)
        if inner is not None:
            return turns_of_items(inner) if has_items(inner) else inner
        alone = (_who(found) and _has_content(found)) or _is_whole_pair(found)
        return [found] if alone else _side_by_side(found)
    return None


def are_turns(turns: Sequence[object]) -> bool:
    """Say whether these surely are turns: objects which say who speaks by a known name, and what."""
    return bool(turns) and all(
        isinstance(turn, Mapping)
        and ((SPEAKERS.get(_who(turn).lower()) is not None and _has_content(turn)) or _is_pair(turn))
        for turn in turns
    )


def reads_field(name: str) -> bool:
    """Say whether what stands in a turn under this name is read, or refused with a reason."""
    return name in _FIELDS or name.lower() in _PAIRED or means(name, "reasoning")


def parts_left_out(turn: Mapping[str, object]) -> list[str]:
    """Return the types of the parts of an answer that are not read: calls whose results stand in the answer itself."""
    content = next((turn[name] for name in _WHAT if not is_empty(turn.get(name))), None)
    if _role_of(turn) != ASSISTANT or not isinstance(content, list) or not _has_results(content):
        return []
    return [kind for part in content if (kind := _type(part)) in _NOT_SAID and not is_hidden(part)]


def begins_with(turns: Sequence[object]) -> str:
    """Return the role of the first turn, or "" when it is not known."""
    return _role_of(turns[0]) if turns else ""


def ends_with(turns: Sequence[object]) -> str:
    """Return the role of the last turn, or "" when it is not known."""
    return _role_of(turns[-1]) if turns else ""


def messages_in(turns: Sequence[object]) -> list[Message]:
    """Return the messages of a conversation, without a system message that says nothing.

    Raises UnusableError for what cannot be learned. Whether the order of the turns makes sense is not looked at.
    """
    if turns and all(isinstance(turn, str) for turn in turns):
        return [Message(role, str(turn)) for role, turn in zip(cycle((USER, ASSISTANT)), turns, strict=False)]
    messages: list[Message] = []
    for place, turn in enumerate(turns, start=1):
        if isinstance(turn, Mapping):
            said = turn.get("role") or turn.get("from")
            content = turn.get("content") or turn.get("value")
            if isinstance(content, str) and isinstance(said, str) and said in _SPEAKERS_OF_TEXT and len(turn) == 2:
                messages.append(Message(SPEAKERS[said], content))
            else:
                messages.extend(_messages(turn, place))
        elif isinstance(turn, list) and len(turn) == 2:
            messages += (
                Message(USER, text_in(turn[0], f"Turn {place}")),
                Message(ASSISTANT, text_in(turn[1], f"Turn {place}")),
            )
        else:
            raise UnusableError("unknown-role", f"Turn {place} does not say who speaks.")
    return [message for message in messages if message.role != SYSTEM or not is_empty(message.content)]


def _messages(turn: Mapping[str, object], place: int) -> Iterator[Message]:
    """Yield the one message of a turn; two of a pair, several where a turn holds the results of tools."""
    where = f"Turn {place}"
    said = _who(turn)
    if not said and _is_pair(turn):
        for name, value in turn.items():
            if not is_empty(value):
                yield Message(_PAIRED[name.lower()], text_in(value, where))
        return
    role = SPEAKERS.get(said.lower())
    if role is None:
        known = f"has the role {quoted(said)}; {_KNOWN}." if said else "does not say who speaks."
        raise UnusableError("unknown-role", f"{where} {known}")
    content = next((turn[name] for name in _WHAT if not is_empty(turn.get(name))), None)
    if any(not is_empty(turn.get(name)) for name in _FILES):
        _text(content, where)
        raise UnusableError("not-text", f"{where} comes with a file, which is not part of the text.")
    if role == ASSISTANT:
        yield _answer(turn, content, said=said.lower(), where=where)
    elif isinstance(content, list) and _has_results(content):
        yield from _results(content, where)
    else:
        name, call = (_plain(turn.get(each)) if role == TOOL else "" for each in ("name", "tool_call_id"))
        yield Message(role, _text(content, where), name=name, tool_call_id=call)


def _answer(turn: Mapping[str, object], content: object, *, said: str, where: str) -> Message:
    learned, thought = not is_left_out(turn), reasoning_in(turn, content)
    if said in _CALLING:
        aloud = _THOUGHT.match(content) if isinstance(content, str) else None
        found = _opened_calls(content[aloud.end() :] if aloud and isinstance(content, str) else content)
        if are_calls(found):
            text = aloud.group(1) if aloud else ""
            return Message(ASSISTANT, text, calls_in(found, where), learned=learned, reasoning=thought)
    calls = [call for name in _CALLS for call in _listed(opened(turn.get(name)))]
    if isinstance(content, list):
        # Claude's own exports hold what its tools gave back in the answer itself: there only what was said counts.
        if not _has_results(content):
            calls += [_called(part) for part in content if _type(part) in _CALLING_PARTS]
        content = [part for part in content if _type(part) not in _NOT_SAID and not is_reasoning(part)]
    said_as_json = is_json(content) and not _has_parts(content)
    text = answer_text(content, where) if said_as_json else _text(content, where)
    return Message(ASSISTANT, text, calls_in(calls, where), learned=learned, reasoning=thought)


def _opened_calls(content: object) -> object:
    """Return the call or the calls that are written as JSON, also one on each line."""
    found = opened(content)
    lines = [opened(line) for line in found.splitlines() if line.strip()] if isinstance(found, str) else []
    return lines if lines and are_calls(lines) else found


def _has_parts(content: object) -> bool:
    """Tell whether the content of a turn is made of parts, as texts and pictures are, and is not an answer in JSON."""
    parts = content if isinstance(content, list) else [content]
    return any(
        isinstance(part, str) or (isinstance(part, Mapping) and not _PART_NAMES.isdisjoint(part)) for part in parts
    )


def _has_results(parts: Sequence[object]) -> bool:
    return any(_type(part) == "tool_result" for part in parts)


def _results(parts: Sequence[object], where: str) -> Iterator[Message]:
    """Yield what tools gave back, then what the person says in the same turn."""
    for part in parts:
        if isinstance(part, Mapping) and _type(part) == "tool_result":
            yield Message(TOOL, _text(part.get("content"), where), (), "", _plain(part.get("tool_use_id")))
    rest = [part for part in parts if _type(part) != "tool_result"]
    if rest:
        yield Message(USER, _text(rest, where))


def _text(content: object, where: str) -> str:
    """Return the text of a turn: a string, or the parts of it one after the other."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        inner = content.get("parts")
        content = inner if isinstance(inner, list) else [content]
    if isinstance(content, list):
        return "".join(_part(part, where) for part in content)
    return text_in(content, f"The content of {where[0].lower()}{where[1:]}")


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = _type(part)
    if isinstance(part, Mapping):
        refuse_media(part, where)
        said = part.get("refusal") if kind == "refusal" else part.get("text", part.get("value"))
        if kind in ("", "text", "input_text", "output_text", "refusal") and isinstance(said, str):
            return said
    raise UnusableError("not-text", f"{where} holds something other than text{f' ({quoted(kind)})' if kind else ''}.")


def _who(turn: Mapping[str, object]) -> str:
    """Return how a turn names its speaker, or ""."""
    for name in _WHO:
        said = turn.get(name)
        if isinstance(said, Mapping):
            said = said.get("role")
        if isinstance(said, str) and said.strip():
            return said.strip()
    return ""


def _has_content(turn: Mapping[str, object]) -> bool:
    return any(name in turn for name in (*_WHAT, *_CALLS))


def _is_pair(turn: Mapping[str, object]) -> bool:
    """Say whether the names in a turn are those of speakers, as in {"user": "Hi", "assistant": "Hello"}."""
    return bool(turn) and all(isinstance(name, str) and name.lower() in _PAIRED for name in turn)


def _is_whole_pair(turn: Mapping[str, object]) -> bool:
    """Say whether both a question and its answer stand in a turn, and nothing else."""
    return _is_pair(turn) and {USER, ASSISTANT} <= {_PAIRED[name.lower()] for name in turn}


def _side_by_side(found: Mapping[str, object]) -> list[object] | None:
    """Read {"role": [...], "content": [...]}, which is how some Parquet files hold a list of turns."""
    who = next((found[name] for name in _WHO if isinstance(found.get(name), list)), None)
    what = next((found[name] for name in _WHAT if isinstance(found.get(name), list)), None)
    if not isinstance(who, list) or not isinstance(what, list) or len(who) != len(what):
        return None
    return [{"role": role, "content": content} for role, content in zip(who, what, strict=True)]


def _listed(found: object) -> list[object]:
    return [] if is_empty(found) else found if isinstance(found, list) else [found]


def _role_of(turn: object) -> str:
    return SPEAKERS.get(_who(turn).lower(), "") if isinstance(turn, Mapping) else ""


def _type(part: object) -> str:
    found = (part.get("type") or part.get("content_type")) if isinstance(part, Mapping) else None
    return found if isinstance(found, str) else ""


def _called(part: object) -> object:
    """Return the call in a part of a turn: the part itself, or what stands in it as JSON."""
    return opened(part.get("value", part)) if isinstance(part, Mapping) else part


def _plain(found: object) -> str:
    return found if isinstance(found, str) else ""
