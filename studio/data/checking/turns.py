"""Turns in the wrong order: two of one speaker in a row, a start or an end that cannot be learned from."""

from dataclasses import replace
from itertools import pairwise

from studio.data.examples import Example, Message


def repeats_speaker(example: Example) -> bool:
    """Tell whether two turns in a row are of one speaker and could be one turn."""
    messages = example.messages
    return any(_joinable(first, second) for first, second in pairwise(messages))


def join_turns(example: Example) -> Example:
    """Make one turn of turns in a row of one speaker, with a blank line between them."""
    if not repeats_speaker(example):
        return example
    joined: list[Message] = []
    for message in example.messages:
        if joined and _joinable(joined[-1], message):
            joined[-1] = _join(joined[-1], message)
        else:
            joined.append(message)
    return replace(example, messages=tuple(joined))


def system_first(example: Example) -> Example:
    """Make one system message of all in a conversation, at its start, with a blank line between them."""
    told = [message for message in example.messages if message.role == "system"]
    if not told or (len(told) == 1 and example.messages[0].role == "system"):
        return example
    others = (message for message in example.messages if message.role != "system")
    whole = replace(told[0], content="\n\n".join(message.content for message in told if message.content.strip()))
    return replace(example, messages=(whole, *others))


def trim_start(example: Example) -> Example:
    """Leave out what the assistant and tools say before the first question; a system message stays.

    Nothing is left out when no question would remain.
    """
    messages = example.messages
    if example.is_text or all(message.role != "user" for message in messages):
        return example
    first = next(place for place, message in enumerate(messages) if message.role == "user")
    kept = tuple(message for message in messages[:first] if message.role == "system")
    return example if len(kept) == first else replace(example, messages=(*kept, *messages[first:]))


def trim_end(example: Example) -> Example:
    """Leave out what comes after the last answer of the assistant. Nothing is left out when there is no answer."""
    messages = example.messages
    if example.is_text or all(message.role != "assistant" for message in messages):
        return example
    end = max(place for place, message in enumerate(messages) if message.role == "assistant") + 1
    return example if end == len(messages) else replace(example, messages=messages[:end])


def _joinable(first: Message, second: Message) -> bool:
    """Two turns of a person or of the assistant; people of different names in one chat stay apart."""
    alike = (first.role, first.name, first.learned) == (second.role, second.name, second.learned)
    if not alike or first.role not in ("user", "assistant"):
        return False
    return not first.tool_calls or bool(second.tool_calls)


def _join(first: Message, second: Message) -> Message:
    content, thought = (
        "\n\n".join(part for part in parts if part.strip())
        for parts in ((first.content, second.content), (first.reasoning, second.reasoning))
    )
    return replace(second, content=content, reasoning=thought, tool_calls=(*first.tool_calls, *second.tool_calls))
