"""Answers that are written together: whoever asks joins between two tokens, and leaves when the answer is complete.

Rows that peft can mix lie in one batch; others in batches of their own, which take a token each in turn. A model that
cannot be read row by row is asked one answer after the other.
"""

import logging
import queue
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.compare import chat_protocol
from studio.compare.chat_protocol import Answered, Leave, Token, ToWorker, Trouble, Write
from studio.data.examples import ToolCall
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.tool_form import tool_names
from studio.errors import ModelError, StudioError
from studio.workers.job import failure
from studio.workers.streaming import OWN_TEMPLATE, PLAIN_TEMPLATE, Say, Text, UpToMark

if TYPE_CHECKING:
    from studio.ml.drawn_rows import DrawnRow, Odds
    from studio.ml.loading import Placement
    from studio.ml.row_batch import RowBatch
    from studio.ml.threads import ThreadTrials
    from studio.workers.chat_models import ChatModels, Pass

log = logging.getLogger(__name__)

MOST_ROWS = 32
"""So many answers are written at once; the others wait for one to end."""

JOINING_TOKENS = 256
"""An answer is begun where each row still has room for so many tokens."""


@dataclass(frozen=True)
class Setting:
    """The models that answer, and what is needed beside them. `whose_fault` says whose weights are broken."""

    models: "ChatModels"
    renderer: ChatRenderer
    placement: "Placement"
    pad_id: int
    room: Callable[[int], int]
    whose_fault: Callable[[str, Sequence[int]], StudioError]
    token_budget: int = 0
    """How many tokens all rows may hold together; 0 leaves that to the memory of the device."""


@dataclass(eq=False)
class _Answer:
    """One answer on its way: its row, its text, and what is still to be told with the next piece."""

    write: Write
    row: "DrawnRow"
    text: Text
    stops: UpToMark
    calls: UpToMark
    may_be_bare: bool
    whole: str = ""
    untold: str = ""
    odds: list[chat_protocol.Odds] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    ended: str = ""


def write_together(first: Write, setting: Setting, *, inbox: Any, say: Say, halted: Collection[int]) -> Any:
    """Write an answer and those that are asked for meanwhile, until none is left.

    Returns the first message of another kind, which waits until then; None where there was none. `Leave` and a message
    that was not understood end it at once.
    """
    from studio.ml.threads import writing

    desk = Together(setting, say=say, halted=halted)
    desk.take(first)
    other: ToWorker | Exception | None = None
    with writing(setting.placement.device) as threads:
        while not desk.is_done:
            while other is None:
                try:
                    message = inbox.get_nowait()
                except queue.Empty:
                    break
                if isinstance(message, Write):
                    desk.take(message)
                else:
                    other = message
            if isinstance(other, Leave | Exception):
                break
            desk.step(threads)
    return other


class Together:
    """The answers that are being written now."""

    def __init__(self, setting: Setting, *, say: Say, halted: Collection[int]) -> None:
        self._setting = setting
        self._say = say
        self._halted = halted
        self._answers: dict[DrawnRow, _Answer] = {}
        self._waiting: deque[DrawnRow] = deque()
        self._batches: list[RowBatch[DrawnRow]] = []
        self._room_in_memory = 0

    @property
    def is_done(self) -> bool:
        """Whether every answer is complete."""
        return not self._answers

    def take(self, write: Write) -> None:
        """Take an answer in that is wanted; one that cannot be given is `Trouble`."""
        try:
            answer = self._begin(write)
        except Exception as error:  # whatever it is, the others are not to blame
            self._tell(write.id, error)
            return
        self._answers[answer.row] = answer
        self._waiting.append(answer.row)

    def _begin(self, write: Write) -> _Answer:
        from studio.ml.drawn_rows import DrawnRow
        from studio.ml.generation import Sampling

        renderer = self._setting.renderer
        form = renderer.tool_form if write.tools else None
        if write.tools and form is None:
            raise ModelError(
                "The chat template of this model has no place for tools, or writes their calls in a form that is not "
                "known here.",
                "Ask without tools, or choose a model that was made for tool calls.",
            )
        prompt = renderer.prompt(write.messages, write.tools)
        most = min(write.max_new_tokens, self._setting.room(len(prompt)))
        sampling = Sampling(write.temperature, write.top_p, most, write.seed)
        return _Answer(
            write,
            DrawnRow(len(prompt), list(prompt), most, sampling, told=write.told),
            Text(renderer, special=form is not None),
            UpToMark(write.stop),
            UpToMark([] if form is None else [form.mark]),
            may_be_bare=form is not None and not form.mark,
        )

    def step(self, threads: "ThreadTrials") -> None:
        """Let the answers that may begin do so, or write one more token of each; those that are complete leave.

        `threads` is told of each token.
        """
        try:
            self._end_halted()
            new = self._joining()
            if new:
                threads.pause()
                self._regroup(new)
            else:
                threads.step()
                for batch in self._batches:
                    self._step(batch)
        except Exception as error:  # none of them may wait for an answer that never comes
            for answer in list(self._answers.values()):
                self._tell(answer.write.id, error)
            self._answers.clear()
            self._waiting.clear()
            self._batches = []
            return
        self._end_complete()

    def _step(self, batch: "RowBatch[DrawnRow]") -> None:
        import torch

        with torch.inference_mode():
            if len(batch.going) < len(batch.rows):
                batch.rearrange([])
            if batch.rows:
                batch.step()

    def _end_halted(self) -> None:
        for row, answer in list(self._answers.items()):
            if answer.write.id in self._halted:
                self._end(row, "stopped")
                if row in self._waiting:
                    self._waiting.remove(row)

    def _end_complete(self) -> None:
        for row, answer in list(self._answers.items()):
            if row.broken:
                error = self._setting.whose_fault(answer.write.adapter, row.ids[: row.asked])
                self._tell(answer.write.id, error)
                del self._answers[row]
            elif row.left <= 0:
                self._end(row, answer.ended or "length")

    def _joining(self) -> "list[DrawnRow]":
        """Take those out of the line for which there is room; put back who leaves none to the others."""
        going = [row for batch in self._batches for row in batch.going]
        budget = self._budget()
        while len(going) > 1 and len(going) * (_longest(going) + 1) > budget:
            last = going.pop()
            self._waiting.appendleft(last)
            for batch in self._batches:
                batch.put_aside(last)
        new: list[DrawnRow] = []
        while self._waiting and len(going) + len(new) < MOST_ROWS:
            rows = [*going, *new, self._waiting[0]]
            if len(rows) > 1 and len(rows) * (_longest(rows) + JOINING_TOKENS) > budget:
                break
            new.append(self._waiting.popleft())
        return new

    def _budget(self) -> int:
        """Return how many tokens all rows may hold: a part of the memory that is free before the first of them."""
        setting = self._setting
        if setting.token_budget:
            return setting.token_budget
        if not self._batches or not self._room_in_memory:
            from studio.ml.answering import cache_bytes

            each = setting.models.token_bytes(setting.models.base, setting.pad_id)
            self._room_in_memory = cache_bytes(setting.placement.device) // each if each else sys.maxsize
        return self._room_in_memory

    def _regroup(self, new: "Sequence[DrawnRow]") -> None:
        """Part all rows again into those that can be answered together, loading what the new ones need."""
        rows, passes = self._passes([row for batch in self._batches for row in batch.going], new)
        before, self._batches = self._batches, []
        fresh = {id(row) for row in new}
        for turn in passes:
            members = [rows[place] for place in turn.panes]
            for row, name in zip(members, turn.adapters, strict=True):
                row.adapter = name
            if self._setting.models.token_bytes(turn.model, self._setting.pad_id):
                batch = self._batch_of(turn.model, members, before, fresh)
                if batch.rows:
                    self._batches.append(batch)
            else:
                for row in members:
                    self._alone(turn.model, row)

    def _passes(
        self, going: "Sequence[DrawnRow]", new: "Sequence[DrawnRow]"
    ) -> "tuple[list[DrawnRow], tuple[Pass, ...]]":
        """Say which rows are answered together; a new one whose model cannot be loaded is `Trouble` and left out."""
        from studio.workers.chat_models import Wanted

        def wanted(rows: "Sequence[DrawnRow]") -> "tuple[Pass, ...]":
            asked = [self._answers[row].write for row in rows]
            return self._setting.models.passes([Wanted(each.adapter, each.strength) for each in asked])

        rows = list(going)
        for row in new:
            try:
                wanted([*rows, row])
                rows.append(row)
            except StudioError as error:
                self._tell(self._answers.pop(row).write.id, error)
        return rows, wanted(rows) if rows else ()

    def _batch_of(
        self, model: Any, members: "Sequence[DrawnRow]", before: "Sequence[RowBatch[DrawnRow]]", fresh: Collection[int]
    ) -> "RowBatch[DrawnRow]":
        import torch

        from studio.ml.answering import READ_TOKENS, own_settings
        from studio.ml.drawn_rows import Drawing
        from studio.ml.generation import switched_on
        from studio.ml.reading import Reader
        from studio.ml.row_batch import RowBatch

        def switched(rows: "Sequence[DrawnRow]") -> AbstractContextManager[dict[str, Any]]:
            return switched_on(model, [row.adapter for row in rows])

        penalty, _ = own_settings(model)
        ends = frozenset(self._setting.renderer.end_ids)
        batch: RowBatch[DrawnRow] = RowBatch(
            Reader(model, prefix=(), pad_id=self._setting.pad_id),
            choose=Drawing(end_ids=ends, penalty=penalty, on_token=self._add),
            read_tokens=READ_TOKENS.get(self._setting.placement.device, READ_TOKENS["cpu"]),
            switched=switched,
        )
        model.eval()
        new = [row for row in members if id(row) in fresh]
        with torch.inference_mode():
            batch.take_over(before, [row for row in members if id(row) not in fresh], new)
        return batch

    def _alone(self, model: Any, row: "DrawnRow") -> None:
        """Write a whole answer by `generate`, while the others wait."""
        from studio.ml.drawn_rows import odds_of
        from studio.ml.generation import PaneInput, generate
        from studio.ml.soundness import NotFinite

        answer = self._answers[row]
        odds: list[Any] = []

        def add(tokens: Sequence[int | None]) -> None:
            for token in tokens:
                if token is not None and not answer.ended:
                    row.left = 0 if token in self._setting.renderer.end_ids else row.left - 1
                    self._add(row, token, odds_of(odds[-1], token, row.told))

        def look(scores: Any) -> None:
            odds[:] = [scores[0]]

        try:
            generate(
                model,
                [PaneInput(row.adapter, tuple(row.ids))],
                sampling=row.sampling,
                end_ids=self._setting.renderer.end_ids,
                pad_id=self._setting.pad_id,
                on_tokens=add,
                should_stop=lambda: bool(answer.ended) or answer.write.id in self._halted,
                on_scores=look,
            )
        except NotFinite:
            log.info("An answer holds what is no number", exc_info=True)
            row.broken = True
        row.left = 0
        if answer.write.id in self._halted:
            answer.ended = "stopped"

    def _add(self, row: "DrawnRow", token: int, odds: "Odds | None") -> None:
        """Take a token of an answer, and tell the text that is certain by it."""
        answer = self._answers[row]
        if token in self._setting.renderer.end_ids:
            answer.ended = "end"
            return
        if odds is not None:
            spell = self._setting.renderer.spell
            likeliest = tuple((spell(id), logprob) for id, logprob in odds.likeliest)
            answer.odds.append(chat_protocol.Odds(spell(token), odds.logprob, likeliest))
        self._pass_on(answer, answer.stops.add(answer.text.add(token)))
        if answer.stops.mark:
            answer.ended, row.left = "end", 0

    def _pass_on(self, answer: _Answer, text: str) -> None:
        """Take more of the text of an answer, and tell what is certainly no call of a tool."""
        answer.whole += text
        answer.untold += answer.calls.add(text)
        may_be_call = answer.may_be_bare and answer.whole.lstrip()[:1] in ("", "{", "[")
        if answer.untold and not may_be_call:
            self._say(Token(answer.write.id, 0, answer.untold, tuple(answer.odds)))
            answer.untold = ""
            answer.odds.clear()

    def _end(self, row: "DrawnRow", ended: str) -> None:
        answer = self._answers.pop(row)
        row.left = 0
        late = answer.stops.add(answer.text.rest())
        self._pass_on(answer, late + answer.stops.rest())
        text, calls = self._calls(answer)
        if text or answer.odds:
            self._say(Token(answer.write.id, 0, text, tuple(answer.odds)))
        placement = self._setting.placement
        self._say(
            Answered(
                id=answer.write.id,
                pane=0,
                tokens=len(answer.text.ids),
                seconds=round(time.monotonic() - answer.began, 3),
                ended=ended,
                device=placement.device,
                precision=placement.sentence,
                template=PLAIN_TEMPLATE if self._setting.renderer.uses_plain_template else OWN_TEMPLATE,
                asked=row.asked,
                calls=calls,
            )
        )

    def _calls(self, answer: _Answer) -> tuple[str, tuple[ToolCall, ...]]:
        """Return what is still to be told of an answer as text, and its calls of tools."""
        text = answer.untold + answer.calls.rest()
        form = self._setting.renderer.tool_form if answer.write.tools else None
        if form is None or not (answer.calls.mark or answer.may_be_bare):
            return text, ()
        _, calls = form.read(answer.whole, tool_names(answer.write.tools))
        if calls:
            return "", calls
        return (text + answer.whole[answer.whole.index(form.mark) :] if answer.calls.mark else text), ()

    def _tell(self, id: int, error: Exception) -> None:
        told = failure(error)
        sys.stderr.write(f"{told.message}\n" if isinstance(error, StudioError) else told.detail)
        self._say(Trouble(id=id, message=told.message, hint=told.hint))


def _longest(rows: "Sequence[DrawnRow]") -> int:
    return max(len(row.ids) for row in rows)
