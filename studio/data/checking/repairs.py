"""The changes that put one example right, and the examples that a person left out by hand.

Those are known by the fingerprint that they had then. Other changes may have been asked for or undone since, so an
example is looked at as it is, and as every combination of repairs that concerns it would make it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise

from studio.data.checking import personal
from studio.data.checking.example_texts import change_texts
from studio.data.checking.text_repair import repair_text
from studio.data.examples import Example, Message, fingerprint

REPAIR_TEXT = "repair-text"
JOIN_TURNS = "join-turns"
SYSTEM_FIRST = "system-first"
TRIM_START = "trim-start"
TRIM_END = "trim-end"
MASK_KEYS = "mask-keys"
MASK_EMAILS = "mask-emails"
MASK_CARDS = "mask-cards"
MASK_PHONES = "mask-phones"
_MOST_KINDS = 4


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


def _mask(example: Example, *, kind: str) -> Example:
    return change_texts(example, lambda text: personal.mask(text, (kind,)))


REPAIRS: Mapping[str, Callable[[Example], Example]] = {
    REPAIR_TEXT: lambda example: change_texts(example, repair_text),
    JOIN_TURNS: join_turns,
    SYSTEM_FIRST: system_first,
    TRIM_START: trim_start,
    TRIM_END: trim_end,
    MASK_KEYS: partial(_mask, kind=personal.KEYS),
    MASK_EMAILS: partial(_mask, kind=personal.EMAILS),
    MASK_CARDS: partial(_mask, kind=personal.CARDS),
    MASK_PHONES: partial(_mask, kind=personal.PHONES),
}
"""Every repair by its kind, in the order in which they are made. Each returns the same object when nothing changes."""


def repaired(example: Example, kinds: Collection[str]) -> tuple[Example, frozenset[str]]:
    """Make the repairs of these kinds until none changes anything; return also the kinds that did."""
    changed: set[str] = set()
    while True:
        before = example
        for kind, repair in REPAIRS.items():
            if kind in kinds:
                after = repair(example)
                if after is not example:
                    changed.add(kind)
                    example = after
        if example is before:
            return example, frozenset(changed)


class HandPicked:
    """Knows the examples of these fingerprints."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)
        self._missing = set(self._keys)

    def holds(self, drafted: Example, fixed: Example) -> bool:
        """Tell whether this example was picked, given as it was drafted and as it is now."""
        if self._is_picked(fixed) or (drafted is not fixed and self._is_picked(drafted)):
            return True
        return bool(self._missing) and any(map(self._is_picked, variants(drafted)))

    def _is_picked(self, example: Example) -> bool:
        try:
            key = fingerprint(example)
        except UnicodeEncodeError:  # half a character: it was never in a data set
            return False
        self._missing.discard(key)
        return key in self._keys


def variants(example: Example) -> Iterable[Example]:
    """Give the example as it was or will be with other repairs."""
    _, kinds = repaired(example, REPAIRS)
    concerned = [kind for kind in REPAIRS if kind in kinds][:_MOST_KINDS]
    for size in range(1, len(concerned) + 1):
        for chosen in combinations(concerned, size):
            yield repaired(example, chosen)[0]
