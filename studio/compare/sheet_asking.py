"""Asking several models a list of prompts: several prompts and all the models in one batch of the chat worker."""

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from studio.compare.answering import Answers, GenerationSettings, answers, check_generation
from studio.compare.chat_client import ChatClient
from studio.compare.chat_protocol import PaneRequest
from studio.compare.pane_models import PaneModel, can_share
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column
from studio.data.examples import Message
from studio.errors import RunError
from studio.models.adapter_settings import check_strength
from studio.wording import counted

log = logging.getLogger(__name__)

TOGETHER = 16
"""So many answers are written at once, whichever prompts and models they belong to."""

MOST_MODELS = 4
"""So many columns stand side by side, whether they are models or strengths of one."""

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


def columns_of(models: Sequence[PaneModel], strengths: Sequence[float]) -> tuple[Column, ...]:
    """Return what answers: every adapter once at each strength, the weakest first, and any other model once.

    Raises RunError when an adapter has no strength to answer at, or one that no adapter has, and for too many columns.
    """
    chosen = sorted(set(strengths))
    for strength in chosen:
        check_strength(strength, RunError)
    if not chosen and any(model.is_adapter for model in models):
        raise RunError("No adapter strength was chosen.", "Choose one or more; 1 is the adapter as it was trained.")
    columns = tuple(
        Column(model.key, model.title, strength)
        for model in models
        for strength in (chosen if model.is_adapter else (1.0,))
    )
    if len(columns) > MOST_MODELS:
        found = counted(len(models), "model") + (f" at {len(chosen)} strengths" if len(chosen) > 1 else "")
        raise RunError(
            f"{found}: that is {len(columns)} columns. A sheet has at most {MOST_MODELS}.",
            "Each adapter takes a column for each strength. Choose fewer models, or fewer strengths.",
        )
    return columns


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
    generation: GenerationSettings,
    ticket: str = "",
    hear: Callable[[str], None] = lambda what: None,
) -> Generator[tuple[int, tuple[Cell, ...]], None, None]:
    """Yield for each prompt its place and a cell for each model, in order, each a model with its strength.

    `hear` is told what is waited for. A prompt that cannot be answered, or a model that cannot answer, such as one at a
    strength that it does not know, gets its trouble as a sentence; what stands in the way of all raises RunError. Ends
    early when `chat.halt` was called with the same ticket.
    """
    check_models([model for model, _ in models])
    check_generation(generation)
    asking = _Asking(chat, models, generation, ticket, hear)
    size = max(1, TOGETHER // len(models))
    for start in range(0, len(prompts), size):
        try:
            rows = asking.rows(prompts[start : start + size])
        except _Stopped:
            return
        yield from ((start + place, row) for place, row in enumerate(rows))
        time.sleep(_PAUSE_SECONDS)


@dataclass
class _Asking:
    """The models of a sheet while they are asked, by their places.

    `proven` have answered before: what troubles them is the prompt. `unable` cannot answer whatever they are asked,
    each with the reason; they are asked no more.
    """

    chat: ChatClient
    models: Sequence[tuple[PaneModel, float]]
    generation: GenerationSettings
    ticket: str
    hear: Callable[[str], None]
    proven: set[int] = field(default_factory=set)
    unable: dict[int, str] = field(default_factory=dict)

    @property
    def able(self) -> list[int]:
        """The places of those that are asked."""
        return [place for place in range(len(self.models)) if place not in self.unable]

    def rows(self, prompts: Sequence[Prompt]) -> list[tuple[Cell, ...]]:
        """Answer prompts together, and one by one where that is in trouble. Raises RunError when all is trouble."""
        try:
            return [self._row(cells) for cells in self._ask(prompts, self.able)]
        except RunError as error:
            self._raise_unless_running(error)
            alone = len(prompts) == 1
            rows = [self._by_model(prompts[0], error)] if alone else [self._one(prompt) for prompt in prompts]
            if all(cell.trouble for row in rows for cell in row):
                raise
            return rows

    def _one(self, prompt: Prompt) -> tuple[Cell, ...]:
        try:
            return self._row(self._ask([prompt], self.able)[0])
        except RunError as error:
            log.info("A prompt is put to each model alone", exc_info=True)
            return self._by_model(prompt, error)

    def _by_model(self, prompt: Prompt, error: RunError) -> tuple[Cell, ...]:
        """Find out which models can answer a prompt that is in trouble with all of them."""
        self._raise_unless_running(error)
        if self.proven.issuperset(self.able):
            return self._row({place: Cell(trouble=str(error)) for place in self.able})
        cells: dict[int, Cell] = {}
        for place in self.able:
            try:
                cells |= self._ask([prompt], [place])[0]
            except RunError as own:
                log.info("A model could not answer a prompt", exc_info=True)
                self._raise_unless_running(own)
                cells[place] = Cell(trouble=str(own))
        if not all(cell.trouble for cell in cells.values()):
            self.unable |= {n: cell.trouble for n, cell in cells.items() if cell.trouble and n not in self.proven}
        return self._row(cells)

    def _ask(self, prompts: Sequence[Prompt], places: Sequence[int]) -> list[dict[int, Cell]]:
        """Return for each prompt the cells of the models at these places. Raises RunError, or _Stopped."""
        chosen = [self.models[place] for place in places]
        panes = [
            PaneRequest(model.folder, messages_of(prompt, self.generation.system), strength)
            for prompt in prompts
            for model, strength in chosen
        ]
        last = Answers(())
        for last in answers(self.chat, chosen[0][0].base, panes, generation=self.generation, ticket=self.ticket):
            self.hear(last.waiting)
        if not last.panes or any(pane.ended in ("", "stopped") for pane in last.panes):
            raise _Stopped
        cells = iter(Cell(pane.text, pane.tokens, pane.seconds, pane.ended, pane.trouble) for pane in last.panes)
        rows = [{place: next(cells) for place in places} for _ in prompts]
        self.proven.update(place for row in rows for place, cell in row.items() if not cell.trouble)
        self.unable |= {place: cell.trouble for place, cell in rows[-1].items() if place not in self.proven}
        return rows

    def _row(self, cells: Mapping[int, Cell]) -> tuple[Cell, ...]:
        return tuple(
            cells[place] if place in cells else Cell(trouble=self.unable[place]) for place in range(len(self.models))
        )

    def _raise_unless_running(self, error: RunError) -> None:
        """Nobody is asked again once the chat was closed for a run."""
        if not self.chat.is_running:
            raise error
