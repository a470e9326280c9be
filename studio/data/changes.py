"""A change that a person asked for: what makes one version of a data set out of another. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One change, which can be applied again to the same source. `kind` is a key of `studio.data.checking.fixes.FIXES`.

    `keys` are the fingerprints of the examples that it is about, empty for a change that finds its own. `count` is how
    many examples it changed or left out; it is known once the version is made.
    """

    kind: str
    keys: tuple[str, ...] = ()
    count: int = 0
