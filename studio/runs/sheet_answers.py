"""Answering a prompt sheet: several prompts and all its models in one batch of the chat worker, batch after batch.

A sheet is answered by a thread of its own, so that it goes on when the page is closed, and what is answered is on disk
after every batch. Knows nothing of pages.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

from studio.data.examples import Message
from studio.errors import RunError, StudioError
from studio.runs.answering import Answers, Wish, answers, check_wish
from studio.runs.chat_client import ChatClient
from studio.runs.chat_protocol import PaneRequest
from studio.runs.kept_files import KeptFiles
from studio.runs.pane_models import PaneModel, can_share
from studio.runs.sheet_prompts import Prompt
from studio.runs.sheets import Cell, Column, Sheet, SheetRow

TOGETHER = 16
"""So many answers are written at once, whichever prompts and models they belong to."""

MOST_MODELS = 4

_PAUSE_SECONDS = 0.05
"""Between two batches others may ask: a lock goes to who waits only while nobody else takes it."""


class _Stopped(Exception):
    """A person wants no more answers."""


def check_models(models: Sequence[PaneModel]) -> None:
    """Raise RunError when models cannot answer together from one copy of their base."""
    if not 1 <= len(models) <= MOST_MODELS:
        raise RunError(f"Choose one to {MOST_MODELS} models; found {len(models)}.", "Add or take away some.")
    for other in models[1:]:
        if not can_share(models[0], other):
            raise RunError(
                f"'{other.title}' comes from another base model than '{models[0].title}', or holds it in another form.",
                "One base model is held in memory at a time. Choose models of one base.",
            )


def messages_of(prompt: Prompt, system: str) -> tuple[Message, ...]:
    """Return what a model is asked: the row's own system prompt goes before the one of all rows."""
    instruction = (prompt.system or system).strip()
    start = (Message("system", instruction),) if instruction else ()
    return (*start, Message("user", prompt.text))


def answer_rows(
    chat: ChatClient,
    models: Sequence[tuple[PaneModel, float]],
    prompts: Sequence[Prompt],
    *,
    wish: Wish,
    ticket: str = "",
    hear: Callable[[str], None] = lambda what: None,
) -> Generator[tuple[int, tuple[Cell, ...]], None, None]:
    """Yield for each prompt its place and a cell for each model, in order, each a model with its strength.

    `hear` is told what is waited for. A prompt that cannot be answered gets its trouble as a sentence; what stands in
    the way of all raises RunError. Ends early when `chat.halt` was called with the same ticket.
    """
    check_models([model for model, _ in models])
    check_wish(wish)
    size = max(1, TOGETHER // len(models))
    for start in range(0, len(prompts), size):
        some = prompts[start : start + size]
        try:
            cells = _batch(chat, models, some, wish=wish, ticket=ticket, hear=hear)
        except RunError as error:
            if len(some) == 1 or not chat.is_running:
                raise
            cells = _one_by_one(chat, models, some, wish=wish, ticket=ticket, hear=hear, error=error)
        except _Stopped:
            return
        yield from ((start + place, row) for place, row in enumerate(cells))
        time.sleep(_PAUSE_SECONDS)


def _batch(
    chat: ChatClient,
    models: Sequence[tuple[PaneModel, float]],
    prompts: Sequence[Prompt],
    *,
    wish: Wish,
    ticket: str,
    hear: Callable[[str], None],
) -> list[tuple[Cell, ...]]:
    panes = [
        PaneRequest(model.folder, messages_of(prompt, wish.system), strength)
        for prompt in prompts
        for model, strength in models
    ]
    last = Answers(())
    for last in answers(chat, models[0][0].base, panes, wish=wish, ticket=ticket):
        hear(last.waiting)
    if not last.panes or any(pane.ended in ("", "stopped") for pane in last.panes):
        raise _Stopped
    cells = [Cell(pane.text, pane.tokens, pane.seconds, pane.ended) for pane in last.panes]
    return [tuple(cells[place : place + len(models)]) for place in range(0, len(cells), len(models))]


def _one_by_one(
    chat: ChatClient,
    models: Sequence[tuple[PaneModel, float]],
    prompts: Sequence[Prompt],
    *,
    wish: Wish,
    ticket: str,
    hear: Callable[[str], None],
    error: RunError,
) -> list[tuple[Cell, ...]]:
    """Find out which prompts of a batch are in trouble. Raises `error` when all are."""
    rows: list[tuple[Cell, ...]] = []
    for prompt in prompts:
        try:
            rows += _batch(chat, models, [prompt], wish=wish, ticket=ticket, hear=hear)
        except RunError as own:
            rows.append(tuple(Cell(trouble=str(own)) for _ in models))
    if all(cell.trouble for row in rows for cell in row):
        raise error
    return rows


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

    def start(self, columns: Sequence[Column], prompts: Sequence[Prompt], *, wish: Wish, name: str = "") -> Sheet:
        """Keep a new sheet and begin to answer it. Raises RunError when its models cannot answer together."""
        check_models([self._find(column.key) for column in columns])
        check_wish(wish)
        rows = tuple(SheetRow(prompt) for prompt in prompts)
        sheet = self.sheets.save(Sheet(tuple(columns), rows, wish, name=name or _name(prompts)))
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
            saying = answer_rows(self._chat, models, prompts, wish=sheet.wish, ticket=work.ticket, hear=hear)
            with contextlib.closing(saying):
                for place, cells in saying:
                    found[open_places[place]] = cells
                    if len(found) >= size:
                        self._keep(sheet.id, found)
                        found = {}
            self._keep(sheet.id, found)
        except StudioError as error:
            work.trouble = str(error)

    def _keep(self, id: str, found: dict[int, tuple[Cell, ...]]) -> None:
        """Write what was answered into the sheet as it is now: it may have another name meanwhile."""
        if found:
            self.sheets.change(id, lambda sheet: replace(sheet, rows=_with(sheet.rows, found)))


def _with(rows: Sequence[SheetRow], found: dict[int, tuple[Cell, ...]]) -> tuple[SheetRow, ...]:
    return tuple(replace(row, cells=found.get(place, row.cells)) for place, row in enumerate(rows))


def _name(prompts: Sequence[Prompt]) -> str:
    return " ".join(prompts[0].text.split())[:60] if prompts else "Prompt sheet"
