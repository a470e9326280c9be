"""Answering a prompt sheet: batch after batch of its prompts, with all its models.

A sheet is answered by a thread of its own, so that it goes on when the page is closed, and what is answered is on disk
after every batch.
"""

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from studio.compare.answering import GenerationSettings, check_generation
from studio.compare.chat_client import ChatClient
from studio.compare.pane_models import PaneModel
from studio.compare.sheet_asking import TOGETHER, answer_rows, check_models
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column, Sheet, SheetRow
from studio.errors import StudioError
from studio.keeping import KeptFiles

log = logging.getLogger(__name__)


@dataclass
class _Work:
    """A sheet that is being answered."""

    ticket: str
    waiting: str = ""
    trouble: str = ""
    thread: threading.Thread | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SheetState:
    """What a sheet is at. `waiting` says what is waited for, `trouble` why it was not answered to its end."""

    sheet: Sheet
    working: bool = False
    waiting: str = ""
    trouble: str = ""


class SheetWork:
    """Answers sheets in the background, one batch at a time, and keeps them."""

    def __init__(self, sheets: KeptFiles[Sheet], chat: ChatClient, find: Callable[[str], PaneModel]) -> None:
        """`find` opens a model by its key, and raises RunError when it is gone."""
        self.sheets = sheets
        self._chat = chat
        self._find = find
        self._guard = threading.Lock()
        self._works: dict[str, _Work] = {}

    def start(
        self, columns: Sequence[Column], prompts: Sequence[Prompt], *, generation: GenerationSettings, name: str = ""
    ) -> Sheet:
        """Keep a new sheet and begin to answer it. Raises RunError when its models cannot answer together."""
        check_models([self._find(column.key) for column in columns])
        check_generation(generation)
        rows = tuple(SheetRow(prompt) for prompt in prompts)
        sheet = self.sheets.save(Sheet(tuple(columns), rows, generation, name=name or _name(prompts)))
        self._begin(sheet)
        return sheet

    def go_on(self, id: str) -> None:
        """Answer what is not answered yet. Raises RunError when the sheet or one of its models is gone."""
        sheet = self.sheets.get(id)
        check_models([self._find(column.key) for column in sheet.columns])
        self._begin(sheet)

    def stop(self, id: str) -> None:
        """Answer no more rows; the batch that is being answered is given up."""
        with self._guard:
            work = self._works.get(id)
        if work is not None:
            self._chat.halt(work.ticket)

    def state(self, id: str) -> SheetState:
        """Say what a sheet is at. Raises RunError when it is gone."""
        with self._guard:
            work = self._works.get(id)
            working = work is not None and work.thread is not None and work.thread.is_alive()
        sheet = self.sheets.get(id)
        if work is None:
            return SheetState(sheet)
        return SheetState(sheet, working, work.waiting if working else "", "" if working else work.trouble)

    def join(self, id: str) -> None:
        """Wait until nobody answers this sheet any more."""
        work = self._works.get(id)
        if work is not None and work.thread is not None:
            work.thread.join()

    def _begin(self, sheet: Sheet) -> None:
        with self._guard:
            before = self._works.get(sheet.id)
            if before is not None and before.thread is not None and before.thread.is_alive():
                return
            work = self._works[sheet.id] = _Work(ticket=uuid.uuid4().hex)
            work.thread = threading.Thread(target=self._answer, args=(sheet, work), name="prompt-sheet", daemon=True)
            work.thread.start()

    def _answer(self, sheet: Sheet, work: _Work) -> None:
        try:
            models = [(self._find(column.key), column.strength) for column in sheet.columns]
            open_places = [place for place, row in enumerate(sheet.rows) if not row.cells]
            prompts = [sheet.rows[place].prompt for place in open_places]

            def hear(what: str) -> None:
                work.waiting = what

            found: dict[int, tuple[Cell, ...]] = {}
            size = max(1, TOGETHER // len(models))
            saying = answer_rows(
                self._chat, models, prompts, generation=sheet.generation, ticket=work.ticket, hear=hear
            )
            with contextlib.closing(saying):
                for place, cells in saying:
                    found[open_places[place]] = cells
                    if len(found) >= size:
                        self._keep(sheet.id, found)
                        found = {}
            self._keep(sheet.id, found)
        except StudioError as error:
            log.info("A prompt sheet could not be answered", exc_info=True)
            work.trouble = str(error)

    def _keep(self, id: str, found: dict[int, tuple[Cell, ...]]) -> None:
        """Write what was answered into the sheet as it is now: it may have another name meanwhile."""
        if found:
            self.sheets.change(id, lambda sheet: replace(sheet, rows=_with(sheet.rows, found)))


def _with(rows: Sequence[SheetRow], found: dict[int, tuple[Cell, ...]]) -> tuple[SheetRow, ...]:
    return tuple(replace(row, cells=found.get(place, row.cells)) for place, row in enumerate(rows))


def _name(prompts: Sequence[Prompt]) -> str:
    return " ".join(prompts[0].text.split())[:60] if prompts else "Prompt sheet"
