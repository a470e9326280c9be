"""What every contender is asked to do, and what is measured of it. Knows no library, so that any Python can read it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

IGNORED = -100
"""The label of a token that is read but not learned."""

RANK = 16
ALPHA = 32
LEARNING_RATE = 2e-4
BATCH = 8
MAX_LENGTH = 512
MAX_GRAD_NORM = 1.0


@dataclass(frozen=True)
class Task:
    """One training of one contender. The paths are absolute; `adapter` is the folder that it has to write."""

    contender: str
    model: str
    chats: str
    rows: str
    adapter: str
    seed: int
    bf16: bool


@dataclass(frozen=True)
class Loop:
    """When the first optimiser step began and the last one ended, in seconds since 1970, and how many there were."""

    began: float
    ended: float
    steps: int


@dataclass(frozen=True)
class TokenRow:
    """One conversation as it must reach the loss: equally long ids and labels."""

    ids: list[int]
    labels: list[int]

    @property
    def learned(self) -> int:
        """How many predictions count. The first token is never predicted."""
        return sum(label != IGNORED for label in self.labels[1:])


Chat = list[dict[str, str]]
"""The messages of one conversation: {"role": ..., "content": ...}."""


def write_lines(path: Path, values: Sequence[object]) -> None:
    """Write one JSON value a line."""
    with path.open("w", encoding="utf-8") as file:
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")


def write_rows(path: Path, rows: Sequence[TokenRow]) -> None:
    """Write rows of tokens."""
    write_lines(path, [asdict(row) for row in rows])


def read_rows(path: str) -> list[TokenRow]:
    """Read what `write_rows` wrote."""
    return [TokenRow(**value) for value in _lines(path)]


def read_chats(path: str) -> list[Chat]:
    """Read the messages of every conversation of a file that has one a line."""
    return [value["messages"] for value in _lines(path)]


def check_row(number: int, *, ids: Sequence[int], labels: Sequence[int], expected: TokenRow) -> None:
    """Stop with a sentence when a row that is about to be trained on is not the one that was agreed on."""
    if list(ids) != expected.ids:
        raise SystemExit(f"Row {number + 1} has other token ids here than in the studio; the two cannot be compared.")
    if list(labels)[1:] != expected.labels[1:]:  # nothing predicts the first token
        raise SystemExit(f"Row {number + 1} learns other tokens here than in the studio; the two cannot be compared.")


def _lines(path: str) -> Iterator[dict[str, object]]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
