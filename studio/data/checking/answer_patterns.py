"""Answers that say little about what is asked: the same for all, one that is given most of the time, one beginning.

A set of labels, such as "positive" and "negative", is meant to repeat its answers and is left in peace.
"""

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from studio.data.checking.findings import INFO, MOST_PLACES, WARNING, Finding
from studio.data.examples import Example

if TYPE_CHECKING:
    import numpy as np

_FEWEST = 10
"""In fewer answers than this a pattern may be luck."""

_MOST_SHOWN = 2000
_WORDS = 4
_LABELS = 50
"""So many different answers may still be labels."""


class AnswerPatterns:
    """Remembers of every answer two numbers, and the words of the first ones to show them."""

    def __init__(self) -> None:
        self._places = array("I")
        self._answers = array("Q")
        self._beginnings = array("Q")
        self._shown: dict[int, str] = {}

    def add(self, place: int, example: Example, answer: int) -> None:
        """Take the last answer of the next example, and the number it is known by; plain text has none."""
        if example.is_text or not example.messages:
            return
        content = example.messages[-1].content
        words = content.split(None, _WORDS)[:_WORDS]
        beginning = _number(" ".join(words)) if len(words) == _WORDS else answer
        self._places.append(place)
        self._answers.append(answer)
        self._beginnings.append(beginning)
        if len(self._shown) < _MOST_SHOWN:
            self._shown.setdefault(answer, _cut(content))
            self._shown.setdefault(beginning, " ".join(words))

    def findings(self) -> Iterator[Finding]:
        """Say what stands out."""
        import numpy as np

        total = len(self._answers)
        if total < _FEWEST:
            return
        answers = np.frombuffer(self._answers, np.uint64)
        values, counts = np.unique(answers, return_counts=True)
        top = int(counts.argmax())
        said, times, different = int(values[top]), int(counts[top]), len(values)
        quoted = f" ({self._shown[said]})" if self._shown.get(said) else ""
        if different == 1:
            yield Finding(
                "same-answer",
                WARNING,
                "Every answer is the same",
                f"All {total:,} answers are the same text{quoted}. The model will learn to say this whatever it is "
                "asked. Check that the right column is the answer.",
                total,
                places=self._where(answers == values[top]),
            )
        elif _dominates(times, total, different):
            yield Finding(
                "frequent-answer",
                INFO,
                f"One answer is given {_percent(times, total)} of the time",
                f"{times:,} of {total:,} answers are the same text{quoted}. The model will tend to give it. That is "
                "fine if it is as frequent in use; otherwise leave some of these out, or add others.",
                times,
                places=self._where(answers == values[top]),
            )
        elif different > _LABELS or different * 4 > total:
            yield from self._beginning(total)

    def _beginning(self, total: int) -> Iterator[Finding]:
        import numpy as np

        beginnings = np.frombuffer(self._beginnings, np.uint64)
        values, counts = np.unique(beginnings, return_counts=True)
        top = int(counts.argmax())
        times = int(counts[top])
        if times * 10 < total * 6:
            return
        words = self._shown.get(int(values[top]), "")
        quoted = f' with "{words} …"' if words else " with the same words"
        yield Finding(
            "same-beginning",
            INFO,
            f"{_percent(times, total)} of the answers begin alike",
            f"{times:,} of {total:,} answers begin{quoted}. The model will begin so too. That is fine if you want it.",
            times,
            places=self._where(beginnings == values[top]),
        )

    def _where(self, chosen: "np.ndarray") -> tuple[int, ...]:
        return tuple(int(self._places[at]) for at in chosen.nonzero()[0][:MOST_PLACES])


def _dominates(times: int, total: int, different: int) -> bool:
    """Tell whether one answer outweighs the others: most of a set of labels, or a tenth of free answers."""
    if different <= _LABELS and different * 4 <= total:
        return times > 0.5 * total and times * different > 1.5 * total
    return times >= _FEWEST and times >= 0.1 * total


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _cut(text: str) -> str:
    line = " ".join(text[:200].split())
    return f'"{line[:60]}…"' if len(line) > 60 else f'"{line}"' if line else ""


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"
