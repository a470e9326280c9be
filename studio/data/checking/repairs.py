"""The changes that put one example right without a look at any other. Knows nothing of who asked for them."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from studio.data.checking import personal
from studio.data.checking.example_texts import change_texts
from studio.data.checking.text_repair import repair_text
from studio.data.checking.turns import join_turns, system_first, trim_end, trim_start
from studio.data.examples import Example

REPAIR_TEXT = "repair-text"
JOIN_TURNS = "join-turns"
SYSTEM_FIRST = "system-first"
TRIM_START = "trim-start"
TRIM_END = "trim-end"
MASK_KEYS = "mask-keys"
MASK_EMAILS = "mask-emails"
MASK_CARDS = "mask-cards"
MASK_PHONES = "mask-phones"


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
