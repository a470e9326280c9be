"""From a conversation to token ids and the mask of what is learned, both from one text.

Works with the `tokenizers` package on a model's own files, so that the page need not import transformers; the ids are
those of its `apply_chat_template`. That includes text in the data that spells a special token: it becomes that token,
as it does there, and `Rendered.note` says so. Knows nothing of weights and batches.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from studio.data.chat_templates import ChatTemplate
from studio.data.examples import Message
from studio.data.tokenizer_files import TokenizerFiles, read_tokenizer
from studio.errors import DataError

IGNORED = -100
"""The label of a token that is read but not learned, as torch's cross-entropy knows it."""

_LAST_ONLY = "The model's chat template rewrites earlier turns, so only the last answer is learned."
_NO_END = "The model's chat template puts no special token after an answer, so where to stop is not learned."


@dataclass(frozen=True)
class Rendered:
    """One conversation as tokens. `learned` has one flag for each id; `note` is a doubt in words, or empty."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    note: str = ""

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
class _Tokens:
    """The tokens of one text; the token at a place spans `starts` to `ends`, in characters."""

    text: str
    ids: list[int]
    starts: list[int]
    ends: list[int]


@dataclass(frozen=True)
class _Answer:
    """Where an answer stands in the text, its end token included when the template writes one."""

    start: int
    end: int
    closed: bool


class ChatRenderer:
    """Turns conversations into tokens as one model reads them."""

    def __init__(self, files: TokenizerFiles, *, now: Callable[[], datetime] = datetime.now) -> None:
        self._tokenizer = files.tokenizer
        self._template = ChatTemplate(files.template, special_tokens=files.special_tokens, now=now)
        self._special_ids = files.special_ids
        self._special_texts = files.special_texts
        self._stored_end_ids = files.end_ids
        spelled = sorted(files.special_texts, key=len, reverse=True)
        self._special_text = re.compile("|".join(map(re.escape, spelled))) if spelled else None
        self.eos_token = files.special_tokens.get("eos_token", "")
        self.uses_plain_template = files.uses_plain_template

    @classmethod
    def load(cls, folder: Path, *, now: Callable[[], datetime] = datetime.now) -> "ChatRenderer":
        """Read the tokenizer and the chat template of a model folder; `now` is for templates that write the date.

        Raises ModelError when tokenizer.json is missing, or a file is damaged.
        """
        return cls(read_tokenizer(Path(folder)), now=now)

    @property
    def template(self) -> str:
        """The source of the chat template in use."""
        return self._template.source

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The ids that end an answer: those that the model names, and the one that its template writes."""
        probe = (Message("user", "Hello"), Message("assistant", "Hello"))
        try:
            rendered = self.render(probe)
        except DataError:
            return self._stored_end_ids
        learned = [id for id, is_learned in zip(rendered.ids, rendered.learned, strict=True) if is_learned]
        written = learned[-1:] if learned and learned[-1] in self._special_ids else []
        return tuple(dict.fromkeys((*self._stored_end_ids, *written)))

    def render(self, messages: tuple[Message, ...]) -> Rendered:
        """Write a conversation as ids, and mark the answers of the assistant as learned.

        An answer is what stands between the text up to its prompt and the text up to its end. The special token right
        after it is learned with it, the white space after that is not.

        Raises DataError when there is no answer, when the template refuses the conversation, and when it writes the
        last answer other than its prompt leads to.
        """
        text = self._template.fill(messages, prompt=False)
        tokens = self._tokenize(text)
        answers, notes = self._find_answers(messages, tokens)
        learned = [False] * len(tokens.ids)
        for answer in answers:
            for place in range(bisect_left(tokens.starts, answer.start), bisect_left(tokens.starts, answer.end)):
                learned[place] = tokens.ends[place] <= answer.end
        if not all(answer.closed for answer in answers):
            notes.append(_NO_END)
        notes.extend(self._doubts(messages))
        return Rendered(tuple(tokens.ids), tuple(learned), " ".join(notes))

    def prompt(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """Write a conversation as ids up to where the assistant is to speak. Raises DataError when it is refused."""
        return tuple(self._tokenize(self._template.fill(messages, prompt=True)).ids)

    def pieces(self, rendered: Rendered) -> tuple[Piece, ...]:
        """Cut what was rendered into stretches of equal (learned, special), as text to show."""
        kinds = zip(rendered.learned, (id in self._special_ids for id in rendered.ids), strict=True)
        found: list[Piece] = []
        done, end = "", 0
        for (learned, special), run in groupby(kinds):
            end += sum(1 for _ in run)
            # Decoding from the start keeps the spaces and characters that a stretch decoded by itself would lose.
            text = self._tokenizer.decode(list(rendered.ids[:end]), skip_special_tokens=False)
            if end < len(rendered.ids):
                text = text.rstrip("\ufffd")  # Half of a character: the next stretch completes it.
            found.append(Piece(text[len(done) :], learned, special))
            done = text
        return tuple(piece for piece in found if piece.text)

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text without the special tokens."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def _tokenize(self, text: str) -> _Tokens:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        offsets = encoding.offsets
        return _Tokens(text, encoding.ids, [start for start, _ in offsets], [end for _, end in offsets])

    def _find_answers(self, messages: Sequence[Message], tokens: _Tokens) -> tuple[list[_Answer], list[str]]:
        ends = [place for place, message in enumerate(messages, start=1) if message.role == "assistant"]
        if not ends:
            raise DataError("The conversation has no answer to learn.", "Add a turn of the assistant.")
        last = self._find_answer(messages, ends[-1], tokens)
        if last is None:
            raise DataError(
                "The model's chat template writes the answer other than its own prompt leads to it, "
                "so what is to be learned cannot be found.",
                "Choose another base model.",
            )
        earlier = [self._find_answer(messages, end, tokens) for end in ends[:-1]]
        found = [answer for answer in earlier if answer is not None]
        return ([*found, last], []) if len(found) == len(earlier) else ([last], [_LAST_ONLY])

    def _find_answer(self, messages: Sequence[Message], end: int, tokens: _Tokens) -> _Answer | None:
        """Find the answer that is the last of the first `end` messages; None when the prefixes do not hold for it."""
        text = tokens.text
        try:
            prefix = self._template.fill(messages[: end - 1], prompt=True)
            written = text if end == len(messages) else self._template.fill(messages[:end], prompt=False)
        except DataError:
            return None
        # A template may close the whole text with one more token, so the two need to agree only to the end of the turn.
        whole = text.startswith(written)
        until = len(written) if whole else _agreement(written, text)
        if not text.startswith(prefix) or until <= len(prefix):
            return None
        stop = self._end_of_turn(tokens, len(prefix), until)
        if stop is not None:
            return _Answer(len(prefix), stop, closed=True)
        return _Answer(len(prefix), len(text[:until].rstrip()), closed=False) if whole else None

    def _end_of_turn(self, tokens: _Tokens, start: int, until: int) -> int | None:
        """Return where the first of the special tokens that close the stretch ends; white space may follow each."""
        stop = None
        place = bisect_right(tokens.ends, until) - 1
        while place >= 0 and tokens.starts[place] >= start:
            spelled = tokens.text[tokens.starts[place] : tokens.ends[place]].strip()
            if spelled in self._special_texts:  # By its text: the token for an unknown word is a special one too.
                stop = tokens.ends[place]
            elif spelled:
                break
            place -= 1
        return stop

    def _doubts(self, messages: Sequence[Message]) -> list[str]:
        if self._special_text is None:
            return []
        found = [match for message in messages for match in self._special_text.findall(message.content)]
        named = ", ".join(dict.fromkeys(found))
        return [f"The text spells {named}, which the model reads as a special token and not as text."] if found else []


def _agreement(one: str, other: str) -> int:
    """Return how many letters the two texts have in common from their start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))
