"""The same example, the same question or the same answer more than once, known by numbers of 64 bits alone.

So a million examples need a few megabytes. Two different texts share a number with a probability too small to matter.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from studio.data.examples import Example, Message, fingerprint

if TYPE_CHECKING:
    import numpy as np


_TOGETHER = 65_536


@dataclass
class Hashes:
    """A number for each example, for its question (0 for plain text) and for its answer."""

    examples: "array[int]" = field(default_factory=lambda: array("Q"))
    prompts: "array[int]" = field(default_factory=lambda: array("Q"))
    answers: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, example: Example) -> int:
        """Take the next example; return the number of its answer."""
        answer = answer_hash(example)
        self.examples.append(int(fingerprint(example), 16))
        self.prompts.append(0 if example.is_text else prompt_hash(example))
        self.answers.append(answer)
        return answer


def prompt_hash(example: Example) -> int:
    """Return a number for all that stands before the last turn, the tools on offer included."""
    return _hash(example.messages[:-1], example.tools)


def answer_hash(example: Example) -> int:
    """Return a number for the last turn."""
    return _hash(example.messages[-1:], "")


def copies(hashes: "array[int]") -> "np.ndarray":
    """Return the positions of all numbers that stood before already, in order."""
    import numpy as np

    values = np.frombuffer(hashes, np.uint64)
    _, first = np.unique(values, return_index=True)
    later = np.ones(len(values), bool)
    later[first] = False
    return np.flatnonzero(later)


def conflicts(hashes: Hashes) -> tuple["np.ndarray", int]:
    """Return the positions of examples whose question is answered in several ways, and how many such questions are."""
    import numpy as np

    prompts = np.frombuffer(hashes.prompts, np.uint64)
    answers = np.frombuffer(hashes.answers, np.uint64)
    order = np.lexsort((answers, prompts))
    sorted_prompts, sorted_answers = prompts[order], answers[order]
    same_prompt = sorted_prompts[1:] == sorted_prompts[:-1]
    differs = same_prompt & (sorted_answers[1:] != sorted_answers[:-1]) & (sorted_prompts[1:] != 0)
    disputed = np.unique(sorted_prompts[1:][differs])
    if not len(disputed):
        return np.empty(0, np.intp), 0
    nearest = disputed[np.minimum(np.searchsorted(disputed, prompts), len(disputed) - 1)]
    return np.flatnonzero(nearest == prompts), len(disputed)


def shared(train: Iterable[Example], validation: Iterable[Example]) -> tuple["np.ndarray", "np.ndarray"]:
    """Return the positions in `validation` whose whole example, and whose question alone, is in `train` as well.

    Of `train` only `_TOGETHER` examples are in memory at a time, as numbers.
    """
    import numpy as np

    held_out = Hashes()
    for example in validation:
        held_out.add(example)
    wholes, prompts = np.frombuffer(held_out.examples, np.uint64), np.frombuffer(held_out.prompts, np.uint64)
    whole, asked = np.zeros(len(wholes), bool), np.zeros(len(prompts), bool)
    rest = iter(train)
    while True:
        hashes = Hashes()
        for example in islice(rest, _TOGETHER):
            hashes.add(example)
        if not len(hashes.examples):
            break
        whole |= np.isin(wholes, np.frombuffer(hashes.examples, np.uint64))
        asked |= np.isin(prompts, np.frombuffer(hashes.prompts, np.uint64))
    return np.flatnonzero(whole), np.flatnonzero(asked & (prompts != 0) & ~whole)


def _hash(messages: tuple[Message, ...], tools: str) -> int:
    parts = [tools]
    for message in messages:
        parts += (message.role, message.content.strip())
        for call in message.tool_calls:
            parts += (call.name, call.arguments)
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
