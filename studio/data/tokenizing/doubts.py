"""What is doubtful about what a model would learn of an example, and how often that is so in a whole data set."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

MOST_PLACES = 1_000
"""So many places of one kind are kept; the count goes on."""

NO_END = "no-end"
CHANGED = "changed-answer"
LAST_ONLY = "last-answer-only"
BEGUN = "answer-begun"
NO_SYSTEM = "no-system"
NO_REASONING = "no-reasoning"
SPELLED = "special-token"


@dataclass(frozen=True)
class Doubt:
    """A doubt in words. Doubts of one `kind` are about the same; their words may differ."""

    kind: str
    text: str


@dataclass(frozen=True)
class DoubtCount:
    """In how many examples there is a doubt of a kind: the words of the first of them, and where the first are."""

    kind: str
    text: str
    count: int = 0
    places: tuple[int, ...] = ()


class DoubtTally:
    """Counts the doubts of one example after another."""

    def __init__(self) -> None:
        self._found: dict[str, DoubtCount] = {}
        self._places: dict[str, list[int]] = {}

    def add(self, place: int, doubts: Iterable[Doubt]) -> None:
        """Count the doubts about the example at a place, each kind once."""
        for kind, doubt in {each.kind: each for each in doubts}.items():
            known = self._found.get(kind) or DoubtCount(kind, doubt.text)
            self._found[kind] = replace(known, count=known.count + 1)
            places = self._places.setdefault(kind, [])
            if len(places) < MOST_PLACES:
                places.append(place)

    def counted(self) -> tuple[DoubtCount, ...]:
        """Return what was counted, in the order in which it was first seen."""
        return tuple(replace(found, places=tuple(self._places[kind])) for kind, found in self._found.items())
