"""What the page asks of the process that renders one model's examples, and its answers: one JSON line each way."""

from dataclasses import dataclass
from typing import TypeVar

from studio import codec
from studio.data.examples import Example
from studio.data.tokenizing.rendering import Piece

_M = TypeVar("_M")


@dataclass(frozen=True)
class Request:
    """Show an example, or count the tokens of a file of examples into another one; with neither, say who you are."""

    example: Example | None = None
    examples: str = ""
    counts: str = ""


@dataclass(frozen=True)
class Shown:
    """An example as one model reads it: how many tokens it has, what is to be said of it, and its stretches of text."""

    tokens: int
    note: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Refusal:
    """Why there is no answer. `kind` is the class of the error, one of the names in `rendering.REFUSALS`."""

    kind: str
    message: str
    hint: str


@dataclass(frozen=True)
class Answer:
    """The answer to a request. `fingerprint` is that of the model's tokenizer and template, empty with a refusal."""

    fingerprint: str = ""
    shown: Shown | None = None
    refusal: Refusal | None = None


def encode(message: Request | Answer) -> bytes:
    """Write a message as one line with its end. Half a character in a text stays half a character."""
    return (codec.dumps(message) + "\n").encode("utf-8", "surrogatepass")


def decode(kind: type[_M], line: bytes) -> _M:
    """Read what `encode` wrote. Raises TypeError or ValueError for anything else."""
    return codec.loads(kind, line.decode("utf-8", "surrogatepass"))
