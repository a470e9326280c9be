"""What the page and the chat worker say to each other: one frozen dataclass per message, one JSON line per message.

To the worker go `Open`, `Ask`, `Write`, `SelfTest`, `Halt` and `Leave`; from it come `Opening`, `Opened`, `Token`,
`Answered`, `Tested` and `Trouble`. One `Ask` names several panes: what answers in each, how strongly, and the
conversation so far. A `Write` is one answer, and all that are asked for meanwhile are written together.
"""

import json
from dataclasses import dataclass
from typing import TypeVar

from studio import codec
from studio.data.examples import Message, ToolCall

BASE = ""
"""What answers in a pane of the base model as it is."""


@dataclass(frozen=True)
class Open:
    """Load this base model. What was loaded before is let go first, unless it is the same."""

    model: str
    bits: int
    precision: str


@dataclass(frozen=True)
class PaneRequest:
    """One answer that is wanted. `adapter` is the folder of an adapter or of a whole model, or empty for the base.

    `strength` is how strongly an adapter speaks: 1 as it was trained, 0 not at all, which is exactly the base. A whole
    model, and an adapter that cannot be turned down, knows only 1 (and the adapter 0).
    """

    adapter: str
    messages: tuple[Message, ...]
    strength: float = 1.0


@dataclass(frozen=True)
class Ask:
    """Answer in every pane at once. A `temperature` of 0 is greedy; `id` is given back in every answer."""

    id: int
    panes: tuple[PaneRequest, ...]
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int


@dataclass(frozen=True)
class Write:
    """Write one answer, beside those that are being written: it joins them and leaves them between two tokens.

    `adapter` and `strength` are as in a `PaneRequest`. `tools` is a JSON list as text, or empty. The answer ends before
    the first of `stop`. With each token `told` likeliest ones are told, and nothing where that is -1. It is `Answered`
    as pane 0.
    """

    id: int
    adapter: str
    messages: tuple[Message, ...]
    strength: float
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int
    tools: str = ""
    stop: tuple[str, ...] = ()
    told: int = -1


@dataclass(frozen=True)
class SelfTest:
    """Hold the way in which panes are answered against plain transformers and plain peft, token for token.

    `adapter` is as in a `PaneRequest`, `messages` the conversation to answer greedily, `tokens` the most tokens.
    """

    id: int
    adapter: str
    messages: tuple[Message, ...]
    tokens: int


@dataclass(frozen=True)
class Halt:
    """Stop answering this `Ask` and say `Answered` with what there is. For an `Ask` that is done it means nothing."""

    id: int


@dataclass(frozen=True)
class Leave:
    """End the process, and with it give all its memory back."""


@dataclass(frozen=True)
class Opening:
    """The model is on its way; `what` is a sentence for the page."""

    what: str


@dataclass(frozen=True)
class Opened:
    """The model that `Open` named is in memory."""

    device: str
    precision: str


@dataclass(frozen=True)
class Odds:
    """One token of an answer as text, the logarithm of its probability, and those of the likeliest tokens."""

    token: str
    logprob: float
    likeliest: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Token:
    """The next piece of text of a pane's answer. Pieces joined in order are the answer; panes count from 0.

    `odds` are those of the tokens since the piece before, where a `Write` asks for them.
    """

    id: int
    pane: int
    text: str
    odds: tuple[Odds, ...] = ()


@dataclass(frozen=True)
class Answered:
    """A pane is done. `ended` is "end" (the model ended its turn), "length", "stopped" or "failed".

    `trouble` says why this pane could not be answered, while others were. `device` and `precision` are those of the
    model that answered; `template` says whose chat template asked it. `asked` is how many tokens were read, and `calls`
    are the calls of tools that the answer ends with; both are told of a `Write` alone.
    """

    id: int
    pane: int
    tokens: int
    seconds: float
    ended: str
    device: str = ""
    precision: str = ""
    template: str = ""
    trouble: str = ""
    asked: int = 0
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class Tested:
    """A self-test is done. `off_same`: the base in its pane said what plain transformers says on a base loaded afresh;
    `on_same`: the tuned model in its pane said what plain peft (or transformers, for a whole model) says.

    `tokens` is how many tokens were compared, `note` a sentence on how.
    """

    __test__ = False  # pytest would take a class of this name for a test

    id: int
    off_same: bool
    on_same: bool
    tokens: int
    seconds: float
    note: str


@dataclass(frozen=True)
class Trouble:
    """An `Ask` cannot be answered in any pane, or a `Write` or `SelfTest` not at all.

    `id` is 0 when it was `Open` that failed.
    """

    id: int
    message: str
    hint: str = ""


ToWorker = Open | Ask | Write | SelfTest | Halt | Leave
FromWorker = Opening | Opened | Token | Answered | Tested | Trouble

_TO_WORKER: dict[str, type[ToWorker]] = {kind.__name__: kind for kind in (Open, Ask, Write, SelfTest, Halt, Leave)}
_FROM_WORKER: dict[str, type[FromWorker]] = {
    kind.__name__: kind for kind in (Opening, Opened, Token, Answered, Tested, Trouble)
}

_M = TypeVar("_M")


def encode(message: ToWorker | FromWorker) -> str:
    """Write a message as one line without its line end. Raises ValueError for a number that is not finite."""
    line = {"kind": type(message).__name__} | codec.to_plain(message)
    return json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def decode_to_worker(line: str) -> ToWorker:
    """Read what the page wrote. Raises Damaged when the line is not such a message."""
    return _decode(line, _TO_WORKER)


def decode_from_worker(line: str) -> FromWorker:
    """Read what the worker wrote. Raises Damaged when the line is not such a message."""
    return _decode(line, _FROM_WORKER)


def _decode(line: str, kinds: dict[str, type[_M]]) -> _M:
    value = codec.parse(line)
    if not isinstance(value, dict) or type(value.get("kind")) is not str or value["kind"] not in kinds:
        raise codec.Damaged("not a chat message")
    return codec.from_plain(kinds[value["kind"]], value)
