"""What a check found out about a data set, and the change that is offered for it. Values only."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from studio.codec import OLDER_NAME
from studio.data.checking.fixes import FIXES
from studio.wording import counted

MOST_PLACES = 1000
"""So many places of one finding are kept; the count goes on."""

WARNING = "warning"
INFO = "info"
BAD = "bad"


@dataclass(frozen=True)
class Fix:
    """A change that is offered. `kind` is a key of `FIXES`, `label` the words on its button."""

    kind: str
    label: str


@dataclass(frozen=True)
class Finding:
    """What one check found.

    `level` is "info", "warning" or "bad". `count` is how many examples or rows it is about; `places` are the positions
    of the first of them among the usable examples, counted from 0, and `rows` the rows of the first that were left out.
    """

    kind: str
    level: str
    title: str
    text: str
    count: int
    places: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    fixes: tuple[Fix, ...] = field(default=(), metadata={OLDER_NAME: "mends"})


class Tally:
    """Counts places and remembers the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []

    def add(self, place: int) -> None:
        """Count a place."""
        self.count += 1
        if len(self._first) < MOST_PLACES:
            self._first.append(place)

    @property
    def places(self) -> tuple[int, ...]:
        """The first places, in the order in which they were counted."""
        return tuple(self._first)

    def finding(
        self,
        kind: str,
        level: str,
        title: str,
        text: str,
        *,
        verbs: tuple[str, str] = ("", ""),
        fixes: Sequence[str] = (),
    ) -> Iterator[Finding]:
        """Yield the finding about the examples that were counted, if any.

        In `title` stand the number of examples and the verb, for one and for several, as {} and {}.
        """
        if self.count:
            title = title.format(counted(self.count, "example"), verbs[self.count != 1])
            yield Finding(kind, level, title, text, self.count, places=self.places, fixes=offer(*fixes))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the most pressing first."""
    order = (BAD, WARNING, INFO)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.level)))


def offer(*kinds: str) -> tuple[Fix, ...]:
    """Offer changes, in this order."""
    return tuple(Fix(kind, FIXES[kind].label) for kind in kinds)
