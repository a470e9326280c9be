"""Blind votes: which of two models a person preferred without knowing which was which.

<home>/votes/<pair>.jsonl      the votes on one pair of models, one a line, only ever added to
"""

import hashlib
import logging
import os
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.compare.sheets import Column, Sheet
from studio.errors import RunError
from studio.files import disk_trouble, open_descriptor, read_bytes
from studio.runs.names import slug

FOLDER = "votes"

_MOST_BYTES = 64 * 2**20

log = logging.getLogger(__name__)

FIRST, SECOND, BOTH, NEITHER = "first", "second", "both", "neither"
CHOICES = (FIRST, SECOND, BOTH, NEITHER)

_EVEN = 0.5


@dataclass(frozen=True)
class Question:
    """One row of a sheet to vote on. `swapped` says that the answer of the second model stands on the left."""

    row: int
    swapped: bool


@dataclass(frozen=True)
class Ballot:
    """Two models of a sheet and the order in which a person meets their answers. `columns` are places in the sheet."""

    sheet: str
    columns: tuple[int, int]
    seed: int
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Vote:
    """One vote. `at` is in seconds since the epoch; `choice` is one of `CHOICES`; `swapped` is as in `Question`.

    `seed` and `place` say which question of which shuffled order it was.
    """

    at: float
    sheet: str
    row: int
    seed: int
    place: int
    swapped: bool
    choice: str
    prompt: str
    system: str
    first: Column
    second: Column
    first_answer: str
    second_answer: str


class Votes:
    """The votes of one data folder, for any number of threads."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._guard = threading.Lock()

    def add(self, vote: Vote) -> None:
        """Write one vote to the disk before returning. Raises RunError when that does not take it."""
        path = self.path(vote.first, vote.second)
        with self._guard, disk_trouble("The vote", path):
            self._folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(open_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
                torn = file.tell() > 0 and not _ends_a_line(path)  # the machine went down in mid-write
                file.write((b"\n" if torn else b"") + codec.dumps(vote).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def of(self, first: Column, second: Column) -> tuple[Vote, ...]:
        """Return all votes on a pair in the order in which they were given; a line that is damaged is left out."""
        return tuple(_read(self.path(first, second)))

    def pairs(self) -> tuple[tuple[Column, Column], ...]:
        """List the pairs that were voted on, the one that was voted on last first."""
        files = sorted(self._folder.glob("*.jsonl"), key=lambda path: path.lstat().st_mtime, reverse=True)
        votes = (next(iter(_read(path)), None) for path in files)
        return tuple((vote.first, vote.second) for vote in votes if vote is not None)

    def path(self, first: Column, second: Column) -> Path:
        """Say where the votes on a pair are kept; it is the same pair whichever is called first."""
        names = sorted((f"{each.key} {each.strength:g}", each.title) for each in (first, second))
        digest = hashlib.sha256("\n".join(key for key, _ in names).encode()).hexdigest()[:10]
        return self._folder / f"{'--'.join(slug(title) for _, title in names)}-{digest}.jsonl"


def draw_ballot(sheet: Sheet, columns: tuple[int, int], *, seed: int, voted: Iterable[Vote] = ()) -> Ballot:
    """Shuffle the rows of a sheet, and for each which answer stands on the left, by `seed`.

    Left out is what cannot be voted on: rows without both answers, rows where both say the same, and rows that have
    a vote already. Raises RunError when nothing is left, saying why.
    """
    done = {vote.row for vote in voted if vote.sheet == sheet.id}
    a, b = columns
    pair = (sheet.columns[a], sheet.columns[b])
    whole = [
        place
        for place, row in enumerate(sheet.rows)
        if row.cells and not row.cells[a].trouble and not row.cells[b].trouble
    ]
    apart = [n for n in whole if sheet.rows[n].cells[a].text.strip() != sheet.rows[n].cells[b].text.strip()]
    rows = [place for place in apart if place not in done]
    if not rows:
        mute = [f"{column.label} gave no answer: {why}" for column, why in sheet.mute if column in pair]
        if mute:
            raise RunError(mute[0])
        raise RunError(*_nothing_to_vote_on(answered=bool(whole), differ=bool(apart)))
    rng = random.Random(seed)
    rng.shuffle(rows)
    return Ballot(sheet.id, columns, seed, tuple(Question(row, rng.random() < _EVEN) for row in rows))


def choice_of(side: str, *, swapped: bool) -> str:
    """Turn "left", "right", "both" or "neither" into which model was preferred. Raises ValueError for anything else."""
    if side in (BOTH, NEITHER):
        return side
    if side not in ("left", "right"):
        raise ValueError(f"'{side}' is no vote")
    return FIRST if (side == "left") != swapped else SECOND


def vote_on(ballot: Ballot, place: int, sheet: Sheet, *, side: str, at: float) -> Vote:
    """Make the vote on a question of a ballot. Raises IndexError or ValueError for what cannot be one."""
    question = ballot.questions[place]
    row = sheet.rows[question.row]
    first, second = ballot.columns
    return Vote(
        at=at,
        sheet=sheet.id,
        row=question.row,
        seed=ballot.seed,
        place=place,
        swapped=question.swapped,
        choice=choice_of(side, swapped=question.swapped),
        prompt=row.prompt.text,
        system=row.prompt.system or sheet.generation.system,
        first=sheet.columns[first],
        second=sheet.columns[second],
        first_answer=row.cells[first].text,
        second_answer=row.cells[second].text,
    )


def _read(path: Path) -> Iterator[Vote]:
    try:
        content = read_bytes(path, most_bytes=_MOST_BYTES) or b""
    except OSError as error:
        log.debug("The votes in %s cannot be read: %s", path, error, exc_info=True)
        return
    for line in filter(None, content.split(b"\n")):
        try:
            vote = codec.loads(Vote, line)
        except codec.Damaged as error:
            log.debug("A vote in %s cannot be read: %s", path, error, exc_info=True)
            continue
        if vote.choice in CHOICES:
            yield vote


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _nothing_to_vote_on(*, answered: bool, differ: bool) -> tuple[str, str]:
    if differ:
        return "Every question of this sheet has your vote already.", "Choose another sheet, or type new prompts."
    if answered:
        return "Both models give the same answers everywhere, so there is nothing to choose.", "Ask other prompts."
    return "No prompt of this sheet is answered by both models yet.", "Wait a moment, or choose another sheet."
