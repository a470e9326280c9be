"""From an example to token ids and the mask of what is learned, both from one text.

Works with the `tokenizers` package on a model's own files, so that the page need not import transformers; the ids are
those of its `apply_chat_template`. That includes text in the data that spells a special token: it becomes that token,
as it does there, and `Rendered.note` says so.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

from tokenizers import Encoding

from studio.data.examples import Example, Message
from studio.data.tokenizing.chat_templates import ChatTemplate
from studio.data.tokenizing.doubts import NO_END, Doubt
from studio.data.tokenizing.limits import Bounds, letters_in, letters_of, unbounded
from studio.data.tokenizing.masks import Masking
from studio.data.tokenizing.token_places import Tokens
from studio.data.tokenizing.tokenizer_files import TokenizerFiles, read_tokenizer
from studio.data.tokenizing.tool_form import ToolForm, tool_form_of
from studio.errors import DataError, ModelError

log = logging.getLogger(__name__)

IGNORED = -100
"""The label of a token that is read but not learned, as torch's cross-entropy knows it."""

_TOGETHER = 128
"""So many texts are turned into tokens at once, while others are written and marked."""

_AHEAD = 2
"""So many such batches may wait for their tokens."""

_TEXT_NO_END = Doubt(NO_END, "This model names no token for the end of a text, so where to stop is not learned.")

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Rendered:
    """One example as tokens. `learned` has one flag for each id."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    doubts: tuple[Doubt, ...] = ()

    @property
    def note(self) -> str:
        """The doubts in words, or nothing."""
        return " ".join(doubt.text for doubt in self.doubts)

    @property
    def labels(self) -> tuple[int, ...]:
        """The ids, with `IGNORED` where nothing is learned; not shifted."""
        return tuple(id if learned else IGNORED for id, learned in zip(self.ids, self.learned, strict=True))


@dataclass(frozen=True)
class Piece:
    """A stretch of text whose tokens are alike: learned or not, special or not."""

    text: str
    learned: bool
    special: bool


@dataclass(frozen=True)
class _Batch:
    """Examples whose texts are on the way to be tokens. An example that was refused has its refusal for a text."""

    examples: Sequence[Example]
    texts: Sequence[str | DataError]
    encodings: "Future[list[Encoding]]"
    letters: int


class ChatRenderer:
    """Turns examples into tokens as one model reads them. All that the model's own files do is done within `bounds`."""

    def __init__(
        self, files: TokenizerFiles, *, now: Callable[[], datetime] = datetime.now, bounds: Bounds = unbounded
    ) -> None:
        self._bounds = bounds
        self._tokenizer = files.tokenizer
        self._template = ChatTemplate(
            files.template, special_tokens=files.special_tokens, tool_source=files.tool_template, now=now
        )
        self._masking = Masking(self._template, files.special_texts)
        self._files = files
        self._now = now
        self.eos_token = files.special_tokens.get("eos_token", "")
        self.uses_plain_template = files.uses_plain_template

    @classmethod
    def load(
        cls, folder: Path, *, now: Callable[[], datetime] = datetime.now, bounds: Bounds = unbounded
    ) -> "ChatRenderer":
        """Read the tokenizer and the chat template of a model folder; `now` is for templates that write the date.

        Raises ModelError when tokenizer.json is missing, or a file is damaged.
        """
        with bounds(0):
            return cls(read_tokenizer(Path(folder)), now=now, bounds=bounds)

    @property
    def template(self) -> str:
        """The source of the chat template in use."""
        return self._template.source

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides on the ids: the tokenizer, the template, and the date where that is written."""
        sources = self._files.template + self._files.tool_template
        date = self._now().date().isoformat() if "strftime_now" in sources else ""
        return hashlib.sha256(f"{self._files.sha256} {date}".encode()).hexdigest()

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """The ids that end an answer: those that the model names, and the one that its template writes."""
        written = () if self.answer_end is None else (self.answer_end,)
        return tuple(dict.fromkeys((*self._files.end_ids, *written)))

    @cached_property
    def answer_end(self) -> int | None:
        """The special token that the template writes at the end of an answer, which a model learns to end with."""
        probe = Example((Message("user", "Hello"), Message("assistant", "Hello")))
        try:
            rendered = self.render(probe)
        except DataError:
            log.debug("The end of an answer cannot be found by the chat template", exc_info=True)
            return None
        learned = [id for id, is_learned in zip(rendered.ids, rendered.learned, strict=True) if is_learned]
        return learned[-1] if learned and learned[-1] in self._files.special_ids else None

    def render(self, example: Example) -> Rendered:
        """Write an example as ids, and mark the answers of the assistant as learned; plain text is learned whole.

        An answer is what the template's own generation marks enclose. Without such marks it is what stands between the
        text up to its prompt and the text up to its end; the special token right after it is learned with it, the
        white space after that is not.

        Raises DataError when there is no answer, when the template refuses the conversation or has no place for its
        tools, and when what the last answer is cannot be told for certain.
        """
        with self._bounds(letters_of((example,))):
            text = self._write(example)
            return self._mark(example, text, self._encode((text,))[0])

    def render_each(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Rendered | DataError]]:
        """Yield every example with what `render` makes of it, or raises, while others are read, written and marked."""
        iterator = iter(examples)
        waiting: deque[_Batch] = deque()
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            while batch := list(islice(iterator, _TOGETHER)):
                letters = letters_of(batch)
                with self._bounds(letters):
                    texts = [_or_refusal(self._write, example) for example in batch]
                encodings = pool.submit(self._encode_within, [text for text in texts if isinstance(text, str)], letters)
                waiting.append(_Batch(batch, texts, encodings, letters))
                if len(waiting) > _AHEAD:
                    yield from self._mark_all(waiting.popleft())
            for left in waiting:
                yield from self._mark_all(left)
        finally:
            pool.shutdown(cancel_futures=True)

    def prompt(self, messages: tuple[Message, ...], tools: str = "") -> tuple[int, ...]:
        """Write a conversation as ids up to where the assistant is to speak. Raises DataError when it is refused."""
        with self._bounds(len(tools) + letters_in(messages)):
            return tuple(self._encode((self._template.fill(messages, prompt=True, tools=tools),))[0].ids)

    def prompt_text(self, messages: tuple[Message, ...]) -> str:
        """Write a conversation as text up to where the assistant is to speak. Raises DataError when it is refused."""
        with self._bounds(letters_in(messages)):
            return self._template.fill(messages, prompt=True)

    def spell(self, id: int) -> str:
        """Return a token as it stands in a text, special ones as well."""
        with self._bounds(0):
            return self._show((id,))

    def pieces(self, rendered: Rendered) -> tuple[Piece, ...]:
        """Cut what was rendered into stretches of equal (learned, special), as text to show."""
        with self._bounds(0):
            return self._pieces(rendered)

    def _pieces(self, rendered: Rendered) -> tuple[Piece, ...]:
        ids = rendered.ids
        kinds = zip(rendered.learned, (id in self._files.special_ids for id in ids), strict=True)
        found: list[Piece] = []
        before = found_at = end = 0
        known, is_whole = "", True
        for (learned, special), run in groupby(kinds):
            start, end = end, end + sum(1 for _ in run)
            if is_whole:  # A stretch is decoded after the one before it, or it would lose a space in front.
                before, known = found_at, self._show(ids[found_at:start])
            shown = self._show(ids[before:end])
            text = shown if end == len(ids) else shown.rstrip("\ufffd")  # The next stretch completes the character.
            found.append(Piece(text[len(known) :], learned, special))
            known, is_whole, found_at = text, text == shown, start
        return tuple(piece for piece in found if piece.text)

    @cached_property
    def tool_form(self) -> ToolForm | None:
        """How the template writes a call of a tool; None where it has no place for tools, or writes no JSON."""
        with self._bounds(0):
            return tool_form_of(self._template)

    def decode(self, ids: Iterable[int], *, special: bool = False) -> str:
        """Turn ids into text, without the special tokens unless these are wanted."""
        with self._bounds(0):
            return self._tokenizer.decode(list(ids), skip_special_tokens=not special)

    def _show(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def _write(self, example: Example) -> str:
        text = (
            example.messages[0].content
            if example.is_text
            else self._template.fill(example.messages, prompt=False, tools=example.tools)
        )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError("The text holds half a character.", "Correct the row, or leave it out.") from error
        return text

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        try:
            encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        except Exception as error:  # The tokenizers package raises nothing narrower.
            found = str(error)[:200].rstrip(".")
            raise ModelError(f"The model's tokenizer cannot read a text: {found}.", "Choose another model.") from error
        if self._files.embeddings is not None:
            self._check_embeddings(encodings, self._files.embeddings)
        return encodings

    def _check_embeddings(self, encodings: Sequence[Encoding], embeddings: int) -> None:
        """Raises ModelError that names the tokens for which the model has no embedding."""
        beyond = {id for encoding in encodings for id in encoding.ids if id >= embeddings}
        if beyond:
            named = ", ".join(f"'{self._show((id,))[:40]}'" for id in sorted(beyond)[:8])
            raise ModelError(
                f"The text holds tokens that the model has no embeddings for: {named}. Its tokenizer knows them, "
                f"but the model was stored with embeddings for {embeddings:,} tokens only.",
                "Store the model again after model.resize_token_embeddings(len(tokenizer)), "
                "or write these in the data in another way.",
            )

    def _encode_within(self, texts: Sequence[str], letters: int) -> list[Encoding]:
        with self._bounds(letters):
            return self._encode(texts)

    def _mark_all(self, batch: _Batch) -> list[tuple[Example, Rendered | DataError]]:
        with self._bounds(batch.letters):
            encodings = iter(batch.encodings.result())
            pairs = zip(batch.examples, batch.texts, strict=True)
            return [(example, self._marked(example, text, encodings)) for example, text in pairs]

    def _marked(self, example: Example, text: str | DataError, encodings: Iterator[Encoding]) -> Rendered | DataError:
        return text if isinstance(text, DataError) else _or_refusal(self._mark, example, text, next(encodings))

    def _mark(self, example: Example, text: str, encoding: Encoding) -> Rendered:
        if example.is_text:
            return self._mark_text(example, encoding.ids)
        ids = encoding.ids
        mask = self._masking.mark(example, Tokens(text, ids, encoding.offsets))
        return Rendered(tuple(ids), mask.learned, mask.doubts)

    def _mark_text(self, example: Example, ids: Sequence[int]) -> Rendered:
        """Frame plain text as the tokenizer does, with the end of the text after it unless it goes on elsewhere."""
        notes = self._masking.spelled(example)
        end: tuple[int, ...] = ()
        if not example.continues:
            end = self._files.text_end
            notes = notes if end else (*notes, _TEXT_NO_END)
        whole = (*self._files.text_start, *ids, *end)
        return Rendered(whole, (True,) * len(whole), notes)


def _or_refusal(make: Callable[..., _Made], *arguments: object) -> _Made | DataError:
    try:
        return make(*arguments)
    except DataError as error:
        return error
