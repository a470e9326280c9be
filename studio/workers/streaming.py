"""The panes of a question while they are answered: tokens come in, pieces of text go out."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from studio.compare.chat_protocol import Answered, Ask, FromWorker, Token
from studio.data.tokenizing.rendering import ChatRenderer

if TYPE_CHECKING:
    from studio.ml.loading import Placement
    from studio.workers.chat_models import Pass

Say = Callable[[FromWorker], None]

OWN_TEMPLATE = "the model's own"
PLAIN_TEMPLATE = "the studio's plain one"


class Streaming:
    """The panes of one pass while they are answered: says each piece of text, and once for each pane that it is done.

    Seconds count from the beginning of the pass.
    """

    def __init__(self, ask: Ask, turn: "Pass", *, renderer: ChatRenderer, placement: "Placement", say: Say) -> None:
        """`placement` is that of the model that answers."""
        self.renderer = renderer
        self._ask = ask
        self._placement = placement
        self._panes = turn.panes
        self._say = say
        self._texts = [Text(renderer) for _ in turn.panes]
        self._began = time.monotonic()

    def add(self, tokens: Sequence[int | None]) -> None:
        """Take one token for each pane of the pass, None where there is none."""
        for text, pane, token in zip(self._texts, self._panes, tokens, strict=True):
            if token is None:
                continue
            if token in self.renderer.end_ids:
                self._done(text, pane, "end")
            elif piece := text.add(token):
                self._say(Token(id=self._ask.id, pane=pane, text=piece))

    def end(self, ended: str, *, but: Collection[int] = ()) -> None:
        """Say that every pane is done which has not ended by itself, `but` these."""
        for text, pane in zip(self._texts, self._panes, strict=True):
            if not text.ended and pane not in but:
                self._done(text, pane, ended)

    def _done(self, text: "Text", pane: int, ended: str) -> None:
        if rest := text.rest():
            self._say(Token(id=self._ask.id, pane=pane, text=rest))
        text.ended = ended
        self._say(
            Answered(
                id=self._ask.id,
                pane=pane,
                tokens=len(text.ids),
                seconds=round(time.monotonic() - self._began, 3),
                ended=ended,
                device=self._placement.device,
                precision=self._placement.sentence,
                template=PLAIN_TEMPLATE if self.renderer.uses_plain_template else OWN_TEMPLATE,
            )
        )


class Text:
    """Turns one pane's tokens into text, holding back a character whose bytes have not all come."""

    def __init__(self, renderer: ChatRenderer, *, special: bool = False) -> None:
        """With `special` the special tokens are part of the text."""
        self.ids: list[int] = []
        self.ended = ""
        self._renderer = renderer
        self._special = special
        self._told = ""

    def add(self, token: int) -> str:
        """Take one token, and return the text that is whole by it."""
        self.ids.append(token)
        text = self._renderer.decode(tuple(self.ids), special=self._special)
        if text.endswith("\N{REPLACEMENT CHARACTER}") or not text.startswith(self._told):
            return ""
        piece, self._told = text[len(self._told) :], text
        return piece

    def rest(self) -> str:
        """Return what is held back."""
        text = self._renderer.decode(tuple(self.ids), special=self._special)
        return text[len(self._told) :] if text.startswith(self._told) else ""


class UpToMark:
    """Lets text through up to the first of some marks, and holds back what may become one."""

    def __init__(self, marks: Collection[str]) -> None:
        self._marks = tuple(filter(None, marks))
        self._held = ""
        self.mark = ""

    def add(self, piece: str) -> str:
        """Take a piece of text, and return what is certainly before any mark. Nothing is, once one was found."""
        if self.mark:
            return ""
        self._held += piece
        found = [(place, mark) for mark in self._marks if (place := self._held.find(mark)) >= 0]
        if found:
            place, self.mark = min(found)
            through, self._held = self._held[:place], ""
            return through
        longest = min(len(self._held), max(map(len, self._marks), default=1) - 1)
        kept = next((n for n in range(longest, 0, -1) if self._begins(self._held[-n:])), 0)
        through = self._held[: len(self._held) - kept]
        self._held = self._held[len(through) :]
        return through

    def rest(self) -> str:
        """Return what was held back and became no mark."""
        rest, self._held = self._held, ""
        return rest

    def _begins(self, text: str) -> bool:
        return any(mark.startswith(text) for mark in self._marks)
