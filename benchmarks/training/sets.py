"""The sets as files that every contender reads: conversations, and the studio's own rows of tokens for the check."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from training.task import MAX_LENGTH, Chat, TokenRow, write_lines, write_rows
from training.texts import conversations, read_pools

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 50
"""So many conversations are drawn for each that is wanted before the lengths are said not to suit the tokenizer."""


@dataclass(frozen=True)
class Lengths:
    """Between how many tokens a prompt, an answer and the whole may have."""

    prompt: tuple[int, int]
    answer: tuple[int, int]
    whole: tuple[int, int]


LENGTHS = {
    "long": Lengths(prompt=(30, 400), answer=(20, 400), whole=(60, MAX_LENGTH)),
    "short": Lengths(prompt=(40, 150), answer=(3, 15), whole=(43, 165)),
}


@dataclass(frozen=True)
class Part:
    """One file of conversations, with the rows of tokens that they are."""

    chats: Path
    rows_file: Path
    rows: tuple[TokenRow, ...]

    @property
    def tokens(self) -> int:
        return sum(len(row.ids) for row in self.rows)

    @property
    def learned(self) -> int:
        return sum(row.learned for row in self.rows)


@dataclass(frozen=True)
class DataSet:
    """One kind of conversations: what is trained on and what is held out."""

    name: str
    train: Part
    held_out: Part


def make_set(kind: str, *, folder: Path, model: Path, rows: int, held_out: int) -> DataSet:
    """Write one set, the same for the same tokenizer."""
    return DataSet(
        name=kind,
        train=_part(kind, folder=folder, model=model, count=rows, held_out=False),
        held_out=_part(kind, folder=folder, model=model, count=held_out, held_out=True),
    )


def _part(kind: str, *, folder: Path, model: Path, count: int, held_out: bool) -> Part:
    pools = read_pools(ROOT / "assets" / "samples", held_out=held_out)
    drawn = islice(conversations(kind, pools, held_out=held_out), count * PATIENCE)
    fitting = list(islice(_fitting(drawn, model=model, lengths=LENGTHS[kind]), count))
    if len(fitting) < count:
        raise SystemExit(f"Too few '{kind}' conversations have a suitable length with the tokenizer of {model}.")
    name = f"{kind}-{'held-out' if held_out else 'train'}"
    part = Part(folder / f"{name}.jsonl", folder / f"{name}-rows.jsonl", tuple(row for _, row in fitting))
    write_lines(part.chats, [{"messages": chat} for chat, _ in fitting])
    write_rows(part.rows_file, part.rows)
    return part


def _fitting(chats: Iterator[Chat], *, model: Path, lengths: Lengths) -> Iterator[tuple[Chat, TokenRow]]:
    """Yield the conversations whose tokens are as many as asked, as the studio renders them."""
    sys.path.insert(0, str(ROOT))
    from studio.data.examples import Example, Message
    from studio.data.tokenizing.rendering import ChatRenderer

    renderer = ChatRenderer.load(model)
    for chat in chats:
        rendered = renderer.render(Example(tuple(Message(each["role"], each["content"]) for each in chat)))
        row = TokenRow(list(rendered.ids), list(rendered.labels))
        sizes = (len(row.ids) - row.learned, row.learned, len(row.ids))
        limits = (lengths.prompt, lengths.answer, lengths.whole)
        if all(low <= size <= high for size, (low, high) in zip(sizes, limits, strict=True)):
            yield chat, row
