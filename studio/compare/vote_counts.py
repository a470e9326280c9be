"""What blind votes come to: how often each model was preferred, whether that is sure, and the preferences as data."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studio.compare.sheets import Column
from studio.compare.votes import CHOICES, FIRST, SECOND, Vote
from studio.data.scoring.statistics import wilson

EVEN = 0.5

_MANY = 100
"""From so many decided votes on, it is not their number that is to blame."""


@dataclass(frozen=True)
class Tally:
    """How a pair stands. `both` and `neither` are votes that prefer none."""

    first: int
    second: int
    both: int
    neither: int

    @property
    def decided(self) -> int:
        """How many votes prefer one of the two."""
        return self.first + self.second

    @property
    def total(self) -> int:
        """How many votes there are."""
        return self.decided + self.both + self.neither

    def share(self) -> tuple[float, float, float]:
        """Return the second model's share of the decided votes, with its 95 % Wilson interval: share, low, high.

        Raises ValueError when no vote is decided.
        """
        if not self.decided:
            raise ValueError("no vote prefers one of the two")
        low, high = wilson(self.second, self.decided)
        return self.second / self.decided, low, high


def tally(votes: Sequence[Vote], second: Column) -> Tally:
    """Count votes, with `second` as the second model whichever place it had when they were given."""
    counts = dict.fromkeys(CHOICES, 0)
    turned = {FIRST: SECOND, SECOND: FIRST}
    for vote in votes:
        same = (vote.second.key, vote.second.strength) == (second.key, second.strength)
        counts[vote.choice if same else turned.get(vote.choice, vote.choice)] += 1
    return Tally(**counts)


def verdict(counts: Tally, first: Column, second: Column) -> str:
    """Say in one sentence which model is preferred, and whether the votes suffice to tell."""
    if not counts.decided:
        return "No vote prefers one of the two yet."
    _, low, high = counts.share()
    ahead, wins = (second, counts.second) if counts.second >= counts.first else (first, counts.first)
    said = f"{ahead.label} was preferred in {wins:,} of {counts.decided:,}"
    if counts.first == counts.second:
        return f"Both were preferred equally often, in {counts.second:,} of {counts.decided:,} each."
    if low > EVEN or high < EVEN:
        return f"{said}: clearly better."
    return f"{said}: too few votes to tell." if counts.decided < _MANY else f"{said}: no clear difference."


def as_preferences(votes: Iterable[Vote]) -> str:
    """Write the decided votes as preference data: one line each with "prompt", "chosen" and "rejected"."""
    lines = []
    for vote in votes:
        if vote.choice not in (FIRST, SECOND):
            continue
        answers = (vote.first_answer, vote.second_answer)
        chosen, rejected = answers if vote.choice == FIRST else answers[::-1]
        system = {"system": vote.system} if vote.system else {}
        document = {**system, "prompt": vote.prompt, "chosen": chosen, "rejected": rejected}
        lines.append(json.dumps(document, ensure_ascii=False) + "\n")
    return "".join(lines)
