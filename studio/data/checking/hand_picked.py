"""The examples that a person left out by hand, found again when the source is read another time.

They are known by the fingerprint that they had when they were left out. Other changes may have been asked for or undone
since, so an example is looked at as it is, and as every combination of repairs that concerns it would make it.
"""

from collections.abc import Iterable
from itertools import combinations

from studio.data.checking.repairs import REPAIRS, repaired
from studio.data.examples import Example, fingerprint

_MOST_KINDS = 4


class HandPicked:
    """Knows the examples of these fingerprints."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)
        self._missing = set(self._keys)

    def holds(self, drafted: Example, fixed: Example) -> bool:
        """Tell whether this example was picked, given as it was drafted and as it is now."""
        if self._is_picked(fixed) or (drafted is not fixed and self._is_picked(drafted)):
            return True
        return bool(self._missing) and any(map(self._is_picked, _variants(drafted)))

    def _is_picked(self, example: Example) -> bool:
        try:
            key = fingerprint(example)
        except UnicodeEncodeError:  # half a character: it was never in a data set
            return False
        self._missing.discard(key)
        return key in self._keys


def _variants(example: Example) -> Iterable[Example]:
    """Give the example as it was or will be with other repairs."""
    _, kinds = repaired(example, REPAIRS)
    concerned = [kind for kind in REPAIRS if kind in kinds][:_MOST_KINDS]
    for size in range(1, len(concerned) + 1):
        for chosen in combinations(concerned, size):
            yield repaired(example, chosen)[0]
