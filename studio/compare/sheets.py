"""Prompt sheets: many prompts, each answered by the same few models, kept on disk as they are answered.

<home>/sheets/<id>.json        one sheet, always written whole
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from studio.codec import OLDER_NAME
from studio.compare.answering import GenerationSettings
from studio.compare.sheet_prompts import Prompt
from studio.keeping import KeptFiles
from studio.runs.length_limit import nearly_all
from studio.runs.tables import write_csv_rows
from studio.wording import listed

FOLDER = "sheets"

ALL, DIFFERENT, SAME, WRONG, OPEN = "", "different", "same", "wrong", "open"
"""Which rows can be asked for: those whose answers differ, those where all say the same, those where an answer is not
the expected one, and those that not all models have answered."""


@dataclass(frozen=True)
class Column:
    """One model that answers. `key` names it among those to choose from, `title` to a person."""

    key: str
    title: str
    strength: float = 1.0

    @property
    def label(self) -> str:
        """The title, with the strength where that is not the one it was trained for."""
        return self.title if self.strength == 1 else f"{self.title} at {self.strength:g}"


@dataclass(frozen=True)
class Cell:
    """What one model answered; `trouble` is a sentence where it could not. `ended` is as the chat worker says it."""

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    ended: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class SheetRow:
    """One prompt and a cell for each column; no cells while it is not answered."""

    prompt: Prompt
    cells: tuple[Cell, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers that there are, without space around them."""
        return tuple(cell.text.strip() for cell in self.cells if not cell.trouble)

    @property
    def is_whole(self) -> bool:
        """Whether all models answered it."""
        return bool(self.cells) and len(self.answers) == len(self.cells)

    @property
    def differs(self) -> bool:
        """Whether those that answered it did not all do so with the same words."""
        return len(set(self.answers)) > 1

    @property
    def is_wrong(self) -> bool:
        """Whether an answer is known that was expected, and one of those given is another."""
        expected = self.prompt.expected.strip()
        return bool(expected) and any(answer != expected for answer in self.answers)


@dataclass(frozen=True)
class Sheet:
    """Prompts and their answers. Times are in seconds since the epoch; without an id it is not kept yet."""

    columns: tuple[Column, ...]
    rows: tuple[SheetRow, ...]
    generation: GenerationSettings = field(metadata={OLDER_NAME: "wish"})
    id: str = ""
    name: str = ""
    created: float = 0.0
    changed: float = 0.0
    revision: int = 0

    @property
    def answered(self) -> int:
        """How many rows are answered."""
        return sum(bool(row.cells) for row in self.rows)

    @property
    def mute(self) -> tuple[tuple[Column, str], ...]:
        """The models that answered no row, though each was asked, and for each what stood in its way."""
        asked = [row.cells for row in self.rows if row.cells]
        return tuple(
            (column, asked[0][place].trouble)
            for place, column in enumerate(self.columns)
            if asked and all(cells[place].trouble for cells in asked)
        )

    @property
    def cut(self) -> str:
        """Which models ended nearly all their answers at the longest answer, and what to do; empty where none did."""
        found = []
        for place, column in enumerate(self.columns):
            cells = [row.cells[place] for row in self.rows if row.cells and not row.cells[place].trouble]
            count = sum(cell.ended == "length" for cell in cells)
            if nearly_all(count, len(cells)):
                found.append(f"{count:,} of {len(cells):,} answers of {column.label}")
        return "" if not found else f"{listed(found)} were cut at the longest answer. {_CUT}"


_CUT = "Allow longer answers; where that changes nothing, the model has not learned where to stop."


def open_sheets(
    home: Path, clock: Callable[[], float] = time.time, require_room: Callable[[], None] = lambda: None
) -> KeptFiles[Sheet]:
    """Return the sheets of a data folder. `require_room` is as in `KeptFiles`."""
    return KeptFiles(home, FOLDER, Sheet, noun="prompt sheet", clock=clock, require_room=require_room)


def find(sheet: Sheet, *, text: str = "", which: str = ALL) -> tuple[int, ...]:
    """Return the places of the rows that hold a text, whatever the case, in a prompt or an answer, and are as asked."""
    wanted = text.strip().casefold()
    fits: dict[str, Callable[[SheetRow], bool]] = {
        DIFFERENT: lambda row: row.differs,
        SAME: lambda row: row.is_whole and not row.differs,
        WRONG: lambda row: row.is_wrong,
        OPEN: lambda row: not row.is_whole,
    }
    fit = fits.get(which, _any)
    return tuple(
        place
        for place, row in enumerate(sheet.rows)
        if fit(row) and (not wanted or any(wanted in part.casefold() for part in _texts(row)))
    )


def as_csv(sheet: Sheet) -> str:
    """Write a sheet as a table: a row for each prompt, a column for each model. Cells never begin a formula."""
    rows: list[list[str]] = [["prompt", "system", "expected", *(column.label for column in sheet.columns)]]
    for row in sheet.rows:
        answers = [cell.trouble or cell.text for cell in row.cells] or [""] * len(sheet.columns)
        rows.append([row.prompt.text, row.prompt.system, row.prompt.expected, *answers])
    return write_csv_rows(rows)


def as_jsonl(sheet: Sheet) -> str:
    """Write a sheet for programs: one line for each prompt, with all that is known of its answers."""
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents(sheet))


def documents(sheet: Sheet) -> Iterable[dict[str, object]]:
    """Yield each row as what JSON can hold."""
    for row in sheet.rows:
        yield {
            "prompt": row.prompt.text,
            "system": row.prompt.system,
            "expected": row.prompt.expected,
            "answers": [
                {
                    "model": column.title,
                    "key": column.key,
                    "strength": column.strength,
                    "text": cell.text,
                    "tokens": cell.tokens,
                    "ended": cell.ended,
                    "trouble": cell.trouble,
                }
                for column, cell in zip(sheet.columns, row.cells, strict=False)
            ],
        }


def _any(row: SheetRow) -> bool:
    return True


def _texts(row: SheetRow) -> Iterable[str]:
    yield row.prompt.text
    yield from (cell.text for cell in row.cells)
